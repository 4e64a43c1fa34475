"""The WebAssembly module computes what the simulation computes."""

import shutil

import numpy as np
import pytest
from tests.export.nets import excited, pixels_for
from tests.export.tab import compiled, integers, needs_clang

from smidgen import zoo
from smidgen.export.int8.simulate import simulate
from smidgen.export.wasm import load_wasm
from smidgen.spec import NetSpec


@needs_clang
@pytest.mark.parametrize(
    "spec", [zoo.net("mnist-1k5-dw"), excited(zoo.net("cifar-143k-dw"))], ids=["mnist", "cifar"]
)
def test_the_module_computes_what_the_simulation_computes(spec: NetSpec) -> None:
    program, pixels = integers(spec), pixels_for(spec, 3)
    run, memory = load_wasm(compiled(program), 10, "int32_t")
    np.testing.assert_array_equal(run(pixels), simulate(program, pixels))
    assert memory % 65536 == 0


@needs_clang
def test_the_module_imports_nothing_and_has_a_few_kilobytes() -> None:
    import wasmtime

    module = compiled(integers(zoo.net("mnist-1k5-dw")))
    loaded = wasmtime.Module(wasmtime.Engine(), module)
    assert not loaded.imports
    assert sorted(entry.name for entry in loaded.exports) == [
        *("logits", "memory", "pixels", "run", "squares")
    ]
    assert len(module) < 10_000


@pytest.mark.parametrize(("tool", "package"), [("clang", "clang"), ("wasm-ld", "lld")])
def test_a_missing_compiler_is_named_with_its_package(
    tool: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shutil.which

    def which(name: str) -> str | None:
        return None if name == tool else found(name)

    monkeypatch.setattr(shutil, "which", which)
    with pytest.raises(ValueError, match=f"needs {tool}; on Debian: apt-get install {package}"):
        compiled(integers(zoo.net("mnist-1k5-dw")))

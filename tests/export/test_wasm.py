"""The WebAssembly modules compute what the simulation computes."""

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.export.nets import NESTS, excited, nest, pixels_for
from tests.export.tab import compiled, integers, needs_clang
from tests.thinned import thinned

from smidgen import zoo
from smidgen.export.int8.program import IntConv2d
from smidgen.export.int8.simulate import simulate
from smidgen.export.wasm import load_wasm
from smidgen.spec import NetSpec

SPECS = {
    "mnist": zoo.net("mnist-1k5-dw"),
    "cifar": excited(zoo.net("cifar-143k-dw")),
    **{name: nest(name) for name in NESTS},  # widths and channels that fill no vector
    "of odd sides": nest("depthwise", (3, 7, 5)),
    "narrow": nest("resnet", (3, 9, 2)),
}


@needs_clang
@pytest.mark.parametrize("spec", thinned(SPECS.values()), ids=SPECS)
def test_both_modules_compute_what_the_simulation_computes(spec: NetSpec) -> None:
    program, pixels = integers(spec), pixels_for(spec, 3)
    expected = simulate(program, pixels)
    for simd in (True, False):
        run, memory = load_wasm(compiled(program, simd=simd), program.classes, "int32_t")
        np.testing.assert_array_equal(run(pixels), expected)
        assert memory % 65536 == 0


@needs_clang
@pytest.mark.parametrize("shift", [1, 20, 21, 22, 31])
def test_vectors_round_by_any_shift(shift: int) -> None:
    program = integers(nest("three", (3, 7, 5)))
    first = program.operations[0]
    assert isinstance(first, IntConv2d)
    count = len(first.bias)
    sums = np.linspace(-(2**31) + 2**21, 2**31 - 2**21, count).astype(np.int32)
    multiplier = (np.full(count, 2**30 + 12345) & ~31) | (shift - 1)
    rescale = replace(
        first.rescale,
        multiplier=multiplier.astype(np.int32),
        shift=np.full(count, shift, np.int32),
    )
    first = replace(first, bias=sums, rescale=rescale)
    program = replace(program, operations=(first, *program.operations[1:]))
    pixels = pixels_for(nest("three", (3, 7, 5)), 3)
    run, _ = load_wasm(compiled(program), program.classes, "int32_t")
    np.testing.assert_array_equal(run(pixels), simulate(program, pixels))


@needs_clang
def test_the_modules_import_nothing_and_have_a_few_kilobytes() -> None:
    import wasmtime

    program = integers(zoo.net("mnist-1k5-dw"))
    for simd in (True, False):
        module = compiled(program, simd=simd)
        loaded = wasmtime.Module(wasmtime.Engine(), module)
        assert not loaded.imports
        assert sorted(entry.name for entry in loaded.exports) == [
            *("logits", "memory", "pixels", "run", "squares")
        ]
        assert len(module) < 10_000


@needs_clang
def test_a_stack_that_is_full_meets_no_data() -> None:
    wasmtime: Any = pytest.importorskip("wasmtime")
    store = wasmtime.Store()
    module = wasmtime.Module(store.engine, compiled(integers(nest("resnet"))))
    exported = wasmtime.Instance(store, module, []).exports(store)
    assert min(exported["pixels"](store), exported["logits"](store)) >= 16_384


@needs_clang
def test_one_module_runs_without_simd128() -> None:
    import wasmtime

    config = wasmtime.Config()
    config.wasm_relaxed_simd = False
    config.wasm_simd = False
    engine, program = wasmtime.Engine(config), integers(nest("resnet"))
    wasmtime.Module(engine, compiled(program, simd=False))
    with pytest.raises(wasmtime.WasmtimeError):
        wasmtime.Module(engine, compiled(program, simd=True))


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

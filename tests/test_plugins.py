"""Methods, data and targets of other packages: found, named, kept apart, and missed by name."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from tests.command import Done, command

from smidgen import methods, plugins
from smidgen.data import plugged
from smidgen.data.base import Source
from smidgen.data.catalogue import TEST, TRAIN, Arrays, Catalogue, Part, Wish
from smidgen.export import targets
from smidgen.export.artefact import Artefact, Infer, Oracle
from smidgen.methods.base import BatchMethod, ScheduleMethod
from smidgen.tensors import Batch
from smidgen.testing import method_checks, sources
from smidgen.testing import methods as promises
from smidgen.testing import targets as target_promises
from smidgen.testing.given import NET, SINGLE, run_with, some_data
from smidgen.train import train
from smidgen.trial import Trial

ROOT = Path(__file__).parents[1]
_OURS = {"stranger", "smidgen_example"}
EXAMPLE = ROOT / "examples" / "plugin"
STRIPED = ("train", "mnist-1k5-dw", "--data", "stripes", "--with", "noise:strength=0.2")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the example was installed into, as a person would, without a network."""
    if not (find_spec("pip") and find_spec("setuptools")):
        pytest.skip("pip and setuptools install the example")
    place = tmp_path_factory.mktemp("plugin")
    shutil.copytree(EXAMPLE, place / "source")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "-q", "--target")
    install = [sys.executable, "-m", "pip", "install", *options]
    subprocess.run([*install, place / "here", place / "source"], check=True, capture_output=True)
    return place / "here"


@pytest.fixture(scope="session")
def run(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run with the example's method, on its data."""
    folder = tmp_path_factory.mktemp("run") / "striped"
    done = smidgen(*STRIPED, "--epochs", "3", "--out", str(folder), path=installed)
    assert done.returncode == 0, done.stderr
    return folder


CACHES = (
    *(plugins.found, methods.installed, methods.known),
    *(plugged.installed, plugged.plugged, targets.installed),
)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what was found, before and after, and what was imported of it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for cache in CACHES:
        cache.cache_clear()
    yield
    for cache in CACHES:
        cache.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] in _OURS]:
        del sys.modules[name]


def smidgen(*arguments: str, path: Path | None = None) -> Done:
    """Run the command line in this process as if it were another one, with a folder to import."""
    held = os.environ.get("PYTHONPATH", "")
    with pytest.MonkeyPatch.context() as patch:
        if path is not None:
            patch.syspath_prepend(path)
            patch.setenv("PYTHONPATH", os.pathsep.join([str(path), held]))
        for cache in CACHES:
            cache.cache_clear()
        done = command(*arguments)
    for cache in CACHES:
        cache.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] in _OURS]:
        del sys.modules[name]
    return done


def made_package(place: Path, code: str, version: str = "0.1.0", points: str = "") -> Path:
    """Write a package ``stranger`` with its metadata, as an installer leaves it."""
    facts = place / f"stranger-{version}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stranger\nVersion: {version}\n")
    points = points or "[smidgen.methods]\nodd = stranger:Odd\n"
    (facts / "entry_points.txt").write_text(points)
    (place / "stranger.py").write_text(code)
    return place


ODD = """
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple
from smidgen.methods.base import ScheduleMethod

@dataclass(frozen=True, slots=True)
class Odd(ScheduleMethod):
    name: ClassVar[str] = "odd"

    def lr_factor(self, progress):
        return 1.0 - progress / 2
"""


def test_what_a_package_offers_is_listed_with_it(installed: Path) -> None:
    for what, name in (("methods", "noise"), ("data", "stripes"), ("targets", "numpy")):
        rows = json.loads(smidgen("list", what, "--json", path=installed).stdout)
        of = {row["name"]: row["package"] for row in rows}
        assert of[name] == "smidgen-example 0.1.0"
        assert "smidgen" in of.values()
        own = json.loads(smidgen("list", what, "--json").stdout)
        assert name not in {row["name"] for row in own}
    rows = json.loads(smidgen("list", "plugins", "--json", path=installed).stdout)
    assert [(row["name"], row["left_out"]) for row in rows] == [
        ("noise", None),
        ("stripes", None),
        ("numpy", None),
    ]


def test_a_run_with_a_plugin_is_read_judged_and_exported_again(run: Path, installed: Path) -> None:
    plan = json.loads((run / "run.json").read_text())
    assert plan["packages"] == {"noise": "smidgen-example 0.1.0"}
    assert plan["origin"] == "stripes::package=smidgen-example 0.1.0"
    judged = smidgen("evaluate", str(run), "--json", path=installed)
    row = json.loads(judged.stdout)
    assert (row["key"], row["methods"]) == (f"{plan['key']}-test", ["noise(strength=0.2)"])
    assert row["versions"]["smidgen-example"] == "0.1.0"
    out = run.with_name("arrays")
    done = smidgen("export", str(run), "--to", "numpy", "--out", str(out), path=installed)
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "artefact.json").read_text())["agreement"] == 1.0


def test_without_the_package_a_run_says_what_it_lacks(run: Path) -> None:
    done = smidgen("evaluate", str(run))
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    said = "method 'noise' is of the package smidgen-example 0.1.0, which is not installed here"
    assert said in line
    assert "Traceback" not in done.stderr


def test_data_of_a_package_that_is_gone_are_named_with_it() -> None:
    asked = "stripes::package=smidgen-example 0.1.0"
    done = smidgen("train", "mnist-1k5-dw", "--data", asked, "--out", "nowhere")
    assert done.returncode == 2
    said = "'stripes' is of the package smidgen-example 0.1.0, which is not installed here"
    assert said in done.stderr
    assert not Path("nowhere").exists()


def test_workers_of_a_study_have_the_plugins_too(installed: Path, tmp_path: Path) -> None:
    study = tmp_path / "noisy.toml"
    study.write_text(
        'name = "noisy"\ndata = "stripes"\nsplit = "full"\nseeds = [0]\n[recipe]\nepochs = 1\n'
        '[[trials]]\nnets = ["mnist-1k5-dw"]\nmethods = [["noise"]]\n'
    )
    rows = tmp_path / "rows.jsonl"
    asked = ("--store", str(tmp_path / "study.db"), "--export", str(rows))
    done = smidgen("study", str(study), *asked, path=installed)
    assert done.returncode == 0, done.stderr
    assert json.loads(rows.read_text())["methods"] == ["noise"]


def test_its_version_is_in_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    monkeypatch.syspath_prepend(made_package(tmp_path / "one", ODD))
    trial = Trial(NET, methods.parse("odd"), run_with([]).trial.recipe, 0, "noise", "f", "full")
    form = trial.to_dict()
    assert form["packages"] == {"odd": "stranger 0.1.0"}
    assert Trial.from_dict(form) == trial
    newer = {**form, "packages": {"odd": "stranger 0.2.0"}}
    with pytest.warns(UserWarning, match=r"'odd' was that of stranger 0\.2\.0, and stranger 0\.1"):
        other = Trial.from_dict(newer)
    assert other.key != trial.key
    assert other.to_dict() == newer, "as it was written, not as it would be now"
    with pytest.raises(ValueError, match=r"odd must be that of stranger 0\.2\.0, got stranger 0"):
        other.require_installed()
    trial.require_installed()
    plain = {name: value for name, value in form.items() if name != "packages"}
    assert "packages" not in Trial.from_dict({**plain, "methods": ["cutout"]}).to_dict()


@pytest.mark.parametrize("package", ["x", "evil; rm 1.0", "name 1.0\nmore", 3, ["a 1"]])
def test_a_package_that_is_none_is_refused(package: object) -> None:
    form = run_with([]).trial.to_dict() | {"packages": {"odd": package}}
    with pytest.raises(ValueError, match="a package of a trial must be a package and its version"):
        Trial.from_dict(form)


BROKEN = {
    "import": ("1 / 0", "", "its import ends with ZeroDivisionError: division by zero"),
    "exit": ("raise SystemExit(3)", "", "its import ends with SystemExit: 3"),
    "nothing": ("", "", "its import ends with AttributeError"),
    "no method": ("Odd = dict", "", "it is no Method"),
    "not frozen": (ODD.replace("frozen=True, ", ""), "", "it must be a frozen dataclass"),
    "abstract": (ODD.replace("lr_factor", "factor"), "", "it must be a frozen dataclass"),
    "a rewrite of nothing that is named": (
        ODD.replace("Schedule", "Architecture").replace("lr_factor", "rewrite"),
        "",
        "it must be a frozen dataclass with every method, and the target, of its kind",
    ),
    "another name": (ODD, "[smidgen.methods]\nstrange = stranger:Odd\n", "its name is 'odd'"),
    "a name of ours": (
        ODD.replace('"odd"', '"cutout"'),
        "[smidgen.methods]\ncutout = stranger:Odd\n",
        "smidgen has that name already",
    ),
    "a name of ours in another spelling": (
        ODD.replace('"odd"', '"one_cycle"'),
        "[smidgen.methods]\none_cycle = stranger:Odd\n",
        "smidgen has that name already",
    ),
    "a name with a space": (
        ODD.replace('"odd"', '"very odd"'),
        "[smidgen.methods]\nvery odd = stranger:Odd\n",
        "a method is named as in Python, or with hyphens, got 'very odd'",
    ),
    "a source with arguments": (
        "class Odd:\n    def __init__(self, place): ...\n",
        "[smidgen.data]\nodd = stranger:Odd\n",
        "looking at it ends with TypeError: Odd.__init__() missing 1 required",
    ),
    "data": ("", "[smidgen.data]\nodd = stranger:dict\n", "its import ends with AttributeError"),
    "no source": ("Odd = dict", "[smidgen.data]\nodd = stranger:Odd\n", "it is no Source"),
    "no target": ("Odd = 3", "[smidgen.targets]\nodd = stranger:Odd\n", "it is no function"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_plugin_that_breaks_is_named_in_one_line_and_left_out(case: str, tmp_path: Path) -> None:
    code, points, said = BROKEN[case]
    place = made_package(tmp_path / "broken", code, points=points)
    what = "data" if "smidgen.data" in points else "targets" if "targets" in points else "methods"
    done = smidgen("list", what, "--json", path=place)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("warning: ")
    assert "of stranger 0.1.0" in line
    assert f"is left out: {said}" in line
    assert "odd" not in done.stdout
    assert len(json.loads(done.stdout)) >= 4


WRONG = {
    "batch": ("Batch", "transform", "None", "must return a Batch, got None"),
    "images": (
        "Batch",
        "transform",
        "args[0].__class__(args[0].images[1:], args[0].targets[1:])",
        "must keep shape and type of images, float32 24x3x8x8, got float32 23x3x8x8",
    ),
    "targets": (
        "Batch",
        "transform",
        "args[0].__class__(args[0].images, args[0].targets.double())",
        "must keep shape and type of targets, float32 24x5, got float64 24x5",
    ),
    "factor": ("Schedule", "lr_factor", "'fast'", "must return a number, got 'fast'"),
    "net": ("Architecture", "rewrite", "None", "must return a NetSpec, got None"),
    "loss": ("Gradient", "backward", "None", "must return a Tensor, got None"),
    "tracker": ("Weight", "follow", "args", "must return a WeightTracker, got (tensor("),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_method_that_returns_the_wrong_thing_is_named_in_one_line(case: str) -> None:
    kind, of, value, said = WRONG[case]
    code = (
        ODD.replace("Schedule", kind)
        .replace("lr_factor", of)
        .replace("(self, progress)", "(self, *args)")
    )
    code = code.replace("1.0 - progress / 2", value)
    if kind == "Weight":
        code += "    def lr_factor(self, progress, scheduled): ...\n"
    found: dict[str, Any] = {"__name__": "stranger"}
    exec(code, found)
    with pytest.raises(ValueError, match=f"^{of} of method odd {re.escape(said)}"):
        train(NET, some_data(), methods=[found["Odd"]()], runtime=SINGLE)


SOURCE = """
from smidgen.data.base import Source
from smidgen.data.catalogue import Catalogue, Part

class Odd(Source):
    def identity(self):
        return ("1",)

    def catalogue(self, wish):
        return Catalogue({})
"""
TARGET = """
from smidgen.export.artefact import Artefact, Oracle

def odd(source, wish):
    oracle = Oracle("it", None, 1, 1.0)
    return Artefact({}, None, "none", (1,), 1.0, oracle, "float32")
"""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            '("1",)',
            '"1"',
            "identity of Odd of stranger 0.1.0 must return a tuple of texts, got '1'",
        ),
        (
            "Catalogue({})",
            "{}",
            "catalogue of Odd of stranger 0.1.0 must return a Catalogue of parts by name, got {}",
        ),
        ("{}", "[]", "must return a Catalogue of parts by name, got Catalogue(parts=[]"),
        (
            "Catalogue({})",
            "Catalogue({'train': [1]})",
            "must return parts of train, validation, test, each a Part, got {'train': [1]}",
        ),
        (
            "Catalogue({})",
            "Catalogue({'test': Part([1], [])})",
            "must return a label a picture of test, got '1 and 0'",
        ),
    ],
)
def test_data_that_return_the_wrong_thing_are_named_in_one_line(
    right: str, wrong: str, said: str, tmp_path: Path
) -> None:
    code, points = SOURCE.replace(right, wrong), "[smidgen.data]\nodd = stranger:Odd\n"
    place = made_package(tmp_path, code, points=points)
    done = smidgen("inspect-data", "odd", path=place)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "return Artefact",
            "return {} and Artefact",
            "odd of stranger 0.1.0 must return an Artefact, got {}",
        ),
        ("{}", "{}", "odd of stranger 0.1.0 must return files, bytes by name, got {}"),
        (
            "{}",
            "{'a.txt': 'a'}",
            "odd of stranger 0.1.0 must return files, bytes by name, got {'a.txt': 'a'}",
        ),
    ],
)
def test_a_target_that_returns_the_wrong_thing_is_named_in_one_line(
    right: str, wrong: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    code, points = TARGET.replace(right, wrong), "[smidgen.targets]\nodd = stranger:odd\n"
    monkeypatch.syspath_prepend(made_package(tmp_path, code, points=points))
    nothing: Any = None
    with pytest.raises(ValueError, match=f"the target {re.escape(said)}$"):
        targets.target_of("odd")(nothing, nothing)


def test_an_argument_without_a_default_is_listed_by_its_name(tmp_path: Path) -> None:
    place = made_package(tmp_path, ODD.replace("    name:", "    power: float\n    name:"))
    done = smidgen("list", "methods", "--json", path=place)
    (odd,) = [row for row in json.loads(done.stdout) if row["name"] == "odd"]
    assert odd["arguments"] == "power"


def test_what_a_plugin_prints_as_it_is_imported_is_no_result(tmp_path: Path) -> None:
    place = made_package(tmp_path, f"print('hello')\n{ODD}")
    done = smidgen("list", "methods", "--json", path=place)
    assert "odd" in {row["name"] for row in json.loads(done.stdout)}
    assert done.stderr == "hello\n"


def test_a_broken_plugin_is_not_imported_where_nobody_asks_for_it(tmp_path: Path) -> None:
    place = made_package(tmp_path, "raise SystemExit(7)")
    done = smidgen("inspect", "mnist-1k5-dw", "--with", "blurpool", path=place)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_method_of_no_package_is_not_saved_where_nothing_could_read_it(tmp_path: Path) -> None:
    @dataclass(frozen=True, slots=True)
    class Mine(BatchMethod):
        name: ClassVar[str] = "mine"

        def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
            return batch

    with pytest.raises(ValueError, match=r"method mine is of no installed package"):
        train(NET, some_data(), methods=[Mine()], runtime=SINGLE, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert run_with([Mine()]).trial.nameless == ["mine"]


def test_strangers_are_applied_by_name_whoever_is_asked_first() -> None:
    @dataclass(frozen=True, slots=True)
    class B(BatchMethod):
        name: ClassVar[str] = "b"

        def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
            return batch

    @dataclass(frozen=True, slots=True)
    class A(B):
        name: ClassVar[str] = "a"

    assert methods.in_order([B(), A()]) == methods.in_order([A(), B()]) == (A(), B())


def test_the_example_keeps_the_promises_that_it_asks_of_itself(
    installed: Path, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    held = os.environ.get("PYTHONPATH", "")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "tests")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), held])},
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "17 passed" in done.stdout


class _Bad(BatchMethod):
    """A method that breaks promises."""

    name: ClassVar[str] = "bad"

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        batch.images.add_(torch.rand(1))
        return Batch(batch.images, batch.targets * 2)


class _Jumps(ScheduleMethod):
    name: ClassVar[str] = "jumps"

    def lr_factor(self, progress: float) -> float:
        return float(progress > 0.5)


@pytest.mark.parametrize(
    ("check", "method"),
    [
        (promises.is_a_frozen_value, _Bad()),
        (promises.is_of_one_kind_and_documented, _Bad()),
        (promises.keeps_what_it_must_of_a_batch, _Bad()),
        (promises.draws_only_from_its_generator, _Bad()),
        (promises.is_a_continuous_fraction_of_the_peak, _Jumps()),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_promise_that_is_broken_is_noticed(check: promises.Check, method: object) -> None:
    with pytest.raises(AssertionError):
        check(method)


def test_every_kind_has_promises_of_its_own() -> None:
    counts = {kind: len(method_checks(kind())) for kind in methods.METHODS}
    assert min(counts.values()) >= 6


@dataclass(frozen=True)
class _Odd(Source):
    """A source that breaks the promise that is named."""

    broken: str

    def identity(self) -> tuple[str, ...]:
        return (str(next(_COUNTER)),) if self.broken == "identity" else ("odd",)

    def catalogue(self, wish: Wish) -> Catalogue:
        value = next(_COUNTER) if self.broken == "data" else 7
        pixels = np.full((4, 6, 6, 1), value, np.uint8)
        pictures = Arrays(pixels, str)
        labels = ["a", "b", "a", "b" if self.broken != "labels" else "c"]
        parts = {TRAIN: Part(pictures, labels), TEST: Part(pictures, labels)}
        return Catalogue({"learn": parts[TRAIN]} if self.broken == "part" else parts, ("a", "b"))


_COUNTER = itertools.count()
_WRONG = Oracle("a wrong one", lambda pixels: np.full((len(pixels), 5), 9.0), 10, 1e-3)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        ("identity", sources.has_an_identity_of_texts_that_stays),
        ("labels", sources.has_parts_with_a_label_a_picture),
        ("part", sources.has_parts_with_a_label_a_picture),
        ("data", sources.is_made_into_the_same_data_twice),
    ],
)
def test_a_source_that_breaks_a_promise_is_noticed(broken: str, check: promises.Check) -> None:
    with pytest.raises(AssertionError):
        check(_Odd(broken))


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"files": {"../up.txt": b""}}, target_promises.makes_files_of_bytes_with_safe_names),
        ({}, target_promises.refuses_a_wish_that_it_cannot_grant),
        ({"oracle": _WRONG}, target_promises.answers_and_is_held_against_its_oracle),
    ],
)
def test_a_target_that_breaks_a_promise_is_noticed(
    change: dict[str, Any], check: promises.Check
) -> None:
    def target(source: Any, wish: Any) -> Artefact:
        infer = source.float_infer()

        def inferring(folder: Path, threads: int) -> Infer:
            return infer

        made: dict[str, Any] = {
            "files": {"a.txt": b"a"},
            "infer": inferring,
            "runtime": "torch",
            "threads": (1,),
            "scale": 1.0,
            "numbers": "float32",
            "oracle": Oracle("itself", infer, 10, 0.0),
        }
        return Artefact(**{**made, **change})

    with pytest.raises((AssertionError, ValueError)):
        check(target)

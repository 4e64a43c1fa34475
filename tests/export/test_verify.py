"""An artefact is as it was exported, to the byte, or that is told."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import smidgen as sm
from smidgen.data import Data
from smidgen.export import verify as module
from smidgen.export.artefact import Infer
from smidgen.export.program import Pixels
from smidgen.export.proof import made_up
from smidgen.export.ship import PROOF, sealed
from smidgen.export.tflite.runtimes import MICRO, litert
from smidgen.recipe import Recipe
from smidgen.run import Run
from smidgen.testing.given import some_data
from smidgen.train import train

pytestmark = pytest.mark.filterwarnings("ignore:.* loses .* points of accuracy:UserWarning")
KINDS = {
    "onnx": ("onnx", sm.Wish(), ()),
    "onnx-int8": ("onnx-int8", sm.Wish(), ()),
    "c float32": ("c", sm.Wish(numbers="float32"), ("gcc",)),
    "cmake": ("cmake", sm.Wish(finish_epochs=0), ("gcc",)),
    "wasm": ("wasm", sm.Wish(finish_epochs=0), ("clang", "wasm-ld")),
    "tflite": ("tflite", sm.Wish(finish_epochs=0), ()),
}
EVERY = [
    pytest.param(kind, marks=pytest.mark.skipif(None in map(shutil.which, tools), reason="tools"))
    for kind, (_, _, tools) in KINDS.items()
]


@pytest.fixture(scope="module")
def data() -> Data:
    return some_data()


@pytest.fixture(scope="module")
def run(data: Data) -> Run:
    head = (sm.layers.GlobalAveragePool(), sm.layers.Classifier(len(data.classes)))
    body = (sm.layers.Conv(4, stride=2), *head)
    spec = sm.NetSpec(sm.layers.Shape(*data.shape), body, "little")
    return train(spec, data, recipe=Recipe(epochs=1, batch_size=8), split="full")


@pytest.fixture(scope="module")
def exported(
    run: Run, data: Data, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Return a function that exports a kind, once."""
    done: dict[str, Path] = {}

    def of(kind: str) -> Path:
        if kind not in done:
            target, wish, _ = KINDS[kind]
            out = tmp_path_factory.mktemp("artefacts") / "out"
            sm.export(run, target, out, data=data, wish=wish)
            done[kind] = out
        return done[kind]

    return of


@pytest.mark.parametrize("kind", EVERY)
def test_what_was_exported_is_as_it_was_and_answers_as_before(
    kind: str, exported: Callable[[str], Path]
) -> None:
    folder = exported(kind)
    proof = json.loads((folder / PROOF).read_text())
    verified = sm.verify(folder)
    assert (verified.files, verified.wrong, verified.notes) == (len(proof["files"]), (), ())
    assert verified.ran is None
    again = sm.verify(folder, run=True)
    assert again.ran is not None
    assert (again.wrong, again.notes) == ((), ())
    assert again.difference is not None
    assert again.allowed is not None
    assert again.difference <= again.allowed
    assert (again.allowed == 0) == (kind in ("cmake", "wasm", "tflite"))


@pytest.mark.parametrize("kind", ["onnx", "cmake"])
def test_a_wrong_byte_in_any_file_is_found(kind: str, exported: Callable[[str], Path]) -> None:
    folder = exported(kind)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert PROOF in {path.name for path in files}
    for path in files:
        before = path.read_bytes()
        for place in (0, len(before) // 2, len(before) - 2):
            wrong = bytearray(before)
            wrong[place] ^= 1
            path.write_bytes(wrong)
            try:
                said = [line for line in sm.verify(folder).wrong if "altered" in line]
            except ValueError as error:  # no JSON any more, or with another name in it
                said = [str(error)]
            assert len(said) >= 1, (path, place)
            assert path.name in said[0], (path, place)
        path.write_bytes(before)
    assert not sm.verify(folder).wrong


def test_a_proof_that_was_edited_a_lost_file_and_one_of_another_size_are_told(
    exported: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(exported("cmake"), tmp_path / "copy")
    text = (folder / PROOF).read_text()
    (folder / PROOF).write_text(text.replace('"test"', '"train"'))
    (folder / "README.md").unlink()
    with (folder / "LICENSE").open("a") as file:
        file.write("\n")
    wrong = sm.verify(folder, run=True).wrong
    assert f"{PROOF} was altered" in wrong
    assert "README.md is missing" in wrong
    assert sum(line.startswith("LICENSE was altered: it has ") for line in wrong) == 1
    (folder / PROOF).write_text(text.replace("\n ", "\n  ", 1))
    assert f"{PROOF} was altered" in sm.verify(folder).wrong


def test_what_was_altered_is_not_run(
    exported: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(exported("onnx"), tmp_path / "copy")
    (folder / "little.onnx").write_bytes(b"else")

    def again(*_: object) -> None:
        pytest.fail("it was run")

    monkeypatch.setattr(module, "_again", again)
    assert sm.verify(folder, run=True).wrong


def test_an_artefact_that_answers_otherwise_is_told(
    exported: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = module.session

    def off(model: bytes) -> Any:
        def infer(pixels: Pixels) -> NDArray[Any]:
            return right(model)(pixels) + 0.01

        return infer

    monkeypatch.setattr(module, "session", off)
    (wrong,) = sm.verify(exported("onnx"), run=True).wrong
    assert wrong.startswith("little.onnx answers otherwise in ONNX Runtime than when it was export")


def edited(folder: Path, out: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Return a copy whose proof was changed and sealed anew."""
    shutil.copytree(folder, out)
    proof = json.loads((out / PROOF).read_text())
    del proof["seal"]
    change(proof)
    (out / PROOF).write_text(sealed(proof))
    return out


def test_what_cannot_be_run_is_told_and_the_files_are_read_all_the_same(
    exported: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = exported("onnx")
    other = edited(folder, tmp_path / "a", lambda proof: proof.update(target="numpy"))
    verified = sm.verify(other, run=True)
    assert (verified.wrong, verified.ran) == ((), None)
    assert (
        "was not run: only its target, 'numpy' of another package, knows how" in verified.notes[0]
    )
    older = edited(folder, tmp_path / "b", lambda proof: proof.pop("rerun"))
    assert "an older smidgen wrote it" in sm.verify(older, run=True).notes[0]
    proof = json.loads((older / PROOF).read_text())
    del proof["seal"]
    (older / PROOF).write_text(json.dumps(proof, indent=1) + "\n")
    assert sm.verify(older).notes == (f"{PROOF} has no seal: an older smidgen wrote it",)
    forged = edited(folder, tmp_path / "c", lambda proof: proof.update(rerun=5))
    with pytest.raises(ValueError, match="is not as smidgen export wrote it"):
        sm.verify(forged, run=True)


@pytest.mark.parametrize(
    "proof",
    [
        None,
        "{",
        "[]",
        '{"files": 5}',
        '{"files": {}, "artefact": "a", "target": "c"}',
        '{"files": {"../a": {"bytes": 1, "sha256": ""}}, "artefact": "../a", "target": "c"}',
        '{"files": {"a": {}}, "artefact": "a", "target": "c"}',
        '{"files": {"a": {"bytes": 1, "sha256": ""}}, "artefact": "a", "target": 5}',
    ],
)
def test_a_folder_without_a_proof_is_refused(proof: str | None, tmp_path: Path) -> None:
    if proof is not None:
        (tmp_path / PROOF).write_text(proof)
    message = "export wrote, got one without" if proof is None else "not as smidgen export wrote it"
    with pytest.raises(ValueError, match=message):
        sm.verify(tmp_path)


DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("changes", "files", "said"),
    [
        ({}, {"a": {"bytes": 1 << 40, "sha256": DIGEST}}, "bytes of files must be at most 4,294,"),
        ({}, {"a": {"bytes": "1" * 500_000, "sha256": DIGEST}}, "bytes must be a number, got '11"),
        ({}, {"a": {"bytes": True, "sha256": DIGEST}}, "bytes must be a number, got True"),
        ({}, {"a": {"bytes": 1, "sha256": "0"}}, "sha256 must be 64 digits of 0-9a-f, got '0'"),
        ({"target": "c" * 500_000}, {}, "target must be a text of at most 100 characters, got 'c"),
        ({}, {"b" * 256: {"bytes": 1, "sha256": DIGEST}}, "a name has more than 255 characters"),
        ({}, {f"f{n}": {} for n in range(1_000)}, "files must be at most 1,000, got 1,001"),
        ({}, {"/" * 500_000: {}}, "a file must have a plain path below the folder, got '//"),
    ],
)
def test_what_no_export_writes_is_one_short_line(
    changes: dict[str, Any], files: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """A file of 1 TB, which is a hole, was read for hours, and what it says printed in full."""
    own = {"a": {"bytes": 1, "sha256": DIGEST}}
    proof = {"files": own | files, "artefact": "a", "target": "c", **changes}
    (tmp_path / PROOF).write_text(json.dumps(proof))
    with pytest.raises(ValueError, match=re.escape(f"as smidgen export wrote it ({said}")) as found:
        sm.verify(tmp_path)
    assert len(str(found.value)) < 500 + len(str(tmp_path))


def test_no_file_is_held_against_a_digest_of_an_altered_proof(tmp_path: Path) -> None:
    proof = {
        "target": "c", "artefact": "a", "files": {"a": {"bytes": 1, "sha256": DIGEST}}, "seal": "",
    }  # fmt: skip
    (tmp_path / PROOF).write_text(json.dumps(proof))
    (tmp_path / "a").write_bytes(b"a")
    verified = sm.verify(tmp_path)
    assert verified.wrong == (f"{PROOF} was altered",)
    note = f"{PROOF} was altered, so that no file is held against a digest in it"
    assert verified.notes == (note,)
    assert sm.verify(tmp_path, run=True).ran is None


def test_the_verb_names_five_of_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from smidgen.cli.verify import verify

    files = {f"f{n}": {"bytes": 1, "sha256": DIGEST} for n in range(12)}
    proof = {"files": files, "artefact": "f0", "target": "c"}
    (tmp_path / PROOF).write_text(json.dumps(proof))
    assert verify(tmp_path) == 1
    said = "; ".join([*(f"f{n} is missing" for n in range(5)), "7 more"])
    assert capsys.readouterr().out == f"{tmp_path}: {said}\n"


def test_another_interpreter_may_be_off_by_steps(
    exported: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def only(name: str) -> bool:
        return name in here

    def micro(model: bytes, scale: float) -> Infer:
        return litert(model, scale, reference=True)

    here = {MICRO}
    monkeypatch.setattr(module, "found", only)
    monkeypatch.setattr(module, "micro", micro)
    verified = sm.verify(exported("tflite"), run=True)
    assert verified.ran == "tflite-micro"
    assert verified.allowed is not None
    assert verified.allowed > 0
    here.clear()
    assert "neither LiteRT nor tflite-micro" in sm.verify(exported("tflite"), run=True).notes[0]


def test_made_up_images_are_the_same_for_ever() -> None:
    images = made_up([1, 2, 3])
    assert (images.shape, images.dtype) == ((4, 1, 2, 3), np.uint8)
    assert images[0].ravel().tolist() == made_up([6])[0].tolist()
    assert images.flags.writeable


def test_the_verb_says_one_line_and_its_status(
    exported: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from smidgen.cli.verify import verify

    folder = shutil.copytree(exported("onnx"), tmp_path / "copy")
    assert verify(folder, run=True) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        f"{folder}: 1 file is as it was written, and ONNX Runtime answers as bef"
    )
    (folder / "little.onnx").unlink()
    assert verify(folder) == 1
    assert capsys.readouterr().out == f"{folder}: little.onnx is missing\n"
    assert verify(folder, json=True) == 1
    assert json.loads(capsys.readouterr().out)["wrong"] == ["little.onnx is missing"]


def test_options_of_a_board_are_refused_without_one_and_a_board_without_its_run() -> None:
    from smidgen.cli.verify import verify

    place = Path("anywhere")
    for option in ({"against": "mine"}, {"baud": 9600}, {"images": 5}, {"data_dir": "."}):
        name = next(iter(option)).replace("_", "-")
        with pytest.raises(ValueError, match=f"^--{name} is for --port: name the board's port"):
            verify(place, **option)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"^--port needs --against RUN: the run that was exported"):
        verify(place, port="/dev/ttyACM0")

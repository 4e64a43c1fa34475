"""`smidgen export --to tflite`: the file, what it says of itself, and who has run it."""

import importlib
import io
import json
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smidgen import zoo
from smidgen.data import Data, Preprocessing, load
from smidgen.export import ship
from smidgen.export.artefact import Wish
from smidgen.export.proof import Proof
from smidgen.export.ship import PROOF, export
from smidgen.export.tflite import target
from smidgen.export.tflite.metadata import attached, metadata
from smidgen.export.tflite.runtimes import LITERT, MICRO, found, litert
from smidgen.layers import Shape
from smidgen.recipe import Recipe
from smidgen.run import load_run
from smidgen.spec import NetSpec
from smidgen.train import train

# of the run below, which has hardly learned
pytestmark = pytest.mark.filterwarnings("ignore:.* loses .* points of accuracy:UserWarning")


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


def trained(spec: NetSpec, digits: Data, folder: Path, epochs: int = 4) -> Path:
    recipe = Recipe(epochs=epochs, batch_size=32)
    train(spec, digits, recipe=recipe, seed=0, split="full", folder=folder)
    return folder


@pytest.fixture(scope="module")
def run(digits: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = zoo.net("mnist-1k5-dw").fitted(Shape(1, 8, 8), 10)
    return trained(spec, digits, tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture(scope="module")
def proved(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Proof]:
    out = tmp_path_factory.mktemp("artefacts") / "tflite"
    return out, export(run, "tflite", out)


def test_interpreters_run_the_whole_test_split_and_one_rounds_as_simulated(
    proved: tuple[Path, Proof], digits: Data
) -> None:
    folder, proof = proved
    assert proof.artefact == "mnist_1k5_dw.tflite"
    assert (proof.numbers, proof.oracle_difference, proof.oracle_images) == ("int8", 0, 360)
    assert proof.oracle_tolerance == 0 or platform.machine() not in target._ON
    usual, *micro = proof.witnesses
    assert usual.what.startswith("LiteRT ")
    assert (usual.images, usual.compared, usual.held_against) == (360, 360, proof.artefact)
    assert 0.5 < usual.same_logits <= 1
    for witness in micro:
        assert witness.what.startswith("tflite-micro ")
        assert (witness.same_logits, witness.compared, witness.images) == (1, 360, 360)
        assert witness.accuracy == proof.accuracy
    assert len(micro) == (1 if found(MICRO) else 0)
    assert {timing.threads for timing in proof.latency} == {1, 2}
    pixels = np.ascontiguousarray(digits.test.images.numpy())
    logits = litert((folder / proof.artefact).read_bytes(), 1.0, reference=True)(pixels)
    assert proof.accuracy == (logits.argmax(1) == digits.test.labels.numpy()).mean()
    written = json.loads((folder / PROOF).read_text())
    assert written["witnesses"][0]["same_answer"] == usual.same_answer


def test_a_witness_that_answers_otherwise_is_told_of(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worse(*arguments: Any, **named: Any) -> Any:
        of = litert(*arguments, reference=True)

        def infer(pixels: Any) -> Any:
            logits = of(pixels)
            logits[::2, 3] = 300  # every second image is a 3, says every second logit of its own
            return logits

        return infer if not named["reference"] else of

    monkeypatch.setattr(target, "litert", worse)
    usual = export(run, "tflite", tmp_path / "out").witnesses[0]
    assert usual.same_answer < 0.7
    assert usual.same_logits == pytest.approx(1 - 0.5 / 10, abs=0.001)


@pytest.mark.parametrize(
    ("release", "machine", "tolerance"),
    [("2.3.0", "x86_64", 0), ("2.4.0", "x86_64", 0.05), ("2.3.0", "arm64", 0.05)],
)
def test_what_was_seen_to_round_as_simulated_must_be_equal(
    release: str, machine: str, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(package: str) -> str:
        return release

    monkeypatch.setattr(target, "version", of)
    monkeypatch.setattr(target.platform, "machine", lambda: machine)
    nothing: Any = None
    runs = target._Runs("net.tflite", nothing, nothing)
    assert target._first(runs).tolerance == tolerance
    assert [witness.tolerance for witness in target._others(runs)] in ([None], [None, 0])
    pinned = (Path(__file__).parents[3] / "constraints.txt").read_text()
    assert f"ai-edge-litert=={target._SEEN}" in pinned.split()


def test_logits_that_are_a_few_steps_off_are_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(*arguments: Any, **named: Any) -> Any:
        of = litert(*arguments, **named)

        def infer(pixels: Any) -> Any:
            return of(pixels) + 4 * (np.arange(10) == 1)

        return infer

    monkeypatch.setattr(target, "_ON", (platform.machine(),))
    monkeypatch.setattr(target, "litert", off)
    with pytest.raises(ValueError, match=r"differ by 4 from the integer simulation .*allowed is 0"):
        export(run, "tflite", tmp_path / "out", wish=Wish(finish_epochs=0))
    assert list(tmp_path.iterdir()) == []


def test_a_reader_of_archives_finds_the_labels_and_the_card(
    proved: tuple[Path, Proof], run: Path
) -> None:
    folder, proof = proved
    with zipfile.ZipFile(folder / proof.artefact) as archive:
        assert archive.namelist() == ["labels.txt", "card.json"]
        assert archive.read("labels.txt").decode().split("\n") == [*proof.classes, ""]
        card = json.loads(archive.read("card.json"))
    assert json.loads(card["preprocessing"]) == load_run(run).preprocessing.to_dict()
    assert card["input"].startswith("uint8, 0 to 255; (1, 8, 8, 1)")


def table_at(table: Any, *slots: int) -> Any:
    """Return a table of a FlatBuffer: slots lead to it, by the first of each vector."""
    table_type: Any = importlib.import_module("flatbuffers.table").Table
    for slot in slots:
        place = table.Offset(4 + 2 * slot)
        assert place, f"slot {slot} is empty"
        start = table.Vector(place)
        table = table_type(table.Bytes, table.Indirect(start))
    return table


def string(table: Any, *slots: int) -> str:
    """Return a text of a FlatBuffer, of the table that all but the last slot lead to."""
    table = table_at(table, *slots[:-1])
    return table.String(table.Offset(4 + 2 * slots[-1]) + table.Pos).decode()


def described(content: bytes) -> Any:
    table_type: Any = importlib.import_module("flatbuffers.table").Table
    assert content[4:8] == b"M001"
    return table_type(bytearray(content), int.from_bytes(content[:4], "little"))


def test_the_metadata_name_the_labels_and_tell_how_pictures_are_made(
    proved: tuple[Path, Proof], run: Path
) -> None:
    folder, proof = proved
    schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")
    content = (folder / proof.artefact).read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    (entry,) = model.metadata
    assert entry.name == b"TFLITE_METADATA"
    root = described(bytes(model.buffers[entry.buffer].data))
    assert string(root, 0) == "mnist-1k5-dw"
    text = load_run(run).preprocessing.text
    assert text in string(root, 1)
    assert text in string(root, 3, 2, 1)  # of the first graph's first input
    assert string(root, 3, 3, 6, 0) == "labels.txt"  # of its first output's first file


def test_names_of_classes_stay_one_a_line() -> None:
    with zipfile.ZipFile(
        io.BytesIO(attached(b"TFL3", {}, ["a\nb", "c d", "ü", "\udcfc"]))
    ) as archive:
        assert archive.read("labels.txt").decode() == "a b\nc d\nü\n\\xfc\n"


@pytest.mark.parametrize(
    ("seen", "is_image"),
    [
        (Preprocessing(4, 5, "rgb", 3), True),
        (Preprocessing(4, 5, "grey", 1), True),
        (Preprocessing(4, 5, "channels", 2), False),
        (Preprocessing(4, 5, "channels", 3), False),
        (Preprocessing(4, 5, "rgb", 3, turned=True), False),
        (Preprocessing(4, 5, "grey", 1, offset=(0.5,), scale=(2.0,)), False),
    ],
)
def test_only_what_readers_of_pictures_get_right_is_an_image(
    seen: Preprocessing, is_image: bool
) -> None:
    card: dict[str, str] = dict.fromkeys(
        ("net", "input", "data", "pictures", "training_key", "made_by"), "a path of b\udcfcrds"
    )
    pixels = table_at(described(metadata(card, seen, "uint8")), 3, 2)
    content = type(pixels)(pixels.Bytes, pixels.Indirect(pixels.Pos + pixels.Offset(4 + 2 * 3)))
    kind = content.Bytes[content.Pos + content.Offset(4)]  # of a union: 1 a feature, 2 an image
    assert kind == (2 if is_image else 1)


def test_equal_runs_give_equal_files(run: Path, tmp_path: Path, proved: Any) -> None:
    _, proof = proved
    again = export(run, "tflite", tmp_path / "again")
    assert again.sha256 == proof.sha256


@pytest.mark.parametrize(("takes", "first"), [("int8", "int8"), ("float32", "float32")])
def test_the_input_is_as_asked(takes: str, first: str, run: Path, tmp_path: Path) -> None:
    proof = export(run, "tflite", tmp_path / "out", wish=Wish(input=takes))
    assert proof.oracle_difference == 0
    runtime: Any = importlib.import_module(LITERT)
    file = str(tmp_path / "out" / proof.artefact)
    interpreter = runtime.Interpreter(model_path=file)
    assert np.dtype(interpreter.get_input_details()[0]["dtype"]).name == first
    logits = np.dtype(interpreter.get_output_details()[0]["dtype"]).name
    assert logits == ("float32" if takes == "float32" else "int8")


@pytest.mark.parametrize(
    ("target", "wish", "message"),
    [
        ("tflite", Wish(input="uint16"), r"unknown input 'uint16' of tflite; did you mean 'uint8'"),
        ("tflite", Wish(numbers="float32"), "tflite is int8, got 'float32'"),
        ("c", Wish(input="uint8"), "c takes uint8 pixels; a choice of input is for tflite"),
        ("tflite", Wish(calibration="mean"), "calibration method must be one of"),
    ],
)
def test_a_wish_that_it_cannot_fulfil_is_refused(
    target: str, wish: Wish, message: str, run: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        export(run, target, tmp_path / "out", wish=wish)
    assert list(tmp_path.iterdir()) == []


WIDE = {
    "plain": ["conv(4)", "blur(2, kernel_size=7)"],
    "held": ["conv(4)", "residual(conv(4), blur(1, kernel_size=7))"],
}


@pytest.mark.parametrize("name", list(WIDE))
def test_a_layer_without_an_operator_is_named(name: str, digits: Data, tmp_path: Path) -> None:
    head = ["global_average_pool()", "classifier(10)"]
    form = {"name": name, "input": [1, 8, 8], "layers": [*WIDE[name], *head]}
    folder = trained(NetSpec.from_dict(form), digits, tmp_path / "run", epochs=1)
    message = rf"{name}, layer 2 blur\(.*kernel_size=7.*: tflite has int8 filters"
    with pytest.raises(ValueError, match=message):
        export(folder, "tflite", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def hidden(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def test_a_missing_writer_is_named_before_any_work(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(*_: object, **__: object) -> Data:
        pytest.fail("the data were read")

    hidden(monkeypatch, "flatbuffers")
    monkeypatch.setattr(ship, "trained_on", unread)
    with pytest.raises(ValueError, match=r"flatbuffers: pip install onnx "):
        export(run, "tflite", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_without_interpreters_the_file_is_written_and_that_is_told(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proved: tuple[Path, Proof]
) -> None:
    hidden(monkeypatch, LITERT, MICRO)
    heard: list[str] = []
    proof = export(run, "tflite", tmp_path / "out", wish=Wish(tell=heard.append))
    assert "pip install ai-edge-litert" in heard[0]
    assert "not measured" in heard[0]
    assert (proof.accuracy, proof.witnesses, proof.latency) == (None, (), ())
    assert proof.sha256 == proved[1].sha256


@pytest.mark.skipif(not found(MICRO), reason="tflite-micro is not installed")
def test_either_interpreter_proves_the_file_alone(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for missing, told in ((LITERT, "no LiteRT"), (MICRO, "no tflite-micro")):
        with monkeypatch.context() as patch:
            hidden(patch, missing)
            heard: list[str] = []
            wish = Wish(tell=heard.append)
            proof = export(run, "tflite", tmp_path / missing, wish=wish)
        assert heard[0].startswith(told)
        assert proof.oracle_difference == 0
        assert len(proof.witnesses) == (0 if missing == LITERT else 1)


def vela() -> str | None:
    beside = Path(sys.executable).with_name("vela")
    return str(beside) if beside.exists() else shutil.which("vela")


@pytest.fixture(scope="module")
def every_layer(digits: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run with every kind of layer."""
    form = {
        "name": "all",
        "input": [1, 8, 8],
        "layers": [
            "conv(6)",
            "max_pool(2, stride=1)",
            "blur(2)",
            "squeeze_excite(2)",
            "residual(conv(8, stride=2), conv(8, activation=none), shortcut=true, activation=relu)",
            "repeat(residual(depthwise(8)), times=2)",
            "channelwise()",
            "flatten()",
            "classifier(10, bias=true)",
        ],
    }
    folder = tmp_path_factory.mktemp("runs") / "all"
    return trained(NetSpec.from_dict(form), digits, folder, epochs=1)


@pytest.mark.skipif(vela() is None, reason="needs vela: pip install ethos-u-vela")
@pytest.mark.parametrize("takes", ["uint8", "int8"])
def test_vela_puts_every_operator_on_an_ethos_u55(
    takes: str, every_layer: Path, tmp_path: Path, compiled: Callable[[Path], str]
) -> None:
    proof = export(every_layer, "tflite", tmp_path / "out", wish=Wish(input=takes, finish_epochs=0))
    said = compiled(tmp_path / "out" / proof.artefact)
    assert "CPU operators = 0 (0.0%)" in said
    assert "Total SRAM used" in said


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[Path], str]:
    def of(file: Path) -> str:
        command = [vela() or "", str(file), "--accelerator-config", "ethos-u55-128"]
        command += ["--output-dir", str(tmp_path / "vela")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return of

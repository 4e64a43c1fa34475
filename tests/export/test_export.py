"""`smidgen export` ends with a proof that holds, or with nothing at all."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from typer import Typer
from typer.testing import CliRunner

from smidgen import layers, zoo
from smidgen.cli.export import _show
from smidgen.cli.export import export as verb
from smidgen.data import Data, DataWarning, from_arrays, load
from smidgen.data.base import Split
from smidgen.evaluate import predict
from smidgen.export import generated, ship, targets
from smidgen.export.artefact import Artefact, Infer, Oracle, Source, Wish, require_plain
from smidgen.export.c.boards import board_named, fit_of, timed
from smidgen.export.c.footprint import predict_costs
from smidgen.export.c.host import compile_library, load_library
from smidgen.export.c.names import identifier_of, require_own
from smidgen.export.c.picture import name_bytes
from smidgen.export.int8 import finish
from smidgen.export.onnx import card_of, run_onnx
from smidgen.export.program import Pixels
from smidgen.export.proof import Proof
from smidgen.export.ship import PROOF, export
from smidgen.export.tflite.runtimes import litert
from smidgen.export.wasm import load_wasm
from smidgen.export.wishes import require_wish
from smidgen.layers import Shape
from smidgen.recipe import Recipe
from smidgen.run import Run, load_run
from smidgen.run_folder import WEIGHTS
from smidgen.spec import NetSpec
from smidgen.train import train

# of the run below, which has hardly learned: a test image or two are over the bound
pytestmark = pytest.mark.filterwarnings("ignore:.* loses .* points of accuracy:UserWarning")

TARGETS = {
    "onnx": (),
    "onnx-int8": (),
    "c": ("gcc", "arm-none-eabi-gcc", "qemu-system-arm"),
    "wasm": ("clang", "wasm-ld"),
    "arduino": ("gcc", "arm-none-eabi-gcc", "qemu-system-arm"),
    "tflite": (),
}
EVERY = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            not all(map(shutil.which, tools)), reason=f"needs {', '.join(tools)}"
        ),
    )
    for name, tools in TARGETS.items()
]


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="module")
def run(digits: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that has learned a little."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    spec = zoo.net("mnist-1k5-dw").fitted(Shape(1, 8, 8), 10)
    train(spec, digits, recipe=Recipe(epochs=6, batch_size=32), seed=0, split="full", folder=folder)
    return folder


@pytest.fixture(scope="module")
def proved(
    run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Proof]]:
    """Return a function that exports to a target, once."""
    done: dict[str, tuple[Path, Proof]] = {}

    def of(target: str) -> tuple[Path, Proof]:
        if target not in done:
            out = tmp_path_factory.mktemp("artefacts") / target
            done[target] = out, export(run, target, out)
        return done[target]

    return of


def answers(folder: Path, proof: Proof, digits: Data) -> np.ndarray:
    """Return the logits of the artefact in ``folder``, run by hand."""
    pixels = np.ascontiguousarray(digits.test.images.numpy())
    file = folder / proof.artefact
    if file.suffix == ".onnx":
        return run_onnx(file.read_bytes(), pixels)
    if file.suffix == ".wasm":
        return load_wasm(file.read_bytes(), 10, "int32_t")[0](pixels)
    if file.suffix == ".tflite":
        return litert(file.read_bytes(), 1.0, reference=True)(pixels)
    library = folder / "by-hand.so"
    compile_library(file.parent, file.stem, "int32_t", 64, 10, library)
    try:
        return load_library(library, "int32_t", 10)(pixels)
    finally:
        library.unlink()


def test_a_run_in_memory_is_exported_too(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    held = load_run(run)
    proof = export(held, "onnx")
    assert proof.sha256 == export(run, "onnx", "other").sha256
    assert (Path(f"{held.trial.net.name}-onnx") / proof.artefact).exists()
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)
    with pytest.warns(DataWarning, match="no test images"):
        other = from_arrays(images, [*"ab"] * 10)
    with pytest.raises(ValueError, match=f"the pictures {held.trial.net.name} was trained on"):
        export(held, "onnx", "third", data=other)


@pytest.mark.parametrize("target", EVERY)
def test_the_proof_says_what_the_file_does(
    target: str, proved: Callable[[str], tuple[Path, Proof]], run: Path, digits: Data
) -> None:
    folder, proof = proved(target)
    written = json.loads((folder / PROOF).read_text())
    assert len(written.pop("seal")) == 64
    assert written == json.loads(json.dumps(dataclasses.asdict(proof)))
    content = (folder / proof.artefact).read_bytes()
    assert (proof.bytes, proof.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    labels, logits = digits.test.labels.numpy(), answers(folder, proof, digits)
    assert proof.accuracy == (logits.argmax(1) == labels).mean()
    trained = load_run(run)
    expected = predict(trained.model, digits.test.images, trained.mean, trained.std).numpy()
    assert proof.float_accuracy == (expected.argmax(1) == labels).mean()
    assert proof.agreement == (logits.argmax(1) == expected.argmax(1)).mean()
    right, of_model = logits.argmax(1) == labels, expected.argmax(1) == labels
    assert (proof.lost, proof.gained) == ((of_model > right).sum(), (right > of_model).sum())
    assert proof.float_accuracy > 0.5
    assert proof.agreement is not None
    assert proof.agreement > 0.9
    assert proof.images == len(labels)
    assert {timing.batch for timing in proof.latency} > {1}
    assert all(timing.us_per_image > 0 for timing in proof.latency)
    assert target == "tflite" or (proof.oracle_tolerance == 0) == (not target.startswith("onnx"))
    assert (proof.flash is not None) == (target in ("c", "wasm", "arduino"))


@pytest.mark.parametrize("target", EVERY[2:3])
def test_what_was_counted_on_a_microcontroller_is_told(
    target: str, proved: Callable[[str], tuple[Path, Proof]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, proof = proved(target)
    assert proof.instructions is not None
    assert proof.stack is not None
    assert proof.ram is not None
    assert proof.instructions > proof.macs / 4
    assert 0 < proof.stack < proof.ram
    assert (proof.logit_bytes, proof.name_bytes) == (40, 80)  # of "0" to "9"
    header = " ".join((folder / proof.artefact).with_suffix(".h").read_text().split())
    assert f"{proof.instructions} instructions an image, {timed(proof.instructions)};" in header
    assert f"; {proof.stack} bytes of stack." in header
    assert "Beside it: 40 bytes of memory for the logits" in header
    assert "80 of flash for names where" in header
    table = shown_of(proof, capsys)
    rows = {line.split("  ")[0]: line for line in table.splitlines()}
    assert f"{proof.instructions:,}" in rows["instructions"]
    assert f"an image on an emulated Cortex-M4; {timed(proof.instructions)}" in rows["instructions"]
    assert f"{proof.stack:,} bytes" in rows["stack"]
    assert "80 bytes" in rows["class names"]
    assert "40 bytes" in rows["logits"]
    assert "latency" not in rows


@pytest.mark.parametrize(
    ("instructions", "numbers", "told"),
    [(978_000, "int8", False), (None, "int8", True), (978_000, "float32", True)],
)
def test_this_machines_time_is_told_where_a_microcontrollers_is_not(
    instructions: int | None,
    numbers: str,
    told: bool,
    proved: Callable[[str], tuple[Path, Proof]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    proof = dataclasses.replace(
        proved("onnx")[1], instructions=instructions, stack=352, numbers=numbers
    )
    table = shown_of(proof, capsys)
    assert ("latency" in table) == told
    assert ("about 15.3 ms at 64 MHz" in table) == (instructions is not None)


def shown_of(proof: Proof, capsys: pytest.CaptureFixture[str]) -> str:
    _show(proof)
    return capsys.readouterr().out


def test_names_take_a_pointer_each_and_their_bytes_in_words() -> None:
    assert name_bytes(["cat", "a", "na\u00efve"]) == (4 + 4) + (4 + 4) + (4 + 8)


@pytest.mark.parametrize("target", EVERY)
def test_every_file_is_in_the_proof(
    target: str, proved: Callable[[str], tuple[Path, Proof]]
) -> None:
    folder, proof = proved(target)
    written = {path for path in folder.rglob("*") if path.is_file()}
    assert {path.relative_to(folder).as_posix() for path in written} == {*proof.files, PROOF}
    for name, described in proof.files.items():
        assert described["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()


@pytest.mark.skipif(
    None in [shutil.which(tool) for tool in ("clang", "wasm-ld", "node")],
    reason="needs clang, lld and node",
)
def test_a_page_of_ones_own_answers_as_the_docs_say(
    run: Path, digits: Data, proved: Callable[[str], tuple[Path, Proof]], tmp_path: Path
) -> None:
    folder, proof = proved("wasm")
    trained, images = load_run(run), digits.test.images[:3]
    guide = (Path(__file__).parents[2] / "docs/export.md").read_text()
    (script,) = re.findall(r"```js\n(const \{ classes, .*?)```", guide, re.DOTALL)
    lines = [
        'import { readFileSync } from "fs";',
        'const type = name => `application/${name.endsWith(".wasm") ? "wasm" : "json"}`;',
        f"const at = name => {json.dumps(str(folder))} + `/${{name}}`;",
        "globalThis.fetch = async name => new Response(readFileSync(at(name)),",
        '  { headers: { "content-type": type(name) } });',
        "const picture = Uint8Array.from(JSON.parse(process.argv[2]));",
        script.replace("NET.wasm", proof.artefact),
        "console.log(JSON.stringify({ answer, found }));",
    ]
    (tmp_path / "page.mjs").write_text("\n".join(lines))
    expected = predict(trained.model, images, trained.mean, trained.std)
    for image, logits in zip(images, expected, strict=True):
        pixels = image.permute(1, 2, 0).reshape(-1).tolist()
        command = ["node", "page.mjs", json.dumps(pixels)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        said = json.loads(done.stdout)
        assert said["answer"] == trained.classes[int(logits.argmax())]
        np.testing.assert_allclose(said["found"], logits, atol=0.1 * float(logits.abs().max()))


def test_the_float_difference_is_rounding_alone(
    proved: Callable[[str], tuple[Path, Proof]],
) -> None:
    proof = proved("onnx")[1]
    assert proof.agreement == 1
    assert proof.largest_difference is not None
    assert proof.oracle_tolerance is not None
    assert proof.largest_difference == proof.oracle_difference
    assert proof.largest_difference <= proof.oracle_tolerance < 1e-3


def wrong(change: Callable[[Any], Any]) -> Callable[[Any, Any], Artefact]:
    """Return a target whose artefact answers ``change`` of what it should."""

    def build(source: Any, wish: Wish) -> Artefact:
        right = targets.onnx(source, wish)

        def infer(folder: Path, threads: int) -> Infer:
            assert right.infer is not None
            of = right.infer(folder, threads)
            return lambda pixels: change(of(pixels))

        return dataclasses.replace(right, infer=infer)

    return build


def off_by_little(logits: np.ndarray) -> np.ndarray:
    logits = logits.copy()
    logits[len(logits) // 2, 3] += 0.01
    return logits


def nowhere(logits: np.ndarray) -> np.ndarray:
    return logits * np.nan


@pytest.mark.parametrize("change", [off_by_little, nowhere])
def test_an_artefact_that_differs_is_refused_and_nothing_is_left(
    change: Callable[[Any], Any], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(targets.TARGETS, "onnx", wrong(change))
    with pytest.raises(ValueError, match="does not compute what was trained: on test image"):
        export(run, "onnx", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_refused_export_leaves_no_folder_that_it_made_and_every_other(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.setitem(targets.TARGETS, "onnx", wrong(nowhere))
    with pytest.raises(ValueError, match="does not compute what was trained"):
        export(run, "onnx", tmp_path / "there" / "made" / "made" / "out")
    assert list(tmp_path.rglob("*")) == [tmp_path / "there"]
    (tmp_path / "there" / "file").touch()
    with pytest.raises(ValueError, match="cannot be written"):
        export(run, "onnx", tmp_path / "there" / "file" / "made" / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "file"]


@pytest.mark.parametrize("most", [0, 0.5, 5])
def test_more_accuracy_lost_than_allowed_leaves_nothing(
    most: float, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = ship.proved

    def worse(*arguments: Any) -> Any:
        proof, logits = right(*arguments)
        return dataclasses.replace(proof, accuracy=proof.float_accuracy - 0.0075), logits

    monkeypatch.setattr(ship, "proved", worse)
    if most == 5:
        export(run, "onnx", tmp_path / "out", max_loss=most)
        return
    message = (
        rf"onnx loses 0.75 points of accuracy on the 360 test.* must lose <= {most:g}; .*finish"
    )
    with pytest.raises(ValueError, match=message):
        export(run, "onnx", tmp_path / "out", max_loss=most)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("most", [-1, 101, float("nan"), True, "1"])
def test_an_allowed_loss_is_points(most: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max-loss must be points of accuracy, 0 to 100, got"):
        export(tmp_path / "nowhere", "onnx", max_loss=most)


def test_a_loss_that_nothing_can_measure_is_not_within_one() -> None:
    proof: Any = SimpleNamespace(target="c", accuracy=None)
    with pytest.raises(ValueError, match=r"c must lose <= 1 points .* could not be measured"):
        ship._require_loss(proof, 1.0)
    ship._require_loss(proof, None)


def test_a_crash_leaves_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ship, "proved", crash)
    with pytest.raises(KeyboardInterrupt):
        export(run, "onnx", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_compiled_library_that_does_not_load_is_told(tmp_path: Path) -> None:
    library = tmp_path / "net.so"
    library.write_bytes(b"as good as on a disk that lets nothing run")
    with pytest.raises(ValueError, match=r"cannot be loaded: .*net\.so.*; TMPDIR names another"):
        load_library(library, "int32_t", 10)


def test_a_new_folder_is_open_to_whom_the_umask_lets_in(run: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        export(run, "onnx", tmp_path / "out")
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


def test_a_folder_in_use_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("dear to me")
    with pytest.raises(ValueError, match="is there and not empty: choose another folder"):
        export(run, "onnx", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(ValueError, match="mine must be a folder, got a file: choose another name"):
        export(run, "onnx", tmp_path / "mine")


@pytest.mark.parametrize(
    ("net", "stem"),
    [
        ("Vit-t", "vitt"),
        ("2cats", "net_2cats"),
        ("int", "net_int"),
        ("a--b", "a_b"),
        ("memory", "net_memory"),
        ("x-picture", "x_picture_net"),  # x_picture.h is a file of x
        ("frame", "net_frame_net"),
        ("mean", "mean"),
    ],
)
def test_a_net_gives_its_files_a_name_that_c_can_have(net: str, stem: str) -> None:
    run: Any = SimpleNamespace(trial=SimpleNamespace(net=SimpleNamespace(name=net)))
    nothing: Any = None
    assert Source(run, nothing, nothing).stem == stem
    require_own(stem)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        *(
            ("esp-idf", name)
            for name in ("json", "driver", "heap", "freertos", "unity", "esp_wifi")
        ),
        *(("arduino", name) for name in ("wire", "spi", "wifi", "servo", "sd", "eeprom")),
        ("platformio", "wire"),
    ],
)
def test_a_name_that_a_build_system_owns_is_refused_there_and_titles_get_another(
    target: str, name: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_own(name, "c")
    assert identifier_of(name, "c") == name
    assert identifier_of(name, target) == f"net_{name}"
    require_own(f"net_{name}", target)
    monkeypatch.setattr(ship, "load_run", unread)
    with pytest.raises(ValueError, match=f"^name must be free in {target}, .* net_{name} is free"):
        export(run, target, tmp_path / "out", wish=Wish(name=name))


@pytest.mark.parametrize("count", [7, 512, 900, 1023, 1024, 1535])
def test_images_for_calibration_are_of_every_part_of_the_split(count: int) -> None:
    """As folders are: sorted by class; or as pairs are: the classes take turns."""
    places = torch.arange(count)
    images = torch.stack([places // 256, places % 256], 1)[:, :, None, None].to(torch.uint8)
    data: Any = SimpleNamespace(train=Split(images, places))
    nothing: Any = None
    pixels = Source(nothing, data, nothing).calibration_images.astype(int)
    found = 256 * pixels[:, 0, 0, 0] + pixels[:, 1, 0, 0]
    assert len(set(found)) == min(count, 512)
    assert np.diff([-1, *found, count]).max() <= 2 * -(-count // 512)
    assert 0.4 < (found % 2).mean() < 0.6


@pytest.mark.parametrize("validation", [True, False])
def test_what_is_finished_with_is_not_what_tells_whether_it_helped(validation: bool) -> None:
    """All images differ: their first two bytes count them, through the parts."""
    places = torch.arange(70)
    images = torch.stack([places // 256, places % 256], 1)[:, :, None, None].to(torch.uint8)
    train, test, held = (
        Split(images[at], torch.arange(at.stop - at.start) % 2)
        for at in (slice(0, 50), slice(50, 60), slice(60, 70))
    )
    data = Data("d", train, test, ("a", "b"), validation=held if validation else None)
    nothing: Any = None
    found = Source(nothing, data, nothing).finishing_images
    assert found is not None
    learned, others = (set(of[:, 1, 0, 0].tolist()) for of in (found.pixels, found.held_out))
    assert not learned & others
    assert learned | others == {*range(50), *(range(60, 70) if validation else ())}
    assert (others == set(range(60, 70))) == validation


@pytest.mark.parametrize("place", ["../out", ".", "../link"])
def test_an_empty_folder_is_used(
    place: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "link").symlink_to(out)
    monkeypatch.chdir(out)
    assert export(run, "onnx", place).artefact == "mnist_1k5_dw.onnx"
    assert {path.name for path in out.iterdir()} == {"mnist_1k5_dw.onnx", PROOF}


def test_what_came_into_an_empty_folder_meanwhile_is_left_alone(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proved(*given: Any) -> Any:
        (tmp_path / PROOF).write_text("dear to me")
        return really(*given)

    really = ship.proved
    monkeypatch.setattr(ship, "proved", proved)
    with pytest.raises(ValueError, match="is there and not empty: choose another folder"):
        export(run, "onnx", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [PROOF]


@pytest.mark.parametrize(("option", "what"), [("max_flash", "flash"), ("max_ram", "RAM")])
@pytest.mark.parametrize("target", EVERY[2:3])
def test_a_budget_exceeded_says_by_how_much(
    target: str,
    option: str,
    what: str,
    proved: Callable[[str], tuple[Path, Proof]],
    run: Path,
    tmp_path: Path,
) -> None:
    proof = proved(target)[1]
    figure = {"flash": proof.flash, "RAM": proof.ram}[what]
    assert figure is not None
    limits: dict[str, Any] = {option: figure - 7}
    message = f"{what} must be <= {figure - 7:,} bytes, got {figure:,}: 7 over"
    with pytest.raises(ValueError, match=message):
        export(run, target, tmp_path / "out", **limits)
    assert list(tmp_path.iterdir()) == []


def c_of(flash: int | None, ram: int | None) -> Callable[[str], Any]:
    """Return a target's stand-in: it makes C that takes so much, and that nothing runs."""

    def build(source: Source, wish: Wish) -> Artefact:
        oracle = Oracle("the trained model", source.float_infer(), 1, 1.0)
        artefact = Artefact(
            {"net.c": b";"}, None, "none", (1,), 1.0, oracle, wish.numbers or "int8"
        )
        return dataclasses.replace(artefact, flash=flash, ram=ram, instructions=640_000)

    return lambda name: build


def test_c_is_held_against_the_board_that_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "target_of", c_of(52_429, 2_000))
    proof = export(run, "c", tmp_path / "fits", board="micro:bit v2")
    assert proof.board == fit_of(board_named("micro:bit v2"), 52_429, 2_000, 640_000, measured=True)
    written = json.loads((tmp_path / "fits" / PROOF).read_text())["board"]
    assert (written["verdict"], written["ms"], written["measured"]) == ("fits", 10.0, True)
    # of another core what was measured says nothing
    proof = export(run, "c", tmp_path / "other", board="Blue Pill")
    cost = predict_costs(load_run(run).trial.spec)["m3"]
    assert proof.board == fit_of(board_named("Blue Pill"), *cost, None)
    assert export(run, "c", tmp_path / "none").board is None


def test_c_that_is_too_big_for_a_board_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (
        r"micro:bit v2: too big, flash 9 of .*, RAM 131,073 of 131,072 bytes \(100.0 %\), measured"
    )
    monkeypatch.setattr(ship, "target_of", c_of(9, 131_073))
    with pytest.raises(ValueError, match=told):
        export(run, "c", tmp_path / "out", board="micro:bit v2")
    monkeypatch.setattr(ship, "target_of", c_of(None, None))
    with pytest.raises(
        ValueError, match="whether float32 C fits micro:bit v2 could not be measured"
    ):
        export(run, "c", tmp_path, wish=Wish(numbers="float32"), board="micro:bit v2")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("target", "wish", "board", "said"),
    [
        ("onnx", Wish(), "Blue Pill", "onnx runs on no such board; a board is for c, arduino,"),
        ("c", Wish(optimize="host"), "Blue Pill", "code for hosts runs on no such board"),
        ("c", Wish(numbers="float32"), "Blue Pill", "for a Cortex-M4 alone, and Blue Pill has"),
        ("c", Wish(), "Teensy", "unknown board 'Teensy'; did you mean 'Teensy 4.0'"),
    ],
)
def test_a_board_that_the_artefact_is_not_for_is_refused_before_any_work(
    target: str, wish: Wish, board: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        export(tmp_path / "no-run", target, tmp_path / "out", wish=wish, board=board)


def test_a_budget_that_a_target_has_no_figure_for_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="RAM of onnx is not known here; a limit is for c and wasm"
    ):
        export(run, "onnx", tmp_path / "out", max_ram=10)


@pytest.mark.parametrize(
    ("target", "wish", "said"),
    [
        ("onx", Wish(), r"unknown target 'onx'; did you mean 'onnx'\?"),
        ("wasm", Wish(calibration="min"), "calibration method must be one of minmax"),
        ("tflite", Wish(calibration="min"), "calibration method must be one of minmax"),
        ("tflite", Wish(numbers="float32"), "tflite is int8, got 'float32'"),
        ("tflite", Wish(input="uint16"), r"unknown input 'uint16' of tflite; did you mean 'uint8'"),
        ("onnx", Wish(calibration="mse"), "takes no calibration"),
        ("onnx", Wish(numbers="int8"), "onnx-int8 is the integer form"),
        ("onnx-int8", Wish(calibration="mse"), "onnxruntime has no calibration 'mse'"),
        ("onnx-int8", Wish(numbers="float32"), "onnx is the float32 form"),
        ("onnx-int8", Wish(finish_epochs=2), "quantised by onnxruntime: nothing to finish"),
        ("c", Wish(optimize="fast"), "optimize must be one of speed, flash, host, got 'fast'"),
        ("arduino", Wish(numbers="int4"), "numbers must be int8 or float32, got 'int4'"),
        ("c", Wish(numbers="float32", optimize="flash"), "nothing to optimise for flash"),
        ("c", Wish(numbers="float32", finish_epochs=2), "C is not quantised and needs no finish"),
    ],
)
def test_what_a_target_does_not_take_is_refused_before_the_run_is_read(
    target: str, wish: Wish, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        export(tmp_path / "nowhere", target, tmp_path / "out", wish=wish)


@pytest.mark.parametrize(
    ("target", "wish"),
    [("onnx", Wish()), ("onnx-int8", Wish()), ("c", Wish(numbers="float32"))],
)
def test_no_finishing_is_what_every_target_can_do(target: str, wish: Wish) -> None:
    require_wish(target, dataclasses.replace(wish, finish_epochs=0))


def copied(run: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(run, folder)
    return folder


def test_a_run_without_weights_or_with_damaged_ones_is_refused(run: Path, tmp_path: Path) -> None:
    folder = copied(run, tmp_path)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(ValueError, match=f"{WEIGHTS}: altered"):
        export(folder, "onnx", tmp_path / "out")
    (folder / WEIGHTS).unlink()
    with pytest.raises(ValueError, match=f"has no {WEIGHTS}: training has not finished"):
        export(folder, "onnx", tmp_path / "out")
    with pytest.raises(ValueError, match="is no run folder"):
        export(tmp_path / "nowhere", "onnx", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def without(monkeypatch: pytest.MonkeyPatch, *tools: str) -> None:
    """Hide programs."""
    found = shutil.which

    def which(name: str) -> str | None:
        return None if name in tools else found(name)

    monkeypatch.setattr(shutil, "which", which)


def unread(*_: object, **__: object) -> Data:
    pytest.fail("the data were read")


@pytest.mark.parametrize(("target", "module"), [("onnx", "onnx"), ("wasm", "wasmtime")])
def test_a_missing_package_is_named_before_the_data_are_read(
    target: str, module: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(ship, "trained_on", unread)
    with pytest.raises(ValueError, match=rf"package {module}: pip install onnx "):
        export(run, target, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_compiler_of_webassembly_is_named_with_its_package(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "clang")
    monkeypatch.setattr(ship, "trained_on", unread)
    with pytest.raises(ValueError, match=r"clang.*apt-get install clang"):
        export(run, "wasm", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_limit_that_nothing_here_can_tell_is_refused_before_any_work(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "qemu-system-arm")
    monkeypatch.setattr(ship, "trained_on", unread)
    with pytest.raises(ValueError, match=r"RAM of c is not known here.* apt-get install"):
        export(run, "c", tmp_path / "out", max_ram="8KB")
    assert list(tmp_path.iterdir()) == []


def test_c_is_written_without_a_compiler_and_what_needs_one_is_null_and_told(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    proved: Callable[[str], tuple[Path, Proof]],
) -> None:
    without(monkeypatch, "gcc", "cc", "clang", "arm-none-eabi-gcc")
    heard: list[str] = []
    proof = export(run, "c", tmp_path / "out", wish=Wish(tell=heard.append))
    assert any("no C compiler" in line and "apt-get install gcc" in line for line in heard)
    written = json.loads((tmp_path / "out" / PROOF).read_text())
    for name in (
        "accuracy",
        "agreement",
        "lost",
        "largest_difference",
        "oracle_difference",
        "flash",
    ):
        assert written[name] is None, name
    assert (proof.latency, proof.runtime) == ((), "none")
    assert proof.float_accuracy > 0
    monkeypatch.undo()
    folder, _ = proved("c")
    with_one = (folder / proof.artefact).read_bytes()
    assert (tmp_path / "out" / proof.artefact).read_bytes() == with_one


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_what_a_cross_compiler_cannot_tell_is_null_and_told_and_keeps_no_limit(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("arm-none-eabi-gcc", "qemu-system-arm"):
        (tools / name).write_text(
            "#!/bin/sh\necho 'fatal error: stdint.h: No such file or directory' >&2\nexit 1\n"
        )
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    heard: list[str] = []
    wish = Wish(numbers="float32", tell=heard.append)
    proof = export(run, "c", tmp_path / "out", wish=wish)
    assert (proof.flash, proof.ram) == (None, None)
    assert heard == [
        "flash and RAM are not measured: arm-none-eabi-gcc failed:"
        " fatal error: stdint.h: No such file or directory"
    ]
    with pytest.raises(ValueError, match="flash must be <= 9 bytes, and could not be measured"):
        export(run, "c", tmp_path / "other", wish=wish, max_flash=9)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("compiler", ["cc", "clang"])
def test_other_compilers_than_gcc_serve(
    compiler: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    without(monkeypatch, *({"gcc", "cc", "clang", "arm-none-eabi-gcc"} - {compiler}))
    proof = export(run, "c", tmp_path / "out", wish=Wish(name="run"))
    assert proof.oracle_difference == 0
    assert proof.runtime.startswith(f"{compiler} -O3")


@pytest.mark.parametrize("target", EVERY[3:4])
def test_a_module_may_be_called_as_what_its_source_defines(
    target: str, run: Path, tmp_path: Path
) -> None:
    proof = export(run, target, tmp_path / "out", wish=Wish(name="small"))
    assert proof.oracle_difference == 0
    assert set(proof.files) == {"small.wasm", "small.plain.wasm", "small.html"}


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_name_of_ones_own_is_that_of_files_and_functions_and_the_header_quotes_the_proof(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "arm-none-eabi-gcc")
    heard: list[str] = []
    proof = export(run, "c", tmp_path / "out", wish=Wish(name="zip_code", tell=heard.append))
    assert set(proof.files) == {"zip_code.c", "zip_code.h", "zip_code_picture.h"}
    assert [line for line in heard if "flash and RAM are not measured: arm-none-eabi-gcc" in line]
    header = (tmp_path / "out" / "zip_code.h").read_text()
    assert proof.accuracy is not None
    right = round(proof.accuracy * proof.images)
    assert f"#define ZIP_CODE_TEST_CORRECT {right}\n" in header
    assert f"#define ZIP_CODE_TEST_IMAGES {proof.images}\n" in header
    assert f'#define ZIP_CODE_TRAINING_KEY "{proof.training_key}"' in header
    assert proof.files["zip_code.h"]["sha256"] == hashlib.sha256(header.encode()).hexdigest()


@pytest.mark.parametrize("name", ["int", "Zip", "stdio", "zip_rows", "_zip", "zip__code", "../zip"])
def test_a_name_that_is_taken_is_refused_before_any_work(
    name: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "load_run", unread)
    with pytest.raises(ValueError, match=r"^name must .*, got .*'"):
        export(run, "c", tmp_path / "out", wish=Wish(name=name))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["/etc/net.c", "../net.c", "src/../net.c", "a\\b.c", "src//a", "", "."]
)
def test_files_of_an_artefact_stay_below_its_folder(
    name: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(source: Any, wish: Wish) -> Artefact:
        return dataclasses.replace(targets.onnx(source, wish), files={name: b""})

    monkeypatch.setitem(targets.TARGETS, "onnx", build)
    with pytest.raises(ValueError, match="a file must have a plain path below the folder, got"):
        export(run, "onnx", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_files_that_some_disks_take_for_one_are_refused() -> None:
    require_plain(["src/net.c", "src/net.h", "Kconfig"])
    with pytest.raises(ValueError, match=r"two files differ by capitals alone: 'a/Net\.h' and"):
        require_plain(["a/Net.h", "a/net.h"])


def test_an_artefact_says_what_a_picture_goes_through(
    proved: Callable[[str], tuple[Path, Proof]], run: Path
) -> None:
    seen = load_run(run).preprocessing
    folder, proof = proved("c")
    assert proof.preprocessing == seen.to_dict()
    header = (folder / "mnist_1k5_dw.h").read_text()
    assert f"/* Pictures: {seen.text}." in header
    assert "#define MNIST_1K5_DW_FIT MNIST_1K5_DW_FIT_STRETCH" in header
    assert '#define MNIST_1K5_DW_CLASS_NAMES {"0", "1", "2"' in header
    assert seen.text in (folder / "mnist_1k5_dw_picture.h").read_text()
    folder, proof = proved("onnx")
    card = card_of((folder / proof.artefact).read_bytes())
    assert json.loads(card["preprocessing"]) == seen.to_dict()


def test_onnx_is_read_by_runtimes_that_know_ir_version_8(
    proved: Callable[[str], tuple[Path, Proof]],
) -> None:
    import onnx

    for target in ("onnx", "onnx-int8"):
        folder, proof = proved(target)
        assert onnx.load(folder / proof.artefact).ir_version == 8


@pytest.mark.parametrize(
    ("images", "lost", "gained", "said"),
    [
        (55, 1, 0, ""),  # one picture more may be any model's
        (360, 5, 0, ""),
        (360, 7, 0, "of 360 it gets 7 wrong that the trained model gets right, and 0 right"),
        (10_000, 29, 0, ""),  # shown, and too little to be worth a word
    ],
)
def test_a_loss_of_accuracy_is_said_in_pictures_where_it_is_more_than_chance(
    images: int,
    lost: int,
    gained: int,
    said: str,
    proved: Callable[[str], tuple[Path, Proof]],
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proof = dataclasses.replace(
        proved("onnx")[1],
        images=images,
        float_accuracy=0.5,
        accuracy=0.5 - (lost - gained) / images,
        lost=lost,
        gained=gained,
    )
    assert (said in ship.loss_told(proof)) if said else ship.loss_told(proof) == ""
    if said:
        monkeypatch.setattr(ship, "_written", Mock(return_value=proof))
        with pytest.warns(UserWarning, match=r"onnx loses 1\.94 points of accuracy .*of 360 it"):
            export(run, "onnx", tmp_path / "out")


def test_the_verb_prints_the_proof(run: Path, tmp_path: Path) -> None:
    app = Typer()
    app.command()(verb)
    said = CliRunner().invoke(
        app, [str(run), "--to", "onnx", "--out", str(tmp_path / "a"), "--json"]
    )
    assert said.exit_code == 0
    written = json.loads((tmp_path / "a" / PROOF).read_text())
    del written["seal"]  # of the file
    assert json.loads(said.stdout) == written
    table = CliRunner().invoke(app, [str(run), "--to", "onnx", "--out", str(tmp_path / "b")])
    assert "the trained model in torch, 360 images" in table.stdout


def test_other_integers_on_the_emulated_core_are_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answered(_: object, pixels: Pixels) -> SimpleNamespace:
        return SimpleNamespace(logits=np.full((len(pixels), 10), 7, np.int32), ram=1)

    def measured(_: object) -> SimpleNamespace:
        return SimpleNamespace(flash=1)

    monkeypatch.setattr(generated, "footprint", measured)
    monkeypatch.setattr(generated, "run_board", answered)
    with pytest.raises(ValueError, match="an emulated Cortex-M4 differs from the simulation on 2"):
        export(run, "c", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("one", "other"), [(8, 1), (1, 1)])
def test_a_class_of_a_single_image_is_exported_as_integers(
    one: int, other: int, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (one + other, 8, 8), dtype=np.uint8)
    labels = np.array([0] * one + [1] * other)
    data = from_arrays(pixels, labels, test=(255 - pixels, labels), cache_dir=tmp_path)
    spec = NetSpec(Shape(1, 8, 8), (layers.GlobalAveragePool(), layers.Classifier(2)))
    train(spec, data, recipe=Recipe(epochs=1), folder=tmp_path / "run")
    heard: list[str] = []
    wish = Wish(tell=heard.append)
    proof = export(tmp_path / "run", "tflite", tmp_path / "out", data=data, wish=wish)
    assert (proof.held_out_loss is None) == (one == 1)
    assert ("each class has one image" in "".join(heard)) == (one == 1)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_loss_over_the_bound_is_finished_and_said(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "NOTEWORTHY", -1.0)  # so that any loss is over it
    heard: list[str] = []
    proof = export(run, "c", tmp_path / "a", wish=Wish(finish_epochs=1, tell=heard.append))
    assert proof.held_out_loss is not None
    assert proof.held_out_loss_after is not None
    assert proof.held_out_loss_after <= proof.held_out_loss
    assert proof.finishing_epochs == (1 if proof.held_out_loss_after < proof.held_out_loss else 0)
    assert heard[0].endswith(" on held-out images: finishing for 1 epoch")
    proof = export(run, "tflite", tmp_path / "b", wish=Wish(finish_epochs=0, tell=pytest.fail))
    assert (proof.finishing_epochs, proof.held_out_loss) == (0, None)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_float_c_differs_from_torch_by_rounding_alone(run: Path, tmp_path: Path) -> None:
    proof = export(run, "c", tmp_path / "out", wish=Wish(numbers="float32"))
    assert (proof.numbers, proof.calibration, proof.agreement) == ("float32", None, 1)
    assert proof.largest_difference is not None
    assert proof.oracle_tolerance is not None
    assert proof.largest_difference <= proof.oracle_tolerance < 1e-3


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_the_c_of_an_artefact_compiles_as_it_stands(
    proved: Callable[[str], tuple[Path, Proof]], tmp_path: Path
) -> None:
    folder, proof = proved("c")
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
    source, target = str(folder / proof.artefact), str(tmp_path / "net.o")
    subprocess.run(["gcc", *strict, "-c", source, "-o", target], check=True)
    symbols = subprocess.run(["nm", "-u", target], capture_output=True, text=True, check=True)
    assert symbols.stdout.strip() in ("", "U _GLOBAL_OFFSET_TABLE_")


def test_a_net_of_weights_that_are_no_numbers_is_refused_before_a_file_is_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_run(run)
    torch.nn.init.constant_(next(loaded.model.parameters()), torch.nan)

    def load_broken(_: Path) -> Run:
        return loaded

    monkeypatch.setattr(ship, "load_run", load_broken)
    with pytest.raises(ValueError, match="must give finite logits, got NaN or infinity"):
        export(run, "onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()

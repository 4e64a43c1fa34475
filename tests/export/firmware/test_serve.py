"""A package's C serves pictures over a line, and is held against what it was proved by."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import smidgen as sm
from smidgen.data import Data
from smidgen.export import generated
from smidgen.export.artefact import Artefact, source_of
from smidgen.export.c.emulate import WARNINGS, machine
from smidgen.export.c.host_int8 import generate_host
from smidgen.export.c.text import filled_in, template
from smidgen.export.int8.made import integers_of
from smidgen.export.int8.simulate import simulate
from smidgen.export.on_board import (
    OnBoard,
    _expected,  # pyright: ignore[reportPrivateUsage]
    _Tally,  # pyright: ignore[reportPrivateUsage]
)
from smidgen.export.serial_line import Reply
from smidgen.export.ship import PROOF
from smidgen.recipe import Recipe
from smidgen.run import Run
from smidgen.testing.given import some_data
from smidgen.train import train

HERE = Path(__file__).parent
AS_CPP = ["-std=gnu++14", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"]
if sys.platform == "win32":
    pytest.skip("Windows has no pseudo terminals", allow_module_level=True)
pytest.importorskip("serial", reason="needs pyserial: pip install 'smidgen[serial]'")
pytestmark = [
    pytest.mark.filterwarnings("ignore:.* loses .* points of accuracy:UserWarning"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
]
Exported = Callable[..., Path]
AS_CALIBRATED = sm.Wish(finish_epochs=0)


@pytest.fixture(scope="module")
def data() -> Data:
    return some_data()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "little"


@pytest.fixture(scope="module")
def run(data: Data, folder: Path) -> Run:
    head = (sm.layers.GlobalAveragePool(), sm.layers.Classifier(len(data.classes)))
    body = (sm.layers.Conv(4, stride=2), *head)
    spec = sm.NetSpec(sm.layers.Shape(*data.shape), body, "little")
    recipe = Recipe(epochs=1, batch_size=8)
    return train(spec, data, recipe=recipe, split="full", folder=folder)


@pytest.fixture(scope="module")
def exported(run: Run, data: Data, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Return a function that exports the run as a package, once for each wish."""
    done: dict[object, Path] = {}

    def unmeasured(artefact: Artefact, *_: object) -> Artefact:
        return artefact

    def of(target: str = "arduino", wish: sm.Wish = AS_CALIBRATED) -> Path:
        key = (target, wish.numbers, wish.calibration, wish.optimize, wish.name)
        if key not in done:
            done[key] = tmp_path_factory.mktemp("exported") / "out"
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(generated, "_on_cortex_m4", unmeasured)
                sm.export(run, target, done[key], data=data, wish=wish)
        return done[key]

    return of


def compiled(package: Path, out: Path) -> Path:
    """Return a program of this machine that serves the net of a package."""
    proof = json.loads((package / PROOF).read_text())
    stem, kind = Path(proof["artefact"]).stem, {"int8": "int32_t", "float32": "float"}
    text = filled_in((HERE / "serve_host.c").read_text(), stem, {"KIND": kind[proof["numbers"]]})
    (out / "main.c").write_text(text)
    sources = [package / "src" / f"{stem}.c", package / "src" / f"{stem}_serve.c"]
    command = ["gcc", *WARNINGS, "-O1", f"-I{package / 'src'}", "main.c", *map(str, sources)]
    subprocess.run([*command, "-o", "serve"], cwd=out, check=True)
    return out / "serve"


@contextmanager
def plugged_in(program: Path) -> Generator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a program whose standard streams are a serial line; yield its port."""
    import pty
    import tty

    board, port = pty.openpty()
    tty.setraw(port)
    child = subprocess.Popen([program], stdin=board, stdout=board)
    os.close(board)
    try:
        yield os.ttyname(port), child
    finally:
        child.kill()
        child.wait()
        os.close(port)


KINDS = {
    "arduino": ("arduino", sm.Wish(finish_epochs=0)),
    "asked for": ("cmake", sm.Wish(finish_epochs=0, optimize="flash", calibration="mse")),
    "finished": ("esp-idf", sm.Wish(finish_epochs=1, name="cats")),
    "float32": ("zephyr", sm.Wish(numbers="float32")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_logit_of_c_behind_a_line_is_that_of_the_simulation(
    kind: str, run: Run, data: Data, exported: Exported, tmp_path: Path
) -> None:
    package = exported(*KINDS[kind])
    with plugged_in(compiled(package, tmp_path)) as (port, _):
        found = sm.verify_on_board(package, port, run, data=data)
    proof = json.loads((package / PROOF).read_text())
    assert (found.images, found.equal, found.of) == (len(data.test),) * 3
    assert (found.first_difference, found.sent_again) == (None, 0)
    assert (found.allowed == 0) == (kind != "float32")
    assert found.largest_difference <= found.allowed
    assert found.accuracy == proof["accuracy"]
    assert found.microseconds is not None
    assert found.most_microseconds is not None
    assert found.most_microseconds >= found.microseconds
    assert found.images_per_second > 0


def test_c_for_hosts_is_found_among_what_a_run_may_be_written_as(run: Run, data: Data) -> None:
    source = source_of(run, data, "little")
    wish = sm.Wish(calibration="minmax", finish_epochs=0)
    program = integers_of(source, wish).done.program
    proof = {"numbers": "int8", "calibration": "minmax", "finishing_epochs": 0}
    expected = _expected(source, proof, generate_host(program, "little").header, print)
    pixels = data.test.images[:3].numpy()
    assert (expected.infer(pixels) == simulate(program, pixels)).all()
    with pytest.raises(ValueError, match="must give the C of the folder, got another"):
        _expected(source, proof, generate_host(program, "other").header, print)


def test_floats_are_judged_by_what_is_allowed_of_all_logits(data: Data) -> None:
    tally = _Tally(data.test, 1e-5)
    for place, (wanted, off) in enumerate([(1, 5e-5), (10, 0), (1, np.nan), (1, 2e-4)]):
        logits = np.array([wanted, 0], np.float32)
        tally.allow(logits)  # 1e-5 of the first, 1e-4 in the end
        tally.add(place, Reply(logits + np.float32(off), None), logits)
    assert tally.otherwise() == [2, 3]


@pytest.mark.parametrize(
    ("rate", "said"),
    [(1470.4, "; 1,470 "), (99.96, "; 100 "), (99.9, "; 99.9 "), (0.25, "; 0.25 ")],
)
def test_amounts_are_told_in_plain_numbers(rate: float, said: str) -> None:
    from smidgen.cli.verify import _told_of  # pyright: ignore[reportPrivateUsage]

    board = OnBoard(
        port="p",
        net="n",
        images=2,
        of=2,
        equal=1,
        first_difference=0,
        first_file=None,
        largest_difference=2.0**31,
        allowed=0.0,
        held_against="it",
        accuracy=0.5,
        microseconds=None,
        most_microseconds=None,
        images_per_second=rate,
        sent_again=0,
    )
    lines = _told_of(board)
    assert "differ by up to 2,147,483,648, allowed is 0" in lines[0]
    assert f"{said}pictures a second with the line" in lines[2]


def wrong(package: Path, out: Path, table: str) -> Path:
    """Return a program whose net has a wrong number in a table."""
    copy = shutil.copytree(package, out / "wrong")
    source = copy / "src" / "little.c"
    begin, rest = source.read_text().split(f"little_{table}[] = {{\n  ", 1)
    first, rest = rest.split(",", 1)
    source.write_text(f"{begin}little_{table}[] = {{\n  {int(first) + 90},{rest}")
    return compiled(copy, out)


def test_one_wrong_number_on_the_board_is_found_and_the_verb_says_so(
    run: Run,
    data: Data,
    folder: Path,
    exported: Exported,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from smidgen.cli import verify as verb
    from smidgen.export import on_board

    package = exported()

    def trained_on(*_: object, **__: object) -> Data:
        return data

    monkeypatch.setattr(on_board, "trained_on", trained_on)
    with plugged_in(wrong(package, tmp_path, "biases")) as (port, _):
        found = sm.verify_on_board(package, port, run, images=9)
        assert (found.images, found.of) == (9, len(data.test))
        assert found.equal < 9
        assert found.first_difference is not None
        assert found.largest_difference > 0
        assert verb.verify(package, port=port, against=str(folder)) == 1
    said = capsys.readouterr().out
    assert "otherwise than the integer simulation in NumPy: the first is picture " in said
    with plugged_in(compiled(package, tmp_path)) as (port, _):
        assert verb.verify(package, port=port, against=str(folder), images=5) == 0
        out, err = capsys.readouterr()
        assert f"{port} answers 5 pictures as the integer simulation in NumPy, bit for bit" in out
        assert " ms a picture on the board, at most " in out
        assert f"5 of {len(data.test)} pictures are sent, spread evenly" in err
        assert verb.verify(package, port=port, against=str(folder), json=True) == 0
    assert json.loads(capsys.readouterr().out)["board"]["equal"] == len(data.test)


def test_pictures_of_a_folder_are_sent_by_name_and_the_first_that_differs_is_named(
    run: Run, data: Data, exported: Exported, tmp_path: Path
) -> None:
    def draw(name: str, seed: int) -> None:
        (tmp_path / "own" / name).mkdir(parents=True)
        noise = np.random.default_rng(seed).integers(0, 256, (3, 9, 11, 3))
        for place, image in enumerate(noise.astype(np.uint8)):
            Image.fromarray(image).save(tmp_path / "own" / name / f"{place}.png")

    for number, name in enumerate(data.classes[:2]):
        draw(name, number)
    program = wrong(exported(), tmp_path, "biases")
    with (
        plugged_in(program) as (port, _),
        pytest.warns(match="all 6 images are judged"),
    ):
        found = sm.verify_on_board(exported(), port, run, data=data, pictures=tmp_path / "own")
    assert (found.images, found.of) == (6, 6)
    assert found.first_file is not None
    assert found.first_file.endswith(".png")
    # a class that the run does not know is left out, and told; alone it is refused
    draw("zebra", 2)
    told = list[str]()
    with plugged_in(program) as (port, _), pytest.warns(match="all 9 images are judged"):
        found = sm.verify_on_board(
            exported(), port, run, data=data, pictures=tmp_path / "own", tell=told.append
        )
    assert (found.images, found.of) == (6, 6)
    assert [line for line in told if "left out" in line] == [
        "3 of 9 pictures left out: the run does not know the class ('zebra')"
    ]
    for name in data.classes[:2]:
        shutil.rmtree(tmp_path / "own" / name)
    with (
        plugged_in(program) as (port, _),
        pytest.warns(match="all 3 images are judged"),
        pytest.raises(ValueError, match="must hold pictures of the classes of the run"),
    ):
        sm.verify_on_board(exported(), port, run, data=data, pictures=tmp_path / "own")


def test_what_cannot_be_compared_is_refused_before_a_picture_is_sent(
    run: Run, data: Data, exported: Exported, tmp_path: Path
) -> None:
    package, other = exported(), exported("cmake", KINDS["asked for"][1])

    def refused(folder: Path, port: str = "/dev/ttyNONE", **asked: object) -> str:
        with pytest.raises(ValueError, match="must") as told:
            sm.verify_on_board(folder, port, run, data=data, **asked)  # pyright: ignore[reportArgumentType]
        assert "\n" not in str(told.value)
        return str(told.value)

    with plugged_in(compiled(other, tmp_path)) as (port, child):
        assert "must run the net of" in refused(package, port)
        child.send_signal(signal.SIGSTOP)
        assert "within 0.313 s, got silence" in refused(other, port, patience=0.3)
    assert "--port must be a serial line that can be opened" in refused(package)
    assert "images must be a whole number >= 1, got 0" in refused(package, images=0)
    assert "baud must be bits a second" in refused(package, baud=0)
    bare = exported("c")
    assert "must hold C that serves a board, NAME_serve.c, got 'c'" in refused(bare)
    altered = shutil.copytree(package, tmp_path / "altered")
    (altered / "README.md").write_text("")
    assert "must be as it was exported, but README.md was altered" in refused(altered)
    again = train(run.trial.net, data, recipe=run.trial.recipe, seed=5, folder=tmp_path / "again")
    with pytest.raises(ValueError, match=r"must be an export of .*, got one of another run"):
        sm.verify_on_board(package, "/dev/ttyNONE", tmp_path / "again", data=data)
    assert again.trial.seed == 5


def test_a_board_that_is_unplugged_in_the_middle_is_told(
    run: Run, data: Data, exported: Exported, tmp_path: Path
) -> None:
    with plugged_in(compiled(exported(), tmp_path)) as (port, child):

        def observe(what: str, done: int, total: int) -> None:
            if done == 3:
                child.kill()
                child.wait()

        with pytest.raises(ValueError, match=f"^{port} must stay connected, got an error"):
            sm.verify_on_board(exported(), port, run, data=data, observe=observe)


def test_c_answers_after_garbage_and_says_what_is_wrong_with_a_question(
    exported: Exported, tmp_path: Path
) -> None:
    from smidgen.export.serial_line import MAGIC, frame, opened

    with (
        plugged_in(compiled(exported(), tmp_path)) as (port, _),
        opened(port, 115_200, patience=20) as board,
    ):
        net = board.hello()
        picture = bytes(range(net.pixels % 256)) + bytes(net.pixels - net.pixels % 256)
        answer = board.ask(1, picture, net).logits.tolist()
        whole = frame(b"P", bytes(4) + picture)
        asked = {
            b"c": whole[:30] + bytes([whole[30] ^ 1]) + whole[31:],
            b"l": frame(b"P", picture),
            b"k": frame(b"Q", b""),
            b"t": whole[:-1],
        }
        for why, question in asked.items():
            board.line.write(b"\xa5noise\xa5\xa5S" + MAGIC[:3] + question)
            held, end = b"", time.monotonic() + 20
            while len(held) < 14 and time.monotonic() < end:
                held += board.line.read(14 - len(held))
            assert held == frame(b"e", why)
            if why == b"l":
                time.sleep(0.3)  # its pixels are passed over
            assert board.ask(2, picture, net).logits.tolist() == answer


def test_a_file_that_serves_another_net_stops_the_compiler(
    exported: Exported, tmp_path: Path
) -> None:
    package, other = exported(), exported("cmake", KINDS["asked for"][1])
    copy = shutil.copytree(package, tmp_path / "mixed")
    shutil.copy(other / "src" / "little_serve.c", copy / "src")
    command = ["gcc", "-fsyntax-only", "src/little_serve.c"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert "little_serve.c was made for another net than little.h" in done.stderr


@pytest.mark.mcu
@pytest.mark.skipif(
    None in [shutil.which(tool) for tool in ("arm-none-eabi-g++", "qemu-system-arm")],
    reason="needs Debian's gcc-arm-none-eabi, libnewlib-arm-none-eabi and qemu-system-arm",
)
def test_the_sketch_on_an_emulated_cortex_m4_answers_over_its_uart_bit_for_bit(
    run: Run, data: Data, exported: Exported, tmp_path: Path
) -> None:
    package = exported()
    (tmp_path / "board.ld").write_text(template("emulate_board.ld"))
    (tmp_path / "start.c").write_text(template("emulate_start.c"))
    stub, sketch = HERE / "stub", package / "examples" / "serve" / "serve.ino"
    common = [*machine("m4"), "-O2", "-Wall", "-Wextra", "-Werror", f"-I{package / 'src'}"]
    sources = [str(tmp_path / "start.c"), *map(str, (package / "src").glob("little*.c"))]
    objects = [f"{Path(source).stem}.o" for source in sources]
    for source, made in zip(sources, objects, strict=True):
        command = ["arm-none-eabi-gcc", "-std=gnu11", *common, "-c", source, "-o", made]
        subprocess.run(command, cwd=tmp_path, check=True)
    as_sketch = [*AS_CPP, f"-I{stub}", "-include", "Arduino.h", "-x", "c++"]
    for source in (sketch, stub / "uart.cpp"):
        objects.append(f"{source.stem}.o")
        command = ["arm-none-eabi-g++", *common, *as_sketch, "-c", source, "-o", objects[-1]]
        subprocess.run(command, cwd=tmp_path, check=True)
    link = ["--specs=rdimon.specs", "-nostartfiles", "-T", "board.ld", *objects, "-o", "main.elf"]
    subprocess.run(["arm-none-eabi-gcc", *machine("m4"), *link], cwd=tmp_path, check=True)
    with emulated(tmp_path / "main.elf") as port:
        found = sm.verify_on_board(package, port, run, data=data, images=12)
    assert (found.images, found.equal, found.sent_again) == (12, 12, 0)
    assert found.microseconds is not None


@contextmanager
def emulated(program: Path) -> Generator[str]:
    """Run a program on QEMU's Cortex-M4; yield the port of its first UART."""
    machine_of = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none"]
    wired = ["-semihosting-config", "enable=on,target=native", "-serial", "pty", "-kernel", program]
    qemu = subprocess.Popen([*machine_of, *wired], stdout=subprocess.PIPE, text=True)
    try:
        assert qemu.stdout is not None
        line = qemu.stdout.readline()  # char device redirected to /dev/pts/3 (label serial0)
        yield next(word for word in line.split() if word.startswith("/dev/"))
    finally:
        qemu.kill()
        qemu.communicate()

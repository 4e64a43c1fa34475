"""Pictures sent to a real board, and each answer held against what the export was proved by."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smidgen.again import judged_on, trained_on
from smidgen.data import Data, Split
from smidgen.data.splits import chosen as chosen_of
from smidgen.escape import terminal
from smidgen.export.artefact import Infer, Source, Wish, largest_of, pixels_of, source_of
from smidgen.export.c.float32 import generate_float
from smidgen.export.c.host_int8 import generate_host
from smidgen.export.c.int8 import OPTIMIZE, generate
from smidgen.export.c.source import Source as Generated
from smidgen.export.c.source import made_of
from smidgen.export.generated import ROUNDING
from smidgen.export.int8.made import integers_of
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.simulate import simulate
from smidgen.export.program import Pixels
from smidgen.export.serial_line import BAUD, PATIENCE, Board, Net, Reply, opened, require_serial
from smidgen.export.verify import proof_in
from smidgen.export.verify import verify as as_written
from smidgen.names import require_kind, require_path, shown
from smidgen.run import Run, digest, load_run
from smidgen.sizes import counted, listed
from smidgen.torch_state import float32_on_the_cpu

IMAGES = 200  # that are sent if nobody says how many
_AT_ONCE = 32  # that are simulated before they are sent
_OTHER = (
    "the run, made C again, must give the C of the folder, got another: another smidgen, torch or"
    " processor exported it; export it again here, and upload that"
)
_FASTEST = 50_000_000  # bits a second: more than any line has

Observe = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class OnBoard:
    """What a board made of pictures.

    Args:
        port: That it was asked through.
        net: That it says it runs; its C is that of the folder.
        images: How many were sent.
        of: How many there are.
        equal: How many were answered as they must, all logits.
        first_difference: The place of the first among ``of`` that was not; ``None`` if all were.
        first_file: Its file, where it has one.
        largest_difference: Of a logit; 0 is bit for bit.
        allowed: Of that.
        held_against: What the answers were held against.
        accuracy: Of the board's answers, in [0, 1].
        microseconds: An image on the board, the mean; ``None`` if it has no clock.
        most_microseconds: The slowest, likewise.
        images_per_second: Of all, the line's time included.
        sent_again: Questions that were, as they or their answers came damaged.
    """

    port: str
    net: str
    images: int
    of: int
    equal: int
    first_difference: int | None
    first_file: str | None
    largest_difference: float
    allowed: float
    held_against: str
    accuracy: float
    microseconds: float | None
    most_microseconds: int | None
    images_per_second: float
    sent_again: int


class _Expected(NamedTuple):
    """What computes the logits that the board must give, and how far off they may be."""

    infer: Infer
    what: str
    tolerance: float


def verify_on_board(  # noqa: PLR0913 - a door; all but three arguments by keyword
    folder: Path | str,
    port: str,
    against: Path | str | Run,
    *,
    baud: int = BAUD,
    images: int = IMAGES,
    pictures: Path | str | None = None,
    data: Data | Path | str | None = None,
    data_dir: Path | str | None = None,
    patience: float = PATIENCE,
    tell: Callable[[str], None] = lambda line: None,
    observe: Observe | None = None,
) -> OnBoard:
    """Send pictures to a board that runs a package's C, and compare every logit that comes back.

    The board runs the package's sketch ``serve``, or calls ``NAME_serve``. Its integers are held
    against the simulation in NumPy bit for bit, made again from the run; floats against torch.

    Args:
        folder: The package that :func:`smidgen.export` wrote.
        port: ``/dev/ttyACM0`` or ``COM3``; or an address that pyserial knows, as
            ``socket://localhost:4444`` of an emulator.
        against: The folder of the run, or design, that was exported; or the run itself.
        baud: Bits a second of the line.
        images: How many are sent, spread evenly over those that there are; all if these are fewer.
        pictures: Others than the test images of the run's data, as :func:`smidgen.data.load`
            takes them; classes are matched by name, and pictures of others are left out and told.
        data: Where the data of the run are now, if they were moved, or the data themselves: int8 is
            calibrated on them.
        data_dir: Folder of local copies of data sets.
        patience: Seconds that the board may take for an answer, besides what the line takes.
        tell: Is told of what takes long, and what is assumed.
        observe: Is told how many of how many are done.

    Raises:
        ValueError: If the folder is not as it was exported, or of another run; if the port cannot
            be opened, or the board is silent, of another net, garbled or gone.
    """
    place = require_path(folder, "folder")
    _require_numbers(baud, images)
    require_kind(port, str, "a port", "as in '/dev/ttyACM0'")
    require_serial()
    proof, header = _package(place)
    run = against if isinstance(against, Run) else load_run(against)
    called = run.trial.net.name if isinstance(against, Run) else against
    if proof.get("training_digest") != digest(run):
        raise ValueError(
            f"{place} must be an export of {called}, got one of another run: name its own"
        )
    longest = int(np.prod(proof["rerun"]["shape"]))
    with opened(port, baud, patience, longest) as board:
        net = board.hello()
        _require_net(net, header, proof, place, board.port)
        learned = trained_on(run, called, data=data, data_dir=data_dir)
        source = source_of(run, learned, Path(proof["artefact"]).stem)
        with float32_on_the_cpu():
            expected = _expected(source, proof, header, tell)
            test = learned.test if pictures is None else _other(run, pictures, data_dir, tell)
            chosen = _spread(len(test), images, tell)
            return _compared(_Asked(board, net, expected), test, chosen, observe)


class _Asked(NamedTuple):
    """A board, and what it must answer."""

    board: Board
    net: Net
    expected: _Expected


def _require_numbers(baud: Any, images: Any) -> None:
    if type(images) is not int or images < 1:
        raise ValueError(f"images must be a whole number >= 1, got {shown(images)}")
    if type(baud) is not int or not 1 <= baud <= _FASTEST:
        raise ValueError(
            f"baud must be bits a second, 1 to {_FASTEST:,}, got {shown(baud)}: 115200 is the"
            " sketch's"
        )


def _package(place: Path) -> tuple[Mapping[str, Any], str]:
    """Return the proof and the header of a package that serves, as they were exported.

    Raises:
        ValueError: If anything is not, or nothing in it serves.
    """
    wrong = as_written(place).wrong
    if wrong:
        raise ValueError(f"{place} must be as it was exported, but {wrong[0]}: export it again")
    proof = proof_in(place)
    main = Path(proof["artefact"])
    if main.with_name(f"{main.stem}_serve.c").as_posix() not in proof["files"]:
        raise ValueError(
            f"{place} must hold C that serves a board, NAME_serve.c, got"
            f" {shown(proof['target'])}: export the run --to arduino or another package"
        )
    header = (place / main).with_suffix(".h").read_text(encoding="utf-8")
    return proof, header


def _require_net(net: Net, header: str, proof: Mapping[str, Any], place: Path, port: str) -> None:
    """Refuse a board that runs something else than what the folder holds."""
    kind = "int32_t" if proof["numbers"] == "int8" else "float"
    pixels = int(np.prod(proof["rerun"]["shape"]))
    name = Path(proof["artefact"]).stem
    ours = Net(made_of(header), pixels, len(proof["classes"]), kind, name)
    if net != ours:
        raise ValueError(
            f"{port} must run the net of {place}, {ours.name} made of {ours.made_of}, got"
            f" {net.name} made of {net.made_of}: upload the sketch of that folder"
        )


def _expected(
    source: Source, proof: Mapping[str, Any], header: str, tell: Callable[[str], None]
) -> _Expected:
    """Return what computes the logits that the C of a folder must give.

    Raises:
        ValueError: If the run gives other C than the folder holds.
    """
    own, name = made_of(header), source.stem
    if proof["numbers"] == "float32":
        if made_of(generate_float(source.program, name).header) == own:
            return _Expected(source.float_infer(), "the trained model in torch", ROUNDING)
        raise ValueError(_OTHER)
    # a proof does not say whether its calibration was chosen, on half of the images, or asked for
    for calibration in (None, proof["calibration"]):
        wish = Wish(calibration, "int8", proof["finishing_epochs"], tell)
        program = integers_of(source, wish).done.program
        if any(made_of(text.header) == own for text in _texts(program, name)):
            return _Expected(_simulated(program), "the integer simulation in NumPy", 0.0)
    raise ValueError(_OTHER)


def _texts(program: IntegerProgram, name: str) -> Iterator[Generated]:
    """Return C of the same integers, one after the other, as it is written for each purpose."""
    for optimize in OPTIMIZE:
        yield generate(program, name, optimize)
    yield generate_host(program, name)


def _simulated(program: IntegerProgram) -> Infer:
    def infer(pixels: Pixels) -> NDArray[np.int32]:
        return simulate(program, pixels)

    return infer


def _other(
    run: Run, pictures: Path | str, data_dir: Path | str | None, tell: Callable[[str], None]
) -> Split:
    """Return other pictures than the run's, but those of classes that it does not know.

    Raises:
        ValueError: If none is left.
    """
    found = judged_on(run, pictures, data_dir=data_dir, other_classes=True)
    labels, known = found.test.labels, len(run.classes)
    others = [found.classes[label] for label in labels.unique().tolist() if label >= known]
    if not others:
        return found.test
    named, own = listed([repr(terminal(name)) for name in others]), labels < known
    if not own.any():
        raise ValueError(
            f"{pictures} must hold pictures of the classes of the run"
            f" ({listed([repr(terminal(name)) for name in run.classes])}), got {named} alone: name"
            " their folders as the run does"
        )
    tell(
        f"{len(labels) - int(own.sum()):,} of {counted(len(labels), 'picture', 'pictures')} left"
        f" out: the run does not know the class ({named})"
    )
    return chosen_of(found.test, own)


def _spread(count: int, images: int, tell: Callable[[str], None]) -> NDArray[np.int64]:
    """Return the places of as many pictures, evenly spread: data may be sorted by class."""
    if images < count:
        tell(f"{images:,} of {count:,} pictures are sent, spread evenly; --images sends more")
    kept = min(images, count)
    return np.arange(kept) * count // kept


def _compared(
    asked: _Asked, test: Split, chosen: NDArray[np.int64], observe: Observe | None
) -> OnBoard:
    tally = _Tally(test, asked.expected.tolerance)
    begin, simulating = time.monotonic(), 0.0
    for start in range(0, len(chosen), _AT_ONCE):
        places = chosen[start : start + _AT_ONCE]
        pixels = pixels_of(test.images[places])
        before = time.monotonic()
        wanted = asked.expected.infer(pixels)
        simulating += time.monotonic() - before
        tally.allow(wanted)
        for at, rows in enumerate(pixels.transpose(0, 2, 3, 1)):
            reply = asked.board.ask(start + at, rows.tobytes(), asked.net)
            tally.add(int(places[at]), reply, wanted[at])
            if observe:
                observe(f"asking {asked.board.port}", start + at + 1, len(chosen))
    seconds = max(1e-9, time.monotonic() - begin - simulating)
    others = tally.otherwise()
    first = others[0] if others else None
    return OnBoard(
        port=asked.board.port,
        net=asked.net.name,
        images=len(chosen),
        of=len(test),
        equal=len(chosen) - len(others),
        first_difference=first,
        first_file=test.files[first] if first is not None and test.files else None,
        largest_difference=tally.largest,
        allowed=tally.allowed,
        held_against=asked.expected.what,
        accuracy=tally.right / len(chosen),
        microseconds=float(np.mean(tally.times)) if tally.times else None,
        most_microseconds=max(tally.times, default=None),
        images_per_second=len(chosen) / seconds,
        sent_again=asked.board.again,
    )


class _Tally:
    """How many answers were right, and how far off each was, so far."""

    def __init__(self, test: Split, tolerance: float) -> None:
        self.labels, self.tolerance = test.labels, tolerance
        self.right = 0
        self.apart = list[tuple[int, float]]()  # places, and how far off
        self.largest = self.allowed = 0.0
        self.times = list[int]()

    def allow(self, wanted: NDArray[Any]) -> None:
        """Take in logits that are expected: floats may be off by a share of the largest."""
        self.allowed = max(self.allowed, self.tolerance * largest_of(wanted))

    def add(self, place: int, reply: Reply, wanted: NDArray[Any]) -> None:
        """Take in an answer about the picture at a place."""
        apart = float(np.abs(reply.logits.astype(np.float64) - wanted).max())
        self.apart.append((place, apart))
        self.largest = max(self.largest, apart if np.isfinite(apart) else np.inf)
        self.right += int(reply.logits.argmax()) == int(self.labels[place])
        if reply.microseconds is not None:
            self.times.append(reply.microseconds)

    def otherwise(self) -> list[int]:
        """Return the places whose answers are further off than what is allowed in the end."""
        # not >, so that a NaN is a difference, too
        return [place for place, apart in self.apart if not apart <= self.allowed]

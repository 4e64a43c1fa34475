"""Common microcontroller boards, and whether a net fits them."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from smidgen.names import shown
from smidgen.sizes import listed

Verdict: TypeAlias = Literal["fits", "tight", "too big"]
Compiled: TypeAlias = Literal["m0plus", "m3", "m4", "m55", "rv32imc", "rv32ec", "unknown"]

_SHORT = 0.09  # of flash: what predictions may be short of, see docs/microcontrollers.md
ROOMY = 0.5  # a net that takes up to half of a board's memory leaves room for an application
_LONGEST = 100  # letters of a name: comparing takes the square of them
# what C is compiled for: cores that gcc makes the same code for, but for a few bytes
CORES: dict[Compiled, str] = {
    "m0plus": "a Cortex-M0+",
    "m3": "a Cortex-M3",
    "m4": "a Cortex-M4",
    "m55": "a Cortex-M55",
    "rv32imc": "a RISC-V of RV32IMC",
    "rv32ec": "a RISC-V of RV32EC",
    "unknown": "a core that was not measured",
}
_TOLD = 4  # boards that an error names
_NEAR = 0.5  # of letters that are alike: a board is meant
_UNO = {"uno", "atmega328", "atmega328p"}  # words for an Arduino Uno R3, and its chip


@dataclass(frozen=True, slots=True)
class Board:
    """A board and the memory of its chip, in bytes, and its clock, in MHz.

    ``flash`` is what a program can be stored in: on-chip, or the board's own where the chip has
    none. ``ram`` is on-chip memory alone.
    """

    name: str
    chip: str
    core: str
    flash: int
    ram: int
    clock: int

    @property
    def compiled(self) -> Compiled:
        """What the board's core runs: see :func:`smidgen.export.c.footprint.predict_cost`."""
        return _COMPILED[self.core]

    @property
    def room(self) -> tuple[int, int]:
        """Bytes of flash and RAM that a net may take so that it fits: half of each."""
        return int(ROOMY * self.flash), int(ROOMY * self.ram)


_KB, _MB = 1024, 1024 * 1024
# memory and the fastest clock from the makers' data sheets, of a board's own flash from its manual
BOARDS: tuple[Board, ...] = (
    Board("Arduino Uno R4", "RA4M1", "Cortex-M4F", 256 * _KB, 32 * _KB, 48),
    Board("Arduino Zero", "SAMD21G18", "Cortex-M0+", 256 * _KB, 32 * _KB, 48),
    Board("Arduino Nano 33 BLE", "nRF52840", "Cortex-M4F", 1 * _MB, 256 * _KB, 64),
    Board("micro:bit v1", "nRF51822", "Cortex-M0", 256 * _KB, 16 * _KB, 16),
    Board("micro:bit v2", "nRF52833", "Cortex-M4F", 512 * _KB, 128 * _KB, 64),
    Board("Raspberry Pi Pico", "RP2040", "Cortex-M0+", 2 * _MB, 264 * _KB, 133),
    Board("Raspberry Pi Pico 2", "RP2350", "Cortex-M33", 4 * _MB, 520 * _KB, 150),
    # ST DS5319; many bear a chip of 128 KB, which the sheet does not promise
    Board("Blue Pill", "STM32F103C8", "Cortex-M3", 64 * _KB, 20 * _KB, 72),
    Board("STM32 Nucleo-G031K8", "STM32G031K8", "Cortex-M0+", 64 * _KB, 8 * _KB, 64),
    Board("STM32 Nucleo-L432KC", "STM32L432KC", "Cortex-M4F", 256 * _KB, 64 * _KB, 80),
    Board("STM32 Nucleo-F446RE", "STM32F446RE", "Cortex-M4F", 512 * _KB, 128 * _KB, 180),
    Board("STM32 Nucleo-H743ZI", "STM32H743ZI", "Cortex-M7", 2 * _MB, 1 * _MB, 480),
    # ST UM3300 of the kit: 4.2 Mbytes of RAM on the chip, 1 Gbit of octo-SPI flash beside it
    Board("STM32N6570-DK", "STM32N657X0", "Cortex-M55", 128 * _MB, 4_200_000, 800),
    Board("Teensy 4.0", "i.MX RT1062", "Cortex-M7", 2 * _MB, 1 * _MB, 600),
    # Espressif's data sheets of the ESP32 and of ESP32-WROOM-32E, its smallest flash
    Board("ESP32-DevKitC", "ESP32", "Xtensa LX6", 4 * _MB, 520 * _KB, 240),
    # Espressif's data sheets of the ESP32-S3 and of ESP32-S3-WROOM-1, as N8
    Board("ESP32-S3-DevKitC-1", "ESP32-S3", "Xtensa LX7", 8 * _MB, 512 * _KB, 240),
    Board("ESP32-C3-DevKitM-1", "ESP32-C3", "RISC-V RV32IMC", 4 * _MB, 400 * _KB, 160),
    Board("CH32V003 evaluation board", "CH32V003", "RISC-V RV32EC", 16 * _KB, 2 * _KB, 48),
)
_COMPILED: dict[str, Compiled] = {
    "Cortex-M0": "m0plus",
    "Cortex-M0+": "m0plus",
    "Cortex-M3": "m3",
    "Cortex-M4F": "m4",
    "Cortex-M7": "m4",  # to within 8 bytes, as the M33
    "Cortex-M33": "m4",
    "Cortex-M55": "m55",
    "RISC-V RV32IMC": "rv32imc",
    "RISC-V RV32EC": "rv32ec",
    "Xtensa LX6": "unknown",
    "Xtensa LX7": "unknown",
}
_CLOCK = 64  # MHz, of an nRF52: slow for a Cortex-M4


def board_named(name: str) -> Board:
    """Return a board by its name or chip, in capitals or not, as if it had no signs and spaces.

    A word of a name is not enough, nor is a chip where that of another begins so: of a Nano, a
    Teensy or an ESP32 there are several, whose memories differ.

    Raises:
        ValueError: If there is none; told with those of which a word begins so, or the nearest.
    """
    asked = name.strip().casefold()[:_LONGEST]
    known = {board.name.casefold(): board for board in BOARDS}
    if asked in known:
        return known[asked]
    near = [of.name for of in BOARDS if asked and _begins(asked, f"{of.name} {of.chip}")]
    called = [of for of in BOARDS if _signless(asked) in map(_signless, (of.name, of.chip))]
    if len(called) == 1 and near in ([], [called[0].name]):
        return called[0]
    if not {*_bare(asked).split()}.isdisjoint(_UNO) and "r4" not in asked:
        raise ValueError(
            f"unknown board {shown(name)}: an Arduino Uno before the R4 has an int of 16 bits, and"
            " the C needs 32; with an R4, say 'Arduino Uno R4'"
        )
    near = near or _alike(asked)
    if not near:
        raise ValueError(f"unknown board {shown(name)}; all are named by `smidgen list boards`")
    which = "one of " if len(near) > 1 else ""
    names = listed([repr(one) for one in near], _TOLD)
    raise ValueError(f"unknown board {shown(name)}; did you mean {which}{names}?")


def _begins(asked: str, words: str) -> bool:
    """Whether one of the words of a board begins so."""
    return f" {asked}" in f" {words}".casefold()


def _bare(words: str) -> str:
    return "".join(sign for sign in words.casefold() if sign.isalnum() or sign == " ")


def _signless(words: str) -> str:
    return _bare(words).replace(" ", "")


def _alike(asked: str) -> list[str]:
    """Return the board that is called most like it, or whose chip is, if any is."""
    known = {_bare(name): of.name for of in BOARDS for name in (of.name, of.chip)}
    near = difflib.get_close_matches(_bare(asked), known, n=1, cutoff=_NEAR)
    return [known[one] for one in near]


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a net fits one board, and how long an image may take there.

    Args:
        board: Its name.
        flash: Bytes of the net's code and constants.
        flash_share: Of the board's flash, in [0, 1] where it fits.
        ram: Bytes of its static memory and stack.
        ram_share: Likewise, of the board's RAM.
        verdict: As of :func:`verdict`.
        measured: Whether compiled C was measured; else it is a prediction.
        ms: Milliseconds an image if each instruction takes a cycle of the board's fastest clock;
            ``None`` where the instructions of its core are not known.
    """

    board: str
    flash: int
    flash_share: float
    ram: int
    ram_share: float
    verdict: Verdict
    measured: bool
    ms: float | None

    @property
    def told(self) -> str:
        """What a person is told, in a line."""
        board = board_named(self.board)
        shares = (
            f"{what} {taken:,} of {there:,} bytes ({100 * share:.1f} %)"
            for what, taken, there, share in (
                ("flash", self.flash, board.flash, self.flash_share),
                ("RAM", self.ram, board.ram, self.ram_share),
            )
        )
        how = "measured as C for a Cortex-M4" if self.measured else predicted_for(board)
        told = f"{board.name}: {self.verdict}, {', '.join(shares)}, {how}"
        if self.ms is None:
            return told
        clock = f"at {board.clock} MHz if each instruction takes a cycle"
        return f"{told}; about {self.ms:.3g} ms an image {clock}"


def fit_of(
    board: Board, flash: int, ram: int, instructions: int | None, *, measured: bool = False
) -> Fit:
    """Return whether a net fits a board.

    Args:
        board: Such a one.
        flash: Bytes of the net's code and constants, on its core.
        ram: Bytes of its static memory and stack.
        instructions: An image, on its core; ``None`` if they are not known.
        measured: Whether these bytes are compiled C's; a prediction may be 9 % of flash short.
    """
    judged = _judged(board, flash, ram, 0.0 if measured else _SHORT)
    ms = None if instructions is None else instructions / (1000 * board.clock)
    return Fit(board.name, flash, flash / board.flash, ram, ram / board.ram, judged, measured, ms)


def verdict(costs: Mapping[Compiled, tuple[int, int]]) -> list[tuple[Board, Verdict]]:
    """Return every board with ``fits``, ``tight`` or ``too big``.

    A net fits that leaves half of flash and half of RAM to the application; it is tight up to
    all of either, less the 9 % of flash that a prediction may be short of.

    Args:
        costs: Bytes of the net's code and constants, and of its static memory and stack, by what
            it is compiled for; the picture and the logits are the caller's, and may come on top.
    """
    return [(board, _judged(board, *costs[board.compiled])) for board in BOARDS]


def _judged(board: Board, flash: int, ram: int, short: float = _SHORT) -> Verdict:
    if (1 + short) * flash > board.flash or ram > board.ram:
        return "too big"
    return "fits" if max(flash / board.flash, ram / board.ram) <= ROOMY else "tight"


def predicted_for(board: Board) -> str:
    """Return of what core the code is whose bytes are held against a board's, in words."""
    if board.compiled == "unknown":
        return f"predicted as the largest of other cores, as none was measured with {board.core}"
    return f"predicted as C for {CORES[board.compiled]}"


def timed(instructions: int) -> str:
    """Return what so many instructions of a Cortex-M4 may take, in words."""
    ms = instructions / (1000 * _CLOCK)
    return f"about {ms:.3g} ms at {_CLOCK} MHz if each takes a cycle"

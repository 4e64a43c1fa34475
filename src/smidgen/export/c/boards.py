"""Common microcontroller boards, and whether a net fits them."""

import difflib
from dataclasses import dataclass
from typing import Literal, TypeAlias

from smidgen.names import shown
from smidgen.sizes import listed

Verdict: TypeAlias = Literal["fits", "tight", "too big"]

ROOMY = 0.5  # a net that takes up to half of a board's memory leaves room for an application
_LONGEST = 100  # letters of a name: comparing takes the square of them
_TOLD = 4  # boards that an error names


@dataclass(frozen=True, slots=True)
class Board:
    """A board and the memory of its chip, in bytes, from the maker's data sheet.

    ``flash`` is what a program can be stored in: on-chip, or the board's own where the chip has
    none. ``ram`` is on-chip memory alone.
    """

    name: str
    chip: str
    core: str
    flash: int
    ram: int

    @property
    def room(self) -> tuple[int, int]:
        """Bytes of flash and RAM that a net may take so that it fits: half of each."""
        return int(ROOMY * self.flash), int(ROOMY * self.ram)


BOARDS: tuple[Board, ...] = (
    Board("Arduino Uno R4", "RA4M1", "Cortex-M4F", 256 * 1024, 32 * 1024),
    Board("Arduino Zero", "SAMD21G18", "Cortex-M0+", 256 * 1024, 32 * 1024),
    Board("Arduino Nano 33 BLE", "nRF52840", "Cortex-M4F", 1024 * 1024, 256 * 1024),
    Board("micro:bit v1", "nRF51822", "Cortex-M0", 256 * 1024, 16 * 1024),
    Board("micro:bit v2", "nRF52833", "Cortex-M4F", 512 * 1024, 128 * 1024),
    Board("Raspberry Pi Pico", "RP2040", "Cortex-M0+", 2048 * 1024, 264 * 1024),
    Board("Raspberry Pi Pico 2", "RP2350", "Cortex-M33", 4096 * 1024, 520 * 1024),
    Board("STM32 Nucleo-G031K8", "STM32G031K8", "Cortex-M0+", 64 * 1024, 8 * 1024),
    Board("STM32 Nucleo-L432KC", "STM32L432KC", "Cortex-M4F", 256 * 1024, 64 * 1024),
    Board("STM32 Nucleo-F446RE", "STM32F446RE", "Cortex-M4F", 512 * 1024, 128 * 1024),
    Board("STM32 Nucleo-H743ZI", "STM32H743ZI", "Cortex-M7", 2048 * 1024, 1024 * 1024),
    Board("Teensy 4.0", "i.MX RT1062", "Cortex-M7", 2048 * 1024, 1024 * 1024),
    Board("ESP32-C3-DevKitM-1", "ESP32-C3", "RISC-V", 4096 * 1024, 400 * 1024),
    Board("CH32V003 evaluation board", "CH32V003", "RISC-V", 16 * 1024, 2 * 1024),
)


def board_named(name: str) -> Board:
    """Return a board by its name, in capitals or not.

    Raises:
        ValueError: If there is none; told with those of which a word begins so, or the nearest.
    """
    asked = name.strip().casefold()[:_LONGEST]
    known = {board.name.casefold(): board for board in BOARDS}
    if asked in known:
        return known[asked]
    near = [of.name for of in BOARDS if asked and _begins(asked, f"{of.name} {of.chip}")]
    near = near or [known[one].name for one in difflib.get_close_matches(asked, known, n=1)]
    if not near:
        raise ValueError(f"unknown board {shown(name)}; all are named by `smidgen list boards`")
    which = "one of " if len(near) > 1 else ""
    names = listed([repr(one) for one in near], _TOLD)
    raise ValueError(f"unknown board {shown(name)}; did you mean {which}{names}?")


def _begins(asked: str, words: str) -> bool:
    """Whether one of the words of a board begins so."""
    return f" {asked}" in f" {words}".casefold()


def verdict(flash: int, ram: int) -> list[tuple[Board, Verdict]]:
    """Return every board with ``fits``, ``tight`` or ``too big``.

    A net fits that leaves half of flash and half of RAM to the application; it is tight up to
    all of either.

    Args:
        flash: Bytes of the net's code and constants.
        ram: Bytes of its static memory and stack; the picture is the caller's, and may come on
            top.
    """
    return [(board, _judged(max(flash / board.flash, ram / board.ram))) for board in BOARDS]


def _judged(share: float) -> Verdict:
    if share > 1:
        return "too big"
    return "fits" if share <= ROOMY else "tight"

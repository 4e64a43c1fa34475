"""The verdict on a board follows from the scarcer of its memories."""

import pytest

from smidgen.export.c.boards import (
    BOARDS,
    CORES,
    Board,
    Compiled,
    board_named,
    fit_of,
    predicted_for,
    timed,
    verdict,
)


def judged(flash: int, ram: int) -> dict[str, str]:
    return {board.chip: said for board, said in verdict(dict.fromkeys(CORES, (flash, ram)))}


def test_the_scarcer_memory_decides() -> None:
    assert judged(4_000, 4_000)["STM32G031K8"] == "fits"
    assert judged(4_000, 4_097)["STM32G031K8"] == "tight"  # over half of 8 KB
    assert judged(4_000, 8_192)["STM32G031K8"] == "tight"
    assert judged(4_000, 8_193)["STM32G031K8"] == "too big"
    assert judged(65_537, 100)["STM32G031K8"] == "too big"


def test_a_board_is_judged_by_the_code_of_its_own_core() -> None:
    # as measured of one net: what a Cortex-M4 holds in 15,378 bytes
    costs: dict[Compiled, tuple[int, int]] = {
        **dict.fromkeys(CORES, (15_378, 1_000)),
        "rv32ec": (17_013, 1_000),
    }
    said = {board.chip: word for board, word in verdict(costs)}
    assert said["CH32V003"] == "too big"
    assert said["STM32G031K8"] == "fits"
    costs = {**dict.fromkeys(CORES, (10_000, 1_000)), "m0plus": (40_000, 1_000)}
    said = {board.chip: word for board, word in verdict(costs)}
    assert (said["STM32G031K8"], said["STM32F103C8"]) == ("tight", "fits")


def test_flash_that_a_prediction_may_be_short_of_is_no_room() -> None:
    assert judged(15_000, 100)["CH32V003"] == "tight"
    assert judged(15_100, 100)["CH32V003"] == "too big"  # 16,459 of 16,384 if 9 % more are needed


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_what_a_board_is_judged_by_is_told(board: Board) -> None:
    told = predicted_for(board)
    if board.core.startswith("Xtensa"):  # no compiler of it was measured
        assert told.endswith(f"as none was measured with {board.core}")
    else:
        assert told == f"predicted as C for {CORES[board.compiled]}"
    assert 8 <= board.clock <= 1_000


def test_instructions_are_told_as_a_time_at_a_clock() -> None:
    assert timed(978_000) == "about 15.3 ms at 64 MHz if each takes a cycle"


def test_every_board_is_judged_once() -> None:
    boards = [board for board, _ in verdict(dict.fromkeys(CORES, (1, 1)))]
    assert boards == list(BOARDS)
    assert len({board.name for board in boards}) == len(boards) >= 12


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_larger_net_never_fits_better(board) -> None:  # noqa: ANN001 # pyright: ignore[reportUnknownParameterType, reportMissingParameterType]
    ranks = ["fits", "tight", "too big"]
    said = [judged(size, size // 4)[board.chip] for size in (1_000, 30_000, 500_000, 9_000_000)]
    assert [ranks.index(one) for one in said] == sorted(ranks.index(one) for one in said)


_ESP32 = "did you mean one of 'ESP32-DevKitC', 'ESP32-S3-DevKitC-1', 'ESP32-C3-DevKitM-1'?"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("micro", "did you mean one of 'micro:bit v1', 'micro:bit v2'?"),
        ("TEENSY", "did you mean 'Teensy 4.0'?"),
        ("pico", "did you mean one of 'Raspberry Pi Pico', 'Raspberry Pi Pico 2'?"),
        ("ardiuno zero", "did you mean 'Arduino Zero'?"),
        ("esp32-s", "did you mean 'ESP32-S3-DevKitC-1'?"),
        ("esp32", _ESP32),
        ("stm32f103", "did you mean 'Blue Pill'?"),
        ("blupill", "did you mean 'Blue Pill'?"),
        ("arduino nano", "did you mean 'Arduino Nano 33 BLE'?"),  # others have 16 bits
        ("nano ble 33", "did you mean 'Arduino Nano 33 BLE'?"),
        ("", "all are named by `smidgen list boards`"),
        ("a toaster", "all are named by `smidgen list boards`"),
        (9999 * "x", "all are named by `smidgen list boards`"),
    ],
)
def test_an_unknown_board_is_told_with_those_that_may_be_meant(asked: str, told: str) -> None:
    with pytest.raises(ValueError, match="unknown board") as refused:
        board_named(asked)
    assert str(refused.value).endswith(f"; {told}")
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("asked", "chip"),
    [
        ("esp32-s3", "ESP32-S3"),
        ("ESP32S3", "ESP32-S3"),
        ("rp2040", "RP2040"),
        ("RP2350", "RP2350"),
        ("bluepill", "STM32F103C8"),
        ("ch32v003", "CH32V003"),
        (" arduino uno r4 ", "RA4M1"),
    ],
)
def test_a_board_is_known_by_its_chip_and_whatever_signs_its_name_has(
    asked: str, chip: str
) -> None:
    assert board_named(asked).chip == chip


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_name_and_a_chip_give_their_own_board_or_none(board: Board) -> None:
    assert board_named(board.name.upper()) == board
    try:
        assert board_named(board.chip) == board
    except ValueError:
        assert board.chip == "ESP32"  # which chips of other boards begin with, too


@pytest.mark.parametrize("asked", ["arduino uno", "Arduino Uno R3", "uno", "ATmega328P"])
def test_of_an_uno_it_is_told_which_one_is_too_narrow(asked: str) -> None:
    with pytest.raises(ValueError, match="unknown board") as refused:
        board_named(asked)
    assert "before the R4 has an int of 16 bits, and the C needs 32" in str(refused.value)
    assert "'Arduino Uno R4'" in str(refused.value)


def test_a_fit_tells_shares_of_both_memories_and_the_time_at_the_boards_clock() -> None:
    board = board_named("micro:bit v2")
    fit = fit_of(board, 52_429, 13_107, 6_400_000, measured=True)
    assert (fit.verdict, fit.ms) == ("fits", 100.0)
    assert (round(fit.flash_share, 3), round(fit.ram_share, 3)) == (0.1, 0.1)
    assert fit.told == (
        "micro:bit v2: fits, flash 52,429 of 524,288 bytes (10.0 %), RAM 13,107 of 131,072 bytes"
        " (10.0 %), measured as C for a Cortex-M4; about 100 ms an image at 64 MHz if each"
        " instruction takes a cycle"
    )
    untimed = fit_of(board_named("Blue Pill"), 10_000, 1_000, None)
    assert untimed.ms is None
    assert untimed.told.endswith("(4.9 %), predicted as C for a Cortex-M3")


def test_a_measured_net_may_fill_a_board_and_a_predicted_one_leaves_what_it_may_be_short_of() -> (
    None
):
    board = board_named("Blue Pill")
    assert fit_of(board, board.flash, 100, None, measured=True).verdict == "tight"
    assert fit_of(board, board.flash, 100, None).verdict == "too big"
    assert fit_of(board, 100, board.ram + 1, None, measured=True).verdict == "too big"

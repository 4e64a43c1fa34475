"""The verdict on a board follows from the scarcer of its memories."""

import pytest

from smidgen.export.c.boards import BOARDS, board_named, verdict


def judged(flash: int, ram: int) -> dict[str, str]:
    return {board.chip: said for board, said in verdict(flash, ram)}


def test_the_scarcer_memory_decides() -> None:
    assert judged(4_000, 4_000)["STM32G031K8"] == "fits"
    assert judged(4_000, 4_097)["STM32G031K8"] == "tight"  # over half of 8 KB
    assert judged(4_000, 8_192)["STM32G031K8"] == "tight"
    assert judged(4_000, 8_193)["STM32G031K8"] == "too big"
    assert judged(65_537, 100)["STM32G031K8"] == "too big"


def test_every_board_is_judged_once() -> None:
    boards = [board for board, _ in verdict(1, 1)]
    assert boards == list(BOARDS)
    assert len({board.name for board in boards}) == len(boards) >= 12


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_larger_net_never_fits_better(board) -> None:  # noqa: ANN001 # pyright: ignore[reportUnknownParameterType, reportMissingParameterType]
    ranks = ["fits", "tight", "too big"]
    said = [judged(size, size // 4)[board.chip] for size in (1_000, 30_000, 500_000, 9_000_000)]
    assert [ranks.index(one) for one in said] == sorted(ranks.index(one) for one in said)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("micro", "did you mean one of 'micro:bit v1', 'micro:bit v2'?"),
        ("TEENSY", "did you mean 'Teensy 4.0'?"),
        ("rp2040", "did you mean 'Raspberry Pi Pico'?"),
        ("pico", "did you mean one of 'Raspberry Pi Pico', 'Raspberry Pi Pico 2'?"),
        ("ardiuno zero", "did you mean 'Arduino Zero'?"),
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

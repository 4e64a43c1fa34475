"""Whether an artefact of C fits a board, and how long an image may take there."""

from smidgen.export.artefact import Artefact, Wish
from smidgen.export.c.boards import Board, Fit, board_named, fit_of
from smidgen.export.c.footprint import predict_costs
from smidgen.export.generated import HOST
from smidgen.export.targets import OF_C
from smidgen.spec import NetSpec


def board_for(name: str, target: str, wish: Wish) -> Board:
    """Return the board of a name, before any work.

    Raises:
        ValueError: If there is none, or what is asked for runs on no board, or is not known of it.
    """
    board = board_named(name)
    if target not in OF_C:
        raise ValueError(f"{target} runs on no such board; a board is for {', '.join(OF_C)}")
    if wish.optimize == HOST:
        raise ValueError("code for hosts runs on no such board")
    if wish.numbers == "float32" and board.compiled != "m4":
        raise ValueError(
            f"float32 C is measured for a Cortex-M4 alone, and {board.name} has {board.core}: int8"
            " is predicted for it"
        )
    return board


def fitted(board: Board, artefact: Artefact, spec: NetSpec) -> Fit:
    """Return whether an artefact fits: as measured for the board's core, else as predicted.

    Raises:
        ValueError: If it is too big, or that cannot be told.
    """
    flash, ram = artefact.flash, artefact.ram
    if board.compiled == "m4" and flash is not None and ram is not None:
        fit = fit_of(board, flash, ram, artefact.instructions, measured=True)
    elif artefact.numbers == "int8":
        fit = fit_of(board, *predict_costs(spec)[board.compiled], None)
    else:
        raise ValueError(f"whether float32 C fits {board.name} could not be measured")
    if fit.verdict == "too big":
        raise ValueError(fit.told)
    return fit

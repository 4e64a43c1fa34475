"""``smidgen verify``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smidgen.chance import wilson
from smidgen.cli.options import DataDir, Json
from smidgen.cli.terminal import LoadingProgress, print_json, say, tell
from smidgen.sizes import counted

_NAMED = 5  # of what is wrong
_WHOLE = 99.95  # from which three digits are a whole number, and .3g would write 1.47e+03

if TYPE_CHECKING:
    from smidgen.export.on_board import OnBoard
    from smidgen.export.verify import Verified


def verify(  # noqa: PLR0913 - a command line
    folder: Annotated[Path, typer.Argument(help="A folder that smidgen export wrote.")],
    run: Annotated[
        bool,
        typer.Option(
            "--run",
            help="Run the artefact, too. C is compiled and runs as you: only what you trust.",
        ),
    ] = False,
    port: Annotated[
        str | None,
        typer.Option(
            metavar="PORT",
            help="Send pictures to a board that runs the sketch serve, too: /dev/ttyACM0, COM3.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="For --port: the run or design that was exported."),
    ] = None,
    baud: Annotated[
        int | None,
        typer.Option(metavar="N", help="For --port: bits a second. Default: 115200, the sketch's."),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(metavar="N", help="For --port: how many pictures, at most. Default: 200."),
    ] = None,
    pictures: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="For --port: others than the run's test images: a folder of CLASS/*.jpg.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="For --port: where the data of the run are now, if they were moved."),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> int:
    """Tell whether an artefact is as it was exported, to the byte; status 1 if it is not.

    With --port also whether a board computes what was exported: every logit is compared.
    """
    from smidgen.export.verify import verify as verified_in

    of_board = {"against": against, "baud": baud, "images": images}
    of_board |= {"pictures": pictures, "data": data, "data-dir": data_dir}
    _require_board(port, of_board)
    verified = verified_in(folder, run=run)
    if not json:
        say(*verified.notes)
        tell(f"{folder}: {_wrong(verified.wrong) or _told(verified)}")
    board = None
    if port is not None and against is not None and not verified.wrong:
        asked = {"baud": baud, "images": images}
        given = {name: value for name, value in asked.items() if value is not None}
        board = _on_board(folder, port, against, given, pictures, data, data_dir)
        if not json:
            tell(*_told_of(board))
    if json:
        print_json({**asdict(verified), "board": asdict(board) if board else None})
    return 1 if verified.wrong or (board and board.equal < board.images) else 0


def _require_board(port: str | None, asked: Mapping[str, object]) -> None:
    """Refuse what is for a board where none is asked for, and a board without its run.

    Raises:
        ValueError: Naming it.
    """
    given = [f"--{name}" for name, value in asked.items() if value is not None]
    if port is None and given:
        raise ValueError(f"{given[0]} is for --port: name the board's port, as /dev/ttyACM0")
    if port is not None and asked["against"] is None:
        raise ValueError(
            "--port needs --against RUN: the run that was exported, whose pictures are sent"
        )


def _on_board(
    folder: Path,
    port: str,
    against: str,
    asked: dict[str, int],
    pictures: str | None,
    data: str | None,
    data_dir: str | None,
) -> "OnBoard":
    from smidgen.export.on_board import verify_on_board

    with LoadingProgress() as progress:
        return verify_on_board(
            folder,
            port,
            against,
            **asked,
            pictures=pictures,
            data=data,
            data_dir=data_dir,
            tell=say,
            observe=progress.observe,
        )


def _wrong(lines: Sequence[str]) -> str:
    more = [f"{len(lines) - _NAMED:,} more"] if len(lines) > _NAMED else []
    return "; ".join([*lines[:_NAMED], *more])


def _told(verified: "Verified") -> str:
    files = counted(verified.files, "file is as it was written", "files are as they were written")
    if verified.ran is None:
        return files
    difference = (
        "bit for bit"
        if verified.difference == 0
        else f"to within {verified.difference:.1e}, allowed {verified.allowed:.1e}"
    )
    return f"{files}, and {verified.ran} answers as before, {difference}"


def _told_of(board: "OnBoard") -> list[str]:
    """Return what came of a board, a line each."""
    sent = counted(board.images, "picture", "pictures")
    exact = board.allowed == 0
    if board.equal == board.images:
        how = "bit for bit" if exact else f"to within {board.largest_difference:.1e}"
        same = f"{board.port} answers {sent} as {board.held_against}, {how}"
    else:
        file = f" ({board.first_file})" if board.first_file else ""
        same = (
            f"{board.port} answers {board.images - board.equal:,} of {sent} otherwise than"
            f" {board.held_against}: the first is picture {board.first_difference:,}{file}, logits"
            f" differ by up to {_plain(board.largest_difference)}, allowed is {board.allowed:.3g}"
        )
    low, high = wilson(board.accuracy, board.images)
    lines = [
        same,
        f"right on the board: {100 * board.accuracy:.2f} % [{100 * low:.2f}, {100 * high:.2f}]",
        f"{_times(board)}; {_plain(board.images_per_second)} pictures a second with the line",
    ]
    if board.sent_again:
        lines.append(
            f"{counted(board.sent_again, 'question was', 'questions were')} sent again: the line"
            " damaged it or its answer"
        )
    return lines


def _plain(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= _WHOLE else f"{amount:.3g}"


def _times(board: "OnBoard") -> str:
    if board.microseconds is None or board.most_microseconds is None:
        return "the board has no clock: how long a picture takes is not known"
    return (
        f"{board.microseconds / 1000:.3f} ms a picture on the board, at most"
        f" {board.most_microseconds / 1000:.3f}"
    )

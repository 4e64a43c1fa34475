"""The command line: the only package that prints."""

import sqlite3
import sys
import warnings
from typing import Annotated

import typer

from smidgen.cli import (
    design,
    evaluate,
    export,
    inspect,
    inspect_data,
    listing,
    predict,
    report,
    sharing,
    study,
    train,
)
from smidgen.cli.terminal import say, tell
from smidgen.release import software

app = typer.Typer(
    name="smidgen",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_versions(asked: bool) -> bool:
    if asked:
        tell(software())
        raise typer.Exit
    return asked


@app.callback()
def of_all_commands(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_versions,
            is_eager=True,
            help="Show the versions of smidgen, Python and torch.",
        ),
    ] = False,
) -> None:
    """Design, train, prove and ship very small convolutional networks."""
    del version  # shown before anything else is read


app.command("list")(listing.list_)
app.command("inspect")(inspect.inspect)
app.command("inspect-data")(inspect_data.inspect_data)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("study")(study.study)
app.command("design")(design.design)
app.command("report")(report.report)
app.command("export")(export.export)
app.command("card")(sharing.card)
app.command("push")(sharing.push)

BAD_INPUT, INTERRUPTED = 2, 130
_LONGEST = 1_500  # characters of an error: a value in it may be as long as a file
_USAGE: type[Exception] = typer.BadParameter.__bases__[
    0
]  # of every error in how a command was written
_OF_THIS_MACHINE = (OSError, sqlite3.Error, MemoryError, RecursionError)


def main() -> None:
    """Run the command line; bad input is one line on standard error and exit status 2."""
    shown: set[str] = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        line = _line(str(message))
        if line not in shown:  # data of several sizes say the same of their pictures
            say(f"warning: {line}")
        shown.add(line)

    warnings.showwarning = show
    status: object = None
    try:
        status = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except (ValueError, FloatingPointError) as error:
        _stop(str(error), BAD_INPUT)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except _OF_THIS_MACHINE as error:
        _stop(_told(error), BAD_INPUT)
    except _USAGE as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        said = getattr(error, "format_message", error.__str__)()
        _stop(f"{said}{hint}", BAD_INPUT)
    if status == INTERRUPTED:  # what typer makes of Ctrl-C
        _stop("interrupted; the last checkpoint is kept, --resume goes on", INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _told(error: BaseException) -> str:
    """Return what the machine refused, for a person."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "there is not enough memory for this"
    if isinstance(error, RecursionError):
        return "something in this is nested too deep"
    return str(error)


def _stop(message: str, status: int) -> None:
    say(f"smidgen: {_line(message)}")
    sys.exit(status)


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."

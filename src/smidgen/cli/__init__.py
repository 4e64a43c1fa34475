"""The command line: the only package that prints."""

import logging
import os
import sqlite3
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from errno import ENOMEM
from io import TextIOWrapper
from typing import Annotated

import typer

from smidgen.cli import (
    compare,
    curve,
    design,
    evaluate,
    export,
    inspect,
    inspect_data,
    listing,
    mistyped,
    predict,
    report,
    sharing,
    study,
    train,
    verify,
)
from smidgen.cli.interrupts import BY_SIGNAL, after_imports, like_control_c
from smidgen.cli.terminal import QUIET, tell, warn
from smidgen.escape import terminal
from smidgen.release import software

QUIETLY, VERBOSELY = "--quiet", "--verbose"

app = typer.Typer(
    name="smidgen",
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
    quiet: Annotated[
        bool, typer.Option(QUIETLY, help="Show only results, warnings and errors.")
    ] = False,
    verbose: Annotated[bool, typer.Option(VERBOSELY, help="Show what smidgen logs, too.")] = False,
) -> None:
    """Design, train, prove and ship very small convolutional networks."""
    del version  # shown before anything else is read
    if quiet and verbose:
        raise ValueError(f"{QUIETLY} and {VERBOSELY} contradict each other")
    QUIET.set(quiet)


@contextmanager
def _logged(*, on: bool) -> Generator[None]:
    """Write what is logged under the name smidgen to standard error, if that is asked for."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("smidgen")
    if not on:
        yield
        return
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


class _Line(logging.Formatter):
    """A line that moves no cursor, whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        return terminal(_line(super().format(record)))


_VERBS = {
    "list": listing.list_,
    "inspect": inspect.inspect,
    "inspect-data": inspect_data.inspect_data,
    "train": train.train,
    "evaluate": evaluate.evaluate,
    "compare": compare.compare,
    "predict": predict.predict,
    "study": study.study,
    "curve": curve.curve,
    "design": design.design,
    "report": report.report,
    "export": export.export,
    "verify": verify.verify,
    "card": sharing.card,
    "push": sharing.push,
}
for _name, _verb in _VERBS.items():
    # the whole first line of each stands in the list of all
    app.command(_name, short_help=(_verb.__doc__ or "").split("\n")[0])(_verb)

# Exit statuses beside 0; 1 is of a study with failed trials, or of verify.
BAD_INPUT, INTERRUPTED = 2, 130
_GOES_ON = {
    "train": "; --resume goes on from the last checkpoint, if there is one yet",
    "curve": "; the same command goes on",
    "study": "; the same command goes on",
    "design": "; the same command goes on",
}
_NO_MEMORY = "there is not enough memory for this: a smaller --image-size takes less"
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
            warn(f"warning: {line}")
        shown.add(line)

    warnings.showwarning = show
    _open_streams()
    _require_working_folder()
    if isinstance(sys.stdout, TextIOWrapper):  # a name is no reason to lose what was computed
        sys.stdout.reconfigure(errors="backslashreplace")
    words = [_at_home(word) for word in _in_front(sys.argv[1:])]
    with _logged(on=VERBOSELY in words[:2]), after_imports(), like_control_c() as signals:
        _run(words or ["--help"], signals)


def _open_streams() -> None:
    """Let a standard stream that the caller has closed lead nowhere, as ``2>/dev/null`` does.

    Otherwise the next file that is opened takes its number, and what libraries print goes there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - for as long as we run


def _require_working_folder() -> None:
    """Refuse to begin in a folder that was removed: not even torch can be imported there."""
    try:
        os.getcwd()  # noqa: PTH109 - as those do that fail
    except OSError:
        _stop("the working folder is gone: change to one that is there, as by cd", BAD_INPUT)


def _run(words: list[str], signals: list[int]) -> None:
    """Run a command line and end this process with its status.

    Args:
        words: Of the command line.
        signals: That have come to end it; it grows.
    """
    status: object = None
    try:
        # the name also of `python -m smidgen`: completion would else be that of python itself
        status = app(args=words, prog_name="smidgen", standalone_mode=False)
    except (ValueError, FloatingPointError, Warning) as error:  # the last of python -W error
        _stop(str(error), BAD_INPUT)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except _OF_THIS_MACHINE as error:
        _stop(_told(error), BAD_INPUT)
    except RuntimeError as error:
        if not (said := _of_torch(error)):
            raise
        _stop(said, BAD_INPUT)
    except _USAGE as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        said = getattr(error, "format_message", error.__str__)()
        _stop(f"{mistyped.told(said, words, _VERBS)}{hint}", BAD_INPUT)
    if status == INTERRUPTED:  # what typer makes of Ctrl-C
        verb = next((word for word in words if not word.startswith("-")), "")
        code = BY_SIGNAL + signals[0] if signals else INTERRUPTED
        _stop(f"interrupted{_GOES_ON.get(verb, '')}", code)
    sys.exit(status if isinstance(status, int) else 0)


def _in_front(words: list[str]) -> list[str]:
    """Return a command line with --quiet and --verbose before the verb, wherever they stood."""
    end = words.index("--") if "--" in words else len(words)
    found = [word for word in words[:end] if word in (QUIETLY, VERBOSELY)]
    return [*found, *(word for word in words[:end] if word not in found), *words[end:]]


def _at_home(word: str) -> str:
    """Return a word with ``~/`` as the user's folder: shells leave it so in ``--out=~/mine``."""
    option, is_one, value = word.partition("=") if word.startswith("--") else ("", "", word)
    at_home = value == "~" or value.startswith(("~/", f"~{os.sep}"))
    return f"{option}{is_one}{os.path.expanduser(value)}" if at_home else word  # noqa: PTH111 - not a Path yet


def _told(error: BaseException) -> str:
    """Return what the machine refused, for a person."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == ENOMEM:
        return _NO_MEMORY
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, RecursionError):
        return "something in this is nested too deep"
    return str(error)


def _of_torch(error: RuntimeError) -> str:
    """Return what torch lacks, memory or a GPU that works, for a person; nothing if neither."""
    said = str(error).partition("\n")[0]
    if "DefaultCPUAllocator" in said:
        return _NO_MEMORY
    if not said.startswith(("CUDA", "cuDNN")):
        return ""
    return f"{said.partition('. ')[0]}: an empty CUDA_VISIBLE_DEVICES keeps to the CPU"


def _stop(message: str, status: int) -> None:
    warn(f"smidgen: {_line(message)}")
    sys.exit(status)


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."

"""The command line: the only package that prints."""

import sys
import warnings

import typer
from typer import _click as click

from smidgen.cli import design, evaluate, export, inspect, listing, predict, report, study, train

app = typer.Typer(
    name="smidgen",
    help="Design, train, prove and ship very small convolutional networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(listing.list_)
app.command("inspect")(inspect.inspect)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("study")(study.study)
app.command("design")(design.design)
app.command("report")(report.report)
app.command("export")(export.export)

BAD_INPUT, INTERRUPTED = 2, 130


def main() -> None:
    """Run the command line; bad input is one line on standard error and exit status 2."""
    warnings.showwarning = _show_warning
    status: object = None
    try:
        status = app(standalone_mode=False)
    except click.exceptions.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        _stop(f"{error.format_message()}{hint}", BAD_INPUT)
    except (ValueError, FloatingPointError) as error:
        _stop(" ".join(str(error).split()), BAD_INPUT)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    if status == INTERRUPTED:  # what typer makes of Ctrl-C
        _stop("interrupted; the last checkpoint is kept, --resume goes on", INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _stop(message: str, status: int) -> None:
    print(f"smidgen: {message}", file=sys.stderr)
    sys.exit(status)

"""The command line as a shell sees it, without the seconds that a process takes to import torch."""

import io
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from smidgen.cli import main


class Done(NamedTuple):
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


def command(*words: str, where: Path | None = None) -> Done:
    """Run ``smidgen WORDS`` in a folder, warnings told as a process of its own tells them."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")
        patch.setattr(sys, "argv", ["smidgen", *words])
        patch.chdir(where or Path.cwd())
        status: object = None
        try:
            main()
        except SystemExit as ended:
            status = ended.code
    return Done(status if isinstance(status, int) else 0, out.getvalue(), err.getvalue())

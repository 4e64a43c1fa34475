"""Which release of smidgen this is, and which one wrote what is read."""

import platform
import subprocess
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from smidgen.names import bare, shown
from smidgen.text import nearest


def release() -> str:
    """Return the version of the package that runs."""
    return version("smidgen")


@cache
def revision() -> str:
    """Return the git revision of smidgen's own checkout, or the version that is installed.

    Somebody else's repository that smidgen was installed or copied into has no say. The revision
    has a mark if files have changed since.
    """
    root = _checkout()
    if root is None:
        return release()
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return release()
    return found.stdout.strip() or release()


def software() -> str:
    """Return the versions that a report of something wrong should name, as one line."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "missing"
    return f"smidgen {release()}, Python {platform.python_version()}, torch {torch}"


def _checkout() -> Path | None:
    """Return the root of the checkout that this module lies in, if it is one of smidgen."""
    package = Path(__file__).resolve().parent
    root = package.parents[1]
    if package != root / "src" / "smidgen" or not (root / ".git").exists():
        return None
    try:
        project = (root / "pyproject.toml").read_text(encoding="utf-8")
    except OSError:
        return None
    return root if '\nname = "smidgen"\n' in project else None


def require_known(form: Mapping[str, Any], known: Collection[str], what: str, by: object) -> None:
    """Refuse keys that this version does not know.

    Args:
        form: As read.
        known: Keys.
        what: Holds them, for the error.
        by: The version that wrote it, as far as it says so.

    Raises:
        ValueError: Naming the key, and both versions if they differ.
    """
    for key in form:
        if key in known:
            continue
        if isinstance(by, str) and by != release():
            raise ValueError(
                f"{what} was written by smidgen {bare(by)}, and this is {release()}: the"
                f" key {shown(key)} is not known here"
            )
        raise ValueError(f"{what} has no key {shown(key)}; {nearest(str(key), known)}")

"""What is said where a package of one of smidgen's extras is missing."""

import re
from importlib.metadata import requires

from smidgen.escape import shell


def install(extra: str) -> str:
    """Return the command that installs the packages of an extra, by their own names.

    smidgen is on no package index, where its name is free: ``pip install 'smidgen[hub]'`` could
    not work, and would install whatever is called so there one day.
    """
    wanted = (line.partition(";") for line in requires("smidgen") or ())
    packages = [
        package.strip()
        for package, _, marker in wanted
        if re.search(rf"""\bextra == ["']{re.escape(extra)}["']""", marker)
    ]
    return shell(["pip", "install", *packages])


def needed(what: str, package: str, extra: str, error: ImportError) -> ValueError:
    """Return the error: what needs the package, what installs it, and why it fails if it is there.

    Args:
        what: That cannot be done without it.
        package: As it is imported.
        extra: That the package is of.
        error: Of the import.
    """
    absent = isinstance(error, ModuleNotFoundError) and error.name == package
    why = "" if absent else f" ({error})"
    return ValueError(f"{what} needs the package {package}: {install(extra)}{why}")

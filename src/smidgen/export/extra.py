"""What is said where a package of the extra `export` is missing."""


def needed(what: str, package: str, error: ImportError) -> ValueError:
    """Return the error: what needs the package, what installs it, and why it fails if it is there.

    Args:
        what: That cannot be done without it.
        package: As it is imported.
        error: Of the import.
    """
    absent = isinstance(error, ModuleNotFoundError) and error.name == package
    why = "" if absent else f" ({error})"
    return ValueError(f"{what} needs the package {package}: pip install 'smidgen[export]'{why}")

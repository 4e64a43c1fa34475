"""Let ``python -m smidgen`` be the command line."""

import sys

_INTERRUPTED = 130  # exit status


def main() -> None:
    """Run the command line; Ctrl-C is one line also while its modules are imported."""
    try:
        from smidgen.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("smidgen: interrupted\n")
        sys.exit(_INTERRUPTED)
    run()


if __name__ == "__main__":
    main()

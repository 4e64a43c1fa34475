"""Let ``python -m smidgen`` be the command line."""

import signal
import sys

_INTERRUPTED = 130  # exit status


def main() -> None:
    """Run the command line and end the process.

    Ctrl-C is one line also while modules of the command line are imported. Once all is done it ends
    the process at once: raised inside what Python and torch clear up, it would be a traceback.
    """
    try:
        from smidgen.cli import main as run
        from smidgen.cli.interrupts import leave_decoding
        from smidgen.cli.terminal import ALONE
    except KeyboardInterrupt:
        sys.stderr.write("smidgen: interrupted\n")
        sys.exit(_INTERRUPTED)
    ALONE.set(True)
    try:
        run()
    except SystemExit as ended:
        leave_decoding(ended.code)
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()

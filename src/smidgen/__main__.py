"""Let ``python -m smidgen`` be the command line."""

from smidgen.cli import main

if __name__ == "__main__":
    main()

"""Make the wrong edits of wrong_edits.toml, one at a time, and tell which test notices each.

    .venv/bin/python tools/wrong_edits.py [NAME...]

Exit status 1 where one turns no test red.
"""

import sys
import tempfile
import tomllib
from pathlib import Path

from mutate import ROOT, Bench

SECONDS = 1800


def main(names: list[str]) -> int:
    """Return 0 if a test notices every edit."""
    known = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    unnoticed, green = 0, set[str]()
    for name in names or known:
        edit = known[name]
        module = ROOT / edit["module"]
        source = module.read_text()
        if source.count(edit["was"]) != 1:
            sys.exit(f"{name}: {edit['module']} must hold once: {edit['was']}")
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), module, edit["tests"].split())
            bench.warm(["pytest", "numpy", "scipy.stats"])
            if edit["tests"] not in green:
                red, first, _ = bench.run(source, SECONDS)
                if red:
                    sys.exit(f"{name}: {first} is red without the edit")
                green.add(edit["tests"])
            red, first, _ = bench.run(source.replace(edit["was"], edit["now"]), SECONDS)
        print(f"{name}: {first if red else 'NO TEST IS RED'}", flush=True)
        unnoticed += not red
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Run the quick tests several times, each time in another order, beside more work than processors.

    .venv/bin/python tools/stress.py [TIMES] [PYTEST ARGUMENTS...]

No test may depend on time or order. Exit status 1 where a run was red; what failed is told at its
end, with the seed of its order.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUICK = "not slow and not gpu and not browser and not mcu"
# Ends with this process, however that ends.
BURNER = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(1_000_000))"
A_PROCESSOR = 3  # burners


def main(times: int, more: list[str]) -> int:
    """Return 0 if every run was green."""
    burners = [
        subprocess.Popen([sys.executable, "-c", BURNER])
        for _ in range(A_PROCESSOR * (os.cpu_count() or 1))
    ]
    red = 0
    try:
        for run in range(times):
            files = sorted(str(path) for path in (ROOT / "tests").rglob("test_*.py"))
            random.Random(run).shuffle(files)
            print(f"run {run + 1} of {times}, order {run}", flush=True)
            command = [sys.executable, "-m", "pytest", "-q", "-m", QUICK, *more, *files]
            red += subprocess.run(command, cwd=ROOT, check=False).returncode != 0
    finally:
        for burner in burners:
            burner.kill()
    print(f"{times - red} of {times} runs were green")
    return int(red > 0)


if __name__ == "__main__":
    given = sys.argv[1:]
    count = int(given.pop(0)) if given and given[0].isdigit() else 3
    sys.exit(main(count, given))

"""Tables of pages tell what the rows of results/ hold."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from smidgen.study.statistics import mean_interval, spread

ROOT = Path(__file__).parents[1]


def rows_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ROOT / "results" / name).read_text().splitlines()]


def lines_of(page: str) -> list[str]:
    return (ROOT / "docs" / page).read_text().splitlines()


@pytest.mark.parametrize("net", ["mnist-1k5-dw", "cifar-143k-dw"])
@pytest.mark.parametrize(
    ("kind", "told"),
    [("batch", "images"), ("width", "width"), ("image side", "pixels"), ("threads", "threads")],
)
def test_the_growth_of_a_step_is_that_of_the_rows(net: str, kind: str, told: str) -> None:
    (line,) = [
        line for line in lines_of("performance.md") if line.startswith(f"| `{net}` | {told}")
    ]
    rows = [
        row for row in rows_of("training-growth.jsonl") if (row["net"], row["kind"]) == (net, kind)
    ]
    sizes = "; ".join(f"{row['size']:g}: {row['milliseconds']:.1f}" for row in rows)
    exponent = "-" if kind == "threads" else f"{rows[0]['exponent']:.2f}"
    assert line.endswith(f"| {sizes} | {exponent} |")


def test_the_ladder_of_records_is_that_of_the_rows() -> None:
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows_of("records.jsonl"):
        found[f"`{row['net']}`", f"{row['epochs']}", str(row["methods"])].append(row)
    told = [re.split(r" *\| *", line)[3:9] for line in lines_of("records.md") if " ± " in line]
    ladder = [cells for cells in told if len(cells) == 6]
    assert len(ladder) >= 12
    for net, params, _, epochs, accuracy, seeds in ladder:
        rows = max((rows for key, rows in found.items() if key[:2] == (net, epochs)), key=len)
        interval = mean_interval([100 * row["accuracy"] for row in rows])
        made = f"{rows[0]['params']:,}", f"{spread(interval)} %"
        assert (params, accuracy.strip("*")) == made, net
        assert seeds == str(len(rows)), net


def test_the_wrong_edits_that_were_drawn_are_those_of_the_rows() -> None:
    words = [ROOT / "tools" / "mutate.py", "--table", "--rows", ROOT / "results" / "mutants.jsonl"]
    made = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    assert set(made.stdout.splitlines()) <= set(lines_of("testing.md"))

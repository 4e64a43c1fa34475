"""A study from the command line: rows that are there already are taken, and not made again."""

from pathlib import Path

from tests.test_cli import smidgen

from smidgen.study.store import Store

PLAN = """
name = "small"
data = "digits"
seeds = [{seeds}]
split = "full"
latency = false

[recipe]
epochs = 1

[[trials]]
nets = ["mnist-1k5-dw"]
"""


def keys(folder: Path, seeds: str, *options: str) -> set[str]:
    """Run a study of these seeds in a store of its own; return the keys of its rows."""
    plan, store = folder / "plan.toml", folder / f"{seeds}.db"
    plan.write_text(PLAN.format(seeds=seeds))
    assert smidgen("study", str(plan), "--store", str(store), *options) == 0
    return {row["key"] for row in Store(store).rows("small")}


def test_rows_of_several_files_are_taken(tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    made = keys(tmp_path, "0", "--export", str(first))
    made |= keys(tmp_path, "1", "--export", str(second))
    assert len(list(tmp_path.glob("*.runs/*/weights.safetensors"))) == 2
    assert keys(tmp_path, "0,1", "--import", str(first), "--import", str(second)) == made
    assert len(list(tmp_path.glob("*.runs/*/weights.safetensors"))) == 2  # nothing is made again

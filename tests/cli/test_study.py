"""A study from the command line: rows that are there already are taken, and not made again."""

import json
from pathlib import Path

import pytest
from tests.report.conftest import seen
from tests.test_cli import smidgen

from smidgen.cli.study import show_event
from smidgen.study.plan import read_plan
from smidgen.study.running.local import Event
from smidgen.study.status import Ended, Status
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
    both, files = tmp_path / "both.jsonl", [tmp_path / "first.jsonl", tmp_path / "second.jsonl"]
    made = keys(tmp_path, "0,1", "--export", str(both))
    assert len(list(tmp_path.glob("*.runs/*/weights.safetensors"))) == 2
    for file, row in zip(files, both.read_text().splitlines(), strict=True):
        file.write_text(row + "\n")
    (tmp_path / "0,1.db").rename(tmp_path / "made.db")
    imports = [word for file in files for word in ("--import", str(file))]
    assert keys(tmp_path, "0,1", *imports) == made
    assert len(list(tmp_path.glob("*.runs/*/weights.safetensors"))) == 2  # nothing is made again


def test_a_study_that_is_refused_leaves_no_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, store = tmp_path / "plan.toml", tmp_path / "new.db"
    plan.write_text(PLAN.format(seeds="0").replace('"digits"', f'"{tmp_path}/none"'))
    assert smidgen("study", str(plan), "--store", str(store)) == 2
    assert f"{tmp_path}/none" in capsys.readouterr().err
    plan.write_text(PLAN.format(seeds="0"))
    assert smidgen("study", str(plan), "--store", str(store), "--on", "rey") == 2
    assert "did you mean" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [plan]


def test_rows_without_the_card_that_is_asked_for_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys(tmp_path, "0")
    capsys.readouterr()
    keys(tmp_path, "0")
    assert "of the rows" not in capsys.readouterr().err
    plan, asking = tmp_path / "plan.toml", PLAN.format(seeds="0")
    plan.write_text(asking.replace("latency = false", "robust = true"))
    assert smidgen("study", str(plan), "--store", str(tmp_path / "0.db")) == 0
    assert "1 of the rows was made before, without the card" in capsys.readouterr().err


def test_runs_of_another_precision_than_is_asked_for_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As those that lie beside a store that was deleted, or that a store of like name made."""
    plan, store = tmp_path / "plan.toml", tmp_path / "0.db"
    asking = PLAN.format(seeds="0").replace("latency = false", 'precision = "float32"')
    for asked in (asking, asking.replace("float32", "bfloat16")):
        plan.write_text(asked)
        store.unlink(missing_ok=True)
        assert smidgen("study", str(plan), "--store", str(store)) == 0
        other = "1 of the rows is of runs trained before, not in bfloat16"
        assert (other in capsys.readouterr().err) == ("bfloat16" in asked)


def test_a_file_that_was_edited_leaves_nothing_of_what_it_asked_for_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, store = tmp_path / "plan.toml", tmp_path / "0.db"
    plan.write_text(PLAN.format(seeds="0,1").replace("epochs = 1", "epochs = 1000"))
    read = read_plan(plan)
    Store(store).add(read.name, read.jobs(read.origin.load()))
    assert len(keys(tmp_path, "0")) == 1
    assert "2 trials left out, not done: no longer in the study" in capsys.readouterr().err
    assert len(list(tmp_path.glob("*.runs/*/weights.safetensors"))) == 1


def test_status_takes_nothing_in_and_quiet_names_what_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, store = tmp_path / "plan.toml", tmp_path / "0.db"
    plan.write_text(PLAN.format(seeds="0"))
    read = read_plan(plan)
    opened = Store(store)
    opened.add(read.name, read.jobs(read.origin.load()))
    while claim := opened.claim("me"):
        opened.fail(claim.key, "me", "broken")
    asked = ("study", str(plan), "--store", str(store), "--status")
    for option in (("--import", str(tmp_path / "rows.jsonl")), ("--retry-failed",)):
        assert smidgen(*asked, *option) == 2
        assert "--status runs nothing" in capsys.readouterr().err
    assert smidgen("--quiet", *asked) == 0
    assert "failed: mnist-1k5-dw" in capsys.readouterr().err
    assert smidgen("report", str(store)) == 0
    assert "figures are of 0 of 1 trial: 1 failed" in capsys.readouterr().err
    plan.write_text(PLAN.format(seeds="0").replace("small", "another"))
    assert smidgen(*asked) == 0
    assert "was not asked for any trial of another" in capsys.readouterr().err


def test_a_study_ends_with_what_may_follow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, store = tmp_path / "plan.toml", tmp_path / "0.db"
    broken = (
        PLAN.format(seeds="0") + 'methods = [["cutout"]]\n[[trials]]\nnets = ["mnist-1k5-dw"]\n'
    )
    plan.write_text(broken + "recipe = { peak_lr = 1e30 }\n")
    assert smidgen("study", str(plan), "--store", str(store)) == 1
    captured = capsys.readouterr()
    *_, report, again = captured.err.splitlines()
    assert report == f"next:   smidgen report {store} --out {tmp_path}/0.html"
    assert again == f"        smidgen study {plan} --store {store} --retry-failed"
    asked = ("--image-size", "7", "--color", "grey", "--jobs", "1")
    assert smidgen("study", str(plan), "--store", str(store), *asked) == 1
    again = capsys.readouterr().err.splitlines()[-1]
    assert again == f"        smidgen study {plan} --store {store} --retry-failed {' '.join(asked)}"
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"key": "k", "study": "other", "net": "n"}\n')
    before = rows.read_bytes()
    Store(tmp_path / "none.db").close()
    for option in (
        ("--store", str(store), "--import", str(rows)),
        ("--store", str(tmp_path / "none.db"), "--status"),
    ):
        assert smidgen("study", str(plan), *option, "--export", str(rows)) == 2
        assert rows.read_bytes() == before
    assert "0 min" not in captured.out + captured.err


def test_a_trial_that_failed_and_waits_again_is_told_as_such(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lost = Ended("k", "net, mixup, seed 1", "queued", "it broke", None, 0.0)
    show_event(Event(Status(1, 1, 0, 1, None, ()), (lost,)))
    failed = lost._replace(state="failed")
    show_event(Event(Status(2, 0, 1, 0, 0.0, ()), (failed,)))
    assert capsys.readouterr().err.splitlines() == [
        "1/3  net, mixup, seed 1  failed, to be tried once more  it broke",
        "2/3  net, mixup, seed 1  failed  it broke",
    ]


def test_help_says_that_the_study_has_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert smidgen("study", "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Fit every image to this size; default: the study file's, else one is chosen." in told
    assert "local copies of data sets; default: the study file's, else $SMIDGEN_DATA." in told


@pytest.mark.parametrize("method", ["distill:teacher=gone", "pretrained:run=gone"])
def test_a_run_to_learn_from_that_is_gone_names_the_trial_and_what_to_do(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, store = tmp_path / "plan.toml", tmp_path / "0.db"
    plan.write_text(PLAN.format(seeds="0") + f'methods = [["{method}"]]\n')
    assert smidgen("study", str(plan), "--store", str(store)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the trial mnist-1k5-dw, " in line
    assert "gone is no run folder" in line
    assert line.endswith("train it there first, or name another run in the study's file")
    assert not store.exists()


def test_rows_that_no_report_could_be_made_of_are_not_taken_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, store, rows = tmp_path / "plan.toml", tmp_path / "0.db", tmp_path / "rows.jsonl"
    plan.write_text(PLAN.format(seeds="0"))
    bad = {**seen(0), "latency": {"kernel_ms": "fast"}}
    rows.write_text("".join(f"{json.dumps(one)}\n" for one in (seen(1), bad)))
    assert smidgen("study", str(plan), "--store", str(store), "--import", str(rows)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "latency must be times above 0 by name, or null" in line
    assert not store.exists()


def test_a_trial_that_learned_little_says_so_where_it_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = Status(2, 0, 0, 0, None, ())
    rows = [seen(0), seen(1, accuracy=0.41, balanced_accuracy=0.34)]
    show_event(Event(status, tuple(Ended("k", "one", "done", None, row, 0.0) for row in rows)))
    told = capsys.readouterr().err.splitlines()
    assert told == ["2/2  one  done  65.00 % test", "2/2  one  done  41.00 % test, learned little"]

"""On a disk that fills up: one line, nothing that was finished is lost, and on when there is room.

The disk is a small tmpfs, which only root can mount; elsewhere these tests are skipped.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.command import Done
from tests.report.conftest import row

from smidgen.checkpoint import load_tensors
from smidgen.cli import main
from smidgen.run_folder import WEIGHTS
from smidgen.study.store import Store

ROOT = Path(__file__).parents[1]
SIZE = 4 << 20  # bytes
TRAIN = ("train", "mnist-1k5-dw", "--data", "digits", "--epochs", "3", "--json", "--out")

# commands in one process, which takes seconds to import torch
MANY = """
import json, sys

from tests.command import command

print(json.dumps([command(*words) for words in json.load(sys.stdin)]))
"""
MORE = [pytest.param(of, marks=pytest.mark.slow) for of in (4, 24, 96, 160)]


class Disk:
    """A small disk that can be filled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def fill(self, room: int) -> None:
        """Leave ``room`` bytes."""
        with (self.place / "filler").open("wb") as file:
            found = os.statvfs(self.place)
            file.write(bytes(max(found.f_bavail * found.f_frsize - room, 0)))

    def empty(self) -> None:
        (self.place / "filler").unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Disk]:
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def ended(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[object, list[str]]:
    """Return the exit status of a command, and what it said for itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["smidgen", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return end.value.code, [line for line in err.splitlines() if line.startswith("smidgen:")]


@pytest.mark.parametrize("kibibytes", [0, 12, 48, *MORE])
def test_a_run_goes_on_when_there_is_room(
    kibibytes: int, disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(capsys, *TRAIN, tmp_path / "quiet") == (0, [])
    run = disk.place / "run"
    disk.fill(kibibytes << 10)
    code, said = ended(capsys, *TRAIN, run)
    assert code == (2 if said else 0)
    assert len(said) <= 1
    assert kibibytes > 100 or code == 2
    disk.empty()
    assert ended(capsys, *TRAIN, run, "--resume") == (0, [])
    tensors, _ = load_tensors(run / WEIGHTS)
    expected, _ = load_tensors(tmp_path / "quiet" / WEIGHTS)
    assert all(tensors[name].equal(of) for name, of in expected.items())
    assert [path.name for path in run.iterdir() if path.suffix == ".tmp"] == []


@pytest.mark.parametrize("kibibytes", [4])
def test_an_export_leaves_nothing_half_written(
    kibibytes: int, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    run = disk.place / "run"
    assert ended(capsys, *TRAIN, run) == (0, [])
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    disk.fill(kibibytes << 10)
    code, said = ended(capsys, "export", run, "--to", "onnx", "--out", disk.place / "out")
    assert (code, len(said)) == (2, 1)
    assert "No space left" in said[0]
    assert sorted(path.name for path in disk.place.iterdir()) == ["filler", "run"]
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    disk.empty()
    assert ended(capsys, "export", run, "--to", "onnx", "--out", disk.place / "out") == (0, [])


def test_a_report_keeps_the_page_that_was_there(
    disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, page = disk.place / "rows.jsonl", disk.place / "page.html"
    rows.write_text(json.dumps(row("mine", [], 0, 150)) + "\n")
    assert ended(capsys, "report", rows, "--out", page) == (0, [])
    before = page.read_text()
    disk.fill(0)
    code, said = ended(capsys, "report", rows, "--out", page)
    assert (code, len(said)) == (2, 1)
    assert page.read_text() == before
    assert sorted(of.name for of in disk.place.iterdir()) == ["filler", "page.html", "rows.jsonl"]


@pytest.mark.slow
@pytest.mark.parametrize("kibibytes", [0, 16, 48, 80, 120, 200])
def test_a_study_keeps_what_has_finished_and_goes_on(
    kibibytes: int, disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, store = tmp_path / "plan.toml", disk.place / "study.db"
    plan.write_text(
        'name = "s"\ndata = "digits"\nseeds = [0, 1, 2]\n[recipe]\nepochs = 3\n'
        '[[trials]]\nnets = ["mnist-1k5-dw"]\nmethods = [[]]\n'
    )
    disk.fill(kibibytes << 10)
    code, said = ended(capsys, "study", plan, "--store", store)
    assert (code, len(said)) in ((2, 1), (0, 0))
    done = Store(store).rows() if store.exists() and code == 2 and kibibytes > 100 else []
    disk.empty()
    assert ended(capsys, "study", plan, "--store", store) == (0, [])
    rows = Store(store).rows()
    assert len(rows) == 3
    assert all(of in rows for of in done)


def test_a_store_of_somebody_else_is_read_and_not_written() -> None:
    without = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can give files away, and setpriv takes its rights to write them")
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        (folder / "rows.jsonl").write_text(json.dumps(row("mine", [], 0, 150)) + "\n")
        plan = folder / "plan.toml"
        plan.write_text(
            'name = "s"\ndata = "digits"\nseeds = [0]\n[[trials]]\nnets = ["mnist-1k5-dw"]\n'
            "methods = [[]]\n"
        )
        store = Store(folder / "study.db")
        store.import_rows(folder / "rows.jsonl")
        store.close()
        for path in (*folder.iterdir(), folder):
            os.chown(path, 65534, 65534)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}

        store = str(folder / "study.db")
        wrong = (
            ("report", store, "--out", str(folder / "page.html")),
            ("study", str(plan), "--store", store),
            ("study", str(plan), "--store", str(folder / "another.db")),
        )
        right = (("study", str(plan), "--store", store, "--status", "--json"), ("report", store))
        as_guest = subprocess.run(
            [*without, sys.executable, "-c", MANY],
            input=json.dumps([*right, *wrong]),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        )
        assert as_guest.returncode == 0, as_guest.stderr
        status, report, *refused = (Done(*of) for of in json.loads(as_guest.stdout))
        assert status.returncode == 0, status.stderr
        assert json.loads(status.stdout)["done"] == 1
        assert report.returncode == 0, report.stderr
        assert len(refused) == len(wrong)
        for done in refused:
            assert done.returncode == 2, done.stderr
            lines = [of for of in done.stderr.splitlines() if not of.startswith("warning: ")]
            assert len(lines) == 1, lines
            assert str(folder) in lines[0]
        assert all("must be writable" in done.stderr for done in refused[1:])
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    finally:
        shutil.rmtree(folder)

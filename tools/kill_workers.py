"""Kill the processes of a study again and again, and count the trials that are left undone.

Run it as ``python tools/kill_workers.py``. A worker is killed (signal 9) 1 to 8 seconds after it
has begun to take trials; one in four is killed before, while it starts; and after every ten kills
the study itself is killed and started again. Where the machine is busy, so that three trials that
nobody disturbs take longer than 10 seconds, all times are longer in proportion. Ends with 0 if
every trial is done, no temporary folder is left and the rows of three trials are those of trials
that nobody disturbed.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PLAN = """
name = "killed"
data = "digits"
split = "selection"
seeds = {seeds}
[recipe]
epochs = {epochs}
[[nets]]
name = "own"
input = [1, 8, 8]
layers = ["conv(4)", "conv(6)", "global-average-pool", "classifier(10)"]
[[trials]]
nets = ["own"]
methods = [[]]
"""
STARTING, PARENT = 0.25, 10  # share of kills while a worker starts; kills until the study's own
LIMIT = 3 * 3600  # seconds


def main() -> int:
    """Run the study, kill, and tell what is left."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--trials", type=int, default=60)
    asked.add_argument("--epochs", type=int, default=20)
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--seed", type=int, default=0, help="Of the moments of the kills.")
    asked.add_argument("--pace", type=float, help="Times 1 to 8 seconds; found by default.")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = PLAN.format(seeds=list(range(options.trials)), epochs=options.epochs)
        (folder / "plan.toml").write_text(plan)
        temporary = folder / "tmp"
        temporary.mkdir()
        found = undisturbed(folder / "quiet", options.epochs)
        pace = options.pace or found
        kills = disturbed(folder, options.jobs, random.Random(options.seed), pace)
        said = status(folder)
        left = [path.name for path in temporary.glob("smidgen-study-*")]
        differ = [] if said["failed"] else differing(folder)
    undone = options.trials - said["done"]
    print(
        f"{options.trials} trials, killed every {pace:.1f} to {8 * pace:.0f} s: {kills[0]} workers"
        f" at work, {kills[1]} that started, the study {kills[2]} times: {said['done']} done,"
        f" {undone} left undone, {len(differ)} of those compared differ, {len(left)} temporary"
        " folders left"
    )
    for title, error in said["failures"]:
        print(f"failed: {title}: {error}")
    return 1 if undone or left or differ else 0


def smidgen(folder: Path, *arguments: str) -> list[str]:
    """Return the command of a study in ``folder``."""
    store = str(folder / "study.db")
    return [sys.executable, "-m", "smidgen", "study", "plan.toml", "--store", store, *arguments]


def undisturbed(folder: Path, epochs: int) -> float:
    """Run three trials, and return how many times longer than 10 seconds that takes, or 1."""
    folder.mkdir()
    (folder / "plan.toml").write_text(PLAN.format(seeds=[0, 1, 2], epochs=epochs))
    began = time.monotonic()
    subprocess.run(smidgen(folder), cwd=folder, check=True, capture_output=True)
    took = time.monotonic() - began
    status(folder)
    return max(1.0, took / 10)


def disturbed(folder: Path, jobs: int, chance: random.Random, pace: float) -> tuple[int, int, int]:
    """Run the study to its end, and return how many workers and studies were killed."""
    at_work = starting = parents = 0
    study = started(folder, jobs)
    signal.signal(signal.SIGTERM, lambda *_: study.kill() or sys.exit(1))
    seen: dict[int, float] = {}  # when a worker began to take trials
    moments: dict[int, float] = {}  # how long it may then
    doomed: dict[int, float] = {}  # when one that starts is to be killed
    end = time.monotonic() + LIMIT
    while study.poll() is None and time.monotonic() < end:
        now, taking = time.monotonic(), owners(folder)
        for worker in children(study.pid):
            if worker not in moments:
                moments[worker] = pace * chance.uniform(1, 8)
                if chance.random() < STARTING:
                    doomed[worker] = now + pace * chance.uniform(0, 2)
            if worker in taking:
                doomed.pop(worker, None)
                if now - seen.setdefault(worker, now) > moments[worker]:
                    at_work += kill(worker)
            elif now > doomed.get(worker, end):
                starting += kill(worker)
        if (at_work + starting) // PARENT > parents:
            parents += kill(study.pid)
            study.wait()
            study = started(folder, jobs)
        time.sleep(0.05)
    study.kill()
    study.wait()
    return at_work, starting, parents


def started(folder: Path, jobs: int) -> "subprocess.Popen[bytes]":
    """Start the study, or go on with it."""
    environment = {**os.environ, "TMPDIR": str(folder / "tmp")}
    with (folder / "said.txt").open("ab") as said:
        return subprocess.Popen(
            smidgen(folder, "--jobs", str(jobs)),
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=said,
        )


def children(parent: int) -> Iterator[int]:
    """Yield the processes that a process has started and that are workers."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
            command = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z" and b"running.worker" in command:
            yield int(path.parent.name)


def owners(folder: Path) -> set[int]:
    """Return the processes that take trials."""
    return {int(path.name.split("-")[0]) for path in (folder / "study.runs" / "owners").glob("*-*")}


def kill(process: int) -> int:
    """Kill a process that this one's study started; return 1, or 0 if it had ended."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1


def status(folder: Path) -> dict[str, object]:
    """Return where the study stands."""
    done = subprocess.run(
        smidgen(folder, "--status", "--json", "--export", "rows.jsonl"),
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def differing(folder: Path) -> list[int]:
    """Return which of three trials reach another accuracy or loss than undisturbed ones do."""
    quiet = folder / "quiet"
    rows = [
        {row["seed"]: row for row in map(json.loads, (of / "rows.jsonl").open())}
        for of in (folder, quiet)
    ]
    figures = ("accuracy", "nll", "right")
    assert len(rows[1]) == 3, "three trials ran undisturbed"
    return [
        seed for seed, row in rows[1].items() if any(rows[0][seed][of] != row[of] for of in figures)
    ]


if __name__ == "__main__":
    sys.exit(main())

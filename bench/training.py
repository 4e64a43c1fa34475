"""Compare training speed: smidgen, Composer and plain PyTorch, in alternating rounds of one run.

    python bench/training.py                       everything, about an hour
    python bench/training.py --sets none --threads 1

Composer takes part once bench/composer.sh has made its environment.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import torch
import typer
from plain_loops import PARAMETERS, SETS
from rich.console import Console
from rich.table import Table
from rounds import Contender, Job

from smidgen.data import DataError, load
from smidgen.kernels.measured import processor
from smidgen.release import revision
from smidgen.runtime import choose, versions
from smidgen.zoo import net

HERE = Path(__file__).parent
PEER = HERE / ".composer-venv" / "bin" / "python"
OURS, BARE, BEST_PLAIN = "smidgen", "smidgen-bare", "memory-bf16"
COMPOSER = ("composer", "composer-channels-last")  # what it offers on a CPU
BY_HAND = "composer-bf16"  # what its users could write around it
CONTENDERS = (OURS, BARE, *COMPOSER, BY_HAND, "loader", "memory-float32", BEST_PLAIN)
DATA = {"mnist-1k5-dw": "mnist", "cifar-143k-dw": "cifar10"}
IMAGES = 25_600  # of the training set: 200 steps an epoch
BATCH_SIZE = 128

# What single methods cost: all in one group, so that their rounds alternate.
COSTS = ("none", "cutout + mixup + smoothing", "sam", "swa", "ema", "recipe")


@dataclass(frozen=True, slots=True)
class Cell:
    """One contender with one set of methods."""

    contender: str
    methods: str


@dataclass(frozen=True, slots=True)
class Group:
    """The cells whose rounds alternate."""

    net: str
    threads: int
    name: str
    cells: tuple[Cell, ...]


def groups(nets: list[str], sets: list[str], threads: list[int], costs: bool) -> list[Group]:
    """Return what is to be measured, in order."""
    found: list[Group] = []
    for count in threads:
        for name in nets:
            for methods in sets:
                cells = tuple(Cell(contender, methods) for contender in CONTENDERS)
                found.append(Group(name, count, methods, cells))
            if costs:
                ours = tuple(Cell(OURS, methods) for methods in COSTS)
                found.append(Group(name, count, "costs", (*ours, Cell(BARE, "recipe"))))
    return found


class Processes:
    """Contenders at work, each started once and used for every group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, Contender] = {}

    def get(self, contender: str, place: int) -> Contender:
        """Return the process of a contender; ``place`` tells those of one group apart."""
        key = f"{contender}-{place}"
        if key not in self._running:
            command = [*_command(contender), contender]
            self._running[key] = Contender(command, self._folder / f"{key}.log")
        return self._running[key]

    def drop(self, contender: str, place: int) -> None:
        """Forget a process that failed."""
        self._running.pop(f"{contender}-{place}", None)

    def close(self) -> None:
        """Let all of them go."""
        for process in self._running.values():
            with suppress(OSError, subprocess.TimeoutExpired):
                process.close()


def _command(contender: str) -> list[str]:
    if contender.startswith("composer"):
        return [str(PEER), str(HERE / "composer_rounds.py")]
    script = "smidgen_rounds.py" if contender.startswith("smidgen") else "plain_loops.py"
    return [sys.executable, str(HERE / script)]


def measure(
    group: Group, data: str, processes: Processes, rounds: int, seconds: float
) -> dict[Cell, dict[str, Any]]:
    """Return the rounds of every cell of a group, or why there are none."""
    results: dict[Cell, dict[str, Any]] = {}
    at_work: dict[Cell, tuple[Contender, int]] = {}
    for cell in group.cells:
        if cell.contender.startswith("composer") and not PEER.exists():
            results[cell] = {"missing": "bench/composer.sh makes its environment"}
            continue
        place = sum(other.contender == cell.contender for other in at_work)
        job = Job(group.net, cell.methods, group.threads, data, BATCH_SIZE)
        process = processes.get(cell.contender, place)
        try:
            parameters = process.start(job)
            process.round(seconds)  # the first one warms up
        except (RuntimeError, OSError) as error:
            results[cell] = {"missing": str(error)}
            processes.drop(cell.contender, place)
            continue
        at_work[cell] = process, place
        results[cell] = {"parameters": parameters, "rounds": []}
    for _ in range(rounds):
        for cell, (process, _) in at_work.items():
            results[cell]["rounds"].append(process.round(seconds))
    for process, _ in at_work.values():
        process.end()
    return results


def _speeds(result: dict[str, Any], seconds: str = "seconds") -> list[float]:
    return [one["images"] / one[seconds] for one in result.get("rounds", [])]


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": median(values), "min": min(values), "max": max(values)}


def ratio(ours: dict[str, Any], theirs: dict[str, Any], seconds: str = "seconds") -> float | None:
    """Return how many times faster ours is: the median over pairs of neighbouring rounds."""
    pairs = list(zip(_speeds(ours, seconds), _speeds(theirs, seconds), strict=False))
    return median(a / b for a, b in pairs) if pairs else None


def _text(values: list[float]) -> str:
    if not values:
        return "missing"
    return f"{median(values):,.0f} [{min(values):,.0f}, {max(values):,.0f}]"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def details(group: Group, results: dict[Cell, dict[str, Any]]) -> Table:
    """Return a table with one row a contender."""
    table = Table(title=f"{group.net}, {group.name}, {group.threads} thread(s)")
    table.add_column("contender" if group.name != "costs" else "smidgen with")
    for name in ("images/s", "images/CPU s", "first row is x times faster", "by CPU s"):
        table.add_column(name, justify="right")
    first = results[group.cells[0]]
    for cell, result in results.items():
        bare = " (bare step)" if cell.contender == BARE else ""
        table.add_row(
            cell.methods + bare if group.name == "costs" else cell.contender,
            _text(_speeds(result)),
            _text(_speeds(result, "cpu_seconds")),
            _times(ratio(first, result)),
            _times(ratio(first, result, "cpu_seconds")),
        )
    return table


def _lead(by_name: dict[str, dict[str, Any]], *names: str) -> str:
    """Return how many times faster smidgen is than the fastest of ``names``."""
    found = [by_name[name] for name in names if _speeds(by_name[name])]
    if not found or not _speeds(by_name[OURS]):
        return "missing"
    fastest = max(found, key=lambda result: median(_speeds(result, "cpu_seconds")))
    cpu, wall = (ratio(by_name[OURS], fastest, kind) for kind in ("cpu_seconds", "seconds"))
    return f"{_times(cpu)} ({_times(wall)})"


def summary(measured: list[tuple[Group, dict[Cell, dict[str, Any]]]]) -> Table:
    """Return a table with one row a method set: by how much smidgen leads, by CPU time."""
    table = Table(title="smidgen leads by CPU time (in brackets: by wall time)")
    for name in ("net", "threads", "methods", "images/s", "images/CPU s"):
        table.add_column(name, justify="left" if name in ("net", "methods") else "right")
    for name in ("Composer", "its fastest", "bf16 by hand", "plain bf16", "share of bare step"):
        table.add_column(name, justify="right")
    for group, results in measured:
        if group.name == "costs":
            continue
        by_name = {cell.contender: result for cell, result in results.items()}
        ours = by_name[OURS]

        table.add_row(
            group.net,
            str(group.threads),
            group.name,
            f"{median(_speeds(ours)):,.0f}" if _speeds(ours) else "missing",
            f"{median(_speeds(ours, 'cpu_seconds')):,.0f}" if _speeds(ours) else "missing",
            _lead(by_name, COMPOSER[0]),
            _lead(by_name, *COMPOSER),
            _lead(by_name, BY_HAND),
            _lead(by_name, BEST_PLAIN),
            _lead(by_name, BARE),
        )
    return table


def rows(group: Group, results: dict[Cell, dict[str, Any]], about: dict[str, Any]) -> list[str]:
    """Return the results as lines of JSON, one a cell."""
    lines: list[str] = []
    for cell, result in results.items():
        row: dict[str, Any] = {
            "bench": "training",
            "net": group.net,
            "group": group.name,
            "contender": cell.contender,
            "methods": cell.methods,
            "threads": group.threads,
        }
        if "missing" in result:
            row["missing"] = result["missing"].splitlines()[-1]
        else:
            row["parameters"] = result["parameters"]
            row["images_per_second"] = _spread(_speeds(result))
            row["images_per_cpu_second"] = _spread(_speeds(result, "cpu_seconds"))
            row["loss"] = result["rounds"][-1]["loss"]
            row["rounds"] = result["rounds"]
        lines.append(json.dumps(row | about))
    return lines


def prepare(name: str, folder: Path) -> tuple[str, str]:
    """Write the images to train on and return the file and what they are."""
    path = folder / f"{name}.pt"
    try:
        split = load(DATA[name]).train
        images, labels, what = split.images[:IMAGES], split.labels[:IMAGES], DATA[name]
    except (DataError, OSError) as error:
        generator = torch.Generator().manual_seed(0)
        shape = (IMAGES, *net(name).input_shape)
        images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        labels = torch.arange(IMAGES) % 10
        what = f"random ({error})"
    torch.save({"images": images.contiguous(), "labels": labels.clone()}, path)
    return str(path), what


def _peer_version() -> str:
    if not PEER.exists():
        return "missing"
    command = [str(PEER), str(HERE / "composer_rounds.py"), "--check"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "broken"


def main(
    nets: Annotated[str, typer.Option(help="By comma.")] = ",".join(PARAMETERS),
    sets: Annotated[str, typer.Option(help="Method sets, by comma.")] = ",".join(SETS),
    threads: Annotated[str, typer.Option(help="By comma; all is every core.")] = "1,all",
    rounds: Annotated[int, typer.Option(help="Of each cell, after one that warms up.")] = 5,
    seconds: Annotated[float, typer.Option(help="A round.")] = 1.5,
    costs: Annotated[bool, typer.Option(help="Measure what single methods cost.")] = True,
    core: Annotated[int, typer.Option(help="Pin rounds of one thread to a core.")] = -1,
    out: Annotated[Path | None, typer.Option(help="JSON lines, appended.")] = None,
) -> None:
    """Compare training speed."""
    console = Console(width=140)
    cores = len(os.sched_getaffinity(0))
    counts = [cores if count == "all" else int(count) for count in threads.split(",")]
    for asked, known in ((nets, PARAMETERS), (sets, SETS)):
        if unknown := set(asked.split(",")) - set(known):
            raise typer.BadParameter(f"{', '.join(unknown)}; there are {', '.join(known)}")
    for name in nets.split(","):
        assert net(name).params == PARAMETERS[name]
    about: dict[str, Any] = {
        "command": shlex.join(["python", *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions() | {"commit": revision(), "composer": _peer_version()},
        "machine": {"processor": processor(), "cores": cores, **choose().describe()},
        "batch_size": BATCH_SIZE,
        "images": IMAGES,
    }
    measured: list[tuple[Group, dict[Cell, dict[str, Any]]]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = {name: prepare(name, Path(folder)) for name in nets.split(",")}
        for count in dict.fromkeys(counts):
            if core >= 0:
                os.sched_setaffinity(0, {core} if count == 1 else range(cores))
            processes = Processes(Path(folder))
            for group in groups(nets.split(","), sets.split(","), [count], costs):
                path, what = files[group.net]
                load_before = os.getloadavg()[0]
                started = time.perf_counter()
                results = measure(group, path, processes, rounds, seconds)
                measured.append((group, results))
                console.print(details(group, results))
                console.print(f"images: {what}; {time.perf_counter() - started:.0f} s\n")
                if out is not None:
                    machine = about["machine"] | {"threads": count, "load": load_before}
                    lines = rows(group, results, about | {"data": what, "machine": machine})
                    with out.open("a") as file:
                        file.write("".join(line + "\n" for line in lines))
            processes.close()
    console.print(summary(measured))


if __name__ == "__main__":
    typer.run(main)

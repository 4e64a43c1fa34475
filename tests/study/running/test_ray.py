"""A study on a Ray cluster: every row arrives once, though a node is killed; plugins come along."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.study.conftest import Jobs

from smidgen.data import Data
from smidgen.study.running.local import Event, StudyError
from smidgen.study.running.ray import _Cluster, _trial, dispatch_on_ray
from smidgen.study.store import KILLS, Store
from smidgen.testing.given import some_data

EXAMPLE = Path(__file__).parents[3] / "examples" / "plugin"


def test_without_ray_the_error_says_how_to_get_it(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    store = Store(tmp_path / "study.db")
    store.add("s", jobs())
    with pytest.raises(StudyError, match=r"not installed: pip install ray$"):
        dispatch_on_ray(store, "s")
    assert store.status().queued == 1


@pytest.mark.parametrize(
    ("cpus", "gpus", "said"), [(0.0, 0.0, "cpus must be > 0"), (1.0, -1.0, "gpus must be >= 0")]
)
def test_demands_out_of_range_are_refused(
    tmp_path: Path, cpus: float, gpus: float, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        dispatch_on_ray(Store(tmp_path / "study.db"), "s", cpus=cpus, gpus=gpus)


NOISY = """
name = "noisy"
data = "stripes"
split = "full"
seeds = [0, 1]
[recipe]
epochs = 1
[[trials]]
nets = ["mnist-1k5-dw"]
methods = [["noise"]]
"""


@pytest.mark.slow
def test_workers_of_a_cluster_have_a_strangers_method_and_data(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'smidgen[ray]'")
    pytest.importorskip("pip", reason="pip installs the example")
    shutil.copytree(EXAMPLE, tmp_path / "source")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "-q", "--target")
    install = [sys.executable, "-m", "pip", "install", *options]
    subprocess.run(
        [*install, tmp_path / "here", tmp_path / "source"], check=True, capture_output=True
    )
    (tmp_path / "noisy.toml").write_text(NOISY)
    held = os.environ.get("PYTHONPATH", "")
    asked = ("study", "noisy.toml", "--store", "s.db", "--export", "rows.jsonl", "--on", "ray")
    done = subprocess.run(
        [sys.executable, "-m", "smidgen", *asked],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "here"), held])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert sorted(row["seed"] for row in rows) == [0, 1]
    assert {(*row["methods"], row["versions"]["smidgen-example"]) for row in rows} == {
        ("noise", "0.1.0")
    }


def test_a_node_without_the_package_names_it(jobs: Jobs, tmp_path: Path) -> None:
    (job,) = jobs()
    form = json.loads(job.to_text())
    form["trial"] |= {"methods": ["noise"], "packages": {"noise": "smidgen-example 0.1.0"}}
    data = some_data()
    with pytest.raises(
        ValueError, match=r"of the package smidgen-example 0\.1\.0, which is not inst"
    ):
        _trial(json.dumps(form), (data, {}), str(tmp_path / "run"), 1, str(tmp_path / "mark"))


def test_a_node_with_another_folder_of_that_name_sends_what_it_trained(
    jobs: Jobs, digits: Data, tmp_path: Path
) -> None:
    (job,) = jobs()
    mark, folder = tmp_path / "mark", tmp_path / job.trial.key
    _, files = _trial(job.to_text(), (digits, {}), str(folder), 1, str(mark))
    assert {"run.json", "weights.safetensors"} <= files.keys()
    assert not folder.exists()
    mark.touch()
    _, files = _trial(job.to_text(), (digits, {}), str(folder), 1, str(mark))
    assert not files
    assert folder.is_dir()


def test_a_trial_that_brings_its_process_down_is_failed_in_the_end(
    jobs: Jobs, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'smidgen[ray]'")
    from ray.exceptions import OutOfMemoryError, RayTaskError, WorkerCrashedError

    store = Store(tmp_path / "study.db")
    store.add("s", jobs())
    cluster = _Cluster(store, "s", "me", 1.0, 0.0)
    assert cluster._task._default_options["max_retries"] == 0, "or Ray tries without end"
    own = RayTaskError("_trial", "", MemoryError())
    for error in (own, *[WorkerCrashedError()] * (KILLS - 2), OutOfMemoryError("it took\nall")):
        claim = store.claim("me")
        assert claim is not None, "given up too early"
        assert claim.attempt == 1
        cluster._note(claim, error)
    ((_, said),) = store.status("s").failures
    assert said == (
        "its process ended with OutOfMemoryError: it took all, 10 times without another epoch"
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_rows_arrive_once_though_a_node_is_killed(jobs: Jobs, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'smidgen[ray]'")
    from ray.cluster_utils import Cluster

    good, bad = jobs(seeds=range(6), epochs=20), jobs(seeds=(9,), peak_lr=1e30)
    store = Store(tmp_path / "study.db")
    store.add("s", [*good, *bad])
    arguments: dict[str, Any] = {"num_cpus": 1}
    cluster = Cluster(initialize_head=True, head_node_args=arguments)
    doomed = cluster.add_node(num_cpus=1)
    events: list[Event] = []
    left: list[int] = []

    def watch(event: Event) -> None:
        events.append(event)
        if event.ended and not left:  # both nodes have had time to begin
            left.append(event.status.queued + event.status.running)
            cluster.remove_node(doomed, allow_graceful=False)

    try:
        status = dispatch_on_ray(store, "s", address=cluster.address, observer=watch)
    finally:
        cluster.shutdown()
    assert left[0] >= 3, "the node must be killed in the middle"
    assert (status.done, status.failed, status.is_complete) == (6, 1, True)
    assert "TrainingDivergedError" in status.failures[0][1]
    arrived = [ended.key for event in events for ended in event.ended if ended.state == "done"]
    assert sorted(arrived) == sorted(job.trial.key for job in good)
    assert sorted(row["seed"] for row in store.rows("s")) == list(range(6))

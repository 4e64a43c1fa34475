"""A study on a Ray cluster of two nodes, one of which is killed: every row arrives once."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.study.conftest import Jobs

from smidgen.study.running.local import Event, StudyError
from smidgen.study.running.ray import dispatch_on_ray
from smidgen.study.store import Store


def test_without_ray_the_error_says_how_to_get_it(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    store = Store(tmp_path / "study.db")
    store.add("s", jobs())
    with pytest.raises(StudyError, match=r"pip install 'smidgen\[ray\]'"):
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

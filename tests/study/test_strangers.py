"""A store from somebody else reads, writes and removes nothing outside its own folder."""

import sqlite3
from pathlib import Path

import pytest
from tests.study.conftest import Jobs

from smidgen.study.running.worker import work
from smidgen.study.store import Store, StoreError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "study.db")


def rekeyed(store: Store, jobs: Jobs, key: str) -> None:
    """Put a trial under another key, as only a file that was tampered with has it."""
    (job,) = jobs()
    store.add("s", [job])
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE trials SET key = ?", (key,))
        db.execute("UPDATE members SET key = ?", (key,))


@pytest.mark.parametrize("form", ["absolute", "relative", "another trial's"])
def test_a_key_that_is_a_path_or_not_the_trials_own_is_failed_and_nothing_is_removed(
    store: Store, jobs: Jobs, tmp_path: Path, form: str
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    key = {"absolute": str(precious), "relative": "../precious", "another trial's": "0" * 16}[form]
    rekeyed(store, jobs, key)
    (good,) = jobs(seeds=(7,))
    store.add("s", [good])
    claim = store.claim("me")
    assert claim is not None, "a broken trial stopped the others"
    assert claim.key == good.trial.key
    assert (precious / "thesis.txt").read_text() == "years of work"
    ((_, error),) = store.status("s").failures
    assert str(store.path) in error
    assert key[:60] in error
    assert store.claim("me") is None


def test_a_run_folder_that_is_a_link_is_not_followed(
    store: Store, jobs: Jobs, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    (job,) = jobs()
    store.add("s", [job])
    store.runs.mkdir(exist_ok=True)
    (store.runs / job.trial.key).symlink_to(precious)
    claim = store.claim("me")
    assert claim is not None
    work(store, claim, "me")
    assert [path.name for path in precious.iterdir()] == ["thesis.txt"]
    with pytest.raises(StoreError, match="must be a folder, got a link"):
        store.folder(job.trial.key)


@pytest.mark.parametrize("key", ["..", "/tmp", "owners", ""])
def test_a_store_names_no_folder_but_those_of_trials(store: Store, key: str) -> None:
    with pytest.raises(StoreError, match="16 digits"):
        store.folder(key)

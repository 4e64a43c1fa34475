"""Plain methods see the same pixels, and say what they reach."""

from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from smidgen.data import Data, Split
from smidgen.data.parts import folds_of
from smidgen.study.design import baseline
from smidgen.study.design.baseline import (
    MOST_IMAGES,
    _logistic,
    baselines,
    pixels,
    seconds_of_baselines,
)


def blobs(count: int, side: int = 6, seed: int = 0) -> Split:
    """Images whose class is the half that is brighter, with noise."""
    g = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 120, (count, 1, side, side), generator=g, dtype=torch.uint8)
    labels = torch.arange(count) % 2
    images[labels == 0, :, : side // 2] += 90
    images[labels == 1, :, side // 2 :] += 90
    return Split(images, labels)


def test_what_they_take_is_known_before(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < seconds_of_baselines(digits) < 600
    monkeypatch.setattr(baseline, "MOST_IMAGES", 10)
    assert seconds_of_baselines(digits) == 0


def test_rows_of_plain_methods_are_tested_once_and_learn() -> None:
    rows = baselines(Data("blobs", blobs(80), blobs(40, seed=1), ("up", "down")))
    assert [row["net"] for row in rows] == ["logistic-regression", "random-forest"]
    for row in rows:
        assert row["accuracy"] > 0.95
        assert (row["study"], row["split"], row["images"]) == ("baseline", "test", 40)
        assert row["nll"] < 0.5
        assert row["params"] > 36
    assert len({row["key"] for row in rows}) == 2


def test_they_take_one_thread_since_more_only_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[int] = []

    def counted(*given: Any) -> Any:
        threads.extend(pool["num_threads"] for pool in threadpool_info())
        return forest(*given)

    forest = baseline._forest  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(baseline, "_forest", counted)
    with threadpool_limits(2):
        baselines(Data("blobs", blobs(40), blobs(20, seed=1), ("up", "down")))
        assert {pool["num_threads"] for pool in threadpool_info()} == {2}
    assert set(threads) == {1}


def test_a_class_that_is_never_trained_on_gets_little_and_breaks_nothing() -> None:
    train = blobs(40)
    labels = torch.cat([train.labels[:-1], torch.tensor([2])])  # one image of a third class
    data = Data("odd", Split(train.images, labels), blobs(20, seed=1), ("up", "down", "other"))
    assert all(row["accuracy"] > 0.8 for row in baselines(data))


def test_a_class_that_is_held_out_whole_breaks_nothing() -> None:
    train = blobs(40)
    copied = train.images[folds_of(train, 5, 1) == 1][:1]  # with the label of a third class
    images, labels = torch.cat([train.images, copied]), torch.cat([train.labels, torch.tensor([2])])
    data = Data("odd", Split(images, labels), blobs(20, seed=1), ("up", "down", "copies"))
    assert bool((folds_of(data.train, 5, 1) == 1)[-1]), "it is held out with the image it copies"
    assert all(row["accuracy"] > 0.8 for row in baselines(data))


def test_a_class_that_leaves_one_alone_to_learn_from_breaks_nothing() -> None:
    """As where all its images are copies of one that is held out."""
    train = blobs(40)
    learned = _logistic(pixels(train), train.labels, train.labels == 1)
    assert learned.classes_.tolist() == [0, 1]


def test_large_images_are_averaged_and_many_are_left_alone() -> None:
    assert pixels(blobs(4, side=64)).shape == (4, 32 * 32)
    assert pixels(blobs(4)).shape == (4, 36)
    many = Split(torch.zeros(MOST_IMAGES + 2, 1, 1, 1).byte(), torch.arange(MOST_IMAGES + 2) % 2)
    assert baselines(Data("many", many, many, ("a", "b"))) == []

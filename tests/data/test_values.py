"""What the axes of an array mean that a model is asked of, in Python and in a file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from smidgen.data import DataError, Preprocessing
from smidgen.data.layouts.npz import pictures_of
from smidgen.data.values import images_of, to_ask
from smidgen.model import Model


def taking(*own: int) -> Preprocessing:
    """Return what takes values of these axes, height, width and channels."""
    height, width, channels = own
    color = {1: "grey", 3: "rgb"}.get(channels, "channels")
    return Preprocessing(
        *(height, width, color, channels),  # pyright: ignore[reportArgumentType]
        offset=(0.0,) * channels,
        scale=(1e6,) * channels,
    )


def counted(*shape: int) -> Any:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def unlearned(pixels: Any) -> Any:
    return np.zeros((len(pixels), 2))


@pytest.mark.filterwarnings("ignore:the values of a picture::")
@pytest.mark.parametrize(
    ("own", "shape", "count", "expected"),
    [
        ((8, 8, 1), (8, 8), 0, (1, 8, 8, 1)),
        ((8, 8, 1), (5, 8, 8), 5, (5, 8, 8, 1)),
        ((8, 8, 1), (1, 8, 8), 1, (1, 8, 8, 1)),
        ((8, 8, 1), (0, 8, 8), 0, (0, 8, 8, 1)),
        ((8, 8, 1), (8, 8, 8), 8, (8, 8, 8, 1)),
        ((8, 8, 1), (5, 1, 8, 8), 5, (5, 8, 8, 1)),
        ((8, 8, 3), (3, 8, 8), 0, (1, 8, 8, 3)),
        ((8, 8, 3), (5, 3, 8, 8), 5, (5, 8, 8, 3)),
        ((8, 8, 3), (20, 30, 3), 0, (1, 20, 30, 3)),
        ((8, 8, 3), (3, 20, 30), 0, (1, 20, 30, 3)),
        ((8, 8, 3), (5, 20, 30), 5, (5, 20, 30, 1)),
        ((8, 8, 3), (5, 20, 30, 3), 5, (5, 20, 30, 3)),
        ((8, 8, 3), (5, 3, 7, 9), 5, (5, 7, 9, 3)),
        ((8, 8, 6), (20, 30, 6), 0, (1, 20, 30, 6)),
        ((1, 64, 3), (64, 3), 0, (1, 1, 64, 3)),
        ((1, 64, 3), (5, 64, 3), 5, (5, 1, 64, 3)),
        ((1, 64, 3), (5, 3, 64), 5, (5, 1, 64, 3)),
        ((1, 64, 3), (1, 50, 3), 0, (1, 1, 50, 3)),
        ((1, 64, 3), (5, 1, 50, 3), 5, (5, 1, 50, 3)),
        ((1, 64, 6), (4, 64, 6), 4, (4, 1, 64, 6)),
        ((1, 64, 1), (64,), 0, (1, 1, 64, 1)),
        ((1, 64, 1), (5, 64), 5, (5, 1, 64, 1)),
        ((1, 64, 1), (5, 64, 1), 5, (5, 1, 64, 1)),
        ((1, 64, 1), (5, 1, 64), 5, (5, 1, 64, 1)),
        ((64, 1, 3), (5, 64, 3), 5, (5, 64, 1, 3)),
        ((1, 64, 3), (5, 32, 3), 5, (5, 1, 32, 3)),
        ((1, 64, 3), (32, 3), 0, (1, 1, 32, 3)),
        ((1, 64, 1), (5, 90), 5, (5, 1, 90, 1)),
        ((64, 1, 3), (5, 3, 90), 5, (5, 90, 1, 3)),
        ((1, 64, 3), (64, 1, 3), None, ()),
        ((1, 64, 3), (5, 64, 1, 3), None, ()),
        ((1, 64, 3), (5, 1, 64, 1), None, ()),
        ((1, 64, 3), (20, 30), None, ()),
        ((8, 8, 1), (2, 5, 8, 8, 1), None, ()),
        ((8, 8, 1), (0, 20), None, ()),
        ((8, 8, 1), (20, 30, 5), None, ()),
    ],
)
def test_axes_are_those_trained_on_where_they_agree(
    own: tuple[int, int, int],
    shape: tuple[int, ...],
    count: int | None,
    expected: tuple[int, ...],
    tmp_path: Path,
) -> None:
    array, file = counted(*shape), tmp_path / "x.npy"
    model = Model("mine", ("a", "b"), taking(*own), unlearned)
    np.save(file, array)
    if count is None:
        said = r"must be (1 x 64 x 3|height x width x 1) or n x "
        with pytest.raises(DataError, match=said):
            model.predict(array)
        with pytest.raises(DataError, match=said):
            pictures_of(file, model.preprocessing)
        return
    found = pictures_of(file, model.preprocessing) or []
    values = np.stack([value for _, value in found]) if found else np.zeros(expected)
    assert values.shape == expected
    if shape[-3:] == (3, *expected[1:3]) or shape in ((5, 3, 64), (5, 3, 90)):
        values = values.transpose(0, 3, 1, 2)
    assert (values.ravel() == array.ravel()).all()
    if expected[3] == own[2] and expected[1:3] == own[:2]:
        answer = model.predict(array)
        assert (len(answer) if isinstance(answer, list) else 0) == count


@pytest.mark.parametrize(
    ("own", "shape", "expected"),
    [
        ((8, 8, 3), (3, 8, 8), (1, 8, 8, 3)),
        ((8, 8, 1), (3, 8, 8), (1, 8, 8, 3)),
        ((8, 8, 1), (5, 8, 8), (5, 8, 8, 1)),
        ((8, 9, 3), (5, 3, 20, 30), (5, 20, 30, 3)),
        ((1, 64, 6), (5, 6, 64), (5, 1, 64, 6)),
        ((1, 64, 6), (5, 64, 6), None),
        ((8, 9, 3), (8, 9, 3), None),
    ],
)
def test_a_tensor_has_its_channels_first(
    own: tuple[int, int, int], shape: tuple[int, ...], expected: tuple[int, ...] | None
) -> None:
    given = counted(*shape)
    if expected is None:
        with pytest.raises(DataError, match="a tensor must be "):
            to_ask(given, taking(*own), "a tensor", channels_first=True)
        return
    found = to_ask(given, taking(*own), "a tensor", channels_first=True)
    assert found.values.shape == expected
    assert found.many == (expected[0] > 1)


def test_masked_values_are_refused_and_never_seen() -> None:
    masked = np.ma.masked_array(np.zeros((4, 8, 8), np.float32), mask=False)
    assert images_of(masked, "mine").shape == (4, 8, 8, 1)
    masked[0, 0, 0] = np.ma.masked
    for read in (lambda: images_of(masked, "mine"), lambda: to_ask(masked, taking(8, 8, 1), "it")):
        with pytest.raises(DataError, match=r"must have a value everywhere, .* array.filled\(0\)"):
            read()


def test_tensors_and_truth_values_are_read_by_one_rule() -> None:
    seen: list[Any] = []

    def answered(pixels: Any) -> Any:
        seen.append(pixels)
        return np.zeros((len(pixels), 2))

    model = Model("mine", ("a", "b"), Preprocessing(4, 5, "rgb", 3), answered)
    images = np.random.default_rng(0).integers(0, 2, (2, 3, 4, 5)).astype(bool)
    for given in (images, torch.from_numpy(images), images.astype(np.uint8) * 255):
        assert len(model.predict(given)) == 2
    assert (seen[0] == images * 255).all()
    assert (seen[1] == seen[0]).all()
    assert (seen[2] == seen[0]).all()

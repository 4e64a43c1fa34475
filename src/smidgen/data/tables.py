"""Tables as the `datasets` library reads them, a column of images and one of labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from smidgen.data.base import Data, Progress, Split
from smidgen.data.errors import DataError
from smidgen.data.images import Array, decoded, reporter, same_channels
from smidgen.data.splits import divided

IMAGES = ("image", "img")  # columns to prefer where there are several
LABELS = ("fine_label", "label", "labels")
TESTS = ("test", "validation", "valid", "val")  # splits to test on, the first there is
TEST_SHARE = 0.2
TEST_SEED = 20_12
ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Table:
    """One split: rows as `datasets` reads them, how many, and the name of a row by its number."""

    rows: Any
    length: int
    where: Callable[[int], str]


def data_of(
    name: str,
    tables: Mapping[str, Table],
    image_size: tuple[int, int] | None,
    progress: Progress,
) -> Data:
    """Decode the training and the test split among ``tables``; see ``Source.read``."""
    if "train" not in tables:
        raise DataError(f"{name} must have a split 'train', got {', '.join(tables) or 'none'}")
    image, label, classes = _columns(name, tables["train"].rows.features)
    chosen = ["train", *[split for split in TESTS if split in tables][:1]]
    pixels: list[Array] = []
    labels: list[torch.Tensor] = []
    for split in chosen:
        raw, numbers = _read(tables[split], image, label, image_size, progress, f"{name} {split}")
        pixels.append(raw)
        labels.append(_checked(numbers, tables[split], classes))
    if not classes:  # bare integers: the classes are those there are training images of
        classes = tuple(str(number) for number in range(int(labels[0].max()) + 1))
    if image_size is not None:  # one split may be grey and the other not
        pixels = same_channels(pixels)
    splits = [Split(as_images(p), found) for p, found in zip(pixels, labels, strict=True)]
    if len(splits) == 1:
        train, test, note = with_test_split(splits[0])
        return Data(name, train, test, classes, (note,))
    notes = () if chosen[1] == "test" else (f"no split 'test': tested on {chosen[1]!r}",)
    return Data(name, splits[0], splits[1], classes, notes)


def as_images(pixels: Array) -> torch.Tensor:
    """Return an array n h w c as a tensor n c h w over the same memory."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def with_test_split(everything: Split) -> tuple[Split, Split, str]:
    """Return training images, a fifth set aside to test on, and a note that says so."""
    train, test = divided(everything, round(TEST_SHARE * len(everything)), TEST_SEED)
    note = f"no test images: {len(test)} of the {len(everything)} images were set aside for it"
    return train, test, note


def _columns(name: str, features: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    """Return the names of the two columns, and of the classes if they are stored."""
    import datasets

    images = [
        column
        for column, kind in features.items()
        if isinstance(kind, datasets.Image)
        or (isinstance(kind, dict) and set(kind) == {"bytes", "path"})
    ]
    image = _one(name, "image", images, IMAGES, features)
    named = [column for column, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    if named:
        label = _one(name, "label", named, LABELS, features)
        return image, label, tuple(features[label].names)
    integers = [
        column
        for column, kind in features.items()
        if isinstance(kind, datasets.Value) and "int" in kind.dtype
    ]
    return image, _one(name, "label", integers, LABELS, features), ()


def _one(
    name: str, what: str, found: list[str], preferred: tuple[str, ...], columns: Mapping[str, Any]
) -> str:
    if len(found) == 1:
        return found[0]
    for column in preferred:
        if column in found:
            return column
    raise DataError(
        f"{name} must have one column with the {what}, got "
        f"{', '.join(found) or 'none'} of the columns {', '.join(columns)}"
    )


def _read(
    table: Table,
    image: str,
    label: str,
    image_size: tuple[int, int] | None,
    progress: Progress,
    what: str,
) -> tuple[Array, list[int | None]]:
    import datasets

    numbers: list[int | None] = []
    rows = table.rows.select_columns([image, label])
    rows = rows.cast_column(image, datasets.Image(decode=False))
    batches = rows.iter(batch_size=ROWS_AT_ONCE)

    def images() -> Any:
        for batch in batches:
            numbers.extend(batch[label])
            yield from batch[image]

    report = reporter(progress, what, table.length)
    pixels = decoded(images(), table.where, image_size, report)
    if not numbers:
        raise DataError(f"{what} must have at least one row, got none")
    report(len(numbers))
    return pixels, numbers


def _checked(numbers: list[int | None], table: Table, classes: tuple[str, ...]) -> torch.Tensor:
    """Return labels as a tensor, or name the row of the first that is no class."""
    labels = np.array([-1 if number is None else number for number in numbers], np.int64)
    outside = np.flatnonzero((labels < 0) | ((labels >= len(classes)) & bool(classes)))
    if len(outside):
        row = int(outside[0])
        expected = f"0 to {len(classes) - 1} ({len(classes)} classes)" if classes else ">= 0"
        raise DataError(f"the label of {table.where(row)} must be {expected}, got {numbers[row]}")
    return torch.from_numpy(labels)

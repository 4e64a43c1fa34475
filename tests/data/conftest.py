"""Small data sets in a temporary folder, and no way to the network or to a user's own files."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image


def pixels(seed: int, *shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png(array: npt.NDArray[Any]) -> bytes:
    written = io.BytesIO()
    Image.fromarray(array).save(written, "PNG")
    return written.getvalue()


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Keep the tests from the user's cache, local copies and the hub."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache home"))
    monkeypatch.delenv("SMIDGEN_DATA", raising=False)

    def refuse(*args: Any, **named: Any) -> None:
        raise ConnectionError("no network in tests")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", refuse)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    """Return a pipe, filled so that whoever reads a little of it does not wait."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    held = os.open(path, os.O_RDWR)
    os.write(held, bytes(1 << 15))
    yield path
    os.close(held)


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes ``counts[split][class]`` grey 6x5 images as PNG."""

    def written(counts: dict[str, dict[str, int]], name: str = "pictures") -> Path:
        seed = 0
        for split, classes in counts.items():
            for of_class, count in classes.items():
                place = tmp_path / name / split / of_class
                place.mkdir(parents=True)
                for number in range(count):
                    (place / f"{number:03}.png").write_bytes(png(pixels(seed, 6, 5)))
                    seed += 1
        return tmp_path / name

    return written


@pytest.fixture
def parquet_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes splits as Parquet with the features of the hub."""

    def written(
        splits: dict[str, tuple[Sequence[bytes | None], Sequence[int | None]]],
        classes: Sequence[str] | None = ("cat", "dog"),
        columns: tuple[str, str] = ("image", "label"),
        name: str = "table",
    ) -> Path:
        from datasets import ClassLabel, Dataset, Features, Value
        from datasets import Image as ImageFeature

        label = ClassLabel(names=list(classes)) if classes else Value("int64")
        features = Features({columns[0]: ImageFeature(), columns[1]: label})
        folder = tmp_path / name / "data"
        folder.mkdir(parents=True)
        for split, (images, labels) in splits.items():
            rows = [None if raw is None else {"bytes": raw, "path": None} for raw in images]
            table = Dataset.from_dict({columns[0]: rows, columns[1]: list(labels)}, features)
            shard = split if "-of-" in split else f"{split}-00000-of-00001"
            table.to_parquet(str(folder / f"{shard}.parquet"), batch_size=4)
        return tmp_path / name

    return written

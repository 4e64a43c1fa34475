"""A trained model as it is used: pictures in, names and probabilities out."""

import json
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, final, overload

import numpy as np
from numpy.typing import NDArray

from smidgen import escape, limits
from smidgen.answer import Answer, answers_of
from smidgen.data import DataError, DataWarning, Preprocessing
from smidgen.data.decode import loaded, open_picture
from smidgen.data.values import array_of
from smidgen.hub import is_hub
from smidgen.machine import processors
from smidgen.names import require_name, shown
from smidgen.run import Run, load_run, path_of

Array: TypeAlias = NDArray[np.uint8]
Infer: TypeAlias = Callable[[Array], NDArray[Any]]  # bytes (n, c, h, w) to logits (n, classes)

_BATCH = 64  # pictures that are answered at once
_ARRAY, _ARRAYS = (2, 3), 4  # axes of a picture, and of many
_MOST = 0.5  # of the values of a picture


class Told(NamedTuple):
    """What came of one picture of many: an answer, or why there is none."""

    answer: Answer | None
    error: str


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Model:
    """A net that answers.

    Args:
        name: Of the net.
        classes: Names, in the order of the logits.
        preprocessing: What a picture goes through on its way to the net.
        infer: From bytes to logits.
        run: That it comes from; ``None`` for an ONNX file.
    """

    name: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    infer: Infer
    run: Run | None = None

    @overload
    def predict(self, pictures: str | os.PathLike[str] | bytes) -> Answer: ...
    @overload
    def predict(self, pictures: list[Any]) -> list[Answer]: ...
    @overload
    def predict(self, pictures: Any) -> Any: ...
    def predict(self, pictures: Any) -> Any:
        """Return what the net says of a picture, or of each of many.

        Args:
            pictures: A file's path or content, a Pillow image, an array of bytes (h, w) or
                (h, w, c), a torch tensor of bytes (c, h, w); or many of these: a list, a tuple,
                an array (n, h, w, c), a tensor (n, c, h, w).

        Returns:
            An :class:`Answer`; a list of them for many.

        Raises:
            DataError: If there is no such file, it is no picture, or an array holds no bytes or
                other channels than the net takes; of many, its place is named.

        Warns:
            DataWarning: If an array of values that are no bytes seems to be in another unit than
                those trained on, as 0 to 255 for 0 to 1 are.
        """
        many = _many(pictures)
        if many is None:
            return self._answers([self._pixels(pictures)])[0]
        answers: list[Answer] = []
        for place, told in enumerate(self.each(many)):
            if told.answer is None:
                raise DataError(f"picture {place} of {len(many)}: {told.error}")
            answers.append(told.answer)
        return answers

    def each(self, pictures: Iterable[Any]) -> Iterator[Told]:
        """Yield what came of each picture, in order; what cannot be read stops none of the others.

        Files are decoded side by side, one a processor, and a few batches ahead. What lies in
        memory is read as it comes, so that its place may be used for the next one, as a camera's
        frame.

        Raises:
            DataError: If it is a single one, the path of a folder, or nothing to go through.
        """
        try:
            several = iter(pictures)
        except TypeError:
            several = None
        if several is None or isinstance(pictures, str | bytes | os.PathLike):
            raise DataError(
                "each takes many pictures, such as Path('new').glob('*.jpg'), got"
                f" {shown(pictures)}"
            )
        workers = processors()
        with ThreadPoolExecutor(workers) as pool:
            ahead: deque[Future[Array | str]] = deque()
            batch: list[Array | str] = []
            try:
                for picture in several:
                    if isinstance(picture, str | bytes | os.PathLike):
                        ahead.append(pool.submit(self._tried, picture))
                    else:
                        ahead.append(Future())
                        ahead[-1].set_result(self._tried(picture))
                    if len(ahead) > _BATCH + 2 * workers:
                        batch.append(ahead.popleft().result())
                    if len(batch) == _BATCH:
                        yield from self._told(batch)
                        batch = []
                while ahead:
                    batch.append(ahead.popleft().result())
                    if len(batch) == _BATCH or not ahead:
                        yield from self._told(batch)
                        batch = []
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # of who stops before the end

    def _tried(self, picture: Any) -> Array | str:
        try:
            return self._pixels(picture)
        except DataError as error:
            return str(error)
        except Exception as error:  # decoders raise whatever a strange picture leads them to
            return f"is no readable picture: {' '.join(str(error).split())}"

    def _told(self, batch: list[Array | str]) -> Iterator[Told]:
        answers = iter(self._answers([read for read in batch if not isinstance(read, str)]))
        for read in batch:
            yield Told(None, read) if isinstance(read, str) else Told(next(answers), "")

    def _answers(self, pixels: list[Array]) -> list[Answer]:
        if not pixels:
            return []
        logits = self.infer(np.ascontiguousarray(np.stack(pixels).transpose(0, 3, 1, 2)))
        return answers_of(logits, self.classes)

    def _pixels(self, picture: Any) -> Array:
        if isinstance(picture, str | os.PathLike):
            try:
                return self.preprocessing.pixels(open_picture(picture))
            except DataError as error:
                raise DataError(f"{os.fspath(picture)} {error}") from error
        if isinstance(picture, bytes):
            return self.preprocessing.pixels(open_picture(picture))
        if _is_tensor(picture):
            if picture.ndim not in _ARRAY:
                raise DataError(f"a tensor must be c x h x w, got {tuple(picture.shape)}")
            array = array_of(picture)
            own = self.preprocessing.channels
            if array.ndim == 3 and array.shape[0] != own and array.shape[2] == own:  # noqa: PLR2004
                raise DataError(f"a tensor must be c x h x w, got {tuple(picture.shape)}")
            picture = array if array.ndim == 2 else array.transpose(1, 2, 0)  # noqa: PLR2004
        if isinstance(picture, np.ndarray):
            pixels = self.preprocessing.pixels(picture)
            _tell_another_unit(picture, self.preprocessing)
            return pixels.copy()  # bytes that fit are the array itself
        if hasattr(picture, "getexif"):
            return self.preprocessing.pixels(loaded(picture))
        raise DataError(
            "a picture must be a path, bytes, a Pillow image, an array or a tensor,"
            f" got {type(picture).__name__}"
        )

    def __repr__(self) -> str:
        shown = ", ".join(self.classes[:5]) + (", ..." if len(self.classes) > 5 else "")  # noqa: PLR2004
        taken = f"{self.preprocessing.text}; {len(self.classes)} classes"
        return escape.terminal(f"Model({self.name}: {taken}: {shown})")


def _tell_another_unit(array: NDArray[Any], how: Preprocessing) -> None:
    """Warn where most values become 0 or 255 for being beyond, or all that differ one byte."""
    if not how.scale:
        return
    step = np.array(how.scale)
    low, high = np.array(how.offset), np.array(how.offset) + 255 * step
    values = array if array.ndim == _ARRAY[1] else array[:, :, None]
    beyond = (values < low - step) | (values > high + step)
    least, greatest = values.min(), values.max()
    if beyond.mean() > _MOST or least < greatest < least + step.min():
        warnings.warn(  # one text for all pictures, so that many are told once
            f"the values of a picture, {array.dtype}, seem to be in another unit than those trained"
            f" on, {low.min():g} to {high.max():g}: it is answered as it is",
            DataWarning,
            stacklevel=4,
        )


def load(place: Path | str) -> Model:
    """Return the model in the folder of a run or of a design, or in an ONNX file of smidgen's.

    ``hub:USER/NAME`` is one of the hub, with ``@REVISION`` to pin it: see docs/sharing.md.

    Raises:
        ValueError: If there is none, it is not finished or damaged, or a package is missing.
    """
    if is_hub(place):
        return model_of(load_run(place))
    path = path_of(place)
    return _of_onnx(path) if path.suffix == ".onnx" else model_of(load_run(path))


def model_of(run: Run) -> Model:
    """Return the model of a run."""
    return Model(run.trial.net.name, run.classes, run.preprocessing, _OfRun(run), run)


@final
@dataclass(frozen=True, slots=True, eq=False)
class _OfRun:
    """Answers with a run's own weights; no function inside one, which no pickle holds."""

    run: Run

    def __call__(self, pixels: Array) -> NDArray[Any]:
        import torch

        from smidgen.evaluate import predict

        run = self.run
        return predict(run.model, torch.from_numpy(pixels), run.mean, run.std).numpy()


@final
class _OfOnnx:
    """Answers with ONNX Runtime, whose sessions no pickle holds: another is made of the bytes."""

    def __init__(self, content: bytes) -> None:
        from smidgen.export.onnx import session

        self._content, self._run = content, session(content, threads=1)

    def __call__(self, pixels: Array) -> NDArray[Any]:
        return self._run(pixels)

    def __reduce__(self) -> "tuple[type[_OfOnnx], tuple[bytes]]":
        return _OfOnnx, (self._content,)


def _of_onnx(path: Path) -> Model:
    from smidgen.export.onnx import card_of

    try:
        content = limits.content(path, limits.TENSOR_BYTES)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    try:
        card = card_of(content)
        return Model(
            require_name(card["net"], "net") if "net" in card else path.stem,
            _names(json.loads(_held(card, "classes"))),
            Preprocessing.from_dict(json.loads(_held(card, "preprocessing"))),
            _OfOnnx(content),
        )
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _held(card: Mapping[str, str], name: str) -> str:
    if name not in card:
        raise ValueError(f"its metadata hold no {name}: `smidgen export` writes them")
    return card[name]


def _names(classes: Any) -> tuple[str, ...]:
    if not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise ValueError(f"classes must be a list of texts, got {shown(classes)}")
    if not classes or len(set(classes)) != len(classes):
        raise ValueError(f"classes must be several that differ, got {shown(classes)}")
    return tuple(classes)


def _many(pictures: Any) -> list[Any] | None:
    """Return the pictures of many as a list; None for a single one."""
    if isinstance(pictures, list | tuple):
        return list(pictures)
    if (isinstance(pictures, np.ndarray) or _is_tensor(pictures)) and pictures.ndim == _ARRAYS:
        return list(pictures)
    return None


def _is_tensor(value: Any) -> bool:
    from torch import Tensor

    return isinstance(value, Tensor)

"""A trained model as it is used: pictures in, names and probabilities out."""

import json
import os
import warnings
from collections import Counter, deque
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
from smidgen.data.decode import has_pages, is_deep, loaded, open_picture
from smidgen.data.lines import is_text
from smidgen.data.moments import window_in
from smidgen.data.preprocessing import DAMAGED, FEW_OF_DEEP, Values, with_channels
from smidgen.data.values import Asked, array_of, to_ask
from smidgen.hub import is_hub
from smidgen.machine import DECODING, processors
from smidgen.names import require_name, shown
from smidgen.run import Run, load_run
from smidgen.run_folder import path_of

Array: TypeAlias = NDArray[np.uint8]
Infer: TypeAlias = Callable[[Array], NDArray[Any]]  # bytes (n, c, h, w) to logits (n, classes)

_BATCH = 64  # pictures that are answered at once
_FOLDER = (
    "is a folder: name its pictures, as in model.predict(sorted(Path('new').glob('*.jpg'))); the"
    " command smidgen predict takes folders"
)


class Told(NamedTuple):
    """What came of one picture of many: an answer, or why there is none."""

    answer: Answer | None
    error: str


class _Read(NamedTuple):
    """What a picture is to the net.

    Args:
        pixels: Bytes, n h w c: n windows of a recording, of all else one.
        path: Of a window as text; else empty.
        notes: What was taken for granted of it.
    """

    pixels: Array
    path: str = ""
    notes: tuple[str, ...] = ()


@final
class _Notes:
    """What was taken for granted of files, each said once, with the first and how many more."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._count: Counter[str] = Counter()

    def add(self, read: _Read) -> None:
        for note in read.notes:
            self._first.setdefault(note, read.path)
            self._count[note] += 1

    def tell(self) -> None:
        for note, path in self._first.items():
            more = f" (and {self._count[note] - 1:,} more)" if self._count[note] > 1 else ""
            _warn(f"{escape.terminal(path)}{more}: {note}")


class _Laid(NamedTuple):
    """A picture of an array of which the axes are known."""

    values: Values  # h w c


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
            pictures: A file's path or content, also open, the path of a window of a sensor as CSV
                (:func:`smidgen.data.moments.window_of`; of a recording the answer is the mean of
                those of its windows, as many as ``answer.windows``), a Pillow image, an array of
                bytes (h, w), (h, w, c) or (c, h, w), a torch tensor of bytes (c, h, w); or many of
                these: a list, a tuple, an array (n, h, w, c) or (n, c, h, w), a tensor
                (n, c, h, w). What has the axes of those trained on is these, also without some of
                length 1, so that windows of a sensor may be (n, steps, c): see
                :func:`smidgen.data.values.to_ask`.

        Returns:
            An :class:`Answer`; a list of them for many.

        Raises:
            DataError: If there is no such file, it is no picture, or an array holds no bytes or
                other channels than the net takes; of many, its place is named.

        Warns:
            DataWarning: If values that are no bytes seem to be in another unit than those trained
                on, as 0 to 255 for 0 to 1 are, or few of 16 bits are in use; if a window is of
                another length; of text, what is left out, and in what order columns are taken.
        """
        many = self._many(pictures)
        if many is None:
            read, notes = self._read(pictures), _Notes()
            notes.add(read)
            notes.tell()
            return self._answers([read.pixels])[0]
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
        several = self._several(pictures)
        if several is None:
            got = f"an array {_shape(pictures)}" if _has_axes(pictures) else shown(pictures)
            raise DataError(
                f"each takes many pictures, such as Path('new').glob('*.jpg'), got {got}"
            )
        workers = processors()
        pool = ThreadPoolExecutor(workers, DECODING)
        ahead: deque[Future[_Read | str]] = deque()
        batch: list[_Read | str] = []
        notes = _Notes()
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
                    yield from self._told(batch, notes)
                    batch = []
            while ahead:
                batch.append(ahead.popleft().result())
                if len(batch) == _BATCH or not ahead:
                    yield from self._told(batch, notes)
                    batch = []
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # who stops waits for no picture
            notes.tell()  # at the end, as it says of how many files

    def _tried(self, picture: Any) -> _Read | str:
        try:
            return self._read(picture)
        except DataError as error:
            return str(error)
        except Exception as error:  # decoders raise whatever a strange picture leads them to
            return f"is no readable picture: {' '.join(str(error).split())}"

    def _told(self, batch: list[_Read | str], notes: _Notes) -> Iterator[Told]:
        answers = iter(self._answers([read.pixels for read in batch if isinstance(read, _Read)]))
        for read in batch:
            if isinstance(read, _Read):
                notes.add(read)
            yield Told(None, read) if isinstance(read, str) else Told(next(answers), "")

    def _answers(self, pixels: list[Array]) -> list[Answer]:
        if not pixels:
            return []
        rows = np.concatenate(pixels).transpose(0, 3, 1, 2)
        parts = [rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH)]
        logits = np.concatenate([self.infer(np.ascontiguousarray(part)) for part in parts])
        return answers_of(logits, self.classes, [len(of) for of in pixels])

    def _read(self, picture: Any) -> _Read:
        if self.preprocessing.takes_text and isinstance(picture, str | os.PathLike):
            path = Path(picture)
            if is_text(path):
                return self._of_text(path)
        return _Read(self._pixels(picture)[None])

    def _pixels(self, picture: Any) -> Array:
        if isinstance(picture, str | os.PathLike):
            try:
                return self._of_image(open_picture(picture))
            except DataError as error:
                said = _FOLDER if Path(picture).is_dir() else error
                raise DataError(f"{os.fspath(picture)} {said}") from error
        if _is_open(picture):
            picture = _content_of(picture)
        if isinstance(picture, bytes):
            return self._of_image(open_picture(picture))
        if _has_axes(picture):
            asked = self._asked(picture)
            if asked.many:
                count = len(asked.values)
                raise DataError(f"a picture must be a single one, got {_shape(picture)}: {count}")
            picture = _Laid(asked.values[0])
        if isinstance(picture, _Laid):
            pixels = self.preprocessing.pixels(picture.values)
            _warn(_another_unit(picture.values, self.preprocessing))
            _warn(_another_length(picture.values, self.preprocessing))
            return pixels.copy()  # bytes that fit are the array itself
        if hasattr(picture, "getexif"):
            return self._of_image(loaded(picture))
        raise DataError(
            "a picture must be a path, bytes, an open file, a Pillow image, an array or a tensor,"
            f" got {type(picture).__name__}"
        )

    def _of_text(self, path: Path) -> _Read:
        how = self.preprocessing
        window = window_in(path, how)
        try:
            pixels = np.stack([how.pixels(values) for values in window.each])
        except DataError as error:
            raise DataError(f"{path} {error}") from error
        notes = (
            _another_unit(window.values, how),
            _another_length(window.each[0], how),
            *(f"windows as text are read so: {note}" for note in window.notes),
        )
        return _Read(pixels, str(path), tuple(filter(None, notes)))

    def _of_image(self, image: Any) -> Array:
        _tell_pages(image)
        _tell_damaged(image)
        pixels = self.preprocessing.pixels(image)
        if is_deep(image):
            values = with_channels(np.asarray(image))
            _warn(_another_unit(values, self.preprocessing))
            _tell_few_bits(values, self.preprocessing)
        return pixels

    def _several(self, pictures: Any) -> Iterator[Any] | None:
        """Return the pictures of many, one after the other; None for a single one."""
        if isinstance(pictures, str | bytes | os.PathLike) or _is_open(pictures):
            return None
        several = self._many(pictures) if _has_axes(pictures) else pictures
        try:
            return None if several is None else iter(several)
        except TypeError:
            return None

    def _many(self, pictures: Any) -> list[Any] | None:
        """Return the pictures of many as a list; None for a single one."""
        if isinstance(pictures, list | tuple):
            return list(pictures)
        if not _has_axes(pictures):
            return None
        asked = self._asked(pictures)
        return [_Laid(values) for values in asked.values] if asked.many else None

    def _asked(self, array: Any) -> Asked:
        if isinstance(array, np.ndarray):
            return to_ask(array, self.preprocessing, "an array")
        return to_ask(array_of(array), self.preprocessing, "a tensor", channels_first=True)

    def __repr__(self) -> str:
        shown = ", ".join(self.classes[:5]) + (", ..." if len(self.classes) > 5 else "")  # noqa: PLR2004
        taken = f"{self.preprocessing.text}; {len(self.classes)} classes"
        return escape.terminal(f"Model({self.name}: {taken}: {shown})")


def _tell_pages(image: Any) -> None:
    """Warn of a file with several pages."""
    if has_pages(image):
        _warn("a file has several pages, of which the first is asked about")


def _tell_damaged(image: Any) -> None:
    """Warn of a picture some of whose tags cannot be read."""
    if DAMAGED in image.info:
        _warn("a picture has damaged EXIF: how it is turned may be lost, it is answered as it is")


def _another_unit(values: Values, how: Preprocessing) -> str:
    """Return where most values become 0 or 255 for being beyond, or all that differ one byte."""
    if not (how.scale and how.is_of_another_unit(how.beyond(values), values.min(), values.max())):
        return ""
    low, high = how.range
    return (
        f"the values of a picture, {values.dtype}, seem to be in another unit than those"
        f" trained on, {low:g} to {high:g}: it is answered as it is"
    )


def _tell_few_bits(values: Values, how: Preprocessing) -> None:
    """Warn of a picture of 16 bits of which few are in use: it is nearly black by their range."""
    greatest = int(values.max())
    if not how.scale and 0 < greatest < FEW_OF_DEEP:
        bits = greatest.bit_length()
        _warn(
            f"a picture of more than 8 bits has {bits} in use, and is taken by the range of 16, as"
            " nearly black: convert it to 8 bits first"
        )


def _another_length(values: Values, how: Preprocessing) -> str:
    """Return that a window has not as many steps as those trained on, before they were fitted."""
    sides = values.shape[:2]
    if not how.is_window or sides == how.native:
        return ""
    own, size, native = ("x".join(map(str, of)) for of in (sides, how.size, how.native))
    told = f"; those trained on have {native}" if how.length else ""
    return f"a window of {own} is fitted to {size}{told}"


def _warn(text: str) -> None:
    """Warn in a text that is the same for all pictures, so that many are told once."""
    if text:
        warnings.warn(text, DataWarning, stacklevel=5)


def load(place: Path | str | Run) -> Model:
    """Return the model in the folder of a run or of a design, or in an ONNX file of smidgen's.

    ``hub:USER/NAME`` is one of the hub, with ``@REVISION`` to pin it: see docs/sharing.md. Of a run
    itself, as :func:`smidgen.train` returns it, it is its model.

    Raises:
        ValueError: If there is none, it is not finished or damaged, or a package is missing.
    """
    if isinstance(place, Run):
        return model_of(place)
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


def _has_axes(value: Any) -> bool:
    """Return whether it is an array or a tensor."""
    if isinstance(value, np.ndarray):
        return value.dtype != object  # one of Pillow images is gone through like a list
    from torch import Tensor

    return isinstance(value, Tensor)


def _shape(array: Any) -> str:
    return " x ".join(map(str, array.shape))


def _is_open(value: Any) -> bool:
    """Return whether it is an open file, such as an upload."""
    return callable(getattr(value, "read", None))


def _content_of(file: Any) -> bytes:
    """Return the bytes of an open file from its beginning, so that it may be asked of again."""
    if callable(getattr(file, "seekable", None)) and file.seekable():
        file.seek(0)
    content = file.read(limits.ENCODED + 1)
    if not isinstance(content, bytes):
        raise DataError(f"a file must be open for bytes, as open(path, 'rb'), got {shown(file)}")
    limits.require_at_most("bytes of a picture", len(content), limits.ENCODED)
    return content

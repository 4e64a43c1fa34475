"""What every package of firmware holds: the net's C, its test pictures, what serves, a text."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smidgen.data import Preprocessing
from smidgen.data.preprocessing import averaged
from smidgen.escape import markdown
from smidgen.export.artefact import Artefact, Source, Wish, pixels_of
from smidgen.export.c.boards import timed
from smidgen.export.c.frames import picture_of, rgb565
from smidgen.export.c.picture import LOGIT_BYTES, name_bytes
from smidgen.export.c.source import made_of as made_of_header
from smidgen.export.c.text import filled_in, named
from smidgen.export.generated import Made, in_folder, made_of
from smidgen.export.program import Pixels
from smidgen.release import release

Layout: TypeAlias = Mapping[str, str]  # templates by the path of the file that they become
PICTURES = 10  # of a self-test, at the most
PICTURE_BYTES = 2**16  # of them all, or one: a board of 256 KB of flash has room for net and sketch
_FNV, _PRIME, _WORD = 2166136261, 16777619, 2**32
_ANSWER, _SUM = 2, 4  # bytes of a test picture's class, and of the sum of exact logits
_TEST_CODE = 550  # bytes of the self-test's code and texts on a Cortex-M4, 480 to 560
_LARGER = 2  # times a side of the net's picture: the camera's frame, if so many have room
_PIXEL = 2  # bytes of a frame
_FLOAT = 4  # bytes of a value
_LARGEST = float(np.finfo(np.float32).max)
_EXCHANGED = """/* the net exchanges rows and columns */
  UPPER_FRAME(seen, UPPER_FRAME_CHANNELS, UPPER_FITTED_ROWS, UPPER_FITTED_COLUMNS,
              UPPER_FITTED_COLUMNS * UPPER_CHANNELS);
  seen.bytes = window;
  NAME_rows(memory, NAME_frame_row, &seen, logits);"""


_FITTED = """NAME_picture(measured, {}, {}, UPPER_CHANNELS, window); /* as in training */
  NAME_in(memory, window, logits);"""


@dataclass(frozen=True, slots=True)
class Parts:
    """One net, and what it must answer.

    Args:
        source: What is exported.
        made: Its C.
        pictures: Of the test part, (n, c, h, w).
        logits: That the oracle answers.
    """

    source: Source
    made: Made
    pictures: Pixels
    logits: NDArray[np.generic]


def package(source: Source, wish: Wish, layout: Layout, use: str) -> Artefact:
    """Return the artefact of a package whose C lies in ``src/``.

    Args:
        source: What is exported.
        wish: What is asked of the C.
        layout: Files that only this package has; those of ``common/`` come by themselves. In paths
            ``NAME`` stands for the net's; what has ``camera`` in its path is left out where no
            camera's frame is a picture to the net, ``values`` where it takes no measured ones,
            ``stream`` where these are no windows of a sensor.
        use: How the package is put to use, for its README.
    """
    made = made_of(source, wish)
    pictures = _pictures(source)
    parts = Parts(source, made, pictures, made.oracle.infer(pictures))
    base = in_folder("src/", made, source, wish)
    name, seen = made.source.name, source.run.preprocessing
    examples = {
        "camera": has_camera(seen),
        "values": has_values(seen),
        "stream": has_values(seen) and seen.is_window,
    }
    absent = [word for word, there in examples.items() if not there]
    values = _values(parts, base) | _size(seen) | {"USE": named(use, name)}
    values |= {"CALL": named(_call(seen), name), **_holding(seen, name)}
    values |= {"HANDED": filled_in(template(_handed(seen)), name, values).rstrip("\n")}
    values |= _frame(parts) if examples["camera"] else {}
    values |= _window(parts) if examples["values"] else {}
    files = {
        **layout,
        "README.md": "common/README.md",
        "LICENSE": "common/LICENSE",
        "src/NAME_self_test.h": "common/self_test.h",
        "src/NAME_self_test.c": "common/self_test.c",
        "src/NAME_serve.h": "common/serve.h",
        "src/NAME_serve.c": "common/serve.c",
    }
    texts = {
        named(path, name): filled_in(template(file), name, values).encode()
        for path, file in files.items()
        if not any(word in path for word in absent)
    }
    return replace(base, files={**base.files, **texts})


def has_camera(seen: Preprocessing) -> bool:
    """Return whether frames of cameras are pictures to a net: bytes, grey or of three colours."""
    return seen.color != "channels" and not seen.scale


def has_values(seen: Preprocessing) -> bool:
    """Return whether a net takes measured values, and few enough for an example to hold them."""
    return bool(seen.scale) and _FLOAT * prod(seen.native) * seen.channels <= PICTURE_BYTES


def template(name: str) -> str:
    """Return the text of a file in templates/."""
    return (resources.files("smidgen.export.firmware") / "templates" / name).read_text(
        encoding="utf-8"
    )


def _pictures(source: Source) -> Pixels:
    """Return test pictures, of every class in turn as long as there are any and they fit."""
    labels = source.data.test.labels.numpy()
    counts = defaultdict[int, Iterator[int]](itertools.count)  # of each class so far
    turns = np.array([next(counts[label]) for label in labels.tolist()])
    fit = max(1, PICTURE_BYTES // source.data.test.images[0].numel())
    order = np.lexsort((labels, turns))[: min(PICTURES, fit)]
    return pixels_of(source.data.test.images[order])


def _values(parts: Parts, base: Artefact) -> dict[str, str]:
    made, run = parts.made.source, parts.source.run
    channels, height, width = parts.pictures.shape[1:]
    exact = made.logit_type == "int32_t"
    answers = parts.logits.argmax(1).tolist()
    count, pixels = len(parts.pictures), channels * height * width
    sums = filled_in(
        template("common/sums.c"),
        made.name,
        {"NUMBERS": ", ".join(f"{sum_of(row)}u" for row in parts.logits)} if exact else {},
    )
    return {
        "TITLE": re.sub(r"[^A-Za-z0-9 .-]", "-", run.trial.net.name),
        "VERSION": "1.0.0",
        "RELEASE": release(),
        "NUMBERS": base.numbers,
        "KIND": made.logit_type,
        "LETTER": "i" if exact else "f",
        "MADE_OF": made_of_header(made.header),
        "HEIGHT": str(height),
        "WIDTH": str(width),
        "CHANNELS": f"{channels} channel{'s' * (channels > 1)}",
        "CLASSES": str(made.classes),
        "ARENA": f"{made.arena_bytes:,}",
        "FLASH": f", {base.flash:,} of flash on a Cortex-M4" if base.flash is not None else "",
        "LOGITS": f"{LOGIT_BYTES * made.classes:,}",
        "NAMES": f"{name_bytes(run.classes):,}",
        "TEST_FLASH": f"{count * (pixels + _ANSWER + _SUM * exact) + _TEST_CODE:,}",
        "COST": _cost(base),
        "SEEN": markdown(run.preprocessing.text),
        "COUNT": str(count),
        "PICTURE_BYTES": f"{count * pixels:,}",
        "HOW": "with the very logits" if exact else "with the same class",
        "PICTURES": ",\n".join(f"    {{{numbers}}}" for numbers in map(_lines, _rows(parts))),
        "ANSWERS": ", ".join(map(str, answers)),
        "SUMS": f"{sums}\n" if exact else "",
        "CHECK": named(" && NAME_sum_of(logits) == NAME_sums[place]", made.name) if exact else "",
        "KEYWORD": "NAME",
    }


def _cost(base: Artefact) -> str:
    """Return a line of the README on what was counted, where the net ran on an emulated board."""
    if base.instructions is None:
        return ""
    return (
        f"- Instructions: {base.instructions:,} an image on an emulated Cortex-M4,"
        f" {timed(base.instructions)}; {base.stack:,} bytes of stack.\n"
    )


def _frame(parts: Parts) -> dict[str, str]:
    """Return a camera's frame made of a test picture, and what must be answered for it."""
    seen = parts.source.run.preprocessing
    picture = np.moveaxis(seen.turn(parts.pictures[-1]), 0, 2)
    rows, columns = picture.shape[:2]
    times = _LARGER if _PIXEL * _LARGER**2 * rows * columns <= PICTURE_BYTES else 1
    frame = rgb565(picture.repeat(times, axis=0).repeat(times, axis=1))
    rows, columns = times * rows, times * columns
    return {
        "ROWS": str(rows),
        "COLUMNS": str(columns),
        "BYTES": f"    {_lines(list(frame))}",
        "ANSWER": _answer(parts, picture_of(frame, "rgb565-be", rows, columns)),
    }


def _window(parts: Parts) -> dict[str, str]:
    """Return the values of a test picture as they lie, and what must be answered for them."""
    seen = parts.source.run.preprocessing
    picture = np.moveaxis(seen.turn(parts.pictures[-1]), 0, 2)
    if seen.length:  # as they are measured, of which each moment of the net is a mean
        picture = averaged(picture, *seen.native)
    exact = np.array(seen.offset) + np.array(seen.scale) * picture
    values = exact.clip(-_LARGEST, _LARGEST).astype(np.float32)  # as a sensor gives them
    return {
        "FLOATS": f"    {_lines([_float(value) for value in values.ravel().tolist()], 8)}",
        "ANSWER": _answer(parts, values),
    }


def _answer(parts: Parts, picture: Any) -> str:
    pixels = parts.source.run.preprocessing.pixels(picture)
    logits = parts.made.oracle.infer(np.ascontiguousarray(np.moveaxis(pixels, 2, 0)[None]))
    return str(int(logits[0].argmax()))


def _size(seen: Preprocessing) -> dict[str, str]:
    rows, columns = seen.native
    return {"ROWS": str(rows), "COLUMNS": str(columns)}


def _holding(seen: Preprocessing, name: str) -> dict[str, str]:
    """Return what a text and a sketch call the bytes of measured values, and how many there are.

    Where windows are longer than the net's, or shorter, they are bytes of another array, which is
    fitted as a whole: the means of training are of bytes, too.
    """
    if not seen.length:
        held = named("UPPER_PIXELS", name)
        return {"HELD": "window", "BYTES_HELD": held, "FITTED": "", "LESS": ""}
    rows, columns = seen.size
    less = f"; the net sees them as {rows} x {columns}, fitted as in training"
    count = named("UPPER_MOMENTS * UPPER_CHANNELS", name)
    taken = named("\nstatic uint8_t window[UPPER_PIXELS]; /* what the net takes of them */", name)
    return {"HELD": "measured", "BYTES_HELD": count, "FITTED": taken, "LESS": less}


def _call(seen: Preprocessing) -> str:
    """Return C that asks the net for a window of values as they lie."""
    if seen.length:
        return _FITTED.format(*("UPPER_MOMENTS" if side > 1 else "1" for side in seen.native))
    if seen.turned and 1 not in seen.size:
        return _EXCHANGED
    return "NAME_in(memory, window, logits);"


def _handed(seen: Preprocessing) -> str:
    """Return the template that says how what the net takes is handed over."""
    return f"common/{'values' if seen.scale else 'frame' if has_camera(seen) else 'arrays'}.md"


def _float(value: float) -> str:
    text = f"{value:.9g}"  # which says a float32 exactly
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def sum_of(logits: NDArray[np.generic]) -> int:
    """Return FNV-1a of int32 logits, word by word: what the self-test in C compares."""
    found = _FNV
    for logit in logits.tolist():
        found = (found ^ (int(logit) % _WORD)) * _PRIME % _WORD
    return found


def _rows(parts: Parts) -> list[list[int]]:
    return [picture.transpose(1, 2, 0).ravel().tolist() for picture in parts.pictures]


def _lines(numbers: Sequence[object], each: int = 24) -> str:
    texts = list(map(str, numbers))
    return ",\n     ".join(", ".join(texts[i : i + each]) for i in range(0, len(texts), each))

"""What every package of firmware holds: the net's C, its test pictures, and a text about it."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from smidgen.data import Preprocessing
from smidgen.export.artefact import Artefact, Source, Wish, pixels_of
from smidgen.export.c.frames import picture_of, rgb565
from smidgen.export.c.text import filled_in, named
from smidgen.export.generated import Made, in_folder, made_of
from smidgen.export.program import Pixels
from smidgen.release import release

Layout: TypeAlias = Mapping[str, str]  # templates by the path of the file that they become
PICTURES = 10  # of a self-test, at the most
PICTURE_BYTES = 2**16  # of them all, or one: a board of 256 KB of flash has room for net and sketch
_FNV, _PRIME, _WORD = 2166136261, 16777619, 2**32
_LARGER = 2  # times a side of the net's picture: the camera's frame, if so many have room
_PIXEL = 2  # bytes of a frame


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
            camera's frame is a picture to the net.
        use: How the package is put to use, for its README.
    """
    made = made_of(source, wish)
    pictures = _pictures(source)
    parts = Parts(source, made, pictures, made.oracle.infer(pictures))
    base = in_folder("src/", made, source, wish)
    name, camera = made.source.name, has_camera(source.run.preprocessing)
    values = _values(parts, base) | {"USE": named(use, name)}
    values |= _frame(parts) if camera else {}
    files = {
        **layout,
        "README.md": "common/README.md",
        "LICENSE": "common/LICENSE",
        "src/NAME_self_test.h": "common/self_test.h",
        "src/NAME_self_test.c": "common/self_test.c",
    }
    texts = {
        named(path, name): filled_in(template(file), name, values).encode()
        for path, file in files.items()
        if camera or "camera" not in path
    }
    return replace(base, files={**base.files, **texts})


def has_camera(seen: Preprocessing) -> bool:
    """Return whether frames of cameras are pictures to a net: bytes, grey or of three colours."""
    return seen.color != "channels" and not seen.scale


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
        "HEIGHT": str(height),
        "WIDTH": str(width),
        "CHANNELS": f"{channels} channel{'s' * (channels > 1)}",
        "CLASSES": str(made.classes),
        "ARENA": f"{made.arena_bytes:,}",
        "FLASH": f", {base.flash:,} of flash on a Cortex-M4" if base.flash is not None else "",
        "SEEN": run.preprocessing.text,
        "COUNT": str(count),
        "PICTURE_BYTES": f"{count * pixels:,}",
        "HOW": "with the very logits" if exact else "with the same class",
        "PICTURES": ",\n".join(f"    {{{numbers}}}" for numbers in map(_lines, _rows(parts))),
        "ANSWERS": ", ".join(map(str, answers)),
        "SUMS": f"{sums}\n" if exact else "",
        "CHECK": named(" && NAME_sum_of(logits) == NAME_sums[place]", made.name) if exact else "",
        "KEYWORD": "NAME",
    }


def _frame(parts: Parts) -> dict[str, str]:
    """Return a camera's frame made of a test picture, and what must be answered for it."""
    seen = parts.source.run.preprocessing
    picture = np.moveaxis(seen.turn(parts.pictures[-1]), 0, 2)
    rows, columns = picture.shape[:2]
    times = _LARGER if _PIXEL * _LARGER**2 * rows * columns <= PICTURE_BYTES else 1
    frame = rgb565(picture.repeat(times, axis=0).repeat(times, axis=1))
    rows, columns = times * rows, times * columns
    pixels = seen.pixels(picture_of(frame, "rgb565-be", rows, columns))
    logits = parts.made.oracle.infer(np.ascontiguousarray(np.moveaxis(pixels, 2, 0)[None]))
    return {
        "ROWS": str(rows),
        "COLUMNS": str(columns),
        "BYTES": f"    {_lines(list(frame))}",
        "ANSWER": str(int(logits[0].argmax())),
    }


def sum_of(logits: NDArray[np.generic]) -> int:
    """Return FNV-1a of int32 logits, word by word: what the self-test in C compares."""
    found = _FNV
    for logit in logits.tolist():
        found = (found ^ (int(logit) % _WORD)) * _PRIME % _WORD
    return found


def _rows(parts: Parts) -> list[list[int]]:
    return [picture.transpose(1, 2, 0).ravel().tolist() for picture in parts.pictures]


def _lines(numbers: Sequence[int]) -> str:
    texts = list(map(str, numbers))
    return ",\n     ".join(", ".join(texts[i : i + 24]) for i in range(0, len(texts), 24))

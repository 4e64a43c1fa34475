"""One HTML page around a WebAssembly module; it opens from a file and needs no network."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smidgen.data import Preprocessing
from smidgen.data.layouts.folders import ENDINGS
from smidgen.data.names import SYSTEM
from smidgen.escape import json_in_page
from smidgen.export.program import Pixels
from smidgen.layers import Shape
from smidgen.tensors import Pixels as PixelTensor

_PARTS = (
    *("net", "pictures", "windows", "drawings", "strokes"),
    *("answer", "sources", "folder", "start"),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page says of the net and of the data, and what it needs to know of them.

    Args:
        name: Of the net.
        data: Of the data set.
        numbers: ``int8`` or ``float32``.
        logit_scale: What 1 in the module's logits stands for.
        params: As trained.
        macs: An image.
        accuracy: Of the module on the test split, in [0, 1].
        images: Of that split.
        classes: Names, in the order of the logits.
        background: Level of the pixels around what is drawn, 0 to 255.
        ink_box: Larger side of what is drawn, in pixels; 0 for photographs, which fill the frame.
        samples: Test images to try, with their labels.
        preprocessing: What a picture goes through.
        squares: Shape of the map whose squares add up to the logits; see
            :func:`smidgen.export.squares.looked_at`.
        thresholds: Of the test split, from :func:`thresholds`; none if nothing is known.
    """

    name: str
    data: str
    numbers: str
    logit_scale: float
    params: int
    macs: int
    accuracy: float
    images: int
    classes: tuple[str, ...]
    background: int
    ink_box: int
    samples: tuple[tuple[int, Pixels], ...]
    preprocessing: Preprocessing
    squares: Shape | None = None
    thresholds: tuple[tuple[int, int], ...] = ()


def page(module: bytes, input_shape: Shape, facts: Facts, plain: bytes = b"") -> str:
    """Return one HTML page with the module in it; it opens from a file and fetches nothing.

    Args:
        module: That the net runs in.
        input_shape: Of the net.
        facts: That the page tells and needs.
        plain: Another module of the same net, for browsers that refuse the first.
    """
    seen = facts.preprocessing
    values = asdict(facts) | {  # all of it as pictures lie: the script exchanges for the module
        "preprocessing": {**seen.to_dict(), "text": seen.text},
        "modules": [
            {"code": _text(code), "sha256": hashlib.sha256(code).hexdigest()}
            for code in (module, plain)
            if code
        ],
        "samples": [
            {"label": label, "pixels": _text(seen.turn(pixels).tobytes())}
            for label, pixels in facts.samples
        ],
        "squares": facts.squares and _as_it_lies(facts.squares, seen),
        "endings": ENDINGS,
        "system": SYSTEM,
        **_as_it_lies(input_shape, seen),
    }
    html = _template("page.html")
    for name, text in (
        ("style", _template("page.css")),
        ("script", "".join(_template(f"page_{part}.js") for part in _PARTS)),
        ("facts", json_in_page(values)),  # last: what it holds is from outside
    ):
        html = html.replace(f"{{{{ {name} }}}}", text, 1)
    return html


def _as_it_lies(shape: Shape, seen: Preprocessing) -> dict[str, int]:
    channels, *sides = shape
    height, width = reversed(sides) if seen.turned else sides
    return Shape(channels, height, width)._asdict()


def _template(name: str) -> str:
    return (resources.files("smidgen.export") / "templates" / name).read_text(encoding="utf-8")


def thresholds(logits: NDArray[Any], labels: NDArray[Any]) -> tuple[tuple[int, int], ...]:
    """Return, for each per cent from 0 to 99, how many answers are that probable, or more.

    Args:
        logits: (n, classes), as floats.
        labels: (n,).

    Returns:
        Pairs of answers and of those the right ones.
    """
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(1, keepdims=True))
    shares, right = powers.max(1) / powers.sum(1), wide.argmax(1) == labels
    sure = [shares >= percent / 100 for percent in range(100)]
    return tuple((int(kept.sum()), int(right[kept].sum())) for kept in sure)


def frame_of(images: PixelTensor) -> Mapping[str, int]:
    """Return ``background`` and ``ink_box`` of training images, as :class:`Facts` has them.

    Drawings on an even ground have a border of one level; its median is the background, and the
    box is the median of the larger sides of what differs from it by more than a third.
    """
    edge = np.concatenate([side.numpy().ravel() for side in _sides(images)])
    background = int(np.median(edge))
    even = float(np.mean(np.abs(edge.astype(int) - background) < 255 // 3))
    if images.shape[1] > 1 or even < 0.8:  # noqa: PLR2004 - photographs reach the border
        return {"background": background, "ink_box": 0}
    marked = (images[:2000, 0].int() - background).abs() > 255 // 3
    longest = np.maximum(_extent(marked.any(1).numpy()), _extent(marked.any(2).numpy()))
    return {"background": background, "ink_box": max(1, int(np.median(longest)))}


def _sides(images: PixelTensor) -> Sequence[torch.Tensor]:
    return images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]


def _extent(marked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how far the marks of each row reach, from the first to the last."""
    length = marked.shape[1]
    return np.maximum(length - marked[:, ::-1].argmax(1) - marked.argmax(1), 0)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()

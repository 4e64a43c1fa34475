"""What was understood of a data set: classes, counts, sizes, copies, and a sheet to look at."""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from smidgen.data.base import Data
from smidgen.data.catalogue import Catalogue, Wish
from smidgen.data.decoding import each
from smidgen.data.labelled import labelled
from smidgen.data.preprocessing import WHITE
from smidgen.data.splits import keys

PNG, SHEET = b"\x89png\r\n", b"smidgen inspect-data"  # how a sheet begins, and what made it
TILE = 64  # pixels a side, at most, of a picture on the sheet
LONG, BAND, BANDS = 112, 24, 12  # pixels of a window on it, across and a channel, and channels
ACROSS = 10  # pictures a class
DOWN = 40  # classes
FEW = 10  # training pictures below which a class is named
_MARGIN, _TEXT = 4, 14  # pixels around a tile, and of a line of text


@final
@dataclass(frozen=True, slots=True)
class Inspection:
    """What was understood of a data set.

    Args:
        data: As it would be trained on.
        sizes: Height, width and how many pictures have it, the most common first.
        copies: Pictures that look like another one once they are fitted.
        few: Classes with fewer than ten training pictures.
    """

    data: Data
    sizes: tuple[tuple[int, int, int], ...]
    copies: int
    few: tuple[str, ...]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many pictures each class has, by part."""
        return {
            part: dict(
                zip(
                    self.data.classes,
                    torch.bincount(split.labels, minlength=len(self.data.classes)).tolist(),
                    strict=True,
                )
            )
            for part, split in self.data.parts.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        data = self.data
        return {
            "name": data.name,
            "origin": data.origin,
            "fingerprint": data.fingerprint,
            "classes": list(data.classes),
            "counts": self.counts(),
            "sizes": [{"height": h, "width": w, "pictures": n} for h, w, n in self.sizes],
            "copies": self.copies,
            "few": list(self.few),
            "preprocessing": data.preprocessing.to_dict(),
            "notes": list(data.notes),
        }


def inspected(data: Data, catalogue: Catalogue, wish: Wish) -> Inspection:
    """Return what was understood.

    Args:
        data: Made of the catalogue.
        catalogue: For the sizes before pictures were fitted.
        wish: That they were made with.
    """
    rows = labelled(data.name, catalogue, wish).rows
    heads = each(rows, lambda row: row.pictures.head(row.number), {})
    sizes = Counter((head.height, head.width) for head in heads if head is not None)
    seen = Counter(key for split in data.parts.values() for key in keys(split))
    counts = torch.bincount(data.train.labels, minlength=len(data.classes)).tolist()
    return Inspection(
        data,
        tuple((height, width, n) for (height, width), n in sizes.most_common()),
        sum(n - 1 for n in seen.values()),
        tuple(name for name, n in zip(data.classes, counts, strict=True) if n < FEW),
    )


def contact_sheet(data: Data) -> bytes:
    """Return a PNG with up to ten training pictures a class, of 40 classes, at the net's size.

    Windows of a sensor are curves, a band a channel, of twelve channels.
    """
    from PIL import Image, ImageDraw, ImageFont
    from PIL.PngImagePlugin import PngInfo

    tall, wide = (side + _MARGIN for side in _tile(data, 0).size[::-1])
    shown = data.classes[:DOWN]
    row_height = tall + _TEXT + _MARGIN
    sheet = Image.new("RGB", (ACROSS * wide + _MARGIN, len(shown) * row_height + _MARGIN), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default_imagefont()
    for number, name in enumerate(shown):
        top = number * row_height + _MARGIN
        members = (data.train.labels == number).nonzero().flatten()
        draw.text((_MARGIN, top), f"{_plain(name)} ({len(members):,})", "black", font)
        for place, row in enumerate(_spread(members.tolist(), ACROSS)):
            sheet.paste(_tile(data, row), (_MARGIN + place * wide, top + _TEXT))
    written = io.BytesIO()
    marked = PngInfo()
    marked.add_text("Software", SHEET.decode())
    sheet.save(written, "PNG", pnginfo=marked)
    return written.getvalue()


def _tile(data: Data, row: int) -> Any:
    """Return a training picture as it is seen on the sheet, a Pillow image."""
    from PIL import Image

    pixels = data.preprocessing.turn(data.train.images[row]).permute(1, 2, 0).numpy()
    if data.preprocessing.is_window:
        return _curves(pixels.reshape(-1, pixels.shape[2]))
    factor = max(1, TILE // max(pixels.shape[:2]))
    tile = np.repeat(np.repeat(_shown(pixels, data.shape[0]), factor, axis=0), factor, axis=1)
    return Image.fromarray(np.ascontiguousarray(tile))


def _curves(window: Any) -> Any:
    """Return a window, moments x channels of bytes, as a band a channel with its curve."""
    from PIL import Image, ImageDraw

    moments, channels = len(window), min(window.shape[1], BANDS)
    tile = Image.new("RGB", (LONG, channels * (BAND + 1) - 1), "white")
    draw = ImageDraw.Draw(tile)
    for k in range(channels):
        top = k * (BAND + 1)
        draw.rectangle((0, top, LONG - 1, top + BAND - 1), "#e8e8e8")
        heights = top + (BAND - 1) * (1 - window[:, k] / WHITE)
        places = np.linspace(0, LONG - 1, moments)
        draw.line(list(zip(places.tolist(), heights.tolist(), strict=True)), "#1040a0")
    return tile


def _shown(pixels: Any, channels: int) -> Any:
    """Return pixels as RGB: of more channels the first three, of two the first as grey."""
    return pixels[:, :, :3] if channels >= 3 else pixels[:, :, :1].repeat(3, axis=2)  # noqa: PLR2004


def _spread(rows: Sequence[int], count: int) -> Sequence[int]:
    step = max(1, len(rows) // count)
    return rows[::step][:count]


def _plain(name: str) -> str:
    """Return a name that the built-in font of fixed width can draw; the other has only ASCII."""
    return name.encode("latin-1", errors="replace").decode("latin-1")

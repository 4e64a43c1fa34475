"""Draw what each method does to digits: docs/pictures/NAME.png, before above and after below."""

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image

from smidgen.data import load
from smidgen.methods import METHODS
from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
COUNT, SIDE, ZOOM, GAP = 8, 28, 2, 4
UNSEEN = {
    *("label-smoothing", "distill"),  # change targets alone
    *("time-shift", "scaling", "jitter"),  # are for windows of a sensor
}


def drawn(kind: type[BatchMethod]) -> Image.Image:
    """Return what the method, as it is by default, makes of the first digits."""
    digits = load("digits").train.images[:COUNT].float() / 255
    digits = F.interpolate(digits, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
    mean, std = digits.mean(), digits.std()
    images = (digits - mean) / std
    batch = Batch(images, torch.eye(COUNT))
    after = kind().transform(batch, 0.0, torch.Generator().manual_seed(1)).images * std + mean
    rows = torch.stack([digits, after]).clamp(0, 1)[:, :, 0]
    rows = F.pad(rows, (GAP // 2,) * 4, value=1.0)
    sheet = rows.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
    pixels = (255 * sheet).round().to(torch.uint8).numpy()
    found = Image.fromarray(pixels)
    return found.resize((ZOOM * found.width, ZOOM * found.height), Image.Resampling.NEAREST)


def kinds() -> list[type[BatchMethod]]:
    """Return the methods that change pictures."""
    return [kind for kind in METHODS if issubclass(kind, BatchMethod) and kind.name not in UNSEEN]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for method in kinds():
        drawn(method).save(FOLDER / f"{method.name}.png", optimize=True)

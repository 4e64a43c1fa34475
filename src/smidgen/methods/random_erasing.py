"""Random erasing: put noise in the place of a rectangle of some images."""

from dataclasses import dataclass, replace
from math import log
from typing import ClassVar, Literal

import torch
from torch import Tensor

from smidgen.data.sensor import is_window
from smidgen.methods.base import BatchMethod
from smidgen.tensors import Batch

_TRIES = 16  # rectangles drawn for an image, of which the first that fits is erased


@dataclass(frozen=True, slots=True)
class RandomErasing(BatchMethod):
    """Erase a rectangle of random area and shape that lies inside of the image.

    ``x'[i, j] = noise`` in ``sqrt(a r)`` rows and ``sqrt(a / r)`` columns, whole pixels, of an
    image of ``S`` pixels: the area ``a`` is uniform in ``smallest S .. largest S``, the aspect
    ``r`` in ``narrowest .. 1 / narrowest``, the place uniform among those where the rectangle fits.
    Another one for every image. Of windows of a sensor, one side of which is 1, it has that side
    whole and ``a`` of the other.

    Args:
        probability: Share of the images that are erased; in (0, 1].
        smallest: Share of an image, in (0, largest].
        largest: Likewise, in [smallest, 1].
        narrowest: Least ratio of the sides, in (0, 1]; 1 for squares.
        fill: ``noise``: a normal draw for every pixel and channel, as wide as the images' own;
            ``mean``: 0, the mean pixel.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Zhong et al. 2020, "Random Erasing Data Augmentation", arXiv:1708.04896, algorithm 1,
        with their numbers for CIFAR; ``noise`` is their best (table 3: RE-R).
    Differs: the logarithm of the aspect is uniform, so that tall and wide are alike; noise is
        normal in normalised values, theirs uniform in bytes; an image for which none of 16
        rectangles fits stays whole.
    """

    probability: float = 0.5
    smallest: float = 0.02
    largest: float = 0.4
    narrowest: float = 0.3
    fill: Literal["noise", "mean"] = "noise"

    name: ClassVar[str] = "random-erasing"

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError(
                f"random-erasing probability must be in (0, 1], got {self.probability}"
            )
        if not 0 < self.smallest <= 1:
            raise ValueError(f"random-erasing smallest must be in (0, 1], got {self.smallest}")
        if not self.smallest <= self.largest <= 1:
            raise ValueError(
                f"random-erasing largest must be in [{self.smallest}, 1], got {self.largest}"
            )
        if not 0 < self.narrowest <= 1:
            raise ValueError(f"random-erasing narrowest must be in (0, 1], got {self.narrowest}")
        if self.fill not in ("noise", "mean"):
            raise ValueError(f"random-erasing fill must be noise or mean, got {self.fill!r}")

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        del progress
        count, channels, height, width = batch.images.shape
        erased = self.draw(count, height, width, generator)
        places = erased.flatten(1).any(1).nonzero().flatten()
        noise = torch.zeros(len(places), channels, height, width)
        if self.fill == "noise":
            noise.normal_(generator=generator)
        where = erased[places, None].to(batch.images.device)
        images = torch.empty_like(batch.images).copy_(batch.images)
        places = places.to(images.device)
        images[places] = torch.where(where, noise.to(images), images[places])
        return replace(batch, images=images)

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Return which pixels of which images are erased: count, height, width."""
        chosen = torch.rand(count, generator=generator) < self.probability
        draws = torch.rand(2, count, _TRIES, generator=generator)
        area = (self.smallest + (self.largest - self.smallest) * draws[0]) * (height * width)
        aspect = ((2 * draws[1] - 1) * -log(self.narrowest)).exp()
        tall, wide = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
        if is_window(height, width):  # what is erased of a row is a stretch of that area
            one = torch.ones_like(area)
            tall, wide = (one if side == 1 else area.round() for side in (height, width))
        fits = (tall >= 1) & (wide >= 1) & (tall <= height) & (wide <= width)
        first = fits.byte().argmax(1, keepdim=True)
        tall, wide = (sides.gather(1, first) for sides in (tall, wide))
        corner = torch.rand(2, count, 1, generator=generator)
        top = (corner[0] * (height - tall + 1)).floor()
        left = (corner[1] * (width - wide + 1)).floor()
        down, across = torch.arange(height), torch.arange(width)
        rows = (down >= top) & (down < top + tall) & (chosen & fits.any(1))[:, None]
        columns = (across >= left) & (across < left + wide)
        return rows[:, :, None] & columns[:, None, :]

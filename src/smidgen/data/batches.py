"""Images on their device, normalised and handed out by the batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import torch
import torch.nn.functional as F

from smidgen.data.base import Split
from smidgen.kernels.batch import gather
from smidgen.tensors import Batch, Images, Labels, Pixels

LEVELS = 256  # of a pixel
WHITE = LEVELS - 1


def channel_statistics(images: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the standard deviation of every channel, on the scale 0 to 1.

    The sums are exact: they are taken over a histogram, in integers. A constant channel has the
    deviation 1, so that normalising it is defined.
    """
    means: list[float] = []
    deviations: list[float] = []
    for channel in images.unbind(1):
        counts = torch.bincount(channel.flatten(), minlength=LEVELS).tolist()
        n = sum(counts)
        first = sum(level * count for level, count in enumerate(counts))
        second = sum(level * level * count for level, count in enumerate(counts))
        variance = (n * second - first * first) / (n * n)  # one rounding, of exact integers
        means.append(first / (n * WHITE))
        deviations.append(variance**0.5 / WHITE if variance > 0 else 1.0)
    return tuple(means), tuple(deviations)


def normalise(
    pixels: Pixels, mean: tuple[float, ...], std: tuple[float, ...], dtype: torch.dtype
) -> Images:
    """Return ``(pixels / 255 - mean) / std`` a channel, rounded to ``dtype`` once, at the end.

    Args:
        pixels: Bytes, n c h w.
        mean: Of each channel, in units of 0 to 1.
        std: Likewise.
        dtype: Of the result, which stays on the device of the pixels.
    """
    scale, shift = _affine(mean, std)
    of_channel = (1, -1, 1, 1)
    scale, shift = scale.to(pixels.device), shift.to(pixels.device)
    scaled = pixels.to(torch.float32).mul_(scale.view(of_channel))
    return scaled.add_(shift.view(of_channel)).to(dtype)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Every image as one row of bytes, with the factor and the summand of each byte."""

    pixels: torch.Tensor
    scale: torch.Tensor
    shift: torch.Tensor

    def normalised(self, rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        return gather(self.pixels, rows, self.scale, self.shift, dtype)


class Batches:
    """A split that lives on the device as bytes and leaves it as normalised batches."""

    def __init__(  # noqa: PLR0913 - all but one by keyword
        self,
        split: Split,
        *,
        batch_size: int,
        classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = True,
        length: int | None = None,
    ) -> None:
        """Move ``split`` to ``device``.

        Args:
            split: The images and labels.
            batch_size: Images a batch; a smaller split is one batch.
            classes: Columns of the targets.
            mean: Of each channel, on the scale 0 to 1.
            std: Of each channel, on the scale 0 to 1.
            device: Where the images stay and the batches are made.
            dtype: Of the images in a batch; targets are always float32.
            channels_last: The memory format of the images in a batch.
            length: Images that an epoch is long, by default as many as there are: of a part of a
                data set each comes several times in an epoch as long as one of all.

        Raises:
            ValueError: If ``batch_size`` is below 1 or the statistics are not one a channel.
        """
        channels, height, width = split.images.shape[1:]
        if batch_size < 1:
            raise ValueError(f"batch_size must be >= 1, got {batch_size}")
        if not len(mean) == len(std) == channels:
            raise ValueError(f"mean and std must be {channels} numbers, got {mean} and {std}")
        self._length = len(split) if length is None else length
        self.batch_size = min(batch_size, self._length)
        self.shape = (channels, height, width)
        self.dtype = dtype
        self.channels_last = channels_last
        self.labels = split.labels.to(device)
        self._targets = F.one_hot(self.labels, classes).to(torch.float32)
        images = split.images.permute(0, 2, 3, 1) if channels_last else split.images
        # A factor for each byte of a row and not for each channel: the inner loop is then as
        # long as the image, not as the channels, and several times faster.
        per_byte = [
            (of_channel.expand(height, width, -1) if channels_last else of_channel[:, None, None])
            .expand(images.shape[1:])
            .flatten()
            .contiguous()
            .to(device)
            for of_channel in _affine(mean, std)
        ]
        self._rows = _Rows(images.flatten(1).contiguous().to(device), *per_byte)

    def __len__(self) -> int:
        """Return the steps an epoch."""
        return self._length // self.batch_size

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """Yield whole batches in an order drawn from ``generator``, all of it at the start.

        What is left over after the last whole batch sits this epoch out.
        """
        needed = len(self) * self.batch_size
        orders = [
            torch.randperm(len(self.labels), generator=generator, device=generator.device)
            for _ in range(ceil(needed / len(self.labels)))
        ]
        whole = torch.cat(orders).to(self.labels.device)[:needed]
        for rows in whole.split(self.batch_size):
            yield Batch(self._images(rows), self._targets.index_select(0, rows))

    def in_order(self) -> Iterator[tuple[Images, Labels]]:
        """Yield every image and its label in stored order; the last batch may be smaller."""
        for rows in torch.arange(len(self.labels), device=self.labels.device).split(
            self.batch_size
        ):
            yield self._images(rows), self.labels[rows]

    def _images(self, rows: torch.Tensor) -> Images:
        channels, height, width = self.shape
        values = self._rows.normalised(rows, self.dtype)
        if self.channels_last:
            return values.view(-1, height, width, channels).permute(0, 3, 1, 2)
        return values.view(-1, channels, height, width)


def _affine(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the factor and the summand, by channel, that normalise a byte."""
    of_mean = torch.tensor(mean, dtype=torch.float64, device="cpu")
    of_std = torch.tensor(std, dtype=torch.float64, device="cpu")
    scale = 1 / (WHITE * of_std)
    return scale.to(torch.float32), (-of_mean / of_std).to(torch.float32)

"""Rows of pixels as they lie in memory, for methods that copy pieces of images."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from smidgen.tensors import Images


def rows_of(images: Images) -> tuple[Float[Tensor, "n p h s"], int]:
    """Return ``images`` as contiguous rows, and the scalars from one pixel to the next.

    Channels-last images have one plane of rows with all channels of a pixel together, others have
    a plane a channel.
    """
    if _interleaved(images):
        return images.permute(0, 2, 3, 1).flatten(2).unsqueeze(1), images.shape[1]
    return images.contiguous(), 1


def images_of(rows: Float[Tensor, "n p h s"], like: Images) -> Images:
    """Return ``rows`` as images in the memory format of ``like``: the inverse of rows_of."""
    if _interleaved(like):
        return rows.squeeze(1).unflatten(2, (-1, like.shape[1])).permute(0, 3, 1, 2)
    return rows


def windows(
    planes: Float[Tensor, "m h s"], step: int, corners: Int64[Tensor, " k"], size: tuple[int, int]
) -> Float[Tensor, "k height width"]:
    """Copy windows out of planes of rows, each row in one piece.

    Args:
        planes: Contiguous.
        step: Scalars from one pixel to the next.
        corners: Of each window the first pixel, counted from the first pixel of all planes. The
            window must lie inside its plane.
        size: Rows and pixels a row of each window.
    """
    height, width = size
    pixels, pixels_a_row = planes.numel() // step, planes.shape[2] // step
    # one overlapping piece starts at every pixel; index_select then copies whole pieces
    pieces = planes.as_strided((pixels - width + 1, width * step), (step, 1))
    down = torch.arange(height, device=planes.device) * pixels_a_row
    starts = corners[:, None] + down
    return pieces.index_select(0, starts.flatten()).view(len(corners), height, width * step)


def _interleaved(images: Images) -> bool:
    # with one channel both formats hold: the strides tell which one torch takes it for
    return images.stride(1) == 1 and images.is_contiguous(memory_format=torch.channels_last)

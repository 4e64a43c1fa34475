"""Change the pixels of a batch in plain torch: what the compiled operations equal and fall back on.

Images may be on any device; what was drawn is moved to it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from smidgen.tensors import Images


def gather(
    rows: UInt8[Tensor, "m s"],
    chosen: Int64[Tensor, " n"],
    scale: Float[Tensor, " s"],
    shift: Float[Tensor, " s"],
    dtype: torch.dtype,
) -> Float[Tensor, "n s"]:
    """Choose rows of bytes, then multiply and add in float32."""
    values = rows.index_select(0, chosen).to(torch.float32)
    return values.mul_(scale).add_(shift).to(dtype)


def crop(images: Images, down: Int64[Tensor, " n"], across: Int64[Tensor, " n"]) -> Images:
    """Copy a window out of every padded image."""
    rows, step = _rows_of(images)
    count, planes, height, _ = rows.shape
    width = images.shape[3]
    # further away a window is as empty, and would ask for memory
    down, across = down.clamp(-height, height), across.clamp(-width, width)
    above, beside = (max(int(o.abs().max()), 1) if count else 1 for o in (down, across))
    top, left = torch.stack([down + above, across + beside]).unsqueeze(2).to(rows.device)

    padded = F.pad(rows, [beside * step, beside * step, above, above]).flatten(0, 1)
    plane = torch.arange(count * planes, device=rows.device).view(count, planes)
    tall, wide = height + 2 * above, width + 2 * beside
    corners = (plane * tall + top) * wide + left
    cropped = _windows(padded, step, corners.flatten(), (height, width))
    return _images_of(cropped.view(rows.shape), images)


def flip(images: Images, chosen: Bool[Tensor, " n"]) -> Images:
    """Copy all images, then the mirrored ones over their own."""
    places = chosen.nonzero().flatten().to(images.device)
    flipped = images.clone()
    flipped[places] = images[places].flip(3)
    return flipped


def cut(images: Images, top: Int64[Tensor, " n"], left: Int64[Tensor, " n"], length: int) -> Images:
    """Multiply by masks, each a window of one larger mask with the square in its middle."""
    rows, step = _rows_of(images)
    height, width = images.shape[2:]
    (top, rows_cut), (left, columns_cut) = (
        _within(top, length, height),
        _within(left, length, width),
    )
    # one square, reached by windows at any distance from it, up to not at all
    tall, wide = height + rows_cut, width + columns_cut
    mask = rows.new_ones(1, height + tall, (width + wide) * step)
    mask[:, height:tall, width * step : wide * step] = 0
    # a square outside the image cuts nothing, wherever it is
    down, right = height - top.clamp(-rows_cut, height), width - left.clamp(-columns_cut, width)
    corners = down * (width + wide) + right
    masks = _windows(mask, step, corners.to(rows.device), (height, width))
    return _images_of(rows * masks[:, None], images)


def _within(start: Int64[Tensor, " n"], length: int, side: int) -> tuple[Tensor, int]:
    """Return starts and a length, at most the side, that cover the same pixels of it."""
    short = min(length, side)
    return start.clamp(min=0) + (start + length - short).clamp(max=0), short


def blend(images: Images, partner: Int64[Tensor, " n"], weight: float) -> Images:
    """Interpolate between the rows of pixels of two images."""
    rows, _ = _rows_of(images)
    partners = rows.index_select(0, partner.to(rows.device))
    return _images_of(torch.lerp(rows, partners, weight), images)


def matrices(draws: Float[Tensor, "5 n"], reach: Sequence[float]) -> Float[Tensor, "n 2 3"]:
    """Invert the maps in closed form."""
    most = torch.tensor(reach, device=draws.device).unsqueeze(1)
    rotation, growth, shear, right, below = (draws * 2 - 1) * most
    scale = 1 + growth
    cos, sin, slant = rotation.cos() / scale, rotation.sin() / scale, shear.tan()
    a, b, c, d = cos + slant * sin, sin - slant * cos, -sin, cos
    rows = (a, b, -a * right - b * below, c, d, -c * right - d * below)
    return torch.stack(rows, 1).view(-1, 2, 3)


def warp(images: Images, matrices: Float[Tensor, "n 2 3"]) -> Images:
    """Sample the images on a grid, in float32."""
    height, width = images.shape[2:]
    matrices = matrices.to(images.device)
    across = torch.arange(width, device=images.device) - (width - 1) / 2
    down = torch.arange(height, device=images.device) - (height - 1) / 2
    # grid_sample wants the image to reach from -1 to 1
    sides = torch.tensor([[2 / width], [2 / height]], device=images.device)
    by_column, by_row, fixed = (matrices * sides).unsqueeze(3).unbind(2)
    grid = (by_row * down + fixed).unsqueeze(3) + (by_column * across).unsqueeze(2)
    # planes of float32, whatever the images are: faster here, and bfloat16 is coarse for places
    moved = F.grid_sample(
        images.contiguous().float(), grid.permute(0, 2, 3, 1), align_corners=False
    )
    return torch.empty_like(images).copy_(moved.to(images.dtype))


def interleaved(images: Images) -> bool:
    """Whether the channels of a pixel lie together, without gaps.

    With one channel both formats hold: the strides tell which one torch takes it for.
    """
    return images.stride(1) == 1 and images.is_contiguous(memory_format=torch.channels_last)


def _rows_of(images: Images) -> tuple[Float[Tensor, "n p h s"], int]:
    """Return ``images`` as contiguous rows, and the scalars from one pixel to the next.

    Channels-last images have one plane of rows with all channels of a pixel together, others have
    a plane a channel.
    """
    if interleaved(images):
        return images.permute(0, 2, 3, 1).flatten(2).unsqueeze(1), images.shape[1]
    return images.contiguous(), 1


def _images_of(rows: Float[Tensor, "n p h s"], like: Images) -> Images:
    """Return ``rows`` as images in the memory format of ``like``: the inverse of _rows_of."""
    if interleaved(like):
        return rows.squeeze(1).unflatten(2, (-1, like.shape[1])).permute(0, 3, 1, 2)
    return rows


def _windows(
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

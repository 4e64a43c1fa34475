"""Change the pixels of a batch: in C where that serves, else in torch.

Methods draw, and call these with what they drew:

    gather(rows, chosen, scale, shift, dtype)   stored bytes to normalised rows
    crop(images, down, across)                  every image shifted by whole pixels
    flip(images, chosen)                        some images mirrored
    cut(images, top, left, length)              a square of every image set to 0
    blend(images, partner, weight)              every image mixed with another one
    matrices(draws, reach)                      affine maps
    warp(images, matrices)                      every image through its map, bilinear

Each returns new images in the memory format and data type of the old ones. What is drawn lies on
the CPU, one number an image. Compiled operations serve float32 and bfloat16 on the CPU, without
gradients. They give the bits of :mod:`smidgen.kernels.batch_reference`; in `blend`, `matrices` and
`warp`, its numbers within rounding.
"""

import ctypes
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from smidgen.kernels import batch_reference as reference
from smidgen.kernels.library import Operations, operations
from smidgen.tensors import Images


def _serves(images: Tensor) -> Operations | None:
    """Return the compiled operations, where they can do this one."""
    if type(images) is not Tensor or images.device.type != "cpu" or images.numel() == 0:
        return None
    if images.requires_grad or torch.compiler.is_compiling():
        return None
    return operations(images.dtype)


@lru_cache(maxsize=256)
def _layout(*sizes: int) -> ctypes.Array[ctypes.c_int64]:
    """Return images, planes, height, width and values a pixel as C reads them."""
    return (ctypes.c_int64 * 5)(*sizes)


def _prepared(images: Images) -> tuple[ctypes.Array[ctypes.c_int64], Tensor, Tensor]:
    """Return the layout, the images without gaps, and room for new ones."""
    n, c, h, w = images.shape
    if reference.interleaved(images):
        return _layout(n, 1, h, w, c), images, torch.empty_like(images)
    images = images.contiguous()
    return _layout(n, c, h, w, 1), images, torch.empty_like(images)


def _dense(images: Images, drawn: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what was drawn for each image without gaps, as C reads it without asking."""
    assert len(drawn) == len(images), f"{len(drawn)} draws for {len(images)} images"
    return drawn.to(dtype).contiguous()


def _within(places: Tensor, count: int) -> bool:
    """Whether C may look at these places of ``count`` unasked; torch counts from the end, too."""
    return len(places) == 0 or (int(places.amin()) >= 0 and int(places.amax()) < count)


def gather(
    rows: UInt8[Tensor, "m s"],
    chosen: Int64[Tensor, " n"],
    scale: Float[Tensor, " s"],
    shift: Float[Tensor, " s"],
    dtype: torch.dtype,
) -> Float[Tensor, "n s"]:
    """Return ``rows[chosen] * scale + shift``, rounded to ``dtype`` once, at the end."""
    found = operations(dtype) if rows.device.type == "cpu" and rows.is_contiguous() else None
    if found is None or not _within(chosen, len(rows)):
        return reference.gather(rows, chosen, scale, shift, dtype)
    out = torch.empty(len(chosen), rows.shape[1], dtype=dtype, device="cpu")
    scale, shift = (t.to(torch.float32).contiguous() for t in (scale, shift))
    tensors = rows, chosen.to(torch.int64).contiguous(), scale, shift, out
    found.batch_gather(*(t.data_ptr() for t in tensors), *out.shape)
    return out


def crop(images: Images, down: Int64[Tensor, " n"], across: Int64[Tensor, " n"]) -> Images:
    """Return ``x'[i, j] = x[i + down, j + across]``, 0 where that is outside."""
    found = _serves(images)
    if found is None:
        return reference.crop(images, down, across)
    layout, x, y = _prepared(images)
    down, across = (_dense(x, drawn, torch.int64) for drawn in (down, across))
    found.batch_crop(layout, x.data_ptr(), y.data_ptr(), down.data_ptr(), across.data_ptr())
    return y


def flip(images: Images, chosen: Bool[Tensor, " n"]) -> Images:
    """Return the images, those chosen with left and right exchanged."""
    found = _serves(images)
    if found is None:
        return reference.flip(images, chosen)
    layout, x, y = _prepared(images)
    chosen = _dense(x, chosen, torch.bool)
    found.batch_flip(layout, x.data_ptr(), y.data_ptr(), chosen.data_ptr())
    return y


def cut(images: Images, top: Int64[Tensor, " n"], left: Int64[Tensor, " n"], length: int) -> Images:
    """Return the images, 0 in rows ``top`` and columns ``left`` and ``length - 1`` after them."""
    found = _serves(images)
    if found is None:
        return reference.cut(images, top, left, length)
    layout, x, y = _prepared(images)
    top, left = (_dense(x, drawn, torch.int64) for drawn in (top, left))
    found.batch_cut(layout, x.data_ptr(), y.data_ptr(), top.data_ptr(), left.data_ptr(), length)
    return y


def blend(images: Images, partner: Int64[Tensor, " n"], weight: float) -> Images:
    """Return ``(1 - weight) x + weight x[partner]``."""
    found = _serves(images)
    if found is None or not _within(partner, len(images)):
        return reference.blend(images, partner, weight)
    _, x, y = _prepared(images)
    n = len(x)
    partner = _dense(x, partner, torch.int64)
    found.batch_blend(x.data_ptr(), y.data_ptr(), partner.data_ptr(), weight, n, x.numel() // n)
    return y


def matrices(draws: Float[Tensor, "5 n"], reach: Sequence[float]) -> Float[Tensor, "n 2 3"]:
    """Return ``[A^-1, -A^-1 t]``: where in the old image each point of the new one comes from.

    ``A = z R(r) [[1, tan k], [0, 1]]``, in pixels from the centre, right and down.

    Args:
        draws: In [0, 1]; each gives the number ``(2 draw - 1) reach``.
        reach: The most either way of the angle ``r`` in radians, from the axis to the right to
            the axis down; of ``z - 1``, under 1; of the angle ``k``; of ``t``, right and down.
    """
    found = operations(torch.float32)
    if found is None or draws.device.type != "cpu":
        return reference.matrices(draws, reach)
    draws = draws.to(torch.float32).contiguous()
    maps = torch.empty(draws.shape[1], 2, 3, dtype=torch.float32, device="cpu")
    most = (ctypes.c_float * 5)(*reach)
    found.batch_matrices(draws.data_ptr(), most, maps.data_ptr(), len(maps))
    return maps


def warp(images: Images, matrices: Float[Tensor, "n 2 3"]) -> Images:
    """Return images whose pixel at ``u`` is the old one at ``matrix (u, 1)``, bilinear, 0 outside.

    Args:
        images: In any memory format, which is kept.
        matrices: In pixels from the centre of the image, right and down.
    """
    found = _serves(images)
    if found is None:
        return reference.warp(images, matrices)
    layout, x, y = _prepared(images)
    matrices = _dense(x, matrices, torch.float32)
    found.batch_warp(layout, x.data_ptr(), y.data_ptr(), matrices.data_ptr())
    return y

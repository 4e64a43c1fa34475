"""Pieces of memory in large pages are whole, apart from one another, and outlive who gave them."""

import gc
import mmap
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from smidgen.kernels.pages import CHUNK, LEAST, LINE, PAGE, Pages

COUNTS = [LEAST, LEAST + 2, 3 * LEAST + 10, CHUNK // 2, CHUNK // 2 - PAGE, 2 * CHUNK + 6, LEAST]
large = pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="Linux alone has them")


def _span(piece: Tensor) -> tuple[int, int]:
    start = piece.data_ptr()
    return start, start + piece.numel() * piece.element_size()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pieces_do_not_overlap_and_hold_what_is_written(dtype: torch.dtype) -> None:
    pages = Pages()
    pieces = [pages.take(count // dtype.itemsize, dtype) for count in COUNTS]
    for number, piece in enumerate(pieces):
        piece.fill_(number)
    del pages
    gc.collect()
    spans = sorted(_span(piece) for piece in pieces)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    for number, (piece, count) in enumerate(zip(pieces, COUNTS, strict=True)):
        assert piece.dtype == dtype
        assert piece.numel() == count // dtype.itemsize
        assert bool((piece == number).all())


@large
def test_large_pieces_lie_side_by_side_from_the_start_of_a_page() -> None:
    pages = Pages()
    first, second = pages.take(LEAST + 3, torch.uint8), pages.take(LEAST, torch.uint8)
    assert first.data_ptr() % PAGE == 0
    assert second.data_ptr() == first.data_ptr() + LEAST + LINE


def test_small_pieces_are_not_laid_out_in_pages() -> None:
    pages = Pages()
    first, second = (pages.take(LEAST - 1, torch.uint8) for _ in range(2))
    assert abs(second.data_ptr() - first.data_ptr()) >= LEAST - 1
    assert pages.take(0, torch.float32).numel() == 0


def test_serves_without_large_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    piece = Pages().take(LEAST, torch.float32)
    assert bool((piece.fill_(3) == 3).all())

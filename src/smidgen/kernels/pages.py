"""Memory for maps that stay where they are, in large pages where the system gives them."""

import mmap
import sys
from contextlib import suppress

import torch
from torch import Tensor

PAGE, CHUNK, LEAST = 2**21, 2**25, 2**15  # bytes of a large page, asked for at a time, worth it
LINE = 64  # bytes of a cache line


class Pages:
    """Hands out pieces of memory; large ones lie side by side in large pages.

    A step of a small net reads and writes some tens of megabytes. In pages of 4 KB that is more of
    them than a processor keeps the addresses of, and no prefetching goes past the end of one.
    """

    def __init__(self) -> None:
        """Ask for nothing yet; what is asked for and never written to takes no memory."""
        self._chunk: mmap.mmap | None = None
        self._used = 0

    def take(self, count: int, dtype: torch.dtype) -> Tensor:
        """Return a vector of ``count`` values, not set to anything."""
        size = count * dtype.itemsize
        if size < LEAST or sys.platform != "linux" or not hasattr(mmap, "MADV_HUGEPAGE"):
            return torch.empty(count, dtype=dtype, device="cpu")
        if self._chunk is None or self._used + size > len(self._chunk):
            room = max(CHUNK, -(-size // PAGE) * PAGE + PAGE)
            # Shared memory, which is what this gives unless told, is not laid out in large pages.
            self._chunk = mmap.mmap(-1, room, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            with suppress(OSError):  # a system without them
                self._chunk.madvise(mmap.MADV_HUGEPAGE)
            start = torch.frombuffer(self._chunk, dtype=torch.uint8).data_ptr()
            self._used = -start % PAGE
        piece = torch.frombuffer(self._chunk, dtype=dtype, count=count, offset=self._used)
        self._used += -(-size // LINE) * LINE
        return piece

"""Files on a disk that has room for a few bytes more, where no small disk can be mounted."""

import errno
import os
from io import FileIO
from typing import Any


def full_at(size: int) -> type[FileIO]:
    """Return what opens files that can hold so many bytes."""

    class Full(FileIO):
        def write(self, content: Any) -> int:
            room = size - self.seek(0, os.SEEK_END)
            if room <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(content[:room])

    return Full

"""A process of its own that runs queued trials, one after another."""

import os
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import suppress
from errno import EDQUOT, ENOMEM, ENOSPC
from functools import lru_cache
from pathlib import Path

import torch

from smidgen.data import Data
from smidgen.progress import Report
from smidgen.runtime import SLOW
from smidgen.study.database import RoomError
from smidgen.study.job import Origin, Others
from smidgen.study.owner import owner
from smidgen.study.running.local import NO_MEMORY, NO_ROOM
from smidgen.study.running.one import execute
from smidgen.study.store import Claim, Store

_POLL = 0.1  # seconds between looks at an empty queue
_NOTED_EVERY = 1.0  # seconds between notes of progress in the store
_SHORT = ("DefaultCPUAllocator", "can't allocate memory")  # in errors of torch's that have no kind


def main(store_path: str, study: str, name_file: str) -> None:
    """Run queued trials as they come, until the parent ends this process.

    They are those of ``study``, or all if it is empty. The name under which they are claimed is
    written to ``name_file``, for the parent to tell what was running should this process end
    before.
    """
    warnings.filterwarnings("ignore", message=SLOW)  # the parent has told it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    store = Store(store_path)
    with owner(store.owners) as me:
        Path(name_file).write_text(me, encoding="utf-8")
        try:
            _take(store, study, me)
        except Exception as error:
            status = _status_of(error)
            if status is None:
                raise
            try:
                sys.stderr.write(f"{described(error)}\n")  # the parent reads it
                sys.stderr.flush()
            finally:  # at its usual end Python aborts over the thread that reads
                os._exit(status)


def _take(store: Store, study: str, me: str) -> None:
    """Run queued trials as they come, for ever."""
    while True:
        claim = store.claim(me, study or None)
        if claim is None:
            time.sleep(_POLL)
        else:
            work(store, claim, me)


def work(store: Store, claim: Claim, me: str) -> None:
    """Run one claimed trial and keep its row, or its error.

    What is kept of a trial whose images cannot be read stays. After any other error the second
    attempt begins anew: what the first one had kept may be at fault, and would be for ever.

    Raises:
        Exception: Whatever tells of a full disk or of no memory, which is no fault of the trial:
            it goes on from its checkpoint, in another process.
    """
    begun: Path | None = None
    try:
        folder, origin = store.folder(claim.key), claim.job.origin
        pictures, data = others(origin, claim.job.against), loaded(origin)
        begun = folder
        row = execute(claim.job, data, folder, noting(store, claim, me), pictures)
    except Exception as error:  # whatever goes wrong in one trial must not stop the others
        if _status_of(error) is not None:
            raise
        if begun is not None:
            shutil.rmtree(begun, ignore_errors=True)
        store.fail(claim.key, me, described(error))
    else:
        store.finish(claim.key, me, row)


def _status_of(error: BaseException) -> int | None:
    """Return with what a process ends after an error that is no fault of its trial."""
    if any(_is_for_room(cause) for cause in _causes(error)):
        return NO_ROOM
    return NO_MEMORY if is_for_memory(error) else None


def _causes(error: BaseException) -> Generator[BaseException]:
    """Yield an error, and those that it wraps."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def _is_for_room(error: BaseException) -> bool:
    """Tell whether an error is of a disk that is full."""
    full = isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT)
    return full or isinstance(error, RoomError)


def is_for_memory(error: BaseException) -> bool:
    """Tell whether an error is of memory that nobody has, whoever wrapped it."""
    return any(_is_of_memory(cause) for cause in _causes(error))


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == ENOMEM
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _SHORT)


@lru_cache(maxsize=1)
def loaded(origin: Origin) -> Data:
    """Return the images of ``origin``, read once a process."""
    return origin.load()


@lru_cache(maxsize=1)
def others(origin: Origin, against: tuple[str, ...]) -> Others:
    """Return the pictures of other data sets that a card is to have, read once a process."""
    return origin.others(against, loaded(origin))


def described(error: BaseException) -> str:
    """Return an error as one line; its kind is told where the message does not speak for users."""
    said, kind = " ".join(str(error).split()), type(error).__name__
    if not said:
        return kind
    return said if isinstance(error, ValueError) else f"{kind}: {said}"


def noting(store: Store, claim: Claim, me: str) -> Callable[[Report], None]:
    """Return an observer of training that notes progress in the store, now and then."""
    last = time.monotonic()

    def note(report: Report) -> None:
        nonlocal last
        if time.monotonic() - last >= _NOTED_EVERY:
            last = time.monotonic()
            with suppress(RoomError):  # it is only a note
                store.progress(claim.key, me, report.done)

    return note


def _end_with_parent() -> None:
    """End this process when its parent's end of the pipe on standard input closes.

    That happens however the parent ends, kill -9 included, on every system.
    """
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])

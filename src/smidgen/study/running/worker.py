"""A process of its own that runs queued trials, one after another."""

import os
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from errno import EDQUOT, ENOSPC
from functools import lru_cache
from pathlib import Path

from smidgen.data import Data
from smidgen.progress import Report
from smidgen.runtime import SLOW
from smidgen.study.database import RoomError
from smidgen.study.job import Origin, Others
from smidgen.study.owner import owner
from smidgen.study.running.local import NO_ROOM
from smidgen.study.running.one import execute
from smidgen.study.store import Claim, Store

_POLL = 0.1  # seconds between looks at an empty queue
_NOTED_EVERY = 1.0  # seconds between notes of progress in the store


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
            if not _is_for_room(error):
                raise
            sys.stderr.write(f"{described(error)}\n")  # the parent reads it
            sys.stderr.flush()
            os._exit(NO_ROOM)  # at its usual end Python aborts over the thread that reads


def _take(store: Store, study: str, me: str) -> None:
    """Run queued trials as they come, for ever."""
    while True:
        claim = store.claim(me, study or None)
        if claim is None:
            time.sleep(_POLL)
        else:
            work(store, claim, me)


def work(store: Store, claim: Claim, me: str) -> None:
    """Run one claimed trial and keep its row, or its error."""
    try:
        folder = store.folder(claim.key)
    except ValueError as error:
        store.fail(claim.key, me, described(error))
        return
    try:
        origin, noted = claim.job.origin, noting(store, claim, me)
        pictures = others(origin, claim.job.against)
        row = execute(claim.job, loaded(origin), folder, noted, pictures)
    except Exception as error:  # whatever goes wrong in one trial must not stop the others
        if _is_for_room(error):
            raise  # no fault of the trial, which goes on from its checkpoint when there is room
        shutil.rmtree(folder, ignore_errors=True)  # the second attempt begins anew
        store.fail(claim.key, me, described(error))
    else:
        store.finish(claim.key, me, row)


def _is_for_room(error: Exception) -> bool:
    """Tell whether an error is of a disk that is full, whoever wrapped it."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, RoomError):
            return True
        if isinstance(found, OSError) and found.errno in (ENOSPC, EDQUOT):
            return True
        found = found.__cause__
    return False


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
    said = " ".join(str(error).split())
    return said if isinstance(error, ValueError) and said else f"{type(error).__name__}: {said}"


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

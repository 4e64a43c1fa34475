"""Many pictures decoded several at a time, and what is said of those that cannot be."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

from smidgen.data.errors import DataError
from smidgen.data.labelled import NAMED, Row, listed
from smidgen.machine import DECODING, processors
from smidgen.sizes import counted

AT_ONCE = 8  # pictures, at most: each may be large
LEFT_OUT = "cannot be used and"
_CHUNK = 32  # pictures that a thread takes in one go


def each(
    rows: Sequence[Row],
    work: Callable[[Row], Any],
    broken: dict[int, str],
    report: Callable[[int], None] = lambda done: None,
) -> list[Any]:
    """Return what ``work`` gives for each row, in order.

    Args:
        rows: The pictures.
        work: Done in threads; a row where it fails has the result None.
        broken: Rows to leave out, by number; those that fail are added, with the reason.
        report: Called now and then with the number of rows done.
    """
    results: list[Any] = [None] * len(rows)
    stopped = Event()  # who is interrupted waits for no picture that has not begun

    def chunk(first: int) -> int:
        numbers = range(first, min(first + _CHUNK, len(rows)))
        for number in numbers:
            if stopped.is_set():
                break
            if number not in broken:
                results[number], why = _tried(work, rows[number])
                if why:
                    broken[number] = why
        return numbers.stop

    starts = range(0, len(rows), _CHUNK)
    pool = ThreadPoolExecutor(min(AT_ONCE, processors()), DECODING)
    try:
        for done in pool.map(chunk, starts):
            report(done)
    finally:
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)  # one picture may take seconds
    return results


def told(rows: Sequence[Row], broken: dict[int, str], *, skip: bool) -> list[str]:
    """Return a note of the pictures that are left out, if there are any.

    Raises:
        DataError: That names all of them, or the first ten, unless they are to be skipped.
    """
    if not broken:
        return []
    named = [
        f"{rows[number].pictures.where(rows[number].number)} {broken[number]}"
        for number in sorted(broken)[:NAMED]
    ]
    if skip:
        pictures = counted(len(broken), f"picture {LEFT_OUT} is", f"pictures {LEFT_OUT} are")
        return [f"{pictures} left out: {listed(named, len(broken))}"]
    if len(broken) == 1:
        raise DataError(f"{named[0]} (--skip-broken, or skip_broken=True, leaves it out)")
    raise DataError(
        f"{len(broken):,} of {len(rows):,} pictures cannot be used: {listed(named, len(broken))} "
        f"(--skip-broken, or skip_broken=True, leaves them out)"
    )


def _tried(work: Callable[[Row], Any], row: Row) -> tuple[Any, str]:
    try:
        return work(row), ""
    except DataError as error:
        return None, str(error)
    except Exception as error:  # decoders raise whatever a broken file leads them to
        return None, f"is no readable picture: {' '.join(str(error).split())}"

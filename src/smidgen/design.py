"""Design from Python and from the command line: the search, and the page about it."""

import csv
import importlib
import io
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smidgen.data import Data
    from smidgen.data.sizes import ImageSize
    from smidgen.study.design.budget import Budget
    from smidgen.study.design.clock import Clock
    from smidgen.study.design.design import Design
    from smidgen.study.design.search import News
    from smidgen.study.job import Origin

REPORT, DOUBTED = "report.html", "doubted.csv"


def design(  # noqa: PLR0913 - the one door; all but one argument by keyword
    data: "Data | Origin | Path | str",
    *,
    out: Path | str,
    max_params: int | str | None = None,
    max_macs: int | str | None = None,
    max_flash: int | str | None = None,
    max_ram: int | str | None = None,
    max_latency: float | None = None,
    board: str | None = None,
    profile: str = "standard",
    jobs: int | None = None,
    epochs: int | None = None,
    prefer: str = "best",
    balance: bool = False,
    pareto: bool = False,
    time: str | None = None,
    spent: float = 0.0,
    purpose: str = "accuracy",
    on: str = "local",
    address: str | None = None,
    data_dir: Path | str | None = None,
    image_size: "ImageSize" = None,
    live: bool = False,
    observer: "Callable[[News], None]" = lambda news: None,
) -> "Design":
    """Find, train and test a net for images within a budget, and write a page about it.

    Args:
        data: A name, a folder, a hub id; or data that were loaded from one; or how they are to be
            loaded.
        out: A new folder, or that of an interrupted design, which then goes on.
        max_params: Learned scalars; ``20_000`` or ``20k``.
        max_macs: Multiply-accumulates an image.
        max_flash: Bytes of code and constants as int8 C on a Cortex-M4, predicted; ``16KB``.
        max_ram: Bytes of static memory and stack there.
        max_latency: Milliseconds of one image, by PyTorch on one thread of this machine.
        board: A board that the net must fit, as ``smidgen inspect`` lists them: half of its flash
            and of its RAM, unless a narrower limit is given, for the code of its core.
        profile: ``quick``, ``standard`` or ``thorough``.
        jobs: Trials side by side, one process each; one a processor by default. A cluster has
            its own number.
        epochs: Of the last runs, instead of what the profile says.
        prefer: ``best`` inside the budget, or ``smallest`` that is nearly as good.
        balance: Whether every class weighs alike in the training loss.
        pareto: Whether to end with a front of nets, from small to good.
        on: ``local`` or ``ray``.
        address: Of a running Ray cluster.
        time: At most so long, such as ``20m`` or ``2h``; the profile's own time by default.
        spent: Seconds of it that are gone already, as a process takes to begin.
        purpose: ``accuracy``, or ``robust``: choices weigh as much how held-out images are
            answered when changed, by corruptions, geometry and light.
        data_dir: A folder of local copies of data sets.
        image_size: Height and width of the net's images; chosen if not given.
        live: Whether to write the page again and again while the design goes on.
        observer: Told what is decided and how the trials stand.

    Raises:
        ValueError: Before any training, if an argument or the data cannot be used, no net meets
            the budget, ``out`` holds something else, or a package for the page is missing.
    """
    clock = _clock(time, spent)
    _require_page()
    from smidgen.data.remembered import place_of
    from smidgen.machine import processors
    from smidgen.names import require_path, shown
    from smidgen.report.live import LivePage
    from smidgen.runtime import tell_if_slow
    from smidgen.study.design.design import STORE
    from smidgen.study.design.design import design as search
    from smidgen.study.design.search import News
    from smidgen.study.running.places import require_place
    from smidgen.torch_state import float32_on_the_cpu

    if not callable(observer):
        raise ValueError(f"an observer must be a function of a News, got {shown(observer)}")
    with _told_beside(profile):
        budget, line = _budget(max_params, max_macs, max_flash, max_ram, max_latency, board)
    if line:
        observer(News("plan", line, None))
    out = require_path(out, "out")
    require_place(on, address, jobs)
    tell_if_slow()
    origin = _origin(data, data_dir, image_size)
    named = Path(place_of(origin.name)).absolute().name
    observer(News("plan", "reading the data; then nets are made that fit, and one is timed", None))
    page = LivePage(Path(out) / STORE, Path(out) / REPORT, f"A net for {named}")

    def observe(news: "News") -> None:
        observer(news)
        if live:
            page.follow(news.phase, news.line)

    try:
        with float32_on_the_cpu():
            found = search(
                origin,
                budget,
                out,
                profile=profile,
                jobs=processors() if jobs is None else jobs,
                epochs=epochs,
                prefer=prefer,
                balance=balance,
                pareto=pareto,
                purpose=purpose,
                seconds=clock.limit,
                clock=clock,
                on=on,
                address=address,
                observer=observe,
            )
    except BaseException:  # an interruption, too: the page would ask for news for ever
        if live:
            page.stop()
        raise
    return _written(found, Path(out), clock, observer)


def _clock(limit: str | None, spent: float) -> "Clock":
    """Return a clock that has run for what is spent, and while its own modules are imported.

    Raises:
        ValueError: If the limit is no time.
    """
    began = monotonic()
    from smidgen.study.design.clock import Clock, seconds_of

    seconds = None if limit is None else seconds_of(limit)
    return Clock(seconds, spent + monotonic() - began)


def _written(
    found: "Design", out: Path, clock: "Clock", observer: "Callable[[News], None]"
) -> "Design":
    """Write what lies beside a design's model, tell of an overrun, and return the design."""
    from smidgen.report import write_page
    from smidgen.study.design.clock import told_overrun
    from smidgen.study.design.design import STORE
    from smidgen.study.design.search import News

    first = found.rows[min(found.rows)]
    title = f"{found.net.name} for {first['data']}"
    write_page(out / STORE, out / REPORT, title=title, commands=[found.command])
    weak = _write_doubted(out, first["fingerprint"])
    if line := told_overrun(clock):
        observer(News("confirm", line, None))
    return replace(found, warnings=(*found.warnings, f"{DOUBTED}: {weak}")) if weak else found


def _write_doubted(out: Path, fingerprint: str) -> str:
    """Write the labels that the models contradict beside the page, which shows some; or no file.

    Returns:
        Why few of them will be wrong, if the models are too weak to tell; else nothing.
    """
    from smidgen.escape import cell, whole
    from smidgen.files import write_atomically
    from smidgen.report.doubts import Doubt, doubted_labels, weakness
    from smidgen.study.design.design import STORE
    from smidgen.study.records import load

    rows = load(out / STORE).rows
    held_out = [of for of in rows if (of["fingerprint"], of["split"]) == (fingerprint, "held-out")]
    found = doubted_labels(held_out)
    if not found:
        (out / DOUBTED).unlink(missing_ok=True)  # of an earlier end of the same design
        return ""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(Doubt._fields)
    for of in found:
        table.writerow([cell(whole(v)) if isinstance(v, str) else v for v in of])
    write_atomically(out / DOUBTED, text.getvalue().encode())
    return weakness(held_out)


@contextmanager
def _told_beside(profile: str) -> Generator[None]:
    """Tell of what is refused in here also that a profile is none, so that both are mended."""
    from smidgen.study.design.profile import profile_of

    try:
        yield
    except ValueError as refused:
        try:
            profile_of(profile)
        except ValueError as unknown:
            raise ValueError(f"{refused}; {unknown}") from None
        raise


def _budget(
    params: int | str | None,
    macs: int | str | None,
    flash: int | str | None,
    ram: int | str | None,
    latency: float | None,
    board: str | None,
) -> "tuple[Budget, str]":
    """Return a budget, none of it above what a board has room for, and a line about the board.

    Raises:
        ValueError: If a limit is none, or there is no such board.
    """
    from smidgen.sizes import bytes_of, count_of
    from smidgen.study.design.budget import Budget

    def limit(
        amount: int | str | None, what: str, read: Callable[[int | str, str], int]
    ) -> int | None:
        return None if amount is None else read(amount, f"max-{what}")

    counts = limit(params, "params", count_of), limit(macs, "macs", count_of)
    sizes = limit(flash, "flash", bytes_of), limit(ram, "ram", bytes_of)
    if board is None:
        return Budget(*counts, *sizes, latency), ""
    from smidgen.export.c.boards import board_named, predicted_for

    of = board_named(board)
    most = [
        room if own is None else min(room, own) for room, own in zip(of.room, sizes, strict=True)
    ]
    line = (
        f"{of.name} ({of.chip}) has {of.flash:,} bytes of flash and {of.ram:,} of RAM, half of"
        f" them for a net: at most {most[0]:,} and {most[1]:,}, {predicted_for(of)}"
    )
    return Budget(*counts, most[0], most[1], latency, of.compiled), line


def _origin(
    data: "Data | Origin | Path | str", data_dir: Path | str | None, size: "ImageSize"
) -> "Origin":
    from smidgen.data import Data
    from smidgen.data.sizes import checked_size
    from smidgen.names import shown
    from smidgen.study.job import Origin, origin_of

    if isinstance(data, Origin | Data) and not (size is None and data_dir is None):
        raise ValueError(
            "image_size and data_dir are those of a name or a folder: data that were loaded, or"
            " are described, have their own"
        )
    if isinstance(data, Origin):
        return data
    if isinstance(data, Data):
        return origin_of(data, "a design")
    try:
        place = os.fspath(data)
    except TypeError:
        raise ValueError(
            f"data must be a name, a folder or what smidgen.data.load returned, got {shown(data)}"
        ) from None
    sides = checked_size(size)
    return Origin(
        place,
        None if data_dir is None else str(data_dir),
        None if sides is None else f"{sides[0]}x{sides[1]}",
    )


def _require_page() -> None:
    """Refuse if the page could not be written, before hours are spent.

    Raises:
        ValueError: Naming the package.
    """
    try:
        importlib.import_module("smidgen.report.page")
    except ImportError as error:
        raise ValueError(
            f"a design's page needs {error.name}, which is not installed: pip install {error.name}"
        ) from error

"""The reference study's own figures, and ours beside them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smidgen.report.points import Point, effect, judged_together, numbers_of
from smidgen.report.tables import (
    Cell,
    Table,
    by_verdict,
    difference,
    mcnemar_of,
    number,
    words,
)
from smidgen.sizes import counted
from smidgen.study.statistics import spread

SOURCE = (
    "Ethiraj & Bolla 2022, Training Efficient CNNS: Tweaking the Nuts and Bolts of Neural Networks"
    " for Lighter, Faster and Robust Models; one run a row, accuracy on the test set"
)
DATA = {"mnist": "mnist", "cifar": "cifar10"}  # by the first word of a net's name
_INPUTS = {"mnist": [1, 28, 28], "cifar": [3, 32, 32]}  # likewise
_IMAGES = 10_000  # in the test part of either
COSINE = frozenset({"cosine"})  # our baseline's schedule, in every row but one-cycle's


@dataclass(frozen=True, slots=True)
class Reported:
    """A row of the reference study.

    Args:
        net: Our name of its net.
        methods: Their names.
        accuracy: In percent, as printed.
        latency: Seconds for 10,000 test images, as printed, or ``None``.
        kilobytes: Of the file, as printed, or ``None``.
    """

    net: str
    methods: frozenset[str]
    accuracy: float
    latency: float | None = None
    kilobytes: float | None = None


def _row(net: str, methods: str, *figures: float | int) -> Reported:
    return Reported(net, frozenset(methods.split()), *(float(figure) for figure in figures))


TABLE_3 = (
    _row("mnist-25k", "", 99.35, 3.36, 107),
    _row("mnist-7k", "", 99.34, 2.67, 43),
    _row("mnist-7k-dw", "", 99.46, 3.35, 43),
    _row("mnist-5k", "", 99.33, 2.76, 34),
    _row("mnist-5k-dw", "", 99.27, 2.74, 34),
    _row("mnist-1k5-dw", "", 98.35, 2.52, 19),
    _row("cifar-143k", "", 81.57, 8.51, 578),
    _row("cifar-143k-dw", "", 79.90, 8.82, 590),
)
_SINGLES = (
    ("one-cycle", 98.92, 79.42),
    ("cutout", 98.45, 82.92),
    ("blurpool", 99.21, 83.16),
    ("squeeze-excite", 99.18, 81.61),
    ("mixup", 97.85, 83.52),
    ("label-smoothing", 98.83, 81.06),
    ("sam", 98.77, 80.64),
    ("swa", 99.02, 82.10),
)
TABLE_4 = (
    *(_row("mnist-1k5-dw", name, mnist) for name, mnist, _ in _SINGLES),
    _row("mnist-1k5-dw", "blurpool squeeze-excite swa", 99.20),
    *(_row("cifar-143k-dw", name, cifar) for name, _, cifar in _SINGLES),
)
TABLE_5 = (
    _row("cifar-143k-dw", "blurpool cutout mixup squeeze-excite", 85.55),
    _row("cifar-143k-dw", "blurpool cutout mixup", 86.08),
    _row("cifar-143k-dw", "blurpool cutout mixup sam", 86.09),
    _row("cifar-143k-dw", "blurpool cutout mixup swa", 86.37),
    _row("cifar-143k-dw", "blurpool cutout mixup label-smoothing", 86.37),
    _row("cifar-143k-dw", "blurpool cutout mixup label-smoothing swa sam", 86.76),
)
REPORTED = (*TABLE_3, *TABLE_4, *TABLE_5)
PAIRS = (  # a plain net and the depthwise one of its size
    ("mnist-7k", "mnist-7k-dw"),
    ("mnist-5k", "mnist-5k-dw"),
    ("cifar-143k", "cifar-143k-dw"),
)


def ours(points: Sequence[Point], reported: Reported) -> Point | None:
    """Return our point of a reported row, if it has been trained, and on the study's data."""
    for point in points:
        constant = any(text.startswith("cosine(") for text in point.methods)
        if (
            point.net == reported.net
            and _is_of_study(point.first)
            and point.names - COSINE == reported.methods
            and not constant  # a cosine of other numbers is another schedule, not the baseline's
            and not {"label_noise", "share"} & set(point.first["recipe"])
        ):
            return point
    return None


def _is_of_study(row: dict[str, Any]) -> bool:
    """Tell whether a row is of the study's test images, as far as it says; a name alone may lie."""
    of = _images_of(row["net"])
    named = row["data"].removeprefix("known:") == DATA[of]
    whole = row["split"] == "test" and row["images"] == _IMAGES
    return named and whole and row.get("input", _INPUTS[of]) == _INPUTS[of]


def study_effect(reported: Reported) -> float:
    """Return what a row gains over its net without methods, in the study's own figures."""
    base = next(row for row in TABLE_3 if row.net == reported.net)
    return reported.accuracy - base.accuracy


def of_one_length(points: Sequence[Point]) -> list[Point]:
    """Return the points of the recipe that most reported rows have, on each data set.

    Of recipes that have as many, the longest; of other pictures under the same name, one alone.
    """
    found: list[Point] = []
    for images in DATA:
        own = [point for point in points if _images_of(point.net) == images]
        counts = Counter(map(_run_of, filter(reported_of, own)))
        if counts:
            most = max(counts, key=lambda run: (counts[run], run))
            found += [point for point in own if _run_of(point) == most]
    return found


def _run_of(point: Point) -> tuple[int, str, str, str]:
    """Return what two points must have in common to stand in one table."""
    first = point.first
    return first["epochs"], first["trained_on"], first["fingerprint"], str(numbers_of(first))


def reported_of(point: Point) -> Reported | None:
    """Return the reported row of a point, if there is one."""
    return next((row for row in REPORTED if ours([point], row)), None)


def comparison(points: Sequence[Point]) -> list[Table]:
    """Return Tables 3, 4 and 5 with our figures beside; empty if no row of them was trained."""
    points = of_one_length(points)
    if not any(ours(points, row) for row in REPORTED):
        return []
    trained = {_images_of(row.net) for row in REPORTED if ours(points, row)}
    tables = [_nets_table([row for row in TABLE_3 if _images_of(row.net) in trained], points)]
    for title, rows in (("Table 4, one technique at a time", TABLE_4),
                        ("Table 5, combinations", TABLE_5)):  # fmt: skip
        for net in dict.fromkeys(row.net for row in rows):
            if _images_of(net) in trained:
                of_net = [row for row in rows if row.net == net]
                tables.append(_methods_table(f"{title}: {net}", of_net, points))
    more = (_pairs_table(points), _heads_table(points))
    return [*tables, *(table for table in more if table.rows)]


def _images_of(net: str) -> str:
    return net.split("-")[0]


def _nets_table(rows: Sequence[Reported], points: Sequence[Point]) -> Table:
    def cells(row: Reported) -> tuple[Cell, ...]:
        point = ours(points, row)
        kernel = point.latency("kernel_s_10000") if point else None
        whole = point.latency("end_to_end_s_10000") if point else None
        return (
            words(row.net),
            number(row.accuracy, ".2f"),
            _accuracy(point),
            number(row.latency, ".2f"),
            number(kernel, ".2f"),
            number(whole, ".2f"),
            number(None if row.kilobytes is None else row.kilobytes * 1000),
            number(point.first.get("bytes_on_disk") if point else None),
            number(point.first.get("bytes_float32") if point else None),
        )

    columns = (
        "net", "accuracy %, study", "ours", "s for 10,000 images, study", "ours, net alone",
        "ours, end to end", "bytes, study", "ours, file", "ours, float32 parameters",
    )  # fmt: skip
    note = f"Study: {SOURCE}. Ours: mean ± half of the 95 % t interval (seeds); CPU, one thread."
    return Table("Table 3, the nets", columns, tuple(cells(row) for row in rows), note)


def _methods_table(title: str, rows: Sequence[Reported], points: Sequence[Point]) -> Table:
    net = rows[0].net
    base_reported = next(row for row in TABLE_3 if row.net == net)
    base = ours(points, base_reported)
    known = [(row, point) for row in rows if (point := ours(points, row))]
    found = [(row, of) for row, point in known if base and (of := effect(point, base))]
    judged = judged_together([of for _, of in found])
    effects = dict(zip((row for row, _ in found), judged, strict=True))

    def cells(row: Reported) -> tuple[Cell, ...]:
        point, found = ours(points, row), effects.get(row)
        return (
            words(" + ".join(name for name in _ORDER if name in row.methods)),
            number(row.accuracy, ".2f"),
            _accuracy(point),
            number(row.accuracy - base_reported.accuracy, "+.2f"),
            Cell(difference(found.accuracy), found.accuracy.mean) if found else number(None),
            words(found.verdict if found else "not trained yet"),
            number(found.p if found else None, ".2g"),
            number(found.params if found else None, "+,d"),
        )

    columns = (
        "methods", "accuracy %, study", "ours", "effect, study", "effect, ours", "verdict",
        "p", "params",
    )  # fmt: skip
    here = "not trained"
    if base:
        length = counted(base.first["epochs"], "epoch", "epochs")
        here = f"{_accuracy(base, ' %').text} here, {length}"
    note = (
        f"Baseline: {base_reported.accuracy:.2f} % in the study, {here}. Effects"
        " are percentage points against it, ours paired by seed"
        f"{by_verdict(judged)}. The study has one run a row and so no interval."
    )
    return Table(title, columns, tuple(cells(row) for row in rows), note)


_ORDER = (
    "blurpool", "cutout", "mixup", "squeeze-excite", "label-smoothing", "swa", "sam", "one-cycle",
)  # fmt: skip


def _pairs_table(points: Sequence[Point]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    reported = {row.net: row for row in TABLE_3}
    for plain, depthwise in PAIRS:
        first, second = (ours(points, reported[name]) for name in (plain, depthwise))
        found = effect(second, first) if first and second else None
        if not (first and second and found):
            continue
        seed = min(first.rows.keys() & second.rows.keys())
        study = reported[depthwise].accuracy - reported[plain].accuracy
        rows.append(
            (
                words(f"{depthwise} against {plain}"),
                number(study, "+.2f"),
                Cell(difference(found.accuracy), found.accuracy.mean),
                words(found.verdict),
                number(found.macs, "+,d"),
                mcnemar_of(second.rows[seed], first.rows[seed]),
            )
        )
    return Table(
        "Depthwise against plain nets of the same size",
        ("nets", "effect, study", "effect, ours", "verdict", "MACs", "McNemar, first seed"),
        tuple(rows),
        "McNemar's exact test on the test images: how many only the depthwise net gets right,"
        " and how many only the plain one.",
    )


def _heads_table(points: Sequence[Point]) -> Table:
    """Return what averaging each map costs or gains against a dense head on all of its pixels."""
    plain = {point.net: point for point in points if point.names <= COSINE}
    rows: list[tuple[Cell, ...]] = []
    for name, averaged in plain.items():
        flattened = plain.get(f"{name}-flat")
        found = effect(averaged, flattened) if flattened else None
        if found:
            rows.append(
                (
                    words(f"{name} against {name}-flat"),
                    number(averaged.first["params"]),
                    number(found.baseline.first["params"]),
                    Cell(difference(found.accuracy), found.accuracy.mean),
                    words(found.verdict),
                )
            )
    return Table(
        "Global average pooling against a flattened dense head",
        ("nets", "params, averaged", "params, flattened", "effect, ours", "verdict"),
        tuple(rows),
        "The same convolutions. The study says that averaging saves parameters, and gives no row.",
    )


def _accuracy(point: Point | None, unit: str = "") -> Cell:
    if point is None:
        return words("not trained yet")
    seeds = f" ({point.accuracy.count})" if point.accuracy.count > 1 else ""
    told = spread(point.accuracy_over_seeds, unit=unit)
    return Cell(f"{told}{seeds}", point.accuracy.mean)

"""``smidgen evaluate --robust``: what is asked of it, and its tables."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from smidgen.chance import wilson
from smidgen.cli.terminal import LoadingProgress, table, tell, warn
from smidgen.sizes import amounted, counted

if TYPE_CHECKING:
    from smidgen.data import Data, Split
    from smidgen.robust.card import RobustCard
    from smidgen.robust.measured import RobustWish
    from smidgen.run import Run

Cards = Mapping[str, "RobustCard"]
_TITLE = "Robustness on {}: corruptions made anew from their published definitions"
_OF_WINDOWS = "Robustness on {}: corruptions of a sensor, by smidgen's own definitions"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is, and its data.

    Args:
        run: Its folder, as it was given.
        data_dir: Folder of local copies of data sets.
        own: The data it was trained on, if they are read already.
        judges_held_out: Whether the images held out of training are what judges.
    """

    run: str
    data_dir: str | None
    own: "Data | None"
    judges_held_out: bool


def asked(
    *,
    robust: bool,
    images: int | None,
    int8: bool,
    sure: float | None,
    against: Sequence[str] | None,
) -> "RobustWish | None":
    """Return what is asked for, or nothing.

    Raises:
        ValueError: If something is asked of a card, and no card.
    """
    if not robust:
        if int8 or against or images is not None:
            raise ValueError("--robust-images, --int8 and --against are for --robust")
        return None
    from smidgen.robust.measured import RobustWish

    return RobustWish(images, int8, sure, tuple(against or ()))


def require_possible(run: "Run", wish: "RobustWish | None", data_dir: str | None) -> None:
    """Refuse what the corruptions are not defined for, and data that are not there, at once.

    Raises:
        ValueError: Naming the first corruption and what it needs, or the data.
    """
    from smidgen.data.sources import find
    from smidgen.robust.corruptions import corruptions_for

    if wish:
        try:
            corruptions_for(*run.trial.net.input_shape)
        except ValueError as error:
            raise ValueError(
                f"{error}: --robust begins with corrupted pictures; without it evaluate tells"
                " accuracy and calibration of what this run takes"
            ) from None
        for name in wish.against:
            find(name, data_dir)


def measured(run: "Run", images: "Split", wish: "RobustWish", place: Place) -> dict[str, Any]:
    """Return the cards of a run by kind of numbers."""
    from smidgen.again import trained_on
    from smidgen.data import DataError
    from smidgen.robust.card import halved
    from smidgen.robust.measured import aside_of, cards, others_of

    others = others_of(
        wish.against, run.preprocessing, run.trial.fingerprint, data_dir=place.data_dir
    )
    own = place.own
    with LoadingProgress() as loading:
        if own is None:
            try:
                own = trained_on(run, place.run, data_dir=place.data_dir, progress=loading.observe)
            except DataError as error:
                if wish.int8 or wish.sure is not None:
                    raise
                warn(f'warning: no threshold for "I do not know": {error}')
        if place.judges_held_out:
            aside = halved(images)
        else:
            aside = None if own is None else aside_of(run, own)
        return cards(
            run,
            images,
            wish,
            trained_on=own,
            aside=aside,
            others=others,
            progress=lambda what, step, of: loading.observe("robustness", step + 1, of),
        )


def columns_of(cards: Cards) -> dict[str, Any]:
    """Return the cards as columns of a row: ``robust`` of floats, ``robust_int8``."""
    return {
        "robust" if kind == "float32" else f"robust_{kind}": asdict(card)
        for kind, card in cards.items()
    }


def show(cards: Cards, data: str) -> None:
    """Print the cards side by side, a column a kind of numbers."""
    first = next(iter(cards.values()))
    columns = [f"{kind}" for kind in cards]
    tell("")
    windows = any(one.kind == "tempo" for one in first.seen)
    title = _OF_WINDOWS if windows else _TITLE
    table(["", *columns, "of"], _summary(cards), title=title.format(data))
    tell("")
    rows: list[list[object]] = []
    severities = [[of.severity for of in one.levels] for one in first.corruptions]
    alike = all(own == severities[0] for own in severities)
    for place, one in enumerate(first.corruptions):
        shares = [f"{100 * card.corruptions[place].accuracy:.1f}" for card in cards.values()]
        levels = [
            f"{100 * of.accuracy:.1f}{'' if alike else f' at {of.severity}'}" for of in one.levels
        ]
        change = sum(of.change for of in one.levels) / len(one.levels)
        rows.append([one.name.replace("_", " "), *shares, *levels, f"{change:.1f}"])
    at = [f"at {severity}" if alike else "at its severity" for severity in severities[0]]
    a_byte = "value" if windows else "pixel"
    told = f"accuracy, % ({columns[0]} at each severity); change of a {a_byte}, of 255"
    table(["corruption", *columns, *at, "change"], rows, title=told)
    tell("")
    rows = []
    for place, seen in enumerate(first.seen):
        figures: list[object] = []
        for card in cards.values():
            one = card.seen[place]
            figures += [f"{100 * one.accuracy:.1f}", f"{100 * one.consistency:.1f}"]
        rows.append([seen.kind, amounted(seen.amount, seen.unit), *figures])
    named = [name for kind in columns for name in (f"{kind} %", "same answer %")]
    table(["window changed" if windows else "picture changed", "by", *named], rows)
    tell("")
    _show_confidence(cards)


def _summary(cards: Cards) -> list[list[object]]:
    def line(name: str, form: str, field: str, of: str) -> list[object]:
        values = (form.format(getattr(card, field)) for card in cards.values())
        return [name, *(value.replace("%", " %") for value in values), of]

    first = next(iter(cards.values()))
    intervals: list[object] = []
    for card in cards.values():
        low, high = wilson(card.clean, card.images)
        intervals.append(f"{100 * card.clean:.2f} % [{100 * low:.2f}, {100 * high:.2f}]")
    severities = counted(len(first.corruptions[0].levels), "severity", "severities")
    of = f"{len(first.corruptions)} corruptions, {severities} each"
    return [
        ["clean accuracy", *intervals, f"{first.images:,} images, Wilson's interval for them"],
        line("corrupted accuracy", "{:.2%}", "accuracy", of),
        line("kept of clean accuracy", "{:.2%}", "relative", "corrupted / clean accuracy"),
        line("NLL, clean", "{:.4f}", "nll", "nats"),
        line("NLL, corrupted", "{:.4f}", "corrupted_nll", "nats"),
        line("ECE, clean", "{:.2%}", "ece", "15 bins"),
        line("ECE, corrupted", "{:.2%}", "corrupted_ece", "15 bins, mean over corruptions"),
    ]


def _show_confidence(cards: Cards) -> None:
    first = next(iter(cards.values()))
    rows: list[list[object]] = [
        [
            f"the surest {100 * kept:.0f} %",
            *(f"{100 * card.selective[place][1]:.2f} %" for card in cards.values()),
        ]
        for place, (kept, _) in enumerate(first.selective)
    ]
    table(["answers kept", *(f"{kind}, accuracy" for kind in cards)], rows)
    tell("")
    for kind, card in cards.items():
        line = card.threshold
        if line is None:
            tell(f'{kind}: no threshold for "I do not know": {card.no_threshold}')
            continue
        right = "-" if line.accuracy is None else f"{100 * line.accuracy:.2f} %"
        tell(
            f"{kind}: answering from a confidence of {line.confidence:.4f} on, chosen on held-out"
            f" images for {100 * line.wanted:.2f} %, keeps {100 * line.kept:.1f} % of the answers"
            f" to {line.images:,} others, {right} of them right"
        )
    tell("")
    rows = []
    for place, stranger in enumerate(first.strangers):
        for kind, card in cards.items():
            one = card.strangers[place]
            answered = "-" if one.answered is None else f"{100 * one.answered:.1f}"
            shares = [one.confidence, one.certain]
            rows.append(
                [
                    f"{stranger.name}, {kind}",
                    one.images,
                    *(f"{100 * share:.1f}" for share in shares),
                    answered,
                    f"{100 * one.told_apart:.1f}",
                ]
            )
    header = ["picture", "images", "confidence %", "sure %", "answered %", "told apart %"]
    table(header, rows, title="Pictures of no class; sure: a confidence of 90 % or more")

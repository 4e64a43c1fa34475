"""The figures that tables tell of a card of robustness, in percent but for two in nats."""

from collections.abc import Callable
from math import nan
from typing import Any

from smidgen.report.robust_charts import CAMERA, GEOMETRY, LEVEL

SHIFTED = 2.0  # pixels, of the shift that a table tells
_KEPT = 0.9  # of the answers, the surest, of which a table tells the accuracy
THRESHOLD = "over the threshold %"
DRAWN = ("noise", "clouds", "shapes")  # pictures of no class that every card has

Value = Callable[[dict[str, Any]], float]


def corrupted(row: dict[str, Any]) -> float:
    """Return the mean accuracy of a row over the corruptions, in percent."""
    return 100 * float(row["robust"]["accuracy"])


def shifted(row: dict[str, Any]) -> float:
    """Return the answers of a row that a shift of two pixels leaves as they are, in percent."""
    seen = row["robust"]["seen"]
    found = [of for of in seen if (of["kind"], of["amount"]) == ("shift", SHIFTED)]
    return 100 * found[0]["consistency"] if found else nan


def noticed(row: dict[str, Any]) -> float:
    """Return how well a row tells own pictures from drawn ones of no class, in percent, a mean."""
    found = [of["told_apart"] for of in row["robust"]["strangers"] if of["name"] in DRAWN]
    return 100 * sum(found) / len(found) if found else nan


FIGURES: dict[str, Value] = {
    "clean %": lambda row: 100 * row["robust"]["clean"],
    "corrupted %": corrupted,
    "same if shifted %": shifted,
    "ECE %": lambda row: 100 * row["robust"]["ece"],
    "corrupted ECE %": lambda row: 100 * row["robust"]["corrupted_ece"],
    "strangers told apart %": noticed,
}


def seen(kind: str) -> Value:
    """Return the figure of a kind of change: accuracy in percent, the mean over its amounts."""

    def figure(row: dict[str, Any]) -> float:
        found = [of["accuracy"] for of in row["robust"]["seen"] if of["kind"] == kind]
        return 100 * sum(found) / len(found) if found else nan

    return figure


def surest(row: dict[str, Any]) -> float:
    """Return how many of the surest 90 % of the answers of a row are right, in percent."""
    return 100 * dict(row["robust"]["selective"]).get(_KEPT, nan)


def of_threshold(field: str) -> Value:
    """Return a figure of a row's threshold, in percent; nan without one, or where it has none."""

    def figure(row: dict[str, Any]) -> float:
        found = (row["robust"]["threshold"] or {}).get(field)
        return nan if found is None else 100 * found

    return figure


def of_strangers(name: str, field: str) -> Value:
    """Return a figure of the answers to pictures of no class, in percent; nan without such."""

    def figure(row: dict[str, Any]) -> float:
        for one in row["robust"]["strangers"]:
            if one["name"] == name and one[field] is not None:
                return 100 * one[field]
        return nan

    return figure


_CHANGES = (*GEOMETRY[1:], *CAMERA, "tempo", *LEVEL)  # of pictures, then of windows of a sensor
FURTHER: dict[str, Value] = {
    **{f"{kind} %": seen(kind) for kind in _CHANGES},
    f"surest {100 * _KEPT:g} % right %": surest,
    THRESHOLD: of_threshold("kept"),
    "NLL": lambda row: row["robust"]["nll"],
    "corrupted NLL": lambda row: row["robust"]["corrupted_nll"],
}
_OF_ALL = ("clean %", "corrupted %", "same if shifted %")
# Figures that are a share of so much of a card's pictures, so that chance of the pictures is known.
SHARES = {
    **dict.fromkeys((*_OF_ALL, *(f"{kind} %" for kind in _CHANGES)), 1.0),
    f"surest {100 * _KEPT:g} % right %": _KEPT,
}
NATS = ("NLL", "corrupted NLL")

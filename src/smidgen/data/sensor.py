"""What is known of a sensor beside its values: names of its channels, and how often it is read."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from smidgen.escape import terminal
from smidgen.names import LONGEST

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
UNITS = {  # of times, by the words for them in names of columns
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "usec", "micros", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanosecond", "nanoseconds"), "ns"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
}
_MICRO = re.compile("[\u00b5\u03bc]")  # the sign, and the Greek letter
_WORD = re.compile(r"[^\W\d_]+")
_HUMP = re.compile("(?<=[a-z])(?=[A-Z\u00b5\u03bc])")  # as in timeMs
_APART = 0.05  # of the longer of two intervals, from which they are no longer the same
_NAMED = 8  # channels that are listed
_SHOWN = 200  # characters of their names


def is_window(height: int, width: int) -> bool:
    """Return whether images of these sides are windows of a sensor: one side alone is 1."""
    return (height == 1) != (width == 1)


class Sensor(NamedTuple):
    """What is known of a sensor.

    Args:
        names: Of its channels, in their order; none if nothing says them.
        interval: From a moment to the next; 0 if it is not known.
        unit: Of the interval, of ``SECONDS``; empty where the name of the times has none.
    """

    names: tuple[str, ...] = ()
    interval: float = 0.0
    unit: str = ""

    @property
    def pace(self) -> str:
        """The interval, for people."""
        return f"{self.interval:g} {self.unit}".rstrip()

    def is_read_as(self, other: "Sensor") -> bool:
        """Return whether two are read as often, to a few per cent; so is one that says nothing.

        Numbers are compared as they are where not both units are known.
        """
        if not (self.interval and other.interval):
            return True
        own, its = self.interval, other.interval
        if self.unit and other.unit:
            own, its = own * SECONDS[self.unit], its * SECONDS[other.unit]
        return abs(own - its) <= _APART * max(own, its)


UNKNOWN = Sensor()


def words_of(name: str) -> list[str]:
    """Return the words in the name of a column, in small letters, with u for micro."""
    return _WORD.findall(_MICRO.sub("u", _HUMP.sub(" ", name)).casefold())


def unit_of(name: str) -> str:
    """Return the unit in the name of a column of times, as ``ms`` of ``Time (ms)``; else empty."""
    found = {UNITS[word] for word in words_of(name) if word in UNITS}
    return found.pop() if len(found) == 1 else ""


def listed_names(names: Sequence[str]) -> str:
    """Return the names of channels for people, on one line; of many the first."""
    more = f", ... ({len(names):,} in all)" if len(names) > _NAMED else ""
    text = terminal(", ".join(name or "(no name)" for name in names[:_NAMED]))
    return (text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...") + more


def are_kept(names: Sequence[str]) -> bool:
    """Return whether names are short enough to be kept with a model."""
    return all(len(name) <= LONGEST for name in names)


def order_of(names: Sequence[str], trained: Sequence[str]) -> list[int] | None:
    """Return where each channel trained on is among the names; None if they are other channels.

    Letter case aside. Where two have one name, or one has none, the order must be the same. Of more
    names than were trained on, those are taken that stand there once each.
    """
    own, theirs = [[name.casefold() for name in of] for of in (names, trained)]
    if own == theirs:
        return list(range(len(own)))
    unlike = len({*theirs} - {""}) < len(theirs) or any(own.count(name) != 1 for name in theirs)
    if not theirs or unlike:
        return None
    return [own.index(name) for name in theirs]


def told_order(names: Sequence[str], trained: Sequence[str]) -> str:
    """Return what is done with columns of these names, in words; nothing if they are the same."""
    order = order_of(names, trained)
    if order is None:
        return (
            f"the channels are called {listed_names(names)}, those trained on"
            f" {listed_names(trained)}: they are taken in this order, and answers are wrong unless"
            " they are the same"
        )
    other = [name for place, name in enumerate(names) if place not in order]
    out = f"{listed_names(other)} {'is' if len(other) == 1 else 'are'} left out" if other else ""
    if order == sorted(order):
        return out and f"{out}, as the net was trained on {listed_names(trained)}"
    return (
        f"the columns {listed_names(names)} are put in the order trained on, by their names:"
        f" {listed_names(trained)}" + (out and f"; {out}")
    )


def told_missing(names: Sequence[str], trained: Sequence[str]) -> str:
    """Return which of the channels trained on lack where others stand, in words; else nothing."""
    own = {name.casefold() for name in names}
    lacking = [name for name in trained if name.casefold() not in own]
    if not lacking or len(lacking) == len(trained):
        return ""
    return f"{listed_names(lacking)} {'is' if len(lacking) == 1 else 'are'} missing"


def told_pace(found: Sensor, trained: Sensor, once_fitted: str = "") -> str:
    """Return that a sensor is read at another rate than trained on; nothing if it is not."""
    if found.is_read_as(trained):
        return ""
    return (
        f"moments are {found.pace} apart{once_fitted}, those trained on {trained.pace}: answers are"
        " wrong unless that is the same in another unit"
    )

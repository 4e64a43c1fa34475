"""What is asked of data beside where they are, remembered at the end of their origin."""

import re
from collections.abc import Mapping
from dataclasses import replace

from smidgen.data.catalogue import Wish

YES = "yes"
SIDES_OF = "sides-of"  # the run whose pictures stayed on their sides: see smidgen.fine_tune
FOLDERS = ("data-dir", "cache-dir", SIDES_OF)  # of this machine
_ENDS = re.compile(
    r"::(data-dir|image-column|label-column|skip-broken|group-by|window|package|cache-dir|sides-of)="
)


def place_of(origin: str) -> str:
    """Return where data are, without what was asked of them."""
    return _ENDS.split(origin)[0]


def asked_of(origin: str) -> dict[str, str]:
    """Return what an origin remembers, by the names of the options."""
    _, *found = _ENDS.split(origin)
    return dict(zip(found[::2], found[1::2], strict=True))


def with_asked(place: str, asked: Mapping[str, str | None]) -> str:
    """Return the origin of data that are at a place, and cannot be read without what was asked."""
    return place + "".join(f"::{name}={value}" for name, value in asked.items() if value)


def remembered(wish: Wish, data_dir: str | None) -> dict[str, str | None]:
    """Return of a wish what no run keeps elsewhere."""
    return {
        "data-dir": data_dir,
        "image-column": wish.image_column,
        "label-column": wish.label_column,
        "skip-broken": YES if wish.skip_broken else None,
        "group-by": wish.group_by,
        "window": str(wish.window) if wish.window else None,
    }


def with_remembered(wish: Wish, origin: str) -> Wish:
    """Return a wish with what an origin remembers, where nothing else is asked."""
    asked = asked_of(origin)
    return replace(
        wish,
        image_column=wish.image_column or asked.get("image-column"),
        label_column=wish.label_column or asked.get("label-column"),
        skip_broken=wish.skip_broken or asked.get("skip-broken") == YES,
        group_by=wish.group_by or asked.get("group-by"),
        window=wish.window or window_of(asked),
    )


def window_of(asked: Mapping[str, str]) -> int | None:
    """Return how many moments the windows have that an origin remembers.

    Args:
        asked: Of :func:`asked_of`.
    """
    said = asked.get("window", "")
    return int(said) if re.fullmatch("[1-9][0-9]{0,4}", said) else None

"""Pictures that look like those beside them, as frames of a film do: told where that matters."""

import re
from collections.abc import Sequence

import torch

from smidgen.data.labelled import Row
from smidgen.data.preprocessing import Values

_OF_A_CLASS, _ASKED, _FEW = 1_000, 40, 40  # pictures that neighbours are looked for among, and of
_CLASSES = 1_000  # that are looked at, of all that have as many pictures
_SIDE = 8  # pixels of what is compared
_WITHIN = (2, 5, 10, 20, 40)  # places that make a neighbour
_TIMES = 8  # more pictures of a class than these places: else most would be neighbours by chance
_MUCH, _BEYOND_CHANCE = 0.5, 2.5


def alike_neighbours(rows: Sequence[Row], pixels: Values) -> list[str]:
    """Return a note if the likest picture is often a neighbour in the order of files or rows.

    That is so of frames of a film, of bursts and of windows of one recording: then what is held out
    at random has its like among what is learned from. Of pictures in no order it is rare. Those of
    one group are on one side anyway, and so no neighbours.

    Args:
        rows: Of all pictures, in their order.
        pixels: Of each, n h w c.
    """
    places: dict[int, list[int]] = {}
    for place in sorted(range(len(rows)), key=lambda place: _in_order(rows[place])):
        places.setdefault(rows[place].label, []).append(place)
    apart, chances = dict[int, list[int]](), dict[int, list[float]]()
    enough = [own for own in places.values() if len(own) > _SIDE * min(_WITHIN)]
    for own in enough[:: -(-len(enough) // _CLASSES) or 1]:
        some = own[:_OF_A_CLASS]
        offsets = _offsets(pixels[some], [rows[place].group for place in some])
        for within in _WITHIN:
            if len(some) > _TIMES * within:
                apart.setdefault(within, []).extend(offsets)
                chances.setdefault(within, []).append(2 * within / (len(some) - 1))
    for within, found in apart.items():
        if len(found) < _FEW:
            continue
        share = sum(offset <= within for offset in found) / len(found)
        chance = sum(chances[within]) / len(chances[within])
        if share >= max(_MUCH, _BEYOND_CHANCE * chance):
            return [
                "pictures that follow each other look alike: the likest of its class is within"
                f" {within} places of {100 * share:.0f} % of {len(found):,} pictures, by chance of"
                f" {100 * chance:.0f} %. If they are of one film, burst, place or person, what is"
                " held out has its like in what is learned from, and accuracies flatter: --group-by"
                " keeps groups on one side (docs/data.md)"
            ]
    return []


def _in_order(row: Row) -> tuple[list[str | int], int]:
    """Return what rows are sorted by: names of files as people count, others as they come."""
    name = str(row.pictures.file(row.number) or "")
    split = re.split(r"(\d{1,18})", name)
    return [int(of) if number % 2 else of for number, of in enumerate(split)], row.place


def _offsets(pixels: Values, groups: Sequence[str | None]) -> list[int]:
    """Return of some pictures how many places away the one is that looks the most like each.

    Pictures of a class that is one group have none.
    """
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    seen = torch.nn.functional.adaptive_avg_pool2d(images, _SIDE).flatten(1)
    asked = torch.linspace(0, len(seen) - 1, min(_ASKED, len(seen))).long()
    exact = "donot_use_mm_for_euclid_dist"  # a picture is no neighbour of itself by rounding
    distances = torch.cdist(seen[asked], seen, compute_mode=exact)
    distances[distances == 0] = torch.inf  # itself, and copies: they are on one side anyway
    names = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    own = torch.tensor([-1 - n if name is None else names[name] for n, name in enumerate(groups)])
    distances[own[asked, None] == own] = torch.inf
    found = (distances.argmin(dim=1) - asked).abs()
    return found[distances.isfinite().any(dim=1)].tolist()

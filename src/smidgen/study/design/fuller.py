"""Nets that use the flash or the parameters up where what early maps cost binds."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace

from smidgen.study.design.maker import Maker, Shaped
from smidgen.study.design.templates import MOST_HALVED, Template, channels

EARLY = frozenset({"ram", "macs", "latency"})  # what the first stages cost most of
WEIGHTS = frozenset({"params", "flash"})  # what the last ones cost most of
FULL = 0.8  # of the weights' limit: as much should be used
_GROWTHS = (2.0, 2.5, 3.0, 4.0)  # of the width from stage to stage, instead of the usual one
_MORE = 1.25  # times the usual net's share, below which narrower early stages buy too little
LEAST = 4  # channels of the first stage: through fewer the image does not get
_KINDS = 6  # of which fuller nets are made
_FEWEST = 3  # pixels a side, at the end of a net
_LARGE = 64  # pixels of the longer side, from which RAM may leave most of the weights unused
_DENSE = 3  # kinds that come first there
_LATEST = 8  # times the stage before: the last one's width where RAM binds


def fuller(maker: Maker, kinds: Sequence[Template]) -> Iterator[Shaped | None]:
    """Yield nets that use at least 80 % of the flash, or much more of it than usual ones do.

    One a kind, of a few kinds; ``None`` where there is none.

    As wide as the budget allows, a net of the usual shape spends its RAM on the first maps. Here
    widths grow faster from stage to stage, so that the first stages are narrower and the last ones
    wider; where that is not enough, the first convolution halves the image once more. Nothing is
    yielded where the first kind uses the weights up already, or nothing but them is limited.

    Of large images RAM holds little but the first maps, however steep the growth: there the last
    stage, whose map is averaged row by row and kept nowhere, widens on its own.

    Args:
        maker: For the images and the budget.
        kinds: Of nets, the most promising first; dense ones come first here, as they have the most
            weights for what their maps cost.
    """
    limits = maker.budget.limits.keys()
    if not (EARLY & limits and WEIGHTS & limits):
        return
    first = maker.widest(kinds[0], 1.0)
    if first is not None and maker.used(first.spec, WEIGHTS) >= FULL:
        return
    plain = [kind for kind in kinds if kind.family == "plain"] or [kinds[0]]
    dense = plain[: _DENSE if _is_late(maker) else 1]
    for kind in dict.fromkeys((*dense, *kinds[:_KINDS])):
        yield _fuller(maker, kind)


def _fuller(maker: Maker, kind: Template) -> Shaped | None:
    usual = maker.widest(kind, 1.0)
    share = 0.0 if usual is None else maker.used(usual.spec, WEIGHTS)
    if share >= FULL:
        return None
    best, most = None, min(_MORE * share, FULL)
    for template in _halving(kind, max(maker.shape.height, maker.shape.width)):
        found = _steeper(maker, template)
        share = 0.0 if found is None else maker.used(found.spec, WEIGHTS)
        if share < FULL and _is_late(maker):
            late = ((one, maker.used(one.spec, WEIGHTS)) for one in _late(maker, template))
            found, share = max([(found, share), *late], key=lambda of: of[1])
        if share >= most:
            best, most = found, share
        if most >= FULL and best is not None:
            break
    return best


def _halving(kind: Template, long: int) -> Iterator[Template]:
    """Yield a shape with a first convolution that halves more and more, to as few pixels or fewer.

    Args:
        kind: The shape.
        long: The longer side of the image, in pixels.
    """
    yield kind
    for more in range(1, MOST_HALVED - kind.halved + 1):
        for dropped in (more, more - 1):
            blocks = kind.blocks[dropped:]
            halved = kind.halved + more
            if len(blocks) > 1 and long >= _FEWEST * 2 ** (halved + len(blocks) - 1):
                yield replace(kind, blocks=blocks, halved=halved)


def _is_late(maker: Maker) -> bool:
    """Whether RAM is limited of images so large that it may leave most of the weights unused."""
    return "ram" in maker.budget.limits and max(maker.shape[1:]) >= _LARGE


def _late(maker: Maker, template: Template) -> Iterator[Shaped]:
    """Yield nets whose last stage is as wide as fits, behind narrower others."""
    if template.stages == 1:
        return
    for growth in (0.0, _GROWTHS[0]):
        shape = replace(template, growth=growth)
        usual = maker.widest(shape, 1.0)
        most = LEAST if usual is None else max(LEAST, usual.widths[0])
        for first in sorted({LEAST, most}):
            *early, last = shape.widths(first)
            widths = [[*early, channels(wide)] for wide in range(last, _LATEST * early[-1] + 1)]
            fitting = bisect_left(widths, True, key=lambda own: not maker.fits(shape, own))
            if fitting:
                yield maker.made(shape, widths[fitting - 1])


def _steeper(maker: Maker, template: Template) -> Shaped | None:
    """Return the net whose first stage is the widest of those that use the weights up.

    If none does, that of the steepest growth; ``None`` if its first stage is always too narrow.
    """

    def grown(growth: float) -> Shaped | None:
        found = maker.widest(replace(template, growth=growth), 1.0)
        return found if found is not None and found.widths[0] >= LEAST else None

    wide = (found for growth in reversed(_GROWTHS) if (found := grown(growth)) is not None)
    steepest = next(wide, None)
    if steepest is None or maker.used(steepest.spec, WEIGHTS) < FULL:
        return steepest
    for growth in _GROWTHS:
        found = grown(growth)
        if found is not None and maker.used(found.spec, WEIGHTS) >= FULL:
            return found
    return steepest

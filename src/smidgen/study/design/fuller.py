"""Nets that use the flash or the parameters up where what early maps cost binds."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from smidgen.study.design.maker import Maker, Shaped
from smidgen.study.design.templates import MOST_HALVED, Template

EARLY = frozenset({"ram", "macs", "latency"})  # what the first stages cost most of
WEIGHTS = frozenset({"params", "flash"})  # what the last ones cost most of
FULL = 0.8  # of the weights' limit: as much should be used
_GROWTHS = (2.0, 2.5, 3.0, 4.0)  # of the width from stage to stage, instead of the usual one
_MORE = 1.25  # times the usual net's share, below which narrower early stages buy too little
_NARROWEST = 4  # channels of the first stage: through fewer the image does not get
_KINDS = 6  # of which fuller nets are made
_FEWEST = 3  # pixels a side, at the end of a net


def fuller(maker: Maker, kinds: Sequence[Template]) -> Iterator[Shaped | None]:
    """Yield nets that use at least 80 % of the flash, or much more of it than usual ones do.

    One a kind, of a few kinds; ``None`` where there is none.

    As wide as the budget allows, a net of the usual shape spends its RAM on the first maps. Here
    widths grow faster from stage to stage, so that the first stages are narrower and the last ones
    wider; where that is not enough, the first convolution halves the image once more. Nothing is
    yielded where the first kind uses the weights up already, or nothing but them is limited.

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
    dense = next((kind for kind in kinds if kind.family == "plain"), kinds[0])
    for kind in dict.fromkeys((dense, *kinds[:_KINDS])):
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


def _steeper(maker: Maker, template: Template) -> Shaped | None:
    """Return the net whose first stage is the widest of those that use the weights up.

    If none does, that of the steepest growth; ``None`` if its first stage is always too narrow.
    """

    def grown(growth: float) -> Shaped | None:
        found = maker.widest(replace(template, growth=growth), 1.0)
        return found if found is not None and found.widths[0] >= _NARROWEST else None

    wide = (found for growth in reversed(_GROWTHS) if (found := grown(growth)) is not None)
    steepest = next(wide, None)
    if steepest is None or maker.used(steepest.spec, WEIGHTS) < FULL:
        return steepest
    for growth in _GROWTHS:
        found = grown(growth)
        if found is not None and maker.used(found.spec, WEIGHTS) >= FULL:
            return found
    return steepest

"""Small changes of a net's shape, each refitted into the budget."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, zip_longest

from smidgen.spec import NetSpec
from smidgen.study.design.maker import Maker, Shaped
from smidgen.study.design.templates import MOST_HALVED, Template, widened

_LARGEST_KERNEL = 5
_WIDER = 1.3
Change = tuple[str, Template]


def moves(maker: Maker, shaped: Shaped) -> list[tuple[str, Shaped]]:
    """Return neighbours of a net inside the budget, each with what was changed.

    A block more in a stage and other kernels come first, then one of each other sort in turn: a
    block a stage earlier, a stage wider at the cost of the others, a block less, a block a stage
    later, a stage less, no transitions, a first convolution that halves once more or less. All but
    the wider ones are made as wide as the budget allows.
    """
    template = shaped.template

    def made(changes: Iterator[Change]) -> Iterator[tuple[str, Shaped | None]]:
        for told, changed in changes:
            yield told, maker.widest(changed, 1.0)

    wider = (
        (f"stage {stage + 1} wider", _wider(maker, shaped, stage))
        for stage in range(template.stages)
    )
    others = (
        made(_moved(template, -1)),
        wider,
        made(_fewer(template)),
        made(_moved(template, 1)),
        made(_plainer(template)),
        made(_halved(template)),
    )
    # only so many are tried, so that two of one sort would keep another sort out
    in_turn = chain.from_iterable(zip_longest(*others, fillvalue=("", None)))
    found: dict[NetSpec, tuple[str, Shaped]] = {}
    for told, one in chain(made(_first(template)), in_turn):
        if one is not None and one.spec != shaped.spec:
            found.setdefault(one.spec, (told, one))
    return list(found.values())


def _first(template: Template) -> Iterator[Change]:
    for place in _from_the_middle(template):
        yield f"a block more in stage {place + 1}", _with(template, {place: 1})
    if template.family in ("depthwise", "residual", "shared", "mixed"):
        if template.kernel < _LARGEST_KERNEL and template.stages > 1:
            larger = template.kernel + 2
            yield f"kernels of {larger} x {larger}", replace(template, kernel=larger)
        elif template.kernel > 3:  # noqa: PLR2004
            yield "kernels of 3 x 3", replace(template, kernel=3)


def _moved(template: Template, by: int) -> Iterator[Change]:
    """Yield templates with as many blocks, one of them before or behind a halving of the map."""
    where = "earlier" if by < 0 else "later"
    for place in _from_the_middle(template):
        if template.blocks[place] > 1 and 0 <= place + by < template.stages:
            changed = _with(template, {place: -1, place + by: 1})
            yield f"a block of stage {place + 1} a stage {where}", changed


def _fewer(template: Template) -> Iterator[Change]:
    for place in _from_the_middle(template):
        if template.blocks[place] > 1:
            yield f"a block less in stage {place + 1}", _with(template, {place: -1})


def _plainer(template: Template) -> Iterator[Change]:
    if template.transitions:
        yield "no transitions", replace(template, transitions=False)
    if template.stages > 2:  # noqa: PLR2004
        yield "a stage less", replace(template, blocks=template.blocks[:-1])


def _halved(template: Template) -> Iterator[Change]:
    if template.halved < MOST_HALVED:
        yield "the image halved once more", replace(template, halved=template.halved + 1)
    if template.halved:
        yield "the image halved once less", replace(template, halved=template.halved - 1)


def _from_the_middle(template: Template) -> list[int]:
    stages = template.stages
    return sorted(range(stages), key=lambda place: abs(2 * place - stages))


def _with(template: Template, more: dict[int, int]) -> Template:
    blocks = tuple(count + more.get(place, 0) for place, count in enumerate(template.blocks))
    return replace(template, blocks=blocks)


def _wider(maker: Maker, shaped: Shaped, stage: int) -> Shaped | None:
    """Return the net with one stage about a third wider, the others narrowed to make room."""
    widths = list(shaped.widths)
    target = round(_WIDER * widths[stage])
    while widths[stage] < target:
        widths = widened(widths, stage)
    for _ in range(sum(widths)):
        if maker.fits(shaped.template, widths):
            return maker.made(shaped.template, widths)
        others = [place for place in range(len(widths)) if place != stage and widths[place] > 2]  # noqa: PLR2004
        if not others:
            return None
        place = max(others, key=lambda other: widths[other])
        widths[place] -= 1 if widths[place] <= 32 else 8  # noqa: PLR2004 - as channels are counted
    return None

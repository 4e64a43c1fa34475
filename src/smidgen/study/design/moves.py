"""Small changes of a net's shape, each refitted into the budget."""

from collections.abc import Iterator
from dataclasses import replace

from smidgen.study.design.ladder import Maker, Shaped
from smidgen.study.design.templates import Template, widened

_LARGEST_KERNEL = 5
_WIDER = 1.3


def moves(maker: Maker, shaped: Shaped) -> list[tuple[str, Shaped]]:
    """Return neighbours of a net inside the budget, each with what was changed.

    A block more or less in a stage, a stage wider at the cost of the others, a larger kernel, a
    first convolution that halves once more or less, a stage less. All but the wider ones are
    made as wide as the budget allows.
    """
    found: list[tuple[str, Shaped]] = []
    seen = {shaped.spec}
    for told, template in _changed(shaped.template):
        made = maker.widest(template, 1.0)
        if made is not None and made.spec not in seen:
            seen.add(made.spec)
            found.append((told, made))
    for stage in range(shaped.template.stages):
        wider = _wider(maker, shaped, stage)
        if wider is not None and wider.spec not in seen:
            seen.add(wider.spec)
            found.append((f"stage {stage + 1} wider", wider))
    return found


def _changed(template: Template) -> Iterator[tuple[str, Template]]:
    blocks = template.blocks
    middle = sorted(range(len(blocks)), key=lambda place: abs(2 * place - len(blocks)))
    for place in middle:
        more = (*blocks[:place], blocks[place] + 1, *blocks[place + 1 :])
        yield f"a block more in stage {place + 1}", replace(template, blocks=more)
    if template.family in ("depthwise", "residual", "shared", "mixed"):
        if template.kernel < _LARGEST_KERNEL and template.stages > 1:
            larger = template.kernel + 2
            yield f"kernels of {larger} x {larger}", replace(template, kernel=larger)
        elif template.kernel > 3:  # noqa: PLR2004
            yield "kernels of 3 x 3", replace(template, kernel=3)
    if template.transitions:
        yield "no transitions", replace(template, transitions=False)
    if template.stages > 2:  # noqa: PLR2004
        yield "a stage less", replace(template, blocks=blocks[:-1])
    for place in middle:
        if blocks[place] > 1:
            fewer = (*blocks[:place], blocks[place] - 1, *blocks[place + 1 :])
            yield f"a block less in stage {place + 1}", replace(template, blocks=fewer)
    if template.halved:
        yield "the image halved once less", replace(template, halved=template.halved - 1)


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

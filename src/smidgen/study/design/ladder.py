"""Nets of several kinds and sizes for given images, every one inside a budget."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from smidgen.layers import Classifier, GlobalAveragePool, Shape
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget, is_predictable, told
from smidgen.study.design.fuller import EARLY, LEAST, WEIGHTS, fuller
from smidgen.study.design.maker import Maker, Shaped
from smidgen.study.design.templates import NARROWEST, Template, most_further, templates

_LEAST_SHARE, _MOST_SHARES = 0.15, 6  # of the budget: how small rungs are spread, evenly by ratio
_SMALLER = 0.4  # of the budget: the second size where the best net is wanted, not the smallest
_FIRST = 6  # kinds tried at the full budget before any is tried smaller
_SPARED = 0.5  # of MACs or RAM: what is used at most where parameters or flash alone bind
_FEW_BYTES = 512  # of flash or RAM, no more than which may be meant as so many KB
_TOGETHER = 3  # usual nets for each fuller one; kinds whose sizes are spread before others'
_SIZES = 3  # at least, where sizes are spread


class BudgetError(ValueError):
    """A budget that no net can meet."""


def ladder(maker: Maker, rungs: int, *, smallest: bool = False) -> list[Shaped]:
    """Return at most ``rungs`` nets inside the budget, of all families.

    Args:
        maker: For the images and the budget.
        rungs: How many, >= 1.
        smallest: Whether small nets are wanted as much as good ones: sizes are then spread down
            to 15 % of the budget, or of the parameters where no net is as small, else most nets
            use all of it. Of fewer than nine nets each is of another kind and of another size
            than the ones before it.

    Raises:
        BudgetError: If no net meets the budget; it names the smallest that there is.
    """
    _require_possible_latency(maker)
    kinds = kinds_of(maker)
    found: dict[NetSpec, Shaped] = {}
    for made in _tried(maker, kinds, rungs, smallest=smallest):
        if made is not None:
            found.setdefault(made.spec, made)
        if len(found) == rungs:
            break
    if not found:
        raise BudgetError(_refusal(maker, kinds))
    return sorted(found.values(), key=lambda one: (-one.spec.params, -one.spec.macs))


def _require_possible_latency(maker: Maker) -> None:
    """Refuse a latency below that of the two layers which end each net, before any is measured.

    Raises:
        BudgetError: Naming what they take.
    """
    if maker.budget.max_latency is None:
        return
    end = NetSpec(maker.shape, (GlobalAveragePool(), Classifier(maker.classes)))
    least = maker.latency(end)
    if least > maker.budget.max_latency:
        raise BudgetError(
            f"no net for {maker.shape} images of {maker.classes} classes has {maker.budget};"
            f" the pooling and the classifier at its end alone have {told('latency', least)}"
        )


def kinds_of(maker: Maker) -> list[Template]:
    """Return the templates that can be counted under the budget, the most promising first."""
    budget = maker.budget
    scarce = bool(WEIGHTS & budget.limits.keys()) and _is_spared(maker)
    halve = bool(EARLY & budget.limits.keys())
    kinds = templates(maker.shape, halve=halve, scarce=scarce)
    if not budget.needs_prediction:
        return kinds
    if budget.max_ram is not None and most_further(maker.shape):
        further = _further(maker, kinds[0])
        kinds = templates(maker.shape, halve=halve, scarce=scarce, further=further)
    known = {
        family: is_predictable(Template(family, (3, 3)).spec(Shape(1, 16, 16), 2, (4, 4)))
        for family in {template.family for template in kinds}
    }
    return [template for template in kinds if known[template.family]]


def _further(maker: Maker, usual: Template) -> int:
    """Return how often more a large image must halve for a first stage that it gets through.

    None where that is so as usual, or halving more does not help.
    """
    for further in range(most_further(maker.shape) + 1):
        kind = templates(maker.shape, further=further)[0] if further else usual
        found = maker.widest(kind, 1.0)
        if found is not None and found.widths[0] >= LEAST:
            return further
    return 0


def _is_spared(maker: Maker) -> bool:
    """Whether a residual net as wide as fits leaves most of the RAM and the MACs unused."""
    others = EARLY & maker.budget.limits.keys()
    if not others:
        return True
    if "latency" in others:  # measured, so that nets would differ from one time to the next
        return False
    residual = next(kind for kind in templates(maker.shape) if kind.family == "residual")
    if maker.budget.needs_prediction and not is_predictable(
        residual.spec(maker.shape, maker.classes, residual.widths(NARROWEST))
    ):
        return False
    widest = maker.widest(residual, 1.0)
    if widest is None:
        return False
    return maker.used(widest.spec, others) <= _SPARED


def _tried(
    maker: Maker, kinds: Sequence[Template], rungs: int, *, smallest: bool
) -> Iterator[Shaped | None]:
    """Yield nets in the order in which they are taken, and where there is none, that.

    Where flash or parameters are to spare, one that uses more of them follows the first, the
    fourth and so on; where a few nets are to have several sizes, after these.
    """
    full, few = fuller(maker, kinds), smallest and rungs < _SIZES * _TOGETHER
    for place, (template, share) in enumerate(_spread(kinds, rungs, smallest=smallest)):
        yield _sized(maker, template, share) if smallest else maker.widest(template, share)
        if place % _TOGETHER == (_TOGETHER - 1 if few else 0):
            yield next(full, None)


def _sized(maker: Maker, template: Template, share: float) -> Shaped | None:
    """Return the widest net within a share of the budget.

    Where there is none, as code takes a part of the flash of any net and the first stage of the
    RAM, it is the one with that share of the parameters of the widest.
    """
    found = maker.widest(template, share)
    full = maker.widest(template, 1.0) if found is None else None
    if full is None:
        return found
    narrower = replace(maker.budget, max_params=max(round(share * full.spec.params), 1))
    return replace(maker, budget=narrower).widest(template, 1.0)


def _spread(
    kinds: Sequence[Template], rungs: int, *, smallest: bool
) -> Iterator[tuple[Template, float]]:
    """Yield templates with shares of the budget, those of the best templates first."""
    if smallest:
        steps = min(max(rungs // 3, _SIZES), _MOST_SHARES)
        shares = [_LEAST_SHARE ** (step / (steps - 1)) for step in range(steps)]
        few = rungs < _SIZES * _TOGETHER
        for start in range(0, len(kinds), _TOGETHER):
            together = kinds[start : start + _TOGETHER]
            for step, (place, template) in product(range(steps), enumerate(together)):
                yield template, shares[(step + place) % steps if few else step]
        return
    for start in range(0, len(kinds), _FIRST):
        for template in kinds[start : start + _FIRST]:
            yield template, 1.0
        for template in kinds[start : start + _FIRST // 2]:
            yield template, _SMALLER
    for template in kinds:  # a tight budget leaves few that differ
        yield template, 0.7


def _refusal(maker: Maker, kinds: Sequence[Template]) -> str:
    narrow: list[NetSpec] = []
    for template in kinds:
        try:
            narrow.append(template.spec(maker.shape, maker.classes, [NARROWEST] * template.stages))
        except ValueError:  # the map is too small for it
            continue
    smallest = min(narrow, key=lambda spec: (maker.excess(spec), spec.params))
    has = ", ".join(told(name, figure) for name, figure in maker.figures(smallest).items())
    return (
        f"no net for {maker.shape} images of {maker.classes} classes has {maker.budget};"
        f" the smallest one, {smallest.name}, has {has}{_of_bytes(maker.budget)}"
    )


def _of_bytes(budget: Budget) -> str:
    """Return what may have been meant by limits of so few bytes that no net has less."""
    limits = [budget.limits.get(name) for name in ("flash", "ram")]
    few = [f"{limit}KB" for limit in limits if limit is not None and limit <= _FEW_BYTES]
    return f" (a number alone is of bytes: {' and '.join(few)}?)" if few else ""


__all__ = ["BudgetError", "kinds_of", "ladder"]

"""Nets of several kinds and sizes for given images, every one inside a budget."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from smidgen.layers import Shape
from smidgen.methods import Method, rewritten
from smidgen.spec import NetSpec
from smidgen.study.design.budget import (
    Budget,
    costs,
    excess,
    is_predictable,
    measured_latency,
    told,
)
from smidgen.study.design.templates import (
    NARROWEST,
    WIDEST,
    Template,
    channels,
    templates,
    widened,
)

_LEAST_SHARE, _MOST_SHARES = 0.15, 6  # of the budget: how small rungs are spread, evenly by ratio
_SMALLER = 0.4  # of the budget: the second size where the best net is wanted, not the smallest
_FIRST = 6  # kinds tried at the full budget before any is tried smaller
_WIDENED = 1.5  # how much wider a stage may become to use the budget up
_SPARED = 0.5  # of MACs or RAM: what is used at most where parameters or flash alone bind
_FASTER = 3.0  # growth of widths, tried where the first stages may be what binds


class BudgetError(ValueError):
    """A budget that no net can meet."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A net and how it was made, so that it can be made a little different.

    Args:
        template: Its shape.
        widths: Of its stages.
        spec: Before any method.
    """

    template: Template
    widths: tuple[int, ...]
    spec: NetSpec

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`Maker.made` makes it from."""
        return {"template": self.template.to_dict(), "widths": list(self.widths)}


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the widest nets that stay inside a share of a budget.

    Args:
        shape: Of an image.
        classes: How many.
        budget: The whole of it.
        methods: Of which those that rewrite nets are counted in.
    """

    shape: Shape
    classes: int
    budget: Budget
    methods: tuple[Method, ...] = ()

    def built(self, spec: NetSpec) -> NetSpec:
        """Return the net with the methods that rewrite it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a method that finds nothing to do costs nothing
            return rewritten(spec, self.methods)

    def excess(self, spec: NetSpec) -> float:
        """Return the largest ratio of a figure to its limit; latency is measured last."""
        spec = self.built(spec)
        exact = excess(costs(spec, self.budget), self.budget)
        if self.budget.max_latency is None or exact > 1:
            return exact
        return max(exact, measured_latency(spec) / self.budget.max_latency)

    def made(self, template: Template, widths: Sequence[int]) -> Shaped:
        """Return the net of a template."""
        return Shaped(template, tuple(widths), template.spec(self.shape, self.classes, widths))

    def fits(self, template: Template, widths: Sequence[int], share: float = 1.0) -> bool:
        """Whether a net can be made at all and is inside a share of the budget."""
        try:
            return self.excess(template.spec(self.shape, self.classes, widths)) <= share
        except ValueError:  # the map is too small for it
            return False

    def widest(self, template: Template, share: float) -> Shaped | None:
        """Return the widest net within a share of the budget; ``None`` if none is."""

        def fits(widths: Sequence[int]) -> bool:
            return self.fits(template, widths, share)

        best = _bisected(template.widths, fits)
        if best is None:
            return None
        for stage in reversed(range(template.stages)):  # late channels cost the least activation
            most = _WIDENED * best[stage]
            while (wider := widened(best, stage))[stage] <= most and fits(wider):
                best = wider
        return self.made(template, best)


def _bisected(
    widths_of: Callable[[int], list[int]], fits: Callable[[Sequence[int]], bool]
) -> list[int] | None:
    """Return the widths for the widest first stage that fits; ``None`` if not even two channels."""
    if not fits(widths_of(NARROWEST)):
        return None
    low, high = NARROWEST, 2 * NARROWEST
    while high <= WIDEST and fits(widths_of(high)):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(widths_of(middle)) else (low, middle)
    return widths_of(low)


def ladder(maker: Maker, rungs: int, *, smallest: bool = False) -> list[Shaped]:
    """Return at most ``rungs`` nets inside the budget, of all families.

    Args:
        maker: For the images and the budget.
        rungs: How many, >= 1.
        smallest: Whether small nets are wanted as much as good ones: sizes are then spread down
            to 15 % of the budget, else most nets use all of it.

    Raises:
        BudgetError: If no net meets the budget; it names the smallest that there is.
    """
    kinds = kinds_of(maker)
    found: dict[NetSpec, Shaped] = {}
    for template, share in _spread(kinds, rungs, smallest=smallest):
        made = maker.widest(template, share)
        if made is not None:
            found.setdefault(made.spec, made)
        if len(found) == rungs:
            break
    if not found:
        raise BudgetError(_refusal(maker, kinds))
    return sorted(found.values(), key=lambda one: (-one.spec.params, -one.spec.macs))


def kinds_of(maker: Maker) -> list[Template]:
    """Return the templates that can be counted under the budget, the most promising first."""
    budget = maker.budget
    early = {"ram", "macs", "latency"} & budget.limits.keys()  # what the first stages cost most of
    weights = {"params", "flash"} & budget.limits.keys()
    scarce = bool(weights) and _is_spared(maker)
    kinds = templates(maker.shape, halve=bool(early), scarce=scarce)
    if early and weights and not scarce:
        # late channels are what is left to buy with the rest of the budget
        faster = [replace(kind, growth=_FASTER) for kind in kinds[:_FIRST] if kind.stages > 1]
        kinds = [*kinds[:_FIRST], *faster, *kinds[_FIRST:]]
    if not budget.needs_prediction:
        return kinds
    known = {
        family: is_predictable(Template(family, (3, 3)).spec(Shape(1, 16, 16), 2, (4, 4)))
        for family in {template.family for template in kinds}
    }
    return [template for template in kinds if known[template.family]]


def _is_spared(maker: Maker) -> bool:
    """Whether a residual net as wide as fits leaves most of the RAM and the MACs unused."""
    others = {"ram", "macs", "latency"} & maker.budget.limits.keys()
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
    figures = costs(maker.built(widest.spec), maker.budget)
    return all(figures[name] <= _SPARED * maker.budget.limits[name] for name in others)


def _spread(
    kinds: Sequence[Template], rungs: int, *, smallest: bool
) -> Iterator[tuple[Template, float]]:
    """Yield templates with shares of the budget, those of the best templates first."""
    if smallest:
        steps = min(max(rungs // 3, 3), _MOST_SHARES)
        shares = [_LEAST_SHARE ** (step / (steps - 1)) for step in range(steps)]
        for start in range(0, len(kinds), 3):
            for share, template in product(shares, kinds[start : start + 3]):
                yield template, share
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
    figures = costs(maker.built(smallest), maker.budget)
    if maker.budget.max_latency is not None:
        figures["latency"] = measured_latency(maker.built(smallest))
    has = ", ".join(told(name, figure) for name, figure in figures.items())
    return (
        f"no net for {maker.shape} images of {maker.classes} classes has {maker.budget};"
        f" the smallest one, {smallest.name}, has {has}"
    )


__all__ = ["BudgetError", "Maker", "Shaped", "channels", "kinds_of", "ladder"]

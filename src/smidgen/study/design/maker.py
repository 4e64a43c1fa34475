"""Nets of given shapes, as wide as a budget allows."""

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from smidgen.layers import Shape
from smidgen.methods import Method, rewritten
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget, Latencies, costs, excess, measured_latency
from smidgen.study.design.templates import NARROWEST, WIDEST, Template, widened

_WIDENED = 1.5  # how much wider a stage may become to use the budget up


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
        latencies: Those of a design, so that it goes on with them when it is called again.
    """

    shape: Shape
    classes: int
    budget: Budget
    methods: tuple[Method, ...] = ()
    latencies: Latencies | None = None

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
        return max(exact, self.latency(spec) / self.budget.max_latency)

    def figures(self, spec: NetSpec) -> dict[str, float | int]:
        """Return what a net has of all that is limited."""
        spec = self.built(spec)
        figures = costs(spec, self.budget)
        if self.budget.max_latency is not None:
            figures["latency"] = self.latency(spec)
        return figures

    def latency(self, built: NetSpec) -> float:
        """Return the milliseconds of a net that has its methods."""
        return measured_latency(built) if self.latencies is None else self.latencies.of(built)

    def used(self, spec: NetSpec, names: Collection[str]) -> float:
        """Return the largest share that a net uses of the named limits, without latency."""
        figures = costs(self.built(spec), self.budget)
        return max((figures[n] / self.budget.limits[n] for n in names if n in figures), default=0.0)

    def made(self, template: Template, widths: Sequence[int]) -> Shaped:
        """Return the net of a template."""
        return Shaped(template, tuple(widths), template.spec(self.shape, self.classes, widths))

    def fits(self, template: Template, widths: Sequence[int], share: float = 1.0) -> bool:
        """Whether a net can be made at all and is inside a share of the budget."""
        try:
            return self.excess(template.unnamed(self.shape, self.classes, widths)) <= share
        except ValueError:  # the map is too small for it
            return False

    def widest(self, template: Template, share: float) -> Shaped | None:
        """Return the widest net within a share of the budget; ``None`` if none is."""
        return _widest(self, template, share)


@lru_cache(maxsize=1024)  # up to a second each, and asked for again
def _widest(maker: Maker, template: Template, share: float) -> Shaped | None:
    def fits(widths: Sequence[int]) -> bool:
        return maker.fits(template, widths, share)

    best = _bisected(template.widths, fits)
    if best is None:
        return None
    for stage in reversed(range(template.stages)):  # late channels cost the least activation
        most = _WIDENED * best[stage]
        while (wider := widened(best, stage))[stage] <= most and fits(wider):
            best = wider
    return maker.made(template, best)


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


__all__ = ["Maker", "Shaped"]

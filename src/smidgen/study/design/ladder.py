"""Nets of several kinds and sizes for given images, every one inside a budget."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import log2

from smidgen.layers import (
    Classifier,
    Conv,
    Depthwise,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Shape,
    Transition,
)
from smidgen.spec import NetSpec
from smidgen.study.design.budget import (
    Budget,
    costs,
    excess,
    measured_latency,
    told,
)

FAMILIES = ("plain", "mixed", "depthwise")
_MOST_SHARES, _LEAST_SHARE = 6, 0.15  # of the budget: how rungs are spread, evenly by ratio
_GROWTH = 1.5  # of the width from one stage to the next
_TRANSITION = 0.75  # width of a transition, of the block's before it
_NARROWEST, _WIDEST = 2, 1024  # channels
_EVEN_FROM, _EVEN = 32, 8  # channels from which they are counted in eights
_WIDENED = 1.5  # how much wider a stage may become to use the budget up
_LARGE = 64  # pixels a side from which the first convolution halves the image


class BudgetError(ValueError):
    """A budget that no net can meet."""


@dataclass(frozen=True, slots=True)
class Template:
    """A net but for its widths.

    Args:
        family: ``plain`` has convolutions alone, ``depthwise`` only the first one, and
            ``mixed`` those of the first stage; the others are depthwise separable.
        stages: Resolutions, >= 1.
        blocks: A stage, >= 1.
        transitions: Whether a 1x1 transition narrows the map before each pooling.
    """

    family: str
    stages: int
    blocks: int
    transitions: bool

    def spec(self, shape: Shape, classes: int, widths: Sequence[int]) -> NetSpec:
        """Return the net with the widths of its stages."""
        large = min(shape.height, shape.width) >= _LARGE
        layers: list[Layer] = []
        for stage, width in enumerate(widths):
            for block in range(self.blocks):
                first = stage == block == 0
                if first or self.family == "plain" or (self.family == "mixed" and stage == 0):
                    layers.append(Conv(width, stride=2 if first and large else 1))
                else:
                    layers.append(Depthwise(width))
            if stage + 1 < self.stages:
                if self.transitions:
                    layers.append(Transition(max(_NARROWEST, _channels(_TRANSITION * width))))
                layers.append(MaxPool())
        layers += [GlobalAveragePool(), Classifier(classes)]
        spec = NetSpec(shape, tuple(layers))
        narrowed = "t" if self.transitions else ""
        name = f"{self.family}-{self.stages}x{self.blocks}{narrowed}-{spec.params}"
        return replace(spec, name=name)

    def widths(self, width: int) -> list[int]:
        """Return the widths of all stages for that of the first."""
        return [_channels(width * _GROWTH**stage) for stage in range(self.stages)]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the widest nets that stay inside a share of a budget.

    Args:
        shape: Of an image.
        classes: How many.
        budget: The whole of it.
    """

    shape: Shape
    classes: int
    budget: Budget

    def excess(self, spec: NetSpec) -> float:
        """Return the largest ratio of a figure to its limit; latency is measured last."""
        exact = excess(costs(spec, self.budget), self.budget)
        if self.budget.max_latency is None or exact > 1:
            return exact
        return max(exact, measured_latency(spec) / self.budget.max_latency)

    def widest(self, template: Template, share: float) -> NetSpec | None:
        """Return the widest net within a share of the budget; ``None`` if none is."""

        def fits(widths: Sequence[int]) -> bool:
            return self.excess(template.spec(self.shape, self.classes, widths)) <= share

        if not fits(template.widths(_NARROWEST)):
            return None
        low, high = _NARROWEST, 2 * _NARROWEST
        while high <= _WIDEST and fits(template.widths(high)):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(template.widths(middle)) else (low, middle)
        widths = template.widths(low)
        for stage in reversed(range(template.stages)):  # late channels cost the least activation
            most = _WIDENED * widths[stage]
            while (wider := _widened(widths, stage))[stage] <= most and fits(wider):
                widths = wider
        return template.spec(self.shape, self.classes, widths)


def _widened(widths: Sequence[int], stage: int) -> list[int]:
    more = 1 if widths[stage] < _EVEN_FROM else _EVEN
    return [width + more * (place == stage) for place, width in enumerate(widths)]


def _channels(wanted: float) -> int:
    """Return a number of channels near ``wanted``, one that processors take without waste.

    They compute 8 or 16 channels at once: 34 cost a processor as much as 48.
    """
    if wanted < _EVEN_FROM:
        return round(wanted)
    return _EVEN * round(wanted / _EVEN)


def templates(shape: Shape) -> list[Template]:
    """Return the templates for images of ``shape``, those expected to do well first."""
    side = min(shape.height, shape.width)
    usual = min(max(round(log2(side / 6)) + 1, 2), 6)  # ends at maps of 4 to 8 pixels a side
    if side >= _LARGE:
        usual -= 1  # the first convolution halves the image already
    deepest = int(log2(side)) + 1
    stages = [n for n in dict.fromkeys((usual, usual - 1, usual + 1)) if 1 <= n <= deepest]
    shapes = [(2, True), (2, False), (1, False), (3, True)]
    return [
        Template(family, count, blocks, narrowed)
        for count, (blocks, narrowed), family in product(stages, shapes, FAMILIES)
        if count > 1 or not narrowed
    ]


def ladder(maker: Maker, rungs: int) -> list[NetSpec]:
    """Return at most ``rungs`` nets inside the budget, of all families and spread in size.

    Args:
        maker: For the images and the budget.
        rungs: How many, >= 1.

    Raises:
        BudgetError: If no net meets the budget; it names the smallest that there is.
    """
    kinds = templates(maker.shape)
    found: dict[NetSpec, None] = {}
    for template, share in _spread(kinds, rungs):
        spec = maker.widest(template, share)
        if spec is not None:
            found[spec] = None
        if len(found) == rungs:
            break
    if not found:
        raise BudgetError(_refusal(maker, kinds))
    return sorted(found, key=lambda spec: (-spec.params, -spec.macs))


def _spread(kinds: Sequence[Template], rungs: int) -> Iterator[tuple[Template, float]]:
    """Yield templates with shares of the budget, those of the best templates first."""
    steps = min(max(rungs // len(FAMILIES), 3), _MOST_SHARES)
    shares = [_LEAST_SHARE ** (step / (steps - 1)) for step in range(steps)]
    for start in range(0, len(kinds), len(FAMILIES)):
        for share, template in product(shares, kinds[start : start + len(FAMILIES)]):
            yield template, share


def _refusal(maker: Maker, kinds: Sequence[Template]) -> str:
    narrow = [
        template.spec(maker.shape, maker.classes, [_NARROWEST] * template.stages)
        for template in kinds
    ]
    smallest = min(narrow, key=lambda spec: (maker.excess(spec), spec.params))
    figures = costs(smallest, maker.budget)
    if maker.budget.max_latency is not None:
        figures["latency"] = measured_latency(smallest)
    has = ", ".join(told(name, figure) for name, figure in figures.items())
    return (
        f"no net for {maker.shape} images of {maker.classes} classes has {maker.budget};"
        f" the smallest one, {smallest.name}, has {has}"
    )

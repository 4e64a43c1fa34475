"""Shapes of nets, from which widths make specs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import Any

from smidgen.layers import (
    Classifier,
    Conv,
    Depthwise,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Repeat,
    Residual,
    Shape,
    Transition,
)
from smidgen.layers.base import Kernel
from smidgen.spec import NetSpec

FAMILIES = ("plain", "mixed", "depthwise", "residual", "shared")
NARROWEST, WIDEST = 2, 1024  # channels
EVEN_FROM, EVEN = 32, 8  # channels from which they are counted in eights
_GROWTH = {"residual": 2.0, "shared": 1.6}  # of the width from one stage to the next
_USUAL_GROWTH = 1.5
_LAST_GROWTH = 1.5  # into the last of four stages or more
_EARLY_GROWTH = 1.5  # of a residual net whose weights are in early stages, for more MACs each
_TRANSITION = 0.75  # width of a transition, of the block's before it
_STEM = 0.6  # width of the first convolution, of that of the block behind it in its stage
MOST_HALVED = 3  # times by the first convolution alone
_FURTHER_FROM = (192, 320)  # pixels of the longer side, from which pictures may halve once more
HALVED = MOST_HALVED + len(_FURTHER_FROM)  # times at most, up to the first stage
_BEHIND_POOLS = 2  # times that the first convolution halves then: its 5 x 5 miss no pixel
_OTHERS = 6  # kinds of one stage more or less
_END = 6  # pixels a side, about, at the end of a net


@dataclass(frozen=True, slots=True)
class Template:
    """A net but for its widths.

    The map halves between two stages: by pooling, or by the stride of the next block where a side
    is a single pixel, so that a map of 96 x 1 becomes one of 48 x 1.

    Args:
        family: ``plain`` has convolutions alone, ``depthwise`` only the first one, and ``mixed``
            those of the first stage; the others are depthwise separable. ``residual`` adds what
            enters a block of equal width to what it makes. ``shared`` does so with the same
            weights for all equal blocks of a stage.
        blocks: Of each stage, >= 1.
        transitions: Whether a 1x1 transition narrows the map before each halving.
        halved: How often the image halves up to the first stage, 0 to 5: by the stride of the first
            convolution, and from 4 on by max poolings before it but for the last two times.
        kernel: Side of the kernels of depthwise blocks from the second stage on; odd. On a map of
            one column or row all kernels are lines, two pixels longer than they would be wide.
        growth: Of the width from one stage to the next; 0 is what is usual in the family.
    """

    family: str
    blocks: tuple[int, ...]
    transitions: bool = False
    halved: int = 0
    kernel: int = 3
    growth: float = 0.0

    @property
    def stages(self) -> int:
        """How many resolutions there are."""
        return len(self.blocks)

    @property
    def kind(self) -> str:
        """Its name without a size."""
        level = len(set(self.blocks)) == 1
        shape = (
            f"{self.stages}x{self.blocks[0]}" if level else "-".join(str(n) for n in self.blocks)
        )
        marks = "t" * self.transitions + f"h{self.halved}" * (self.halved > 0)
        marks += f"k{self.kernel}" * (self.kernel != 3)  # noqa: PLR2004 - the usual one
        return f"{self.family}-{shape}{marks}" + f"g{self.growth:g}" * (self.growth > 0)

    def spec(self, shape: Shape, classes: int, widths: Sequence[int]) -> NetSpec:
        """Return the net with the widths of its stages, named by its parameters."""
        spec = self.unnamed(shape, classes, widths)
        return replace(spec, name=f"{self.kind}-{spec.params}")

    def unnamed(self, shape: Shape, classes: int, widths: Sequence[int]) -> NetSpec:
        """Return the net without having counted it: most that are tried are not kept."""
        pooled = self.halved - _BEHIND_POOLS if self.halved > MOST_HALVED else 0
        layers: list[Layer] = [MaxPool()] * pooled
        map_ = shape
        for pool in layers:
            map_ = pool.out_shape(map_)
        for stage, width in enumerate(widths):
            stride = 1
            if stage > 0:
                if self.transitions:
                    narrowed = channels(_TRANSITION * widths[stage - 1])
                    layers.append(Transition(max(NARROWEST, narrowed)))
                if min(map_.height, map_.width) > 1:
                    layers.append(MaxPool())
                    map_ = layers[-1].out_shape(map_)
                else:
                    stride = 2
            blocks = self._stage(stage, width, stride, map_)
            for block in blocks:
                map_ = block.out_shape(map_)
            layers += blocks
        layers += [GlobalAveragePool(), Classifier(classes)]
        return NetSpec(shape, tuple(layers))

    def _stage(self, stage: int, width: int, stride: int, map_: Shape) -> list[Layer]:
        count = self.blocks[stage]
        dense = self.family == "plain" or (self.family == "mixed" and stage == 0)
        if stage == 0:
            kernel = 3 if self.halved < 2 else 5  # noqa: PLR2004 - wider than its stride
            summed = self.family in ("residual", "shared")
            first = width if count == 1 or not summed else max(NARROWEST, channels(_STEM * width))
            strides = self.halved if self.halved <= MOST_HALVED else _BEHIND_POOLS
            layers: list[Layer] = [Conv(first, kernel_size=_sides(kernel, map_), stride=2**strides)]
            if first != width:
                layers.append(Depthwise(width, kernel_size=_sides(3, map_)))
                count -= 1
        elif dense:
            layers = [Conv(width, kernel_size=_sides(3, map_), stride=stride)]
        else:
            kernel = _sides(self.kernel, map_)
            layers = [Depthwise(width, kernel_size=kernel, stride=stride)]
        kernel = _sides(self.kernel if stage and not dense else 3, map_)
        more = count - 1
        if more > 0 and self.family == "residual":
            layers += [Residual((Depthwise(width, kernel_size=kernel),))] * more
        elif more > 0 and self.family == "shared":
            layers.append(Repeat((Residual((Depthwise(width, kernel_size=kernel),)),), times=more))
        elif more > 0:
            kind = Conv if dense else Depthwise
            block = kind(width, kernel_size=kernel)
            layers += [block] * more
        return layers

    def widths(self, width: int) -> list[int]:
        """Return the widths of all stages for that of the first."""
        usual = self.growth or _GROWTH.get(self.family, _USUAL_GROWTH)
        found, now = [channels(width)], float(width)
        for stage in range(1, self.stages):
            last = stage == self.stages - 1 >= 3 and not self.growth  # noqa: PLR2004
            now *= min(usual, _LAST_GROWTH) if last else usual
            found.append(channels(now))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the template as plain values."""
        return {
            "family": self.family,
            "blocks": list(self.blocks),
            "transitions": self.transitions,
            "halved": self.halved,
            "kernel": self.kernel,
            "growth": self.growth,
        }

    @staticmethod
    def from_dict(form: dict[str, Any]) -> "Template":
        """Return the template of :meth:`to_dict`."""
        values: dict[str, Any] = {**form, "blocks": tuple(form["blocks"])}
        return Template(**values)


def _sides(kernel: int, map_: Shape) -> Kernel:
    """Return the sides of a kernel; on a map of one column, or row, a longer line of that kind.

    Five in a line take fewer weights than three by three, of which six would see the border alone.
    """
    if (map_.height == 1) == (map_.width == 1) or kernel == 1:
        return kernel
    return (kernel + 2, 1) if map_.width == 1 else (1, kernel + 2)


def channels(wanted: float | int) -> int:
    """Return a number of channels near ``wanted``, one that processors take without waste.

    They compute 8 or 16 channels at once: 34 cost a processor as much as 48.
    """
    if wanted < EVEN_FROM:
        return max(NARROWEST, round(wanted))
    return EVEN * round(wanted / EVEN)


def widened(widths: Sequence[int], stage: int) -> list[int]:
    """Return the widths with a few more channels in one stage."""
    more = 1 if widths[stage] < EVEN_FROM else EVEN
    return [width + more * (place == stage) for place, width in enumerate(widths)]


def most_further(shape: Shape) -> int:
    """Return how often more than usual an image may halve up to the first stage."""
    return sum(max(shape.height, shape.width) >= side for side in _FURTHER_FROM)


def templates(
    shape: Shape, *, halve: bool = False, scarce: bool = False, further: int = 0
) -> list[Template]:
    """Return the templates for images of ``shape``, those expected to do well first.

    Args:
        shape: Of an image.
        halve: Whether the first convolution should halve small images as well, for budgets of
            RAM or MACs.
        scarce: Whether weights are what binds, so that nets come first that use theirs often.
        further: How often more than usual images halve up to the first stage, for tight RAM; at
            most :func:`most_further`.
    """
    long = max(shape.height, shape.width)
    # so often the longer side halves until about six pixels are left of it
    total = min(max(round(log2(long / _END)), 1), max(int(log2(long)), 0))
    most = MOST_HALVED + further
    usual = min(max(round(log2(long / 32)), 0), MOST_HALVED) + further  # what the first one does
    found: dict[Template, None] = {}
    by_stem = dict.fromkeys((usual, usual + 1, usual - 1) if halve else (usual, usual - 1))
    for place, halved in enumerate(h for h in by_stem if 0 <= h <= min(most, total)):
        stages = total - halved + 1
        for template in _kinds(stages, halved, scarce=scarce):
            found[template] = None
        if place == 0:
            for other in (stages - 1, stages + 1):
                if 1 <= other <= int(log2(long)) + 1 - halved:
                    found |= dict.fromkeys(_kinds(other, halved, scarce=scarce)[:_OTHERS])
    return list(found)


def _kinds(stages: int, halved: int, *, scarce: bool) -> list[Template]:
    """Return the templates of so many stages, in order of promise."""
    one, two, three = (1,) * stages, (2,) * stages, (3,) * stages
    deep = _deep(stages)
    narrow = stages > 1  # so that there is a place for a transition
    wanted = [
        Template("mixed", two, transitions=narrow, halved=halved),
        Template("residual", deep, halved=halved),
        Template("depthwise", two, transitions=narrow, halved=halved),
        Template("plain", one, halved=halved),
        Template("residual", _deep(stages + 1), halved=halved),
        Template("residual", tuple(max(1, n - 1) for n in deep), halved=halved),
        Template("depthwise", two, halved=halved),
        Template("shared", (1, *(2 + 4 * (n > 0) for n in range(1, stages))), halved=halved),
        Template("mixed", two, halved=halved),
        Template("plain", two, transitions=narrow, halved=halved),
        Template("residual", (2, *(4,) * (stages - 1)), halved=halved, kernel=5),
        Template("depthwise", three, transitions=narrow, halved=halved),
        Template("plain", two, halved=halved),
        Template("mixed", one, halved=halved),
        Template("depthwise", one, halved=halved),
    ]
    if scarce:
        mixed, residual, depthwise, plain, *others = wanted
        often = Template("shared", (2, *(5,) * (stages - 1)) if narrow else (5,), halved=halved)
        middle = tuple(n + 2 * (stage == stages // 2) for stage, n in enumerate(deep))
        early = Template("residual", middle, halved=halved, growth=_EARLY_GROWTH)
        wanted = [mixed, often, depthwise, residual, plain, early, *others]
    return list(dict.fromkeys(wanted))


def _deep(stages: int) -> tuple[int, ...]:
    """Return blocks of a residual net: most in the middle."""
    known = {1: (3,), 2: (2, 3), 3: (2, 3, 2), 4: (2, 3, 4, 2), 5: (2, 2, 3, 4, 2)}
    return known.get(stages, (*(2,) * (stages - 3), 3, 4, 2))

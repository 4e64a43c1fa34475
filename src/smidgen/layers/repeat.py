"""Repetition: the same weights applied several times, with a batch norm for each time."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

from smidgen.kernels import links
from smidgen.layers.base import Layer, Shape, require_positive
from smidgen.layers.nest import Layers, Nest, end_of, peak_of, require_nestable, stack, through
from smidgen.limits import PARAMS, REPEATED, require_at_most
from smidgen.names import as_whole
from smidgen.tensors import Images


@dataclass(frozen=True, slots=True)
class Repeat(Nest):
    """``layers(layers(... layers(x)))`` with shared weights; each pass has batch norms of its own.

    Args:
        layers: What is applied, one or more; together they keep the shape.
        times: How often, 1 to 100.

    Source: Coiffier et al. 2020, "ThriftyNets", arXiv:2007.10106, sec. 3.
    Differs: no memory of earlier passes, unless a residual inside is one.
    """

    layers: Layers = field(metadata={"holds": True})
    times: int = 2

    name: ClassVar[str] = "repeat"

    def __post_init__(self) -> None:
        require_at_most("repeat times", as_whole(self.times, "repeat times"), REPEATED)
        require_positive(self, times=self.times)
        require_nestable("repeat", self.layers)
        if any(holds_repeat(layer) for layer in self.layers):
            raise ValueError("repeat cannot hold a repeat: multiply their times")

    @property
    def inside(self) -> Layers:
        return self.layers

    @property
    def passes(self) -> int:
        return self.times

    def out_shape(self, shape: Shape) -> Shape:
        out = end_of(self.layers, shape)
        if out != shape:
            raise ValueError(
                f"repeat needs layers that keep the shape, and these make {out} of {shape}"
            )
        return out

    def peak_activation(self, shape: Shape, *, keep: bool = False) -> int:
        first = peak_of(self.layers, shape, keep=keep)
        later = peak_of(self.layers, shape, keep=False) + shape.elements * keep
        return max(first, later) if self.times > 1 else first

    def params(self, shape: Shape) -> int:
        once = sum(layer.params(before) for layer, before in through(self.layers, shape))
        return once + (self.times - 1) * self._norm(shape)

    def norm_params(self, shape: Shape) -> int:
        return self.times * self._norm(shape)

    def deployed_params(self, shape: Shape) -> int:
        """Return kernels once, and with more than one pass a factor and a bias a channel each."""
        once = sum(layer.deployed_params(before) for layer, before in through(self.layers, shape))
        if self.times == 1:
            return once
        norm = self._norm(shape)
        return once - norm // 2 + self.times * norm

    def macs(self, shape: Shape) -> int:
        return self.times * sum(l.macs(before) for l, before in through(self.layers, shape))  # noqa: E741

    def build(self, shape: Shape) -> nn.Module:
        once = sum(layer.params(before) for layer, before in through(self.layers, shape))
        require_at_most("params of all passes of a repeat", once * self.times, PARAMS)
        return RepeatModule([stack(self.layers, shape) for _ in range(self.times)])

    def _norm(self, shape: Shape) -> int:
        return sum(layer.norm_params(before) for layer, before in through(self.layers, shape))


def holds_repeat(layer: Layer) -> bool:
    """Whether a layer is a repeat or holds one."""
    return isinstance(layer, Repeat) or (
        isinstance(layer, Nest) and any(holds_repeat(inner) for inner in layer.inside)
    )


class RepeatModule(nn.Module):
    """Passes one after another; all but the batch norms of the later ones are the first one's.

    A shared parameter is stored once, under its name in the first pass.
    """

    def __init__(self, passes: list[nn.Sequential]) -> None:
        super().__init__()
        self.passes = nn.ModuleList(passes)
        _share(self)
        self.register_state_dict_post_hook(_store_once)
        self.register_load_state_dict_pre_hook(_load_shared)
        self.register_load_state_dict_post_hook(_share)  # of assign=True, each has its own

    def forward(self, x: Images) -> Images:
        for layers in self.passes:
            x = layers(x)
        return x

    def link(self) -> links.Series | None:
        found = links.series_of(self.passes)
        return None if found is None else links.Series(found)


def _share(module: nn.Module, keys: object = None) -> None:
    """Give the later passes the parameters of the first one, but for those of batch norms."""
    del keys
    assert isinstance(module, RepeatModule)
    first, *rest = module.passes
    for later in rest:
        for own, its in zip(later.modules(), first.modules(), strict=True):
            if not isinstance(its, nn.BatchNorm2d):
                for name, parameter in its.named_parameters(recurse=False):
                    setattr(own, name, parameter)


def _shared(module: nn.Module, prefix: str) -> dict[str, str]:
    """Return the names under which shared parameters come again, each with its first name."""
    assert isinstance(module, RepeatModule)
    first: dict[int, str] = {}
    again: dict[str, str] = {}
    for name, parameter in module.named_parameters(
        prefix.removesuffix("."), remove_duplicate=False
    ):
        if id(parameter) in first:
            again[name] = first[id(parameter)]
        else:
            first[id(parameter)] = name
    return again


def _store_once(module: nn.Module, state: dict[str, Any], prefix: str, metadata: object) -> None:
    del metadata
    for name in _shared(module, prefix):
        state.pop(name, None)


def _load_shared(module: nn.Module, state: dict[str, Any], prefix: str, *rest: object) -> None:
    del rest
    for name, first in _shared(module, prefix).items():
        if first in state:
            state[name] = state[first]

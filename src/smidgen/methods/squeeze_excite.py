"""Squeeze-and-excitation: a gate on every channel after every block."""

from dataclasses import dataclass
from typing import ClassVar

from smidgen import layers
from smidgen.methods.base import ArchitectureMethod
from smidgen.spec import NetSpec


@dataclass(frozen=True, slots=True)
class SqueezeExcite(ArchitectureMethod):
    """Put ``y = x * sigmoid(W2 relu(W1 mean(x)))`` after every block.

    A block is a convolution, or a depthwise and pointwise pair, with its batch norm and ReLU; the
    gate comes after them, inside a residual before the sum. Transitions, shortcuts, ``channelwise``
    and the classifier are never gated. A block of ``c`` channels gains ``2 c max(1, c // ratio)``
    parameters and as many MACs; a repeated block has one gate for all its passes.

    Args:
        ratio: The latent width is ``max(1, channels // ratio)``; >= 1.
        min_channels: Blocks with fewer channels are left alone; >= 1.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Hu et al. 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507, sec. 3, and its
        ratio of 16.
    Differs: no biases; blocks of fewer than 32 channels keep one latent channel.
    """

    ratio: int = 16
    min_channels: int = 1

    name: ClassVar[str] = "squeeze-excite"
    target: ClassVar[str] = "ungated block of at least min_channels channels"

    def __post_init__(self) -> None:
        if self.ratio < 1:
            raise ValueError(f"squeeze-excite ratio must be >= 1, got {self.ratio}")
        if self.min_channels < 1:
            raise ValueError(f"squeeze-excite min_channels must be >= 1, got {self.min_channels}")

    def rewrite(self, spec: NetSpec) -> NetSpec:
        return spec.map_sequences(self._gates)

    def _gates(self, sequence: tuple[layers.Layer, ...]) -> list[layers.Layer]:
        new: list[layers.Layer] = []
        for place, layer in enumerate(sequence):
            new.append(layer)
            if not isinstance(layer, layers.Conv | layers.Depthwise):
                continue
            if layer.out_channels >= self.min_channels and not _gated(sequence[place + 1 :]):
                new.append(layers.SqueezeExcite(max(1, layer.out_channels // self.ratio)))
        return new


def _gated(following: tuple[layers.Layer, ...]) -> bool:
    """Whether a gate is the first of ``following``, the blur of a block aside."""
    others = (layer for layer in following if not isinstance(layer, layers.Blur))
    return isinstance(next(others, None), layers.SqueezeExcite)

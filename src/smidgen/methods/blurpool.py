"""BlurPool: low-pass filter a map before throwing pixels away."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from smidgen.layers import Blur, Channelwise, Conv, Depthwise, Layer, MaxPool
from smidgen.methods.base import ArchitectureMethod
from smidgen.spec import NetSpec


@dataclass(frozen=True, slots=True)
class BlurPool(ArchitectureMethod):
    """Take every stride out of a net and put it into a blur.

    A max pool of stride ``s`` becomes the same at stride 1, then the blur at stride ``s``; a
    convolution of stride ``s`` (plain or depthwise, with its batch norm and ReLU) likewise, inside
    residuals too, whose shortcuts are then blurred as their layers are. Sizes and parameters stay
    as they were. ``blur = [1 2 1] outer [1 2 1] / 16``, borders reflected.

    Args:
        kernel_size: Side of the binomial filter in pixels; odd, >= 3.
        position: Of the blur of a strided convolution. ``after``: convolution at stride 1, ReLU,
            blur, at stride^2 times the convolution's MACs. ``before``: blur, then the convolution
            at stride 1 on the smaller map, at the MACs of the strided one. Max pools are always
            blurred after the maximum.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Zhang 2019, "Making Convolutional Networks Shift-Invariant Again",
        arXiv:1904.11486, sec. 3.2: max pooling and strided convolution.
    Differs: an odd filter, so that no half-pixel shift appears (the authors' best is 4 x 4);
        ``position="before"`` is not theirs.
    """

    kernel_size: int = 3
    position: Literal["after", "before"] = "after"

    name: ClassVar[str] = "blurpool"
    target: ClassVar[str] = "max pooling or convolution with a stride over 1"

    def __post_init__(self) -> None:
        if self.kernel_size < 3 or self.kernel_size % 2 == 0:  # noqa: PLR2004 - 1 does not blur
            raise ValueError(f"blurpool kernel_size must be odd and >= 3, got {self.kernel_size}")
        if self.position not in ("after", "before"):
            raise ValueError(
                f"blurpool position must be 'after' or 'before', got {self.position!r}"
            )

    def rewrite(self, spec: NetSpec) -> NetSpec:
        return spec.map_layers(self._split)

    def _split(self, layer: Layer) -> tuple[Layer, ...]:
        if not isinstance(layer, MaxPool | Conv | Depthwise | Channelwise) or layer.stride == 1:
            return (layer,)
        dense, blur = replace(layer, stride=1), Blur(layer.stride, self.kernel_size)
        if self.position == "before" and not isinstance(layer, MaxPool):
            return blur, dense
        return dense, blur

"""The end of every net: global average pooling and the classifier."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from smidgen import kernels, limits
from smidgen.kernels import links
from smidgen.layers.base import PlainLayer, Shape, require_flag
from smidgen.layers.transition import PointwiseModule
from smidgen.names import as_whole
from smidgen.tensors import Images


@dataclass(frozen=True, slots=True)
class GlobalAveragePool(PlainLayer):
    """The mean of every channel over all pixels."""

    name: ClassVar[str] = "global_average_pool"

    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        return (Shape(shape.channels, 1, 1),)

    def params(self, shape: Shape) -> int:
        return 0

    def norm_params(self, shape: Shape) -> int:
        return 0

    def deployed_params(self, shape: Shape) -> int:
        return 0

    def macs(self, shape: Shape) -> int:
        return 0

    def build(self, shape: Shape) -> nn.Module:
        return AveragePoolModule()


class AveragePoolModule(nn.Module):
    """The mean of every channel over all pixels."""

    def forward(self, x: Images) -> Float[Tensor, "n c 1 1"]:
        return kernels.average_pool(x)

    def link(self) -> links.Link | None:
        return links.Average()


@dataclass(frozen=True, slots=True)
class Classifier(PlainLayer):
    """One linear map from the pooled channels to logits, as a 1x1 convolution.

    Args:
        classes: Number of logits, >= 2.
        bias: Whether each logit has a bias.
    """

    classes: int
    bias: bool = False

    name: ClassVar[str] = "classifier"

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", as_whole(self.classes, "classifier classes"))
        if self.classes < 2:  # noqa: PLR2004 - one class is no choice
            raise ValueError(f"classifier classes must be >= 2, got {self.classes}")
        limits.require_at_most("classifier classes", self.classes, limits.CHANNELS)
        require_flag(classifier__bias=self.bias)

    def feature_maps(self, shape: Shape) -> tuple[Shape, ...]:
        if (shape.height, shape.width) != (1, 1):
            raise ValueError(f"classifier needs a 1x1 map (pool before it), got {shape}")
        return (Shape(self.classes, 1, 1),)

    def params(self, shape: Shape) -> int:
        return (shape.channels + self.bias) * self.classes

    def norm_params(self, shape: Shape) -> int:
        return 0

    def deployed_params(self, shape: Shape) -> int:
        return self.params(shape)

    def macs(self, shape: Shape) -> int:
        return shape.channels * self.classes

    def build(self, shape: Shape) -> nn.Module:
        return nn.Sequential(
            PointwiseModule(shape.channels, self.classes, bias=self.bias), nn.Flatten()
        )

"""Names for the tensors that travel through the package.

Axes: ``n`` images, ``c`` channels, ``h`` rows, ``w`` columns, ``k`` classes.
"""

from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float, Int64, UInt8
from torch import Tensor

Pixels: TypeAlias = UInt8[Tensor, "n c h w"]  # as stored: bytes, 0 to 255
Images: TypeAlias = Float[Tensor, "n c h w"]  # as seen by the model: normalised
Labels: TypeAlias = Int64[Tensor, " n"]  # class numbers, 0 to k - 1
Targets: TypeAlias = Float[Tensor, "n k"]  # class probabilities; rows sum to 1, or to their weight
Logits: TypeAlias = Float[Tensor, "n k"]
Scalar: TypeAlias = Float[Tensor, ""]


@dataclass(frozen=True, slots=True)
class Batch:
    """Images and the class probabilities a model should predict for them.

    In a balanced run each row of targets is times what its image counts in the loss.
    """

    images: Images
    targets: Targets

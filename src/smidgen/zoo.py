"""Named nets: the eight of the reference study."""

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
from smidgen.text import nearest

MNIST = Shape(1, 28, 28)
CIFAR = Shape(3, 32, 32)

# The study's own shorthand: c convolution, dw depthwise separable, tb transition, M max pooling.
# Its MNIST nets have no biases, its CIFAR nets have them everywhere but in the classifier.
_REFERENCE = {
    "mnist-25k": (MNIST, "c8 c16 M c32 c64 M"),
    "mnist-7k": (MNIST, "c8 c12 tb8 M c12 c16 tb12 M c15 c15"),
    "mnist-7k-dw": (MNIST, "c10 dw12 tb10 M c13 c16 tb12 M c15 c15"),
    "mnist-5k": (MNIST, "c8 c12 tb8 M c12 c16 tb12 M c15"),
    "mnist-5k-dw": (MNIST, "c8 dw12 tb8 M c13 c18 tb12 M c16"),
    "mnist-1k5-dw": (MNIST, "c8 dw12 tb8 M dw12 dw16 tb12 M dw15"),
    "cifar-143k": (CIFAR, "c16 c16 M c32 c32 M c64 c64 M c120"),
    "cifar-143k-dw": (CIFAR, "c16 c16 M dw32 c32 M dw64 c64 M dw128 dw192 dw260"),
}

NETS = tuple(_REFERENCE)


def net(name: str) -> NetSpec:
    """Return the named net.

    Source: Ethiraj & Bolla 2022, "Training Efficient CNNS", figures 1 to 4; conventions chosen
        so that its parameter counts come out exactly.

    Raises:
        ValueError: If there is no such net; the nearest name is given.
    """
    if name not in _REFERENCE:
        raise ValueError(f"unknown net {name!r}; {nearest(name, NETS)}")
    shape, shorthand = _REFERENCE[name]
    body = tuple(_layer(word, bias=shape == CIFAR) for word in shorthand.split())
    return NetSpec(shape, (*body, GlobalAveragePool(), Classifier(10)), name)


def _layer(word: str, *, bias: bool) -> Layer:
    if word == "M":
        return MaxPool()
    kind = word.rstrip("0123456789")
    width = int(word[len(kind) :])
    if kind == "tb":
        return Transition(width, bias=bias)
    return {"c": Conv, "dw": Depthwise}[kind](width, bias=bias)

"""Named nets: the eight of the reference study, one with residuals, two of MLPerf Tiny."""

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
from smidgen.names import require_kind
from smidgen.spec import NetSpec
from smidgen.text import nearest

MNIST = Shape(1, 28, 28)
CIFAR = Shape(3, 32, 32)
VWW = Shape(3, 96, 96)

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

# In full: a name is the data, the parameters and the kind, as the study's are.
_IN_FULL = {
    "cifar-143k-res": (
        CIFAR,
        (
            *("conv(16)", "depthwise(32)", "max_pool"),
            *("depthwise(64)", *2 * ["residual(depthwise(64))"], "max_pool"),
            *("depthwise(128)", *3 * ["residual(depthwise(128))"], "max_pool"),
            *("depthwise(192)", "residual(depthwise(192))", "global_average_pool"),
            "classifier(10)",
        ),
    ),
    "cifar-78k-resnet8": (
        CIFAR,
        (
            "conv(16, bias=true)",
            *(
                f"residual(conv({width}, stride={stride}, bias=true),"
                f" conv({width}, bias=true, activation=none), shortcut=true, activation=relu)"
                for width, stride in ((16, 1), (32, 2), (64, 2))
            ),
            *("global_average_pool", "classifier(10, bias=true)"),
        ),
    ),
    "vww-216k-mobilenet": (
        VWW,
        (
            "conv(8, stride=2, bias=true)",
            *(
                part
                for width, stride in (
                    *((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)),
                    *(5 * [(128, 1)]),
                    *((256, 2), (256, 1)),
                )
                for part in (
                    f"channelwise(stride={stride}, bias=true)",
                    f"conv({width}, 1, bias=true)",
                )
            ),
            *("global_average_pool", "classifier(2, bias=true)"),
        ),
    ),
}

STUDY = tuple(_REFERENCE)
NETS = (*STUDY, *_IN_FULL)


def net(name: str) -> NetSpec:
    """Return the named net.

    Source: Ethiraj & Bolla 2022, "Training Efficient CNNS", figures 1 to 4; conventions chosen
        so that its parameter counts come out exactly. ``cifar-78k-resnet8`` and
        ``vww-216k-mobilenet`` (visual wake words, 96x96): Banbury et al. 2021, "MLPerf Tiny
        Benchmark", arXiv:2106.07597, sec. 4, and its reference models.
    Differs: ResNet-8's shortcuts have a norm instead of a bias; a stride's border lies on both
        sides; statistics of norms are no parameters (Keras counts them: 78,666 and 221,794).

    Raises:
        ValueError: If there is no such net; the nearest name is given.
    """
    require_kind(name, str, "the name of a net", "as in 'mnist-1k5-dw'")
    if name in _IN_FULL:
        shape, texts = _IN_FULL[name]
        return NetSpec.from_dict({"name": name, "input": list(shape), "layers": list(texts)})
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

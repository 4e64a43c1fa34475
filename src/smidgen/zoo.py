"""Named nets: the reference study's, the ladder of records, MLPerf Tiny's, two for windows."""

import re

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
from smidgen.names import require_kind
from smidgen.spec import NetSpec
from smidgen.text import nearest

MNIST = Shape(1, 28, 28)
CIFAR = Shape(3, 32, 32)
VWW = Shape(3, 96, 96)
WINDOWS = Shape(3, 1, 96)

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

# The ladder of records (docs/records.md): a name is the data, the parameters at most, and one that
# told shapes apart. r is a residual block, k5 a kernel of 5 x 5, s2 a stride, 3x a block that is
# repeated so often with the same weights. No biases.
_RECORDS = {
    "mnist-500-a": (MNIST, "c4 dw5 M dw6 dw6 M dw8"),
    "mnist-697-rep": (MNIST, "c7 M dw12 3xdw12 M"),
    "mnist-1000-rep": (MNIST, "c9 M dw15 4xdw15 M"),
    "mnist-1560-rep": (MNIST, "c11 M dw16 3xdw16 M 2xdw16"),
    "mnist-5000-a": (MNIST, "c17 dw21 M dw27 dw33 M dw42"),
    "mnist-25000-res": (MNIST, "c16 dw32 M dw64 r64 M dw80 r80"),
    "cifar-5000-c": (CIFAR, "c10 dw16 r16 M dw20 r20 r20 M dw28 r28"),
    "cifar-11400-v": (CIFAR, "c6s2 dw16 dw28s2 r28 r28 dw56s2 r56"),
    "cifar-11400-w": (CIFAR, "c6s2 dw16 dw28s2 r28k5 r28 dw56s2 r56k5"),
    "cifar-20000-r": (CIFAR, "c16 dw32 M dw56 4xr56 M dw72 4xr72"),
    "cifar-50000-b": (CIFAR, "c24 dw40 r40 M dw56 r56 r56 r56 M dw80 r80 r80 M dw112"),
    "cifar-78000-b": (CIFAR, "c24 dw48 r48 M dw64 r64 r64 r64 M dw96 r96 r96 M dw128"),
    "cifar-143k-res": (CIFAR, "c16 dw32 M dw64 r64 r64 M dw128 r128 r128 r128 M dw192 r192"),
    "cifar-143k-free": (CIFAR, "c32 dw48 r48 M dw96" + 5 * " r96k5" + " M dw144 r144k5 r144k5"),
    "cifar-mlperf-a": (CIFAR, "c12 M c32 r32 M dw64 r64 r64 r64"),
}

# In full: a name is the data, the parameters and the kind, as the study's are.
_IN_FULL = {
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
    # Windows of a sensor, a row of moments: strides along time (docs/log.md).
    "windows-2k-dw": (
        WINDOWS,
        (
            *("conv(8, 1x9, stride=2)", "depthwise(16, 1x9, stride=2)"),
            *("depthwise(24, 1x9, stride=2)", "depthwise(32, 1x5, stride=2)"),
            *("global_average_pool", "classifier(6)"),
        ),
    ),
    "windows-8k-res": (
        WINDOWS,
        (
            *("conv(16, 1x9, stride=2)", "depthwise(32, 1x9, stride=2)"),
            *("residual(depthwise(32, 1x9))", "depthwise(48, 1x9, stride=2)"),
            *("residual(depthwise(48, 1x9))", "global_average_pool", "classifier(6)"),
        ),
    ),
}

STUDY = tuple(_REFERENCE)
NETS = (*STUDY, *_RECORDS, *_IN_FULL)


def net(name: str) -> NetSpec:
    """Return the named net.

    Source: Ethiraj & Bolla 2022, "Training Efficient CNNS", figures 1 to 4; conventions chosen
        so that its parameter counts come out exactly. ``cifar-78k-resnet8`` and
        ``vww-216k-mobilenet`` (visual wake words, 96x96): Banbury et al. 2021, "MLPerf Tiny
        Benchmark", arXiv:2106.07597, sec. 4, and its reference models. ``windows-2k-dw`` and
        ``windows-8k-res``, for windows of a sensor, are ours.
    Differs: ResNet-8's shortcuts have a norm instead of a bias; a stride's border lies on both
        sides; statistics of norms are no parameters (Keras counts them: 78,666 and 221,794).

    Raises:
        ValueError: If there is no such net; the nearest name is given.
    """
    require_kind(name, str, "the name of a net", "as in 'mnist-1k5-dw'")
    if name in _IN_FULL:
        shape, texts = _IN_FULL[name]
        return NetSpec.from_dict({"name": name, "input": list(shape), "layers": list(texts)})
    if name not in _REFERENCE | _RECORDS:
        raise ValueError(f"unknown net {name!r}; {nearest(name, NETS)}")
    shape, shorthand = (_REFERENCE | _RECORDS)[name]
    bias = name in _REFERENCE and shape == CIFAR
    body = tuple(_layer(word, bias=bias) for word in shorthand.split())
    return NetSpec(shape, (*body, GlobalAveragePool(), Classifier(10)), name)


_WORD = re.compile(r"(?:(\d)x)?(c|dw|tb|r)(\d+)(?:k(\d))?(?:s(\d))?")


def _layer(word: str, *, bias: bool) -> Layer:
    if word == "M":
        return MaxPool()
    found = _WORD.fullmatch(word)
    assert found, f"{word} is no word of the shorthand"
    times, kind, *numbers = found.groups()
    given = zip(numbers, (0, 3, 1), strict=True)
    width, kernel, stride = (int(number or usual) for number, usual in given)
    if kind == "tb":
        return Transition(width, bias=bias)
    layer = (Conv if kind == "c" else Depthwise)(width, kernel, stride, bias)
    layer = Residual((layer,)) if kind == "r" else layer
    return Repeat((layer,), int(times)) if times else layer

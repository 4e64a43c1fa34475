"""Run one operation twice, fused and as a float64 reference, and compare results and gradients."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smidgen import kernels
from smidgen.kernels import reference

Operation = Callable[..., Tensor]
# Mean error over mean size: a fused operation rounds a few times at each value.
TOLERANCE = {torch.float32: 4e-6, torch.bfloat16: 0.04}


def norm_of(weight: Tensor, bias: Tensor) -> nn.BatchNorm2d:
    """A fresh batch norm that computes with the given leaves."""
    norm = nn.BatchNorm2d(weight.numel()).to(weight.dtype)
    del norm.weight, norm.bias
    norm.weight, norm.bias = weight, bias  # pyright: ignore[reportAttributeAccessIssue]
    return norm


def conv(module: object, x: Tensor, kernel: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return module.conv_bn_relu(x, kernel, None, norm_of(weight, bias))  # pyright: ignore


def depthwise(
    module: object, x: Tensor, depth: Tensor, point: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    if module is reference:
        return reference.depthwise_bn_relu(
            x, (depth, None), (point, None), norm_of(weight, bias), 1
        )
    return kernels.depthwise_bn_relu(x, depth, None, point, None, norm_of(weight, bias))


def channelwise(module: object, x: Tensor, kernel: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    norm = norm_of(weight, bias)
    return module.channelwise_bn_relu(x, kernel, None, norm, 1, relu=True)  # pyright: ignore


def plain_conv(module: object, x: Tensor, kernel: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return module.conv_bn_relu(x, kernel, None, norm_of(weight, bias), relu=False)  # pyright: ignore


def plain_depthwise(
    module: object, x: Tensor, depth: Tensor, point: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    norm = norm_of(weight, bias)
    if module is reference:
        pairs = (depth, None), (point, None)
        return reference.depthwise_bn_relu(x, *pairs, norm, 1, relu=False)
    return kernels.depthwise_bn_relu(x, depth, None, point, None, norm, relu=False)


def plain_channelwise(
    module: object, x: Tensor, kernel: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    norm = norm_of(weight, bias)
    return module.channelwise_bn_relu(x, kernel, None, norm, 1, relu=False)  # pyright: ignore


def spread_conv(module: object, x: Tensor, kernel: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return module.conv_bn_relu(x, kernel, None, norm_of(weight, bias), 2)  # pyright: ignore


def spread_depthwise(
    module: object, x: Tensor, depth: Tensor, point: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    norm = norm_of(weight, bias)
    if module is reference:
        return reference.depthwise_bn_relu(x, (depth, None), (point, None), norm, 2)
    return kernels.depthwise_bn_relu(x, depth, None, point, None, norm, 2)


def spread_channelwise(
    module: object, x: Tensor, kernel: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    norm = norm_of(weight, bias)
    return module.channelwise_bn_relu(x, kernel, None, norm, 2, relu=True)  # pyright: ignore


def pointwise(module: object, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return kernels.pointwise(x, kernel, bias) if module is kernels else F.conv2d(x, kernel, bias)


def max_pool(module: object, x: Tensor) -> Tensor:
    return kernels.max_pool2d(x) if module is kernels else F.max_pool2d(x, 2, 2)


def max_blur(module: object, x: Tensor) -> Tensor:
    return module.max_blur_pool2d(x)  # pyright: ignore


def excite(module: object, x: Tensor, squeeze: Tensor, excite: Tensor) -> Tensor:
    return module.squeeze_excite(x, squeeze, excite)  # pyright: ignore


def operands(
    name: str, size: tuple[int, int, int, int], out: int, kernel: int, seed: int = 0
) -> list[Tensor]:
    """Float64 operands of an operation for an input of a size, to `out` channels."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    c = size[1]
    x = normal(*size) * 1.5 + 0.5
    name = name.removeprefix("plain_").removeprefix("spread_")
    scale = c if name == "channelwise" else out
    norm = [1 + 0.3 * normal(scale).tanh(), 0.3 * normal(scale)]
    latent = max(1, out // 4)
    filters = normal(c, 1, kernel, kernel) / kernel
    if kernel == 1:  # the norm divides a lone weight out again: near 0 all is its rounding
        filters = filters.sign() * (0.5 + filters.abs())
    return {
        "conv": [x, normal(out, c, kernel, kernel) / (kernel * c**0.5), *norm],
        "depthwise": [
            x,
            normal(c, 1, kernel, kernel) / kernel,
            normal(out, c, 1, 1) / c**0.5,
            *norm,
        ],
        "channelwise": [x, filters, *norm],
        "pointwise": [x, normal(out, c, 1, 1) / c**0.5, normal(out)],
        "max_pool": [x],
        "max_blur": [x],
        "excite": [x, normal(latent, c, 1, 1) / c**0.5, normal(c, latent, 1, 1)],
    }[name]


OPERATIONS: dict[str, Operation] = {
    "conv": conv,
    "depthwise": depthwise,
    "channelwise": channelwise,
    "plain_conv": plain_conv,
    "plain_depthwise": plain_depthwise,
    "plain_channelwise": plain_channelwise,
    "spread_conv": spread_conv,
    "spread_depthwise": spread_depthwise,
    "spread_channelwise": spread_channelwise,
    "pointwise": pointwise,
    "max_pool": max_pool,
    "max_blur": max_blur,
    "excite": excite,
}


def run(
    name: str, module: object, operands: list[Tensor], dy: Tensor | None = None
) -> list[Tensor]:
    """Return the result and the gradient of every operand."""
    leaves = [
        t.detach().clone(memory_format=torch.preserve_format).requires_grad_() for t in operands
    ]
    y = OPERATIONS[name](module, *leaves)
    y.backward(torch.ones_like(y) if dy is None else dy.to(y.dtype))
    return [y.detach(), *[leaf.grad for leaf in leaves if leaf.grad is not None]]


def _errors(got: list[Tensor], exact: list[Tensor], dy: Tensor) -> list[float]:
    # A kernel's gradient may cancel to nothing in the norm: its size is that of what is summed.
    size = dy.double().abs().mean()
    floors = [size * 0.05] * 2 + [size * (dy.numel() / dy.shape[1]) ** 0.5] * (len(got) - 2)
    triples = zip(got, exact, floors, strict=True)
    return [
        float((a.double() - b).abs().mean() / b.abs().mean().maximum(floor))
        for a, b, floor in triples
    ]


def compare(
    name: str, operands: list[Tensor], dtype: torch.dtype, tolerance: float | None = None
) -> None:
    """Assert that the fused operation agrees with float64 within rounding.

    In bfloat16 a rounded value may fall on the other side of the ReLU, and its gradient with it:
    there the operation may be about as far from float64 as torch's own bfloat16 is.
    """
    x = operands[0].to(dtype)
    fused = [x.contiguous(memory_format=torch.channels_last), *[t.float() for t in operands[1:]]]
    exact = [t.double() for t in fused]
    g = torch.Generator().manual_seed(1)
    shape = OPERATIONS[name](reference, *exact).shape
    dy = torch.randn(shape, generator=g, dtype=torch.float64).to(dtype)
    expected, got = run(name, reference, exact, dy), run(name, kernels, fused, dy)
    assert got[0].dtype == dtype
    assert [a.shape for a in got] == [a.shape for a in expected]
    if tolerance is not None:  # few values: one beyond the ReLU outweighs the rounding of all
        same = (got[0] > 0) == (expected[0] > 0)
        assert int((~same).sum()) <= max(3, same.numel() // 100)
        dy = torch.where(same, dy, torch.zeros_like(dy))
        expected, got = run(name, reference, exact, dy), run(name, kernels, fused, dy)
    allowed = [tolerance or TOLERANCE[dtype]] * len(got)
    if dtype == torch.bfloat16 and name != "pointwise":
        allowed = [
            max(a, 3 * b)
            for a, b in zip(
                allowed, _errors(run(name, reference, fused, dy), expected, dy), strict=True
            )
        ]
    errors = _errors(got, expected, dy)
    assert all(error <= bound for error, bound in zip(errors, allowed, strict=True)), (
        f"{name} {dtype} {errors} {allowed}"
    )

"""Nets of others in plain PyTorch, as small as a design: MLPerf Tiny's ResNet-8, a MobileNetV2."""

from typing import Any

import torch
from torch import nn


def block(inputs: int, width: int, stride: int) -> Any:
    """Return a block of ResNet-8."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(inputs, width, 3, stride, 1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, 1, 1),
                nn.BatchNorm2d(width),
            )
            same = stride == 1 and inputs == width
            self.beside = nn.Identity() if same else nn.Conv2d(inputs, width, 1, stride)

        def forward(self, x: Any) -> Any:
            return (self.body(x) + self.beside(x)).relu()

    return Block()


def resnet8() -> Any:
    """Return MLPerf Tiny's net."""
    stem = (nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU())
    blocks = (block(16, 16, 1), block(16, 32, 2), block(32, 64, 2))
    end = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return nn.Sequential(*stem, *blocks, *end)


def bottleneck(inputs: int, width: int, stride: int, expansion: int) -> Any:
    """Return a block of MobileNetV2."""
    hidden = expansion * inputs
    layers: list[Any] = []
    if expansion > 1:
        layers = [nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()]
    layers += [
        nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
        *(nn.BatchNorm2d(hidden), nn.ReLU6()),
        *(nn.Conv2d(hidden, width, 1, bias=False), nn.BatchNorm2d(width)),
    ]

    class Bottleneck(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.adds = nn.Sequential(*layers), stride == 1 and inputs == width

        def forward(self, x: Any) -> Any:
            return x + self.body(x) if self.adds else self.body(x)

    return Bottleneck()


def mobilenetv2(factor: float) -> Any:
    """Return the net for 32 x 32 pictures, every width times ``factor`` in whole eights.

    Its first stride is left out, as is usual for such pictures. The 1,280 channels before its
    classifier are scaled like the rest, which the published net of a factor below 1 does not do:
    with them x0.1 has 90,058 parameters.
    """

    def rounded(width: int) -> int:
        return max(8, 8 * int(width * factor / 8 + 0.5))

    first = rounded(32)
    layers: list[Any] = [
        nn.Conv2d(3, first, 3, 1, 1, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU6(),
    ]
    now = first
    stages = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1))
    for expansion, width, count, stride in (*stages, (6, 160, 3, 2), (6, 320, 1, 1)):
        for place in range(count):
            made = bottleneck(now, rounded(width), 1 if place else stride, expansion)
            layers.append(made)
            now = rounded(width)
    last = rounded(1280)
    layers += [nn.Conv2d(now, last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 10))


def counted(model: Any) -> int:
    """Count the multiply-accumulates of a picture."""
    total = 0

    def add(module: Any, _: Any, out: Any) -> None:
        nonlocal total
        pixels = out.shape[2] * out.shape[3] if out.ndim > 2 else 1
        total += module.weight.numel() * pixels

    hooks = [
        module.register_forward_hook(add)
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    return total

"""A net, data and batches that checks are made with; the same at every call."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from smidgen.data import Data, Split
from smidgen.layers import (
    Classifier,
    Conv,
    Depthwise,
    GlobalAveragePool,
    MaxPool,
    Repeat,
    Residual,
    Shape,
)
from smidgen.methods import Method
from smidgen.recipe import Recipe
from smidgen.run import Run
from smidgen.runtime import Runtime
from smidgen.spec import NetSpec
from smidgen.tensors import Batch, Scalar
from smidgen.train import train

CLASSES = 5
NET = NetSpec(
    Shape(3, 8, 8),
    (
        Conv(6),
        MaxPool(),
        Residual((Conv(8, stride=2), Depthwise(8, activation="none")), True, "relu"),
        Repeat((Residual((Depthwise(8),)),)),
        GlobalAveragePool(),
        Classifier(CLASSES),
    ),
)
BARE = NetSpec(Shape(3, 8, 8), (GlobalAveragePool(), Classifier(CLASSES)), "bare")
SINGLE = Runtime("cpu", threads=1, precision="float32")


def seeded(seed: int = 0) -> torch.Generator:
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def a_batch(
    count: int,
    *,
    channels: int = 3,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Batch:
    """Return images of noise with the targets of five classes."""
    generator = seeded(7)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    images = torch.randn(count, channels, 8, 8, generator=generator).to(dtype)
    if memory_format == torch.channels_last:  # spelt out: with one channel, torch's own is a no-op
        images = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    return Batch(images, F.one_hot(labels, CLASSES).float())


def some_data(images: int = 24) -> Data:
    """Return a data set of noise."""
    labels = torch.arange(images) % CLASSES
    shape = (images, 3, 8, 8)
    pixels = torch.randint(0, 256, shape, generator=seeded(3), dtype=torch.uint8)
    split = Split(pixels, labels)
    return Data("noise", split, split, tuple("abcde"))


def run_with(methods: Iterable[Method], **recipe: Any) -> Run:
    """Return the run of a few steps with some methods."""
    numbers: dict[str, Any] = {"epochs": 2, "batch_size": 8, "peak_lr": 0.01, **recipe}
    return train(NET, some_data(), methods=methods, recipe=Recipe(**numbers), runtime=SINGLE)


def loss_on(model: nn.Module, batch: Batch) -> Callable[[], Scalar]:
    """Return what computes the loss of a model on a batch."""
    return lambda: F.cross_entropy(model(batch.images), batch.targets)

"""Layers: what each one computes, and what it costs."""

from smidgen.layers.base import Layer, Shape
from smidgen.layers.blur import Blur
from smidgen.layers.channelwise import Channelwise
from smidgen.layers.conv import Conv
from smidgen.layers.depthwise import Depthwise
from smidgen.layers.flatten import Flatten
from smidgen.layers.head import Classifier, GlobalAveragePool
from smidgen.layers.nest import Nest
from smidgen.layers.pool import MaxPool
from smidgen.layers.repeat import Repeat
from smidgen.layers.residual import Residual
from smidgen.layers.squeeze_excite import SqueezeExcite
from smidgen.layers.transition import Transition

LAYERS: tuple[type[Layer], ...] = (
    Conv,
    Depthwise,
    Channelwise,
    Transition,
    MaxPool,
    Blur,
    SqueezeExcite,
    Residual,
    Repeat,
    GlobalAveragePool,
    Flatten,
    Classifier,
)

__all__ = [
    "LAYERS",
    "Blur",
    "Channelwise",
    "Classifier",
    "Conv",
    "Depthwise",
    "Flatten",
    "GlobalAveragePool",
    "Layer",
    "MaxPool",
    "Nest",
    "Repeat",
    "Residual",
    "Shape",
    "SqueezeExcite",
    "Transition",
]

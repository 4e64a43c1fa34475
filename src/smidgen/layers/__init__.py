"""Layers: what each one computes, and what it costs."""

from smidgen.layers.base import Layer, Shape
from smidgen.layers.blur import Blur
from smidgen.layers.conv import Conv
from smidgen.layers.depthwise import Depthwise
from smidgen.layers.head import Classifier, GlobalAveragePool
from smidgen.layers.pool import MaxPool
from smidgen.layers.squeeze_excite import SqueezeExcite
from smidgen.layers.transition import Transition

LAYERS: tuple[type[Layer], ...] = (
    Conv,
    Depthwise,
    Transition,
    MaxPool,
    Blur,
    SqueezeExcite,
    GlobalAveragePool,
    Classifier,
)

__all__ = [
    "LAYERS",
    "Blur",
    "Classifier",
    "Conv",
    "Depthwise",
    "GlobalAveragePool",
    "Layer",
    "MaxPool",
    "Shape",
    "SqueezeExcite",
    "Transition",
]

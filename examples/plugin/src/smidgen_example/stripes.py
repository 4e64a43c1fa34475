"""Stripes: a data set that is drawn, lying stripes against standing ones."""

from dataclasses import dataclass

import numpy as np

from smidgen.data.base import Source
from smidgen.data.catalogue import TEST, TRAIN, Arrays, Catalogue, Part, Wish

CLASSES = ("lying", "standing")
SIDE = 12


@dataclass(frozen=True, slots=True)
class Stripes(Source):
    """Grey stripes, lying or standing, under noise."""

    images: int = 200  # of training; a quarter of that to test on

    def identity(self) -> tuple[str, ...]:
        return (str(self.images),)

    def catalogue(self, wish: Wish) -> Catalogue:
        del wish  # smidgen fits the pictures itself
        return Catalogue(
            {TRAIN: _part(self.images, 1), TEST: _part(max(self.images // 4, 2), 2)}, CLASSES
        )


def _part(count: int, seed: int) -> Part:
    chance = np.random.default_rng(seed)
    pictures = np.empty((count, SIDE, SIDE, 1), np.uint8)
    for number in range(count):
        rows = (np.arange(SIDE) + chance.integers(4)) // 2 % 2 * 120 + 60
        stripes = np.repeat(rows[:, None], SIDE, axis=1)
        stripes = stripes if number % 2 == 0 else stripes.T
        noisy = stripes + chance.normal(0, 20, stripes.shape)
        pictures[number, :, :, 0] = noisy.clip(0, 255)
    labels = [CLASSES[number % 2] for number in range(count)]
    return Part(Arrays(pictures, _Named(seed)), labels)


@dataclass(frozen=True, slots=True)
class _Named:
    """Names pictures; a value, so that another process can have it."""

    seed: int

    def __call__(self, number: int) -> str:
        return f"stripes {self.seed}, {number}"

"""Corruptions of single pixels: noise."""

import numpy as np

from smidgen.robust.drawing import Floats, Number


def gaussian_noise(x: Floats, unit: Number, random: np.random.Generator, sigma: Number) -> Floats:
    """Add to every value a normal draw of deviation ``sigma``."""
    return x + np.float32(sigma) * random.standard_normal(x.shape, np.float32)


def shot_noise(x: Floats, unit: Number, random: np.random.Generator, photons: Number) -> Floats:
    """Count photons: a Poisson draw of mean ``photons`` times the value."""
    return random.poisson(x * photons).astype(np.float32) / np.float32(photons)


def impulse_noise(x: Floats, unit: Number, random: np.random.Generator, share: Number) -> Floats:
    """Make a share of all values, half of them 1 and half of them 0."""
    hit = random.random(x.shape, np.float32) < share
    return np.where(hit, random.integers(0, 2, x.shape).astype(np.float32), x)

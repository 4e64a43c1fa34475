"""The common corruptions of colour pictures and of grey ones, as published, and of windows."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from smidgen.data.sensor import is_window
from smidgen.robust import blur, digital, noise, strokes, weather, windows
from smidgen.robust.drawing import Floats, Number
from smidgen.tensors import Pixels
from smidgen.text import nearest

SEVERITIES = (1, 2, 3, 4, 5)
LEAST = 8  # pixels of a side: below, most of them leave nothing to see
_GREY, _RGB = 1, 3
_MODES = {_GREY: "grey (1 channel)", _RGB: "rgb (3)"}
_BATCH = 500  # pictures at a time, as recorded figures were drawn: draws depend on it
_LARGE = 96 * 96  # pixels of a picture: of larger ones fewer, as many pixels
_TINY = np.float32(1e-3)  # the rounding of float32, before a value loses its fraction


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way to spoil a picture.

    Args:
        name: As published.
        change: From pictures (n, h, w, c) of 0 to 1, the ratio of their side to the published one
            and a generator, with the numbers of a severity.
        levels: Those numbers, by severity from 1; a single one where there are no severities.
        published: Severities in the published set, of which a card takes the mean.
        side: Of the published pictures: lengths in pixels are scaled by the ratio of sides.
        channels: That it is defined for.
        of_windows: Whether it is of windows of a sensor, with any channels: then they are (n,
            moments, c), and the ratio is of their lengths.
    """

    name: str
    change: Callable[..., Floats]
    levels: tuple[tuple[Any, ...], ...]
    published: tuple[int, ...]
    side: int
    channels: tuple[int, ...] = (_GREY, _RGB)
    of_windows: bool = False

    def require(self, channels: int, height: int, width: int, severity: int | None = None) -> None:
        """Refuse pictures and severities that it is not defined for.

        Raises:
            ValueError: Naming what it needs.
        """
        if self.of_windows:
            self._require_window(height, width)
        elif channels not in self.channels:
            modes = " or ".join(_MODES[n] for n in self.channels)
            raise ValueError(f"{self.name} needs {modes} pictures, got {channels} channels")
        elif min(height, width) < LEAST:
            raise ValueError(
                f"{self.name} needs pictures of at least {LEAST}x{LEAST}, got {height}x{width}"
            )
        if severity is not None and not 1 <= severity <= len(self.levels):
            raise ValueError(
                f"severity of {self.name} must be in 1..{len(self.levels)}, got {severity}"
            )

    def _require_window(self, height: int, width: int) -> None:
        if not is_window(height, width) or max(height, width) < LEAST:
            raise ValueError(
                f"{self.name} needs windows of one row, or column, of at least {LEAST} moments, got"
                f" {height}x{width}"
            )

    def apply(self, pixels: Pixels, severity: int, seed: int = 0) -> Pixels:
        """Return the pictures spoilt; the same arguments give the same bits.

        Values are cut to whole numbers, not rounded, as the published sets are.

        Args:
            pixels: Bytes (n, c, h, w).
            severity: From 1.
            seed: Of all draws.

        Raises:
            ValueError: If it is not defined for these pictures or this severity.
        """
        channels, height, width = pixels.shape[1:]
        self.require(channels, height, width, severity)
        numbers = self.levels[severity - 1]
        random = np.random.default_rng((seed, severity, zlib.crc32(self.name.encode())))
        unit = (max if self.of_windows else min)(height, width) / self.side
        parts: list[torch.Tensor] = []
        count = max(1, _BATCH * min(1.0, _LARGE / (height * width)))
        for part in pixels.split(int(count)):
            x = part.permute(0, 2, 3, 1).numpy().astype(np.float32) / np.float32(255)
            given = windows.in_rows(x) if self.of_windows else x
            changed = self.change(given, unit, random, *numbers).reshape(x.shape)
            x = np.clip(changed, 0, 1) * np.float32(255)
            bytes_ = np.floor(x + _TINY).astype(np.uint8)
            parts.append(torch.from_numpy(bytes_).permute(0, 3, 1, 2))
        return torch.cat(parts)


def _colour(name: str, change: Callable[..., Floats], *levels: tuple[Any, ...]) -> Corruption:
    return Corruption(name, change, levels, SEVERITIES, 32)


def _grey(
    name: str, change: Callable[..., Floats], published: int, *levels: tuple[Any, ...]
) -> Corruption:
    only = (_GREY,) if name == "canny_edges" else (_GREY, _RGB)
    return Corruption(name, change, levels or ((),), (published,), 28, only)


# Source: Hendrycks & Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions
# and Perturbations", arXiv:1903.12261; numbers as in make_cifar_c.py, those of CIFAR-10-C.
COLOUR = (
    _colour("gaussian_noise", noise.gaussian_noise, (0.04,), (0.06,), (0.08,), (0.09,), (0.1,)),
    _colour("shot_noise", noise.shot_noise, (500,), (250,), (100,), (75,), (50,)),
    _colour("impulse_noise", noise.impulse_noise, (0.01,), (0.02,), (0.03,), (0.05,), (0.07,)),
    _colour(
        "defocus_blur", blur.defocus_blur, (0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)
    ),
    _colour(
        "glass_blur", blur.glass_blur, (0.05, 1, 1, True), (0.25, 1, 1, True), (0.4, 1, 1, True),
        (0.25, 1, 2, True), (0.4, 1, 2, True),
    ),
    _colour("motion_blur", blur.motion_blur, (6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    _colour(
        "zoom_blur", blur.zoom_blur, (1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01),
        (1.26, 0.01),
    ),
    _colour(
        "snow", weather.snow, (0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9), (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    _colour("frost", weather.frost, (1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    _colour(
        "fog", weather.fog, (0.2, 3, 32), (0.5, 3, 32), (0.75, 2.5, 32), (1, 2, 32),
        (1.5, 1.75, 32),
    ),
    _colour("brightness", digital.brightness, (0.05,), (0.1,), (0.15,), (0.2,), (0.3,)),
    _colour("contrast", digital.contrast, (0.75,), (0.5,), (0.4,), (0.3,), (0.15,)),
    _colour(
        "elastic_transform", digital.elastic_transform, (0, 0, 0.08), (0.05, 0.2, 0.07),
        (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03),
    ),
    _colour("pixelate", digital.pixelate, (0.95,), (0.9,), (0.85,), (0.75,), (0.65,)),
    _colour("jpeg_compression", digital.jpeg_compression, (80,), (65,), (58,), (50,), (40,)),
)  # fmt: skip

# Source: Mu & Gilmer 2019, "MNIST-C: A Robustness Benchmark for Computer Vision", arXiv:1906.02337;
# numbers and published severities as in its corruptions.py.
GREY = (
    _grey("shot_noise", noise.shot_noise, 5, (60,), (25,), (12,), (5,), (3,)),
    _grey("impulse_noise", noise.impulse_noise, 4, (0.03,), (0.06,), (0.09,), (0.17,), (0.27,)),
    _grey(
        "glass_blur", blur.glass_blur, 1, (0.7, 1, 2, False), (0.9, 2, 1, False),
        (1, 2, 3, False), (1.1, 3, 2, False), (1.5, 4, 2, False),
    ),
    _grey("motion_blur", blur.motion_blur, 1, (10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    _grey("shear", strokes.shear, 2, (0.2,), (0.4,), (0.6,), (0.8,), (1.0,)),
    _grey("scale", strokes.scale, 3, (0.9,), (0.8,), (0.7,), (0.6,), (0.5,)),
    _grey("rotate", strokes.rotate, 2, (0.2,), (0.4,), (0.6,), (0.8,), (1.0,)),
    _grey("brightness", digital.brightness, 5, (0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
    _grey("translate", strokes.translate, 3, (1,), (2,), (3,), (4,), (5,)),
    _grey("stripe", strokes.stripe, 1),
    _grey(
        "fog", weather.fog, 5, (1.5, 2, 256), (2.0, 2, 256), (2.5, 1.7, 256), (2.5, 1.5, 256),
        (3.0, 1.4, 256),
    ),
    _grey(
        "spatter", weather.spatter, 4, (0.65, 0.3, 4, 0.69, 0.6), (0.65, 0.3, 3, 0.68, 0.6),
        (0.65, 0.3, 2, 0.68, 0.5), (0.65, 0.3, 1, 0.65, 1.5), (0.67, 0.4, 1, 0.65, 1.5),
    ),
    _grey("dotted_line", strokes.dotted_line, 1),
    _grey("zigzag", strokes.zigzag, 1),
    _grey("canny_edges", strokes.canny_edges, 1),
)  # fmt: skip


def _window(name: str, change: Callable[..., Floats], *levels: Number) -> Corruption:
    every = tuple((of,) for of in levels)
    return Corruption(name, change, every, SEVERITIES, 96, (), of_windows=True)


# Ours, as none is published: values are shares of those that the net tells apart.
WINDOWS = (
    _window("noise", windows.noise, 0.01, 0.02, 0.03, 0.05, 0.08),
    _window("spikes", windows.spikes, 0.01, 0.02, 0.03, 0.05, 0.08),
    _window("gain", windows.gain, 1.1, 1.2, 1.35, 1.6, 2.0),
    _window("offset", windows.offset, 0.02, 0.04, 0.06, 0.1, 0.15),
    _window("drift", windows.drift, 0.04, 0.08, 0.12, 0.2, 0.3),
    _window("saturation", windows.saturation, 0.7, 0.55, 0.45, 0.35, 0.25),
    _window("resolution", windows.resolution, 64, 32, 16, 12, 8),
    _window("dropped_moments", windows.dropped_moments, 0.05, 0.1, 0.2, 0.35, 0.5),
    _window("gap", windows.gap, 0.05, 0.1, 0.2, 0.3, 0.4),
    _window("stuck_channel", windows.stuck_channel, 0.2, 0.4, 0.6, 0.8, 1.0),
    _window("smoothing", windows.smoothing, 0.5, 1, 1.5, 2, 3),
    _window("tempo", windows.tempo, 1.05, 1.1, 1.15, 1.25, 1.4),
)

_SETS: Mapping[int, tuple[Corruption, ...]] = {_GREY: GREY, _RGB: COLOUR}


def corruptions_for(channels: int, height: int, width: int) -> tuple[Corruption, ...]:
    """Return the published set for pictures: MNIST-C's fifteen in grey, the common fifteen in rgb.

    Of windows of a sensor they are ours, twelve.

    Raises:
        ValueError: If there is none, or they are too small; the first corruption is named with
            what it needs.
    """
    found = WINDOWS if is_window(height, width) else _SETS.get(channels, COLOUR)
    for one in found:
        one.require(channels, height, width)
    return found


def corrupted(pixels: Pixels, name: str, severity: int, seed: int = 0) -> Pixels:
    """Return pictures with one corruption; its numbers are those of their kind, where it has any.

    Args:
        pixels: Bytes (n, c, h, w).
        name: Of the corruption.
        severity: From 1, the mildest.
        seed: Of all draws.

    Raises:
        ValueError: If there is no such corruption, or it is not defined for these pictures.
    """
    if is_window(*pixels.shape[2:]):
        known = {one.name: one for one in WINDOWS}
    else:
        own = _SETS.get(pixels.shape[1], COLOUR)
        known = {one.name: one for one in (*GREY, *COLOUR, *own)}
    if name not in known:
        raise ValueError(f"unknown corruption {name!r}; {nearest(name, known)}")
    return known[name].apply(pixels, severity, seed)

"""The published corruptions, stated once more from their definitions, a picture at a time.

Facts: ``make_cifar_c.py`` of hendrycks/robustness (commit ca360085) and ``corruptions.py`` of
google-research/mnist-c (commit aa075693) for formulas, numbers and draws; ImageMagick's motion
blur for its taps. Written apart from ``smidgen.robust``, with NumPy, SciPy, OpenCV and Pillow
alone. Not here: frost, whose photographs are not, and canny edges.

``python -m tests.robust.published`` writes the table of docs/robustness.md: mean distance of a
pixel from the clean one, by ours and by these, on 200 test pictures of CIFAR-10 and of MNIST.
"""

import io
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Picture: TypeAlias = NDArray[Any]  # h w c in colour, h w in grey; 0 to 1
Random: TypeAlias = np.random.Generator
Change: TypeAlias = Callable[..., Picture]


def soft(x: Picture, sigma: float, mode: Any = "nearest", truncate: float = 4.0) -> Picture:
    sigmas = (sigma, sigma, 0)[: x.ndim]
    return np.asarray(ndimage.gaussian_filter(x, sigmas, mode=mode, truncate=truncate))


def gaussian_noise(x: Picture, random: Random, scale: float) -> Picture:
    return x + random.normal(0, scale, x.shape)


def shot_noise(x: Picture, random: Random, count: float) -> Picture:
    return random.poisson(x * count) / count


def impulse_noise(x: Picture, random: Random, amount: float) -> Picture:
    hit, white = random.random(x.shape) < amount, random.random(x.shape) < 0.5
    return np.where(hit, white.astype(float), x)


def defocus_blur(x: Picture, random: Random, radius: float, edge: float) -> Picture:
    across = np.arange(-8, 9.0)
    disc = (np.add.outer(across**2, across**2) <= radius**2).astype(np.float32)
    kernel = cv2.GaussianBlur(disc / disc.sum(), ksize=(3, 3), sigmaX=edge)
    return np.stack([cv2.filter2D(x[..., c], -1, kernel) for c in range(3)], 2)


def glass_blur(x: Picture, random: Random, sigma: float, reach: int, times: int) -> Picture:
    """In colour the first of the two pixels takes the other's value, and the other keeps it."""
    x, side = (soft(x, sigma) * 255).astype(np.uint8), len(x)
    for _ in range(times):
        for i in range(side - reach, reach, -1):
            for j in range(side - reach, reach, -1):
                if x.ndim == 2 and random.random() < 0.5:
                    continue
                down, across = random.integers(-reach, reach, 2)
                here, there = x[i, j].copy(), x[i + down, j + across].copy()
                x[i, j] = there
                if x.ndim == 2:
                    x[i + down, j + across] = here
    return soft(x / 255, sigma)


def swept(x: Picture, radius: float, sigma: float, degrees: float) -> Picture:
    """Along a line, one way, on whole pixels; border pixels go on outside."""
    taps = np.arange(2 * int(np.ceil(radius)) + 1)
    weights = np.exp(-(taps**2) / (2 * sigma**2))
    rows, columns = np.mgrid[: x.shape[0], : x.shape[1]]
    total = np.zeros(x.shape)
    for tap, weight in zip(taps, weights / weights.sum(), strict=True):
        down, across = (
            int(np.ceil(tap * part - 0.5))
            for part in (np.sin(np.radians(degrees)), np.cos(np.radians(degrees)))
        )
        i = (rows + down).clip(0, x.shape[0] - 1)
        total += weight * x[i, (columns + across).clip(0, x.shape[1] - 1)]
    return total


def motion_blur(x: Picture, random: Random, radius: float, sigma: float) -> Picture:
    return swept(x, radius, sigma, random.uniform(-45, 45))


def zoomed(x: Picture, factor: float) -> Picture:
    side = len(x)
    kept = int(np.ceil(side / factor))
    from_ = (side - kept) // 2
    part = x[from_ : from_ + kept, from_ : from_ + kept]
    large = np.asarray(ndimage.zoom(part, (factor, factor, 1)[: x.ndim], order=1))
    trim = (len(large) - side) // 2
    return large[trim : trim + side, trim : trim + side]


def zoom_blur(x: Picture, random: Random, end: float) -> Picture:
    factors = np.arange(1, end, 0.01)
    return (x + sum(zoomed(x, factor) for factor in factors)) / (len(factors) + 1)


def snow(x: Picture, random: Random, *numbers: float) -> Picture:
    loc, scale, zoom, least, radius, sigma, share = numbers
    layer = zoomed(random.normal(loc, scale, x.shape[:2]), zoom)
    layer = np.where(layer < least, 0, layer).clip(0, 1)
    layer = swept(np.floor(layer * 255) / 255, radius, sigma, random.uniform(-135, -45))[..., None]
    grey = (x @ (0.299, 0.587, 0.114))[..., None]
    white = share * x + (1 - share) * np.maximum(x, grey * 1.5 + 0.5)
    return white + layer + np.rot90(layer, 2)


def clouds(side: int, decay: float, random: Random) -> Picture:
    """Diamond-square on a torus, each draw as wide as the square of what is left of 100."""
    field, step, width = np.zeros((side, side)), side, 100.0

    def drawn(mean_of_four: Picture) -> Picture:
        return mean_of_four / 4 + width * random.uniform(-width, width, mean_of_four.shape)

    while step >= 2:
        half, corner = step // 2, field[::step, ::step].copy()
        right, below = np.roll(corner, -1, 1), np.roll(corner, -1, 0)
        middle = drawn(corner + right + below + np.roll(below, -1, 1))
        field[half::step, half::step] = middle
        field[::step, half::step] = drawn(corner + right + middle + np.roll(middle, 1, 0))
        field[half::step, ::step] = drawn(corner + below + middle + np.roll(middle, 1, 1))
        step, width = half, width / decay
    return (field - field.min()) / (field.max() - field.min())


def fog(x: Picture, random: Random, thick: float, decay: float) -> Picture:
    side = len(x)
    mist = clouds(32 if x.ndim == 3 else 256, decay, random)[:side, :side]
    most = x.max()
    return (x + thick * (mist[..., None] if x.ndim == 3 else mist)) * most / (most + thick)


def brightness(x: Picture, random: Random, more: float) -> Picture:
    """The value of HSV grows; hue and saturation stay, so that colours grow in proportion."""
    if x.ndim == 2:
        return (x + more).clip(0, 1)
    value = x.max(2, keepdims=True)
    bright = (value + more).clip(0, 1)
    return np.where(value > 0, x * bright / np.maximum(value, 1e-9), bright)


def contrast(x: Picture, random: Random, share: float) -> Picture:
    mean = x.mean((0, 1), keepdims=True)
    return (x - mean) * share + mean


def elastic_transform(
    x: Picture, random: Random, far: float, sigma: float, shift: float
) -> Picture:
    side = len(x)
    middle, third = side // 2, side // 3
    three = np.array([[1, 1], [1, -1], [-1, -1]], np.float32) * third + middle
    moved = three + random.uniform(-shift * side, shift * side, (3, 2)).astype(np.float32)
    map_ = cv2.getAffineTransform(three, moved)
    x = cv2.warpAffine(x.astype(np.float32), map_, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    fields = [
        far * side * soft(random.uniform(-1, 1, (side, side)), sigma * side, "reflect", 3)
        for _ in range(2)
    ]
    rows, columns = np.mgrid[:side, :side]
    places = [rows + fields[1], columns + fields[0]]
    return np.stack(
        [ndimage.map_coordinates(x[..., c], places, order=1, mode="reflect") for c in range(3)], 2
    )


def pixelate(x: Picture, random: Random, share: float) -> Picture:
    picture, small = Image.fromarray(np.uint8(np.rint(x * 255))), int(32 * share)
    box = Image.Resampling.BOX
    return np.asarray(picture.resize((small, small), box).resize((32, 32), box)) / 255


def jpeg_compression(x: Picture, random: Random, quality: int) -> Picture:
    held = io.BytesIO()
    Image.fromarray(np.uint8(np.rint(x * 255))).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held)) / 255


def mapped(x: Picture, matrix: list[list[float]]) -> Picture:
    """Each pixel from where a matrix says, about the middle: (column, row) to (column, row)."""
    rows, columns = np.mgrid[:28, :28] - 13.5
    (a, b), (c, d) = matrix
    places = [c * columns + d * rows + 13.5, a * columns + b * rows + 13.5]
    return ndimage.map_coordinates(x, places, order=1, mode="grid-constant")


def shear(x: Picture, random: Random, angle: float) -> Picture:
    angle *= random.choice([-1, 1])
    return mapped(x, [[1, -np.sin(angle)], [0, np.cos(angle)]])


def rotate(x: Picture, random: Random, angle: float) -> Picture:
    angle *= random.choice([-1, 1])
    return mapped(x, [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def scale(x: Picture, random: Random, share: float) -> Picture:
    return mapped(x, [[1 / share, 0], [0, 1 / share]])


def translate(x: Picture, random: Random, by: int) -> Picture:
    return np.asarray(ndimage.shift(x, by * random.choice([-1, 1], 2), order=0))


def stripe(x: Picture, random: Random) -> Picture:
    outer = np.r_[:7, 21:28]
    x = x.copy()
    x[:, outer] = 1 - x[:, outer]
    return x


def spatter(x: Picture, random: Random, *numbers: float) -> Picture:
    loc, spread, sigma, least, edge = numbers
    wet = soft(random.normal(loc, spread, x.shape), sigma) > least
    mud = soft(wet.astype(float), edge)
    mud = np.where(mud < 0.8, 0, mud)
    return x * (1 - mud) + 63 / 255 * mud


def stroke(first: tuple[float, float], last: tuple[float, float]) -> Picture:
    """A line from (column, row) to another, fading with the rows that lie between."""
    (c0, r0), (c1, r1) = first, last
    rows, columns = np.mgrid[:28, :28]
    away = np.abs(rows - (r0 + (r1 - r0) / (c1 - c0) * (columns - c0))).clip(0, 2.3 - 1e-10)
    ink = (np.log(1 - away / 2.3) + 1).clip(0, 1)
    return np.where((columns >= np.floor(c0)) & (columns < np.ceil(c1)), ink, 0)


def dotted_line(x: Picture, random: Random) -> Picture:
    r0, r1 = random.integers(0, 27, 2)
    return x + stroke((0, r0), (27, r1)) * (np.arange(28) % 4 >= 2)


def zigzag(x: Picture, random: Random) -> Picture:
    r0 = int(random.integers(0, 27))
    rise = int(random.integers(-5, 5))
    length, angle = np.hypot(23, rise), np.arctan(rise / 23)
    turns = int((length - 2) // 4) + 1
    ends = [(0.0, 0.0), *[(4.0 * i + 2, 2.0 * (-1) ** i) for i in range(turns)]]
    last = 4 * (length // 4)
    if length != last:
        ends.append((length, ends[-1][1] / (2 * (length - last))))
    cos, sin = np.cos(angle), np.sin(angle)
    turned = [(c * cos - r * sin + 2, c * sin + r * cos + r0) for c, r in ends]
    for first, after in pairwise(turned):
        x = (x + stroke(first, after)).clip(0, 1)
    return x


COLOUR: dict[str, tuple[Change, list[tuple[float, ...]]]] = {
    "gaussian_noise": (gaussian_noise, [(0.04,), (0.06,), (0.08,), (0.09,), (0.1,)]),
    "shot_noise": (shot_noise, [(500,), (250,), (100,), (75,), (50,)]),
    "impulse_noise": (impulse_noise, [(0.01,), (0.02,), (0.03,), (0.05,), (0.07,)]),
    "defocus_blur": (defocus_blur, [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)]),
    "glass_blur": (
        glass_blur, [(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)]
    ),
    "motion_blur": (motion_blur, [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)]),
    "zoom_blur": (zoom_blur, [(1.06,), (1.11,), (1.16,), (1.21,), (1.26,)]),
    "snow": (
        snow,
        [
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ],
    ),
    "fog": (fog, [(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)]),
    "brightness": (brightness, [(0.05,), (0.1,), (0.15,), (0.2,), (0.3,)]),
    "contrast": (contrast, [(0.75,), (0.5,), (0.4,), (0.3,), (0.15,)]),
    "elastic_transform": (
        elastic_transform,
        [(0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)],
    ),
    "pixelate": (pixelate, [(0.95,), (0.9,), (0.85,), (0.75,), (0.65,)]),
    "jpeg_compression": (jpeg_compression, [(80,), (65,), (58,), (50,), (40,)]),
}  # fmt: skip
GREY: dict[str, tuple[Change, tuple[float, ...]]] = {  # at the severity of the published set
    "shot_noise": (shot_noise, (3,)),
    "impulse_noise": (impulse_noise, (0.17,)),
    "glass_blur": (glass_blur, (0.7, 1, 2)),
    "motion_blur": (motion_blur, (10, 3)),
    "shear": (shear, (0.4,)),
    "scale": (scale, (0.7,)),
    "rotate": (rotate, (0.4,)),
    "brightness": (brightness, (0.5,)),
    "translate": (translate, (3,)),
    "stripe": (stripe, ()),
    "fog": (fog, (3.0, 1.4)),
    "spatter": (spatter, (0.65, 0.3, 1, 0.65, 1.5)),
    "dotted_line": (dotted_line, ()),
    "zigzag": (zigzag, ()),
}


def change_of(pictures: NDArray[np.uint8], change: Change, *numbers: float) -> float:
    """Return how far a pixel of the changed pictures (n h w c, or n h w) is on average."""
    random, total = np.random.default_rng(11), 0.0
    for picture in pictures:
        made = change(picture / 255, random, *numbers)
        made = np.floor(np.clip(made, 0, 1) * 255 + 1e-6)
        total += float(np.abs(made - picture).mean())
    return total / len(pictures)


def table(count: int = 200) -> str:
    """Return the table of docs/robustness.md."""
    from smidgen.data import load
    from smidgen.robust import corruptions as ours

    lines: list[str] = []
    for name, every in (("cifar10", ours.COLOUR), ("mnist", ours.GREY)):
        images = load(name).test.images[:count].contiguous()
        clean = images.permute(0, 2, 3, 1).squeeze(-1).numpy()
        for one in every:
            if one.name not in (COLOUR if name == "cifar10" else GREY):
                continue
            pairs: list[str] = []
            for severity in one.published:
                change, numbers = of(one.name, severity, grey=name == "mnist")
                found = one.apply(images, severity, seed=1).float() - images.float()
                theirs = change_of(clean, change, *numbers)
                pairs.append(f"{float(found.abs().mean()):.2f} / {theirs:.2f}")
            lines.append(f"| {name} | {one.name} | {', '.join(pairs)} |")
    return "\n".join(lines)


def of(name: str, severity: int, *, grey: bool) -> tuple[Change, tuple[float, ...]]:
    """Return a change and its numbers; in grey there is the published severity alone."""
    if grey:
        return GREY[name]
    change, levels = COLOUR[name]
    return change, levels[severity - 1]


if __name__ == "__main__":
    print(table())  # noqa: T201

"""Train nets for windows of a sensor with several methods, on movements and gestures made up here.

    python bench/windows.py nets|methods [--family movements|gestures] [--seeds N] [--epochs N]

Windows are of 96 moments in three channels, 50 a second. Movements are walking, running and the
like: harmonics of a step with a random phase, whose tempo, strength, mounting and noise differ from
wearer to wearer. Gestures are one event somewhere in a window, of random length and strength.
What is learned is of ten wearers, 100 windows a class; what is judged on of forty others, and
nothing else is ever read. Printed: parameters, multiply-accumulates, and the accuracy of each seed.
"""

import argparse
import warnings
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

import smidgen as sm
from smidgen.data import Data, DataWarning
from smidgen.evaluate.accuracy import accuracy, predict
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec

MOMENTS, RATE, EACH = 96, 50.0, 100
LEARNED, JUDGED = range(10), range(50, 90)  # wearers
STEPS = {"still": 0.3, "walk": 1.8, "run": 2.6, "stairs": 1.6, "shake": 4.5, "tap": 1.2}  # a second
GESTURES = ("none", "up", "down", "circle", "double", "wave")
METHODS = (
    *("", "time-shift", "scaling", "jitter", "time-shift, scaling", "time-shift, scaling, jitter"),
    *("affine(rotation=0.0, shear=0.0, shift=0.07, anneal=0.25)", "cutmix", "mixup"),
    *("blurpool", "blurpool, time-shift, scaling"),
)
_END = ("global_average_pool", "classifier(6)")
NETS = {
    "kernels of 5, 3": (
        *("conv(8, 1x5, stride=2)", "depthwise(16, 1x5, stride=2)"),
        *("depthwise(24, 1x5, stride=2)", "depthwise(32, 1x3, stride=2)"),
    ),
    "kernels of 7, 5": (
        *("conv(12, 1x7, stride=2)", "depthwise(16, 1x7, stride=2)"),
        *("depthwise(24, 1x7, stride=2)", "depthwise(28, 1x5, stride=2)"),
    ),
    "windows-2k-dw": (
        *("conv(8, 1x9, stride=2)", "depthwise(16, 1x9, stride=2)"),
        *("depthwise(24, 1x9, stride=2)", "depthwise(32, 1x5, stride=2)"),
    ),
    "dense": ("conv(8, 1x5, stride=2)", "conv(12, 1x5, stride=2)", "conv(16, 1x5, stride=2)"),
    "residual": (
        *("conv(8, 1x9, stride=2)", "depthwise(16, 1x9, stride=2)"),
        *("depthwise(24, 1x9, stride=2)", "residual(depthwise(24, 1x9))"),
    ),
    "a stride less": (
        *("conv(8, 1x9, stride=2)", "depthwise(16, 1x9, stride=2)"),
        *("depthwise(24, 1x9)", "depthwise(32, 1x9, stride=2)"),
    ),
    "a stride of 4": (
        *("conv(10, 1x9, stride=4)", "depthwise(20, 1x9, stride=2)"),
        *("residual(depthwise(20, 1x9))", "depthwise(32, 1x5, stride=2)"),
    ),
    "windows-8k-res": (
        *("conv(16, 1x9, stride=2)", "depthwise(32, 1x9, stride=2)"),
        *("residual(depthwise(32, 1x9))", "depthwise(48, 1x9, stride=2)"),
        "residual(depthwise(48, 1x9))",
    ),
    "8k, no residual": (
        *("conv(16, 1x9, stride=2)", "depthwise(32, 1x9, stride=2)"),
        *("depthwise(48, 1x9, stride=2)", "depthwise(72, 1x5, stride=2)"),
    ),
}


def movement(kind: int, wearer: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """Return a window of a movement (moments, channels), in g."""
    own = np.random.default_rng(1000 + 10 * wearer)
    tempo, strength, tilt = own.uniform(0.82, 1.22), own.uniform(0.6, 1.5), own.normal(0, 0.25, 3)
    name, step = list(STEPS.items())[kind]
    wander = np.cumsum(draw.normal(0, 0.15, MOMENTS)) / np.sqrt(RATE) * 0.6
    step *= tempo * draw.uniform(0.95, 1.05)
    p = 2 * np.pi * step * np.arange(MOMENTS) / RATE + wander + draw.uniform(0, 2 * np.pi)
    half, sin = p / 2 + draw.uniform(0, 2 * np.pi), np.sin
    pulse = np.exp(-((np.mod(p, 2 * np.pi) - 1) ** 2) / 0.08)
    axes = {
        "still": (0.05 * sin(p), 0.05 * sin(p + 1), 0.04 * sin(p + 2)),
        "walk": (
            0.35 * sin(half) + 0.15 * sin(p),
            0.5 * sin(p) + 0.25 * sin(2 * p + 0.8),
            0.25 * sin(p + 1.2) + 0.15 * sin(3 * p),
        ),
        "run": (
            0.5 * sin(half) + 0.3 * sin(p),
            1.1 * sin(p) + 0.35 * sin(2 * p + 0.8),
            0.5 * sin(p + 1.2) + 0.2 * sin(3 * p),
        ),
        "stairs": (
            0.35 * sin(half) + 0.2 * sin(2 * p),
            0.45 * sin(p) + 0.35 * sin(2 * p + 2.2),
            0.4 * sin(p + 2.4) + 0.1 * sin(3 * p),
        ),
        "shake": (0.9 * sin(p), 0.4 * sin(p + 0.5), 0.3 * sin(p + 1.9)),
        "tap": (0.3 * pulse, 0.9 * pulse - 0.3 * np.roll(pulse, 3), 0.2 * pulse),
    }
    turned = _mounted(strength * np.stack(axes[name], 1), own)
    noise = draw.normal(0, 0.25, turned.shape) * own.uniform(0.6, 1.4)
    return turned + np.array([0.0, 0.0, 1.0]) + tilt + noise


def gesture(kind: int, wearer: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """Return a window with one gesture somewhere in it (moments, channels), in g."""
    own = np.random.default_rng(1000 + 10 * wearer)
    strength, slow = own.uniform(0.6, 1.5), own.uniform(0.75, 1.35)
    length = slow * draw.uniform(24, 44)
    u = (np.arange(MOMENTS) - draw.uniform(0, MOMENTS - length)) / length
    inside = np.where((u > 0) & (u < 1), np.sin(np.pi * np.clip(u, 0, 1)), 0.0)
    sin, cos, turn = np.sin, np.cos, 2 * np.pi * u
    axes = {
        "none": (0.4 * sin(turn / 2 + draw.uniform(0, 6)) * draw.uniform(0, 1), 0 * u, 0 * u),
        "up": (0.1 * sin(turn), 0.2 * sin(turn), 0.9 * sin(turn)),
        "down": (0.1 * sin(turn), 0.2 * sin(turn), -0.9 * sin(turn)),
        "circle": (0.7 * sin(turn), 0.7 * cos(turn), 0.1 * sin(turn)),
        "double": (0.1 * sin(2 * turn), 0.2 * sin(2 * turn), 0.9 * sin(2 * turn)),
        "wave": (0.8 * sin(3 * turn), 0.2 * sin(3 * turn + 1), 0.1 * sin(turn)),
    }
    moved = _mounted(strength * inside[:, None] * np.stack(axes[GESTURES[kind]], 1), own)
    return moved + np.array([0.0, 0.0, 1.0]) + own.normal(0, 0.1, 3) + draw.normal(0, 0.2, (96, 3))


def _mounted(values: NDArray[np.float64], own: np.random.Generator) -> NDArray[np.float64]:
    """Return what a sensor measures that is worn turned about its third axis."""
    angle = own.normal(0, 0.35)
    x, y, z = values.T
    return np.stack(
        [x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle), z], 1
    )


def windows(
    family: str, wearers: range, each: int, seed: int
) -> tuple[NDArray[np.float32], list[int]]:
    """Return windows (n, 1, moments, channels), and their classes."""
    made = movement if family == "movements" else gesture
    draw = np.random.default_rng(seed)
    labels = [kind for kind in range(6) for _ in range(each)]
    found = [made(kind, int(draw.choice(list(wearers))), draw) for kind in labels]
    return np.stack(found, dtype=np.float32, casting="same_kind")[:, None], labels


def data_of(family: str, seed: int) -> Data:
    """Return the windows of a seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return sm.data.from_arrays(
            *windows(family, LEARNED, EACH, 7 + 10 * seed),
            test=windows(family, JUDGED, 150, 8 + 10 * seed),
            name=f"{family}-{seed}",
        )


def judged(layers: tuple[str, ...], methods: str, args: argparse.Namespace) -> str:
    """Return what a net with methods comes to, in a line."""
    net = NetSpec.from_dict({"name": "net", "input": [3, 1, 96], "layers": [*layers, *_END]})
    given = sm.methods.parse(", ".join(filter(None, (methods, "one-cycle", "ema"))))
    recipe = Recipe(epochs=args.epochs, batch_size=64, peak_lr=0.01, weight_decay=0.02)
    found: list[float] = []
    for seed in range(args.seeds):
        data = data_of(args.family, seed)
        run = sm.train(net, data, methods=given, recipe=recipe, seed=seed, split="full")
        logits = predict(run.model, data.test.images, run.mean, run.std)
        found.append(100 * accuracy(logits, data.test.labels))
    each = ", ".join(f"{of:.1f}" for of in found)
    return f"{net.params:6,} params  {net.macs:8,} MACs  {fmean(found):.2f} %  ({each})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("nets", "methods"))
    parser.add_argument("--family", choices=("movements", "gestures"), default="movements")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=40)
    args = parser.parse_args()
    if args.what == "nets":
        for name, layers in NETS.items():
            print(judged(layers, "time-shift, scaling", args), name, flush=True)
    else:
        for methods in METHODS:
            layers = NETS["windows-2k-dw"]
            print(judged(layers, methods, args), methods or "none", flush=True)


if __name__ == "__main__":
    main()

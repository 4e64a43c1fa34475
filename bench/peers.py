"""Nets of others inside the budget of a design: MLPerf Tiny's ResNet-8, a MobileNetV2, AutoKeras.

    python bench/peers.py write --out pictures.npz [--train N] [--test N]
    python bench/peers.py train NET --data pictures.npz [--epochs N] [--seeds N]
    python bench/peers.py autokeras --data pictures.npz [--epochs N] [--trials N] [--params N]

Every net sees the same training and test pictures of CIFAR-10, drawn evenly over the classes. The
first two peers are trained by a plain PyTorch loop with the recipe of smidgen's own: AdamW, its
peak rate and decay, one cycle, batch 128, crop by 4 and flip, no choice of an epoch. ``train``
takes ``resnet8``, ``mobilenetv2`` and ``smidgen:FAMILY``, which is the ladder's net of that family
inside the ResNet's parameters and multiply-accumulates, trained by smidgen with the same recipe.
``autokeras`` runs in an environment that has it, and searches with a limit of parameters.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH, RATE, DECAY, CROP = 128, 0.01, 0.01, 4
PARAMS, MACS = 77_706, 12_501_632  # what ours may have; ResNet-8 has 78,186


def written(out: Path, train: int, test: int) -> None:
    """Write pictures of CIFAR-10 as ``smidgen --data`` and Keras read them."""
    from smidgen.data import load
    from smidgen.data.splits import divided

    data = load("cifar10")
    parts = {"train": divided(data.train, train, 0)[1], "test": divided(data.test, test, 0)[1]}
    arrays: dict[str, Any] = {}
    for name, part in parts.items():
        arrays[f"x_{name}"] = part.images.permute(0, 2, 3, 1).numpy()
        arrays[f"y_{name}"] = part.labels.numpy()
    np.savez(out, **arrays)


def block(inputs: int, width: int, stride: int) -> Any:
    """Return a block of ResNet-8."""
    from torch import nn

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
    from torch import nn

    stem = (nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU())
    blocks = (block(16, 16, 1), block(16, 32, 2), block(32, 64, 2))
    end = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return nn.Sequential(*stem, *blocks, *end)


def bottleneck(inputs: int, width: int, stride: int, expansion: int) -> Any:
    """Return a block of MobileNetV2."""
    from torch import nn

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


def mobilenetv2(factor: float = 0.1) -> Any:
    """Return the net for 32 x 32 pictures: its first stride is left out, as is usual there."""
    from torch import nn

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
    last = 1280
    layers += [nn.Conv2d(now, last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 10))


def counted(model: Any) -> int:
    """Count the multiply-accumulates of a picture."""
    import torch
    from torch import nn

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


def plain(make: Callable[[], Any], path: Path, epochs: int, seed: int) -> dict[str, Any]:
    """Train by a plain loop; return what the last epoch's net reaches on the test pictures."""
    import torch
    import torch.nn.functional as F

    torch.manual_seed(seed)
    arrays = np.load(path)
    x, x_test = (
        torch.from_numpy(arrays[name]).permute(0, 3, 1, 2).float() / 255
        for name in ("x_train", "x_test")
    )
    y, y_test = (torch.from_numpy(arrays[name]) for name in ("y_train", "y_test"))
    std, mean = torch.std_mean(x, (0, 2, 3), keepdim=True)
    x, x_test = (x - mean) / std, (x_test - mean) / std
    model = make()
    params, macs = sum(p.numel() for p in model.parameters()), counted(model)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    steps = epochs * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    start = time.thread_time()
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            if len(rows) < BATCH:
                continue
            images = F.pad(x[rows], [CROP] * 4)
            at = torch.randint(2 * CROP + 1, (len(rows), 2)).tolist()
            images = torch.stack(
                [one[:, y : y + 32, x : x + 32] for one, (y, x) in zip(images, at, strict=True)]
            )
            turned = torch.rand(len(rows)) < 0.5
            images[turned] = images[turned].flip(3)
            optimizer.zero_grad()
            F.cross_entropy(model(images), y[rows]).backward()
            optimizer.step()
            schedule.step()
    seconds = time.thread_time() - start
    with torch.no_grad():
        answers = torch.cat([model.eval()(part).argmax(1) for part in x_test.split(500)])
    right = float((answers == y_test).float().mean())
    return {"params": params, "macs": macs, "accuracy": right, "cpu_seconds": seconds}


def own(family: str, path: Path, epochs: int, seed: int) -> dict[str, Any]:
    """Train the ladder's net of a family with the same recipe."""
    import smidgen as sm
    from smidgen.layers import Shape
    from smidgen.study.design.budget import Budget
    from smidgen.study.design.ladder import Maker, ladder

    data = sm.data.load(str(path))
    maker = Maker(Shape(3, 32, 32), 10, Budget(max_params=PARAMS, max_macs=MACS))
    net = next(one.spec for one in ladder(maker, 9) if one.template.family == family)
    methods = sm.methods.parse(f"crop(padding={CROP}), flip, one-cycle")
    recipe = sm.Recipe(epochs=epochs, batch_size=BATCH, peak_lr=RATE, weight_decay=DECAY)
    start = time.thread_time()
    run = sm.train(net, data, methods=methods, recipe=recipe, seed=seed)
    seconds = time.thread_time() - start
    right = sm.evaluate(run, data.test).accuracy
    found = {"params": net.params, "macs": net.macs, "accuracy": right, "cpu_seconds": seconds}
    return {"net": net.name, **found}


def searched(path: Path, epochs: int, trials: int, params: int) -> dict[str, Any]:
    """Return what AutoKeras finds."""
    import autokeras

    arrays = np.load(path)
    start = time.process_time()
    search = autokeras.ImageClassifier(
        max_trials=trials, max_model_size=params, overwrite=True, seed=0, directory="autokeras"
    )
    # one column a class: it counts whole labels in a type that Keras 3.15 takes for no whole number
    targets = np.eye(10, dtype=np.float32)[arrays["y_train"]]
    search.fit(arrays["x_train"], targets, epochs=epochs, batch_size=BATCH, verbose=2)
    model = search.export_model()
    answers = model.predict(arrays["x_test"], verbose=0).argmax(1)
    return {
        "params": int(model.count_params()),
        "accuracy": float((answers == arrays["y_test"]).mean()),
        "cpu_seconds": time.process_time() - start,
    }


def main() -> None:
    """Print a line of JSON for every run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["write", "train", "autokeras"])
    parser.add_argument("net", nargs="?", default="")
    parser.add_argument("--data", type=Path, default=Path("pictures.npz"))
    parser.add_argument("--out", type=Path, default=Path("pictures.npz"))
    parser.add_argument("--train", type=int, default=5_000)
    parser.add_argument("--test", type=int, default=5_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--params", type=int, default=PARAMS)
    asked = parser.parse_args()
    if asked.what == "write":
        written(asked.out, asked.train, asked.test)
        return
    if asked.what == "autokeras":
        found = searched(asked.data, asked.epochs, asked.trials, asked.params)
        print(json.dumps({"net": "autokeras", **found}))
        return
    import torch

    torch.set_num_threads(1)
    made = {"resnet8": resnet8, "mobilenetv2": mobilenetv2}
    reached: list[float] = []
    for seed in range(asked.seeds):
        if asked.net in made:
            row = plain(made[asked.net], asked.data, asked.epochs, seed)
        else:
            row = own(asked.net.removeprefix("smidgen:"), asked.data, asked.epochs, seed)
        print(json.dumps({"net": asked.net, "seed": seed, **row}), flush=True)
        reached.append(100 * row["accuracy"])
    if len(reached) > 1:
        spread = statistics.stdev(reached)
        print(f"{asked.net}: {statistics.mean(reached):.2f}, standard deviation {spread:.2f}")


if __name__ == "__main__":
    main()

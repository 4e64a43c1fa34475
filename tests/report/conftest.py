"""Rows as studies leave them, made without training."""

import base64
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

IMAGES = 200
PARAMS = {"mnist-1k5-dw": 1560, "mnist-7k": 7767, "mnist-7k-dw": 7611}


def row(net: str, methods: Sequence[str], seed: int, right: int, **other: Any) -> dict[str, Any]:
    """Return a row of a model that predicts the first ``right`` images right, of 200 or others."""
    images = other.get("images", IMAGES)
    hits = np.arange(images) < right
    history = [
        {"epoch": epoch, "loss": 2 / epoch, "lr": 0.1, "held_out_accuracy": None, "seconds": epoch}
        for epoch in (1, 2, 3)
    ]
    latency = {
        "kernel_ms": 0.1 + seed,
        "end_to_end_ms": 0.2,
        "best_batch": 128,
        "kernel_s_10000": 0.3,
        "end_to_end_s_10000": 0.4,
        "threads": 1,
        "device": "cpu",
    }
    form = {
        "study": "s",
        "studies": ["s"],
        "net": net,
        "methods": list(methods),
        "seed": seed,
        "params": PARAMS.get(net, 500) + 126 * ("squeeze-excite" in methods),
        "macs": 1000 * PARAMS.get(net, 500),
        "recipe": {"epochs": 3, "batch_size": 128},
        "epochs": 3,
        "seconds": 3.0 * (2 if "sam" in methods else 1),
        "data": "mnist",
        "fingerprint": "f",
        "trained_on": "full",
        "split": "test",
        "images": images,
        "accuracy": right / images,
        "nll": 0.1,
        "ece": 0.02,
        "shift_consistency": 0.9,
        "latency": latency,
        "bytes_float32": 4 * PARAMS.get(net, 500),
        "bytes_int8": PARAMS.get(net, 500),
        "bytes_on_disk": 9000,
        "device": "a processor",
        "threads": 1,
        "precision": "float32",
        "kernels": "torch",
        "versions": {"smidgen": "0.1.0", "torch": "2.13.0"},
        "revision": "abc",
        "history": history,
        "right": base64.b64encode(np.packbits(hits).tobytes()).decode(),
        **other,
    }
    return {"key": f"{net}{methods}{seed}{form['split']}", **form}


def of_study(
    net: str, methods: Sequence[str], seed: int, right: int, **other: Any
) -> dict[str, Any]:
    """Return a row of the reference study's 10,000 test images, ``right`` of each 200 right."""
    return row(net, methods, seed, 50 * right, images=50 * IMAGES, **other)


NAMES = ["cat", "dog", "owl"]
MATRIX = [[60, 20, 0], [10, 70, 0], [0, 40, 0]]  # 130 of 200 right; an owl is never answered
DRAWING = [
    {"layer": "conv(out_channels=8)", "output": "8x28x28", "params": 88, "deployed_params": 80,
     "macs": 56448, "peak_activation": 7056},
    {"layer": "global_average_pool", "output": "8x1x1", "params": 0, "deployed_params": 0,
     "macs": 0, "peak_activation": 6280},
    {"layer": "classifier(classes=3)", "output": "3x1x1", "params": 27, "deployed_params": 27,
     "macs": 24, "peak_activation": 11},
]  # fmt: skip


def png(value: int = 0) -> str:
    file = io.BytesIO()
    Image.new("L", (4, 4), value).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def seen(seed: int, methods: Sequence[str] = (), **other: Any) -> dict[str, Any]:
    """Return a row with all that shows pictures."""
    form = {
        "classes": NAMES,
        "confusion": MATRIX,
        "balanced_accuracy": (0.75 + 0.875) / 3,
        "largest_class": 0.4,
        "input": [1, 28, 28],
        "drawing": DRAWING,
        "examples": [300, 200, 100],
        "copies": {"train": 0, "test": 0, "across": 0, "labels": 0},
        "wrong": [],
        "doubted": [],
        "pictures": {},
    }
    return row("mine", methods, seed, 130, **{**form, **other})


Rows = list[dict[str, Any]]


@pytest.fixture
def study() -> Rows:
    """A study of three nets and four sets of methods, three seeds each."""
    rows: Rows = []
    for seed in range(3):
        base = 150 + 10 * seed
        rows += [
            of_study("mnist-1k5-dw", ["cosine"], seed, base),
            of_study("mnist-1k5-dw", ["blurpool", "cosine"], seed, base + 10 + seed),
            of_study("mnist-1k5-dw", ["cosine", "sam"], seed, base - 10 + seed),
            of_study("mnist-1k5-dw", ["one-cycle"], seed, base + (seed - 1) * 3),
            of_study("mnist-1k5-dw", ["squeeze-excite", "cosine"], seed, base + 4),
            of_study("mnist-7k", ["cosine"], seed, 180 + seed),
            of_study("mnist-7k-dw", ["cosine"], seed, 183 + 2 * seed),
        ]
    return rows


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Rows], Path]:
    """Write rows as JSON lines."""

    def write(rows: Rows) -> Path:
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(f"{json.dumps(line)}\n" for line in rows))
        return path

    return write

"""Every method's arguments: what they are if nobody says, and the ends of what they may be."""

from inspect import signature
from math import inf, nan
from typing import Any

import pytest
import torch

from smidgen.methods import BY_NAME, EMA, METHODS, SWA

DEFAULTS: dict[str, dict[str, Any]] = {
    "blurpool": {"kernel_size": 3, "position": "after"},
    "squeeze-excite": {"ratio": 16, "min_channels": 1},
    "pretrained": {"run": "", "digest": ""},
    "crop": {"padding": 4},
    "flip": {"probability": 0.5},
    "trivial-augment": {"strength": 1.0},
    "affine": {"rotation": 10.0, "scale": 0.1, "shear": 5.0, "shift": 0.1, "anneal": 0.0},
    "time-shift": {"share": 0.5},
    "scaling": {"sigma": 0.1},
    "jitter": {"sigma": 0.1},
    "cutout": {"length": 10},
    "random-erasing": {
        "probability": 0.5,
        "smallest": 0.02,
        "largest": 0.4,
        "narrowest": 0.3,
        "fill": "noise",
    },
    "mixup": {"alpha": 0.2},
    "cutmix": {"alpha": 1.0, "probability": 0.5},
    "label-smoothing": {"smoothing": 0.1},
    "distill": {"teacher": "", "share": 0.5, "temperature": 1.0, "digest": ""},
    "one-cycle": {"warmup": 0.3, "start": 0.04, "end": 4e-6},
    "cosine": {"warmup": 0.0, "end": 0.0},
    "cyclical": {"cycles": 4, "low": 0.1},
    "sam": {"rho": 0.05},
    "lookahead": {"steps": 5, "share": 0.5},
    "ema": {"decay": 0.998, "warmup": True},
    "swa": {"start": 0.75, "lr": None},
}
FREE = {  # of any value
    *(("ema", "warmup"), ("distill", "teacher"), ("distill", "digest")),
    *(("pretrained", "run"), ("pretrained", "digest")),
}
NEARLY = 1 - 2**-40
# Of each argument: values that it may have, and values that it may not have.
ENDS: list[tuple[str, str, tuple[Any, ...], tuple[Any, ...]]] = [
    ("blurpool", "kernel_size", (3, 5), (2, 1, 4)),
    ("blurpool", "position", ("before",), ()),
    ("squeeze-excite", "ratio", (1,), (0,)),
    ("squeeze-excite", "min_channels", (1, 2), (0,)),
    ("crop", "padding", (1, 65_535), (0, 65_536, 10**19)),
    ("flip", "probability", (1e-9, 1.0), (0.0, 1.001)),
    ("trivial-augment", "strength", (1e-9, 1.0), (0.0, 1.001, nan)),
    ("affine", "rotation", (0.0, 180.0), (-0.1, 180.1)),
    ("affine", "scale", (0.0, NEARLY), (-0.1, 1.0)),
    ("affine", "shear", (0.0, 89.9), (-0.1, 90.0)),
    ("affine", "shift", (0.0, 1.0), (-0.1, 1.001)),
    ("affine", "anneal", (0.0, 1.0), (-0.1, 1.001)),
    ("time-shift", "share", (1e-9, 0.5), (0.0, 0.501, nan)),
    ("scaling", "sigma", (1e-9, 9.0), (0.0, inf, nan)),
    ("jitter", "sigma", (1e-9, 9.0), (0.0, inf, nan)),
    ("cutout", "length", (1, 65_535), (0, 65_536, 10**20)),
    ("random-erasing", "probability", (1e-9, 1.0), (0.0, 1.001)),
    ("random-erasing", "smallest", (1e-9, 0.4), (0.0, 1.001, nan)),
    ("random-erasing", "largest", (0.02, 1.0), (0.01, 1.001, nan)),
    ("random-erasing", "narrowest", (1e-9, 1.0), (0.0, 1.001)),
    ("random-erasing", "fill", ("mean",), ()),
    ("mixup", "alpha", (0.0, 1e6), (-0.1, 1e6 + 1, 1e308, nan)),
    ("cutmix", "alpha", (1e-9, 1e6), (0.0, 1e6 + 1, 1e308, nan)),
    ("cutmix", "probability", (1e-9, 1.0), (0.0, 1.001)),
    ("label-smoothing", "smoothing", (0.0, NEARLY), (-0.1, 1.0)),
    ("distill", "share", (1e-9, 1.0), (0.0, 1.001)),
    ("distill", "temperature", (1e-9, 9.0), (0.0, inf, 1e301, nan)),
    ("one-cycle", "warmup", (1e-9, NEARLY), (0.0, 1.0)),
    ("one-cycle", "start", (0.0, 1.0), (-0.1, 1.001)),
    ("one-cycle", "end", (0.0, 1.0), (-0.1, 1.001)),
    ("cosine", "warmup", (0.0, NEARLY), (-0.1, 1.0)),
    ("cosine", "end", (0.0, 1.0), (-0.1, 1.001)),
    ("cyclical", "cycles", (1, 10**6), (0, 10**6 + 1, 10**310)),
    ("cyclical", "low", (0.0, NEARLY), (-0.1, 1.0)),
    ("sam", "rho", (0.0, 9.0), (-0.1, inf, 1e301, nan)),
    ("lookahead", "steps", (1,), (0,)),
    ("lookahead", "share", (1e-9, NEARLY), (0.0, 1.0)),
    ("ema", "decay", (0.0, NEARLY), (-0.1, 1.0)),
    ("swa", "start", (0.0, NEARLY), (-0.1, 1.0)),
    ("swa", "lr", (1e-9, None), (0.0, inf, 1e301)),
]


@pytest.mark.parametrize("name", [kind.name for kind in METHODS])
def test_defaults_are_the_documented_ones(name: str) -> None:
    parameters = signature(BY_NAME[name]).parameters
    assert {one.name: one.default for one in parameters.values()} == DEFAULTS[name]


def test_the_ends_of_every_argument_are_known() -> None:
    arguments = {(name, argument) for name, values in DEFAULTS.items() for argument in values}
    assert {(name, argument) for name, argument, _, _ in ENDS} | FREE == arguments


@pytest.mark.parametrize(("name", "argument", "good", "bad"), ENDS)
def test_an_argument_may_go_to_its_ends_and_no_further(
    name: str, argument: str, good: tuple[Any, ...], bad: tuple[Any, ...]
) -> None:
    for value in good:
        assert getattr(BY_NAME[name](**{argument: value}), argument) == value
    for value in bad:
        with pytest.raises(ValueError, match=f"^{name} {argument} must be .*, got"):
            BY_NAME[name](**{argument: value})


@pytest.mark.parametrize("method", [EMA(0.9), SWA(0.2)], ids=["ema", "swa"])
def test_an_average_goes_on_from_its_state(method: EMA | SWA) -> None:
    weights = torch.zeros(5)
    whole, before = method.follow(weights), method.follow(weights)

    def step(trackers: list[Any], number: int) -> None:
        weights.copy_(torch.randn(5, generator=torch.Generator().manual_seed(number)))
        for tracker in trackers:
            tracker.after_step()
            tracker.after_epoch((number + 1) / 8)

    for number in range(4):
        step([whole, before], number)
    after = method.follow(torch.full((5,), 7.0))
    state = before.state()
    step([before], 4)  # what is kept does not follow any further
    resumed = method.follow(weights)
    for tracker in (after, resumed):
        tracker.load({name: value.clone() for name, value in state.items()})
    assert torch.equal(after.average, resumed.average)
    for number in range(4, 8):
        step([whole, resumed], number)
    assert torch.equal(whole.average, resumed.average)

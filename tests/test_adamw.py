"""AdamW takes the steps of torch's own, to the bit, and resumes from its state."""

import torch
from torch import nn

from smidgen.adamw import AdamW


def _groups(seed: int) -> list[dict[str, object]]:
    generator = torch.Generator().manual_seed(seed)
    weights = [nn.Parameter(torch.randn(n, generator=generator)) for n in (37, 5)]
    return [{"params": [w], "weight_decay": d} for w, d in zip(weights, (0.1, 0.0), strict=True)]


def _train(optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (step + 1)
            for weights in group["params"]:
                weights.grad = torch.randn(weights.shape, generator=generator)
        optimizer.step()


def test_steps_are_those_of_torch() -> None:
    ours = AdamW(_groups(0), lr=1.0, betas=(0.8, 0.999))
    theirs = torch.optim.AdamW(_groups(0), lr=1.0, betas=(0.8, 0.999), fused=True)
    for optimizer in (ours, theirs):
        _train(optimizer, range(20))
    for a, b in zip(ours.param_groups, theirs.param_groups, strict=True):
        assert torch.equal(a["params"][0], b["params"][0])


def test_goes_on_from_its_state() -> None:
    whole = AdamW(_groups(0), lr=1.0, betas=(0.9, 0.999))
    _train(whole, range(10))
    first = AdamW(_groups(0), lr=1.0, betas=(0.9, 0.999))
    _train(first, range(4))
    second = AdamW([dict(group) for group in first.param_groups], lr=1.0, betas=(0.9, 0.999))
    second.load_state_dict(first.state_dict())
    _train(second, range(4, 10))
    for a, b in zip(whole.param_groups, second.param_groups, strict=True):
        assert torch.equal(a["params"][0], b["params"][0])


def test_its_state_follows_the_weights_to_their_device() -> None:
    # a run of the CPU goes on elsewhere; `meta` is a device that every machine has
    here, there = (
        AdamW([{"params": [nn.Parameter(torch.ones(3, device=device))]}], lr=1.0, betas=(0.8, 0.9))
        for device in ("cpu", "meta")
    )
    there.load_state_dict(here.state_dict())
    (state,) = there.state.values()
    assert {tensor.device.type for tensor in state.values()} == {"meta"}

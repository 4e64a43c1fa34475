"""AdamW for parameters that are few vectors: torch's fused operation, called directly."""

from inspect import unwrap
from typing import Any

import torch
from torch import Tensor


class AdamW(torch.optim.Optimizer):
    """The steps of ``torch.optim.AdamW(fused=True)``, bit for bit, and its state.

    On a net of a few thousand parameters torch's own class spends several times longer finding
    out what to do than doing it: docs/performance.md.

    Source: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", arXiv:1711.05101.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float]) -> None:
        # torch moves the steps of a fused optimizer to the device of their weights, when it loads
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": 1e-8, "fused": True})
        for group in self.param_groups:
            for weights in group["params"]:
                self.state[weights] = {
                    "step": torch.zeros((), device=weights.device),
                    "exp_avg": torch.zeros_like(weights),
                    "exp_avg_sq": torch.zeros_like(weights),
                }

    # As torch has them they import its compiler at their first call, which takes a second.
    add_param_group: Any = unwrap(torch.optim.Optimizer.add_param_group)
    state_dict: Any = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict: Any = unwrap(torch.optim.Optimizer.load_state_dict)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        del closure
        for group in self.param_groups:
            for weights in group["params"]:
                self._update(weights, group, self.state[weights])

    def _update(self, weights: Tensor, group: dict[str, Any], state: dict[str, Tensor]) -> None:
        if weights.numel() == 0 or weights.grad is None:
            return
        state["step"] += 1
        torch._fused_adamw_(  # pyright: ignore[reportPrivateImportUsage]
            [weights],
            [weights.grad],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [state["step"]],
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )


# Torch would wrap it to call hooks that nobody sets: longer than the step itself.
AdamW.step.hooked = True  # pyright: ignore[reportFunctionMemberAccess]

"""SOAP: Adam in a basis in which a tensor's gradients are uncorrelated."""

from typing import Any

import torch
from torch import Tensor

from smidgen.adamw import AdamW

_EVERY = 10  # steps between two bases, as in the paper
_WIDEST = 512  # of a side: the bases of wider ones take longer than the net
_SIDES = ("rows", "columns")


class SOAP(AdamW):
    """Steps of Adam along the axes in which the gradients of each tensor do not go together.

    A tensor is a matrix of its output channels by the rest. ``L`` and ``R`` are running means of
    ``G G^T`` and ``G^T G``, ``Q_L`` and ``Q_R`` their eigenvectors, by one power iteration every
    ten steps; ``Q_L^T G Q_R`` is what Adam sees, and its step is turned back. The first step makes
    the bases alone. Decay is decoupled. Vectors, as of biases and batch norm, are AdamW's. All this
    is cheap where layers have few channels: a basis of 64 is nothing, one of thousands a matter.

    Args:
        groups: Of one tensor each, with its ``weight_decay``.
        lr: Learning rate, that of Adam's step.
        betas: Of Adam's means of gradients and of their squares; the latter is that of ``L`` and
            ``R``, too.

    Source: Vyas et al. 2024, "SOAP: Improving and Stabilizing Shampoo using Adam",
        arXiv:2409.11321, algorithm 3.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float]) -> None:
        super().__init__(groups, lr, betas)
        for group in self.param_groups:
            (weights,) = group["params"]
            if bases := _bases(weights):
                group["fused"] = False  # torch leaves its step on the CPU then, to be read there
                self.state[weights] |= {"step": torch.zeros(()), **bases}

    def _update(self, weights: Tensor, group: dict[str, Any], state: dict[str, Tensor]) -> None:
        if group["fused"]:
            super()._update(weights, group, state)
        else:
            _step(weights, group, state)


def _bases(weights: Tensor) -> dict[str, Tensor]:
    """Return means of ``G G^T`` and ``G^T G`` and their bases, before any gradient."""
    state: dict[str, Tensor] = {}
    if weights.ndim <= 1:
        return state
    for side, length in zip(_SIDES, _matrix(weights).shape, strict=True):
        if 1 < length <= _WIDEST:
            state[side] = torch.zeros(length, length, device=weights.device)
            state[f"{side}_basis"] = torch.eye(length, device=weights.device)
    return state


def _matrix(tensor: Tensor) -> Tensor:
    return tensor.view(len(tensor), -1)


def _step(weights: Tensor, group: dict[str, Any], state: dict[str, Tensor]) -> None:
    if weights.grad is None:
        return
    state["step"] += 1
    taken = int(state["step"]) - 1
    gradient, squares = _matrix(weights.grad), _matrix(state["exp_avg_sq"])
    beta1, beta2 = group["betas"]
    if taken:
        turned = _turned(state, gradient)
        mean = _matrix(state["exp_avg"]).lerp_(gradient, 1 - beta1)
        squares.mul_(beta2).addcmul_(turned, turned, value=1 - beta2)
        size = (squares / (1 - beta2**taken)).sqrt_().add_(group["eps"])
        own = _matrix(weights)
        own.mul_(1 - group["lr"] * group["weight_decay"])
        own.sub_(_back(state, _turned(state, mean) / size), alpha=group["lr"] / (1 - beta1**taken))
    for axis, side in enumerate(_SIDES):
        if side in state:
            along = gradient if axis == 0 else gradient.T
            state[side].lerp_(along @ along.T, 1 - beta2)
            if not taken:
                basis = torch.linalg.eigh(state[side]).eigenvectors.flip(1)
                state[f"{side}_basis"].copy_(basis)
            elif (taken + 1) % _EVERY == 0:
                squares.copy_(squares.index_select(axis, _turn(state, side)))


def _turned(state: dict[str, Tensor], matrix: Tensor) -> Tensor:
    """Return a matrix in the bases of its sides."""
    if "rows" in state:
        matrix = state["rows_basis"].T @ matrix
    return matrix @ state["columns_basis"] if "columns" in state else matrix


def _back(state: dict[str, Tensor], turned: Tensor) -> Tensor:
    """Return what :func:`_turned` turned."""
    if "rows" in state:
        turned = state["rows_basis"] @ turned
    return turned @ state["columns_basis"].T if "columns" in state else turned


def _turn(state: dict[str, Tensor], side: str) -> Tensor:
    """Turn the basis of a side by a power iteration, and return which axis was where before.

    Axes are in the order of what is along them: orthogonalised in another they would not come
    to be the eigenvectors.
    """
    basis = state[f"{side}_basis"]
    ahead = state[side] @ basis
    order = (basis * ahead).sum(0).argsort(descending=True)
    basis.copy_(torch.linalg.qr(ahead[:, order]).Q)
    return order

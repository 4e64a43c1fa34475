"""SOAP steps as its definition says, whatever the axes, and resumes from its state."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smidgen.soap import SOAP

SHAPES = ((6, 4, 3, 3), (5, 1, 3, 3), (10, 7, 1, 1), (1, 9, 1, 1), (8,))


def _draw(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _made(shapes: tuple[tuple[int, ...], ...] = SHAPES, decay: float = 0.1) -> SOAP:
    torch.set_default_dtype(torch.float64)
    try:
        weights = [nn.Parameter(_draw(shape, seed)) for seed, shape in enumerate(shapes)]
        groups: list[dict[str, Any]] = [{"params": [w], "weight_decay": decay} for w in weights]
        return SOAP(groups, lr=1.0, betas=(0.9, 0.95))
    finally:
        torch.set_default_dtype(torch.float32)


def _weights(optimizer: SOAP) -> list[Tensor]:
    return [group["params"][0].detach() for group in optimizer.param_groups]


def _train(optimizer: SOAP, steps: range) -> None:
    for step in steps:
        for place, group in enumerate(optimizer.param_groups):
            group["lr"] = 0.1 / (step + 1)
            (weights,) = group["params"]
            weights.grad = _draw(weights.shape, 100 * step + place)
        optimizer.step()


def _turned_on(mean: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Return the basis after one power iteration, and which axis was where before."""
    along = torch.einsum("ia,ij,ja->a", basis, mean, basis)
    order = torch.argsort(along, descending=True)
    return torch.linalg.qr(mean @ basis[:, order]).Q, order


def test_steps_are_adams_in_the_basis_of_both_sides_at_once() -> None:
    """One vector of all weights and one square basis of it: no rows, no columns."""
    rows, columns = 4, 3
    optimizer = _made(((rows, columns, 1, 1),))
    weights = start = _weights(optimizer)[0].clone().flatten()
    left, right = torch.zeros(rows, rows).double(), torch.zeros(columns, columns).double()
    mean = squares = torch.zeros(rows * columns).double()
    q, p, basis = left, right, None
    for step in range(1, 35):
        gradient = _draw((rows, columns), step)
        (group,) = optimizer.param_groups
        group["lr"] = lr = 0.1 / step
        group["params"][0].grad = gradient.view(rows, columns, 1, 1).clone()
        optimizer.step()
        if basis is not None:
            turned = basis.T @ gradient.flatten()
            mean = 0.9 * mean + 0.1 * gradient.flatten()
            squares = 0.95 * squares + 0.05 * turned**2
            hat, size = mean / (1 - 0.9 ** (step - 1)), squares / (1 - 0.95 ** (step - 1))
            change = basis @ ((basis.T @ hat) / (size.sqrt() + 1e-8))
            weights = (1 - lr * 0.1) * weights - lr * change
        left = 0.95 * left + 0.05 * gradient @ gradient.T
        right = 0.95 * right + 0.05 * gradient.T @ gradient
        if basis is None:
            q, p = (torch.linalg.eigh(side).eigenvectors.flip(1) for side in (left, right))
        elif step % 10 == 0:
            q, down = _turned_on(left, q)
            p, along = _turned_on(right, p)
            squares = squares.view(rows, columns)[down][:, along].flatten()
        basis = torch.kron(q, p)
        torch.testing.assert_close(_weights(optimizer)[0].flatten(), weights)
    assert (weights - start).abs().max() > 0.1


def test_turned_gradients_make_turned_steps() -> None:
    """Adam alone goes other ways in other axes."""
    left, right = (torch.linalg.qr(_draw((5, 5), seed)).Q for seed in (70, 71))
    plain, turned = (_made(((5, 5, 1, 1),)) for _ in range(2))
    (w,), (v,) = _weights(plain), _weights(turned)
    v.copy_((left @ w.view(5, 5) @ right).view_as(v))
    for step in range(30):
        gradient = _draw((5, 5), 200 + step)
        for optimizer, seen in ((plain, gradient), (turned, left @ gradient @ right)):
            optimizer.param_groups[0]["lr"] = 0.01
            optimizer.param_groups[0]["params"][0].grad = seen.view(5, 5, 1, 1).clone()
            optimizer.step()
    torch.testing.assert_close(v.view(5, 5), left @ w.view(5, 5) @ right)


@pytest.mark.parametrize("shape", [(9,), (600, 1, 1, 1), (0,)])
def test_what_has_no_basis_takes_the_steps_of_adamw(shape: tuple[int, ...]) -> None:
    ours = _made((shape,))
    theirs = torch.optim.AdamW(
        [{"params": [nn.Parameter(_weights(ours)[0].clone())]}], betas=(0.9, 0.95), weight_decay=0.1
    )
    for optimizer in (ours, theirs):
        _train(optimizer, range(20))  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(_weights(ours)[0], theirs.param_groups[0]["params"][0].detach())


def test_goes_on_from_its_state() -> None:
    whole, first = _made(), _made()
    _train(whole, range(25))
    _train(first, range(13))
    second = _made()
    for own, its in zip(_weights(second), _weights(first), strict=True):
        own.copy_(its)
    second.load_state_dict(first.state_dict())
    _train(second, range(13, 25))
    for a, b in zip(_weights(whole), _weights(second), strict=True):
        assert torch.equal(a, b)

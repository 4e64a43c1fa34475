"""SAM: the gradient is the one at the worst point of the ball, and nothing else moves."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from smidgen import zoo
from smidgen.flat import Flat
from smidgen.layers import Shape
from smidgen.methods import SAM
from smidgen.spec import NetSpec
from smidgen.train import Backprop


def quadratic(*curvature: float) -> tuple[nn.Linear, Flat, Callable[[], torch.Tensor]]:
    """Return a model with the weights 3, 4 and the loss sum(curvature w^2) / 2."""
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, 4.0]]))
    bends = torch.tensor(curvature)
    return model, Flat(model), lambda: (bends * model.weight[0] ** 2).sum() / 2


def test_one_step_on_a_bowl_ends_at_the_published_point() -> None:
    model, flat, loss_of = quadratic(1.0, 1.0)
    assert float(SAM(rho=0.5).backward(loss_of, model, flat)) == 12.5
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    torch.testing.assert_close(flat.weights, torch.tensor([2.67, 3.56]))


def test_the_gradient_is_that_at_the_top_of_the_ball() -> None:
    model, flat, loss_of = quadratic(2.0, 10.0)
    SAM(rho=0.1).backward(loss_of, model, flat)
    w, bends = torch.tensor([3.0, 4.0]), torch.tensor([2.0, 10.0])
    g = bends * w
    torch.testing.assert_close(flat.gradient, bends * (w + 0.1 * g / g.norm()))


def net() -> tuple[nn.Module, Flat, Callable[[], torch.Tensor]]:
    torch.manual_seed(0)
    spec = zoo.net("mnist-1k5-dw")
    model = NetSpec(Shape(1, 8, 8), spec.layers).build()
    images = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(8)
    return model, Flat(model), lambda: F.cross_entropy(model(images), labels)


def test_radius_zero_equals_the_base_optimizer_bit_for_bit() -> None:
    ends: list[torch.Tensor] = []
    for method in (SAM(rho=0.0), Backprop()):
        model, flat, loss_of = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(5):
            flat.gradient.zero_()
            method.backward(loss_of, model, flat)
            optimizer.step()
        ends.append(flat.weights)
    assert torch.equal(*ends)


def test_two_passes_update_batch_norm_once_by_the_first() -> None:
    model, flat, loss_of = net()
    twin, _, twin_loss_of = net()
    for _ in range(3):
        flat.gradient.zero_()
        SAM(rho=0.5).backward(loss_of, model, flat)
        twin_loss_of()
    ours, theirs = dict(model.named_buffers()), dict(twin.named_buffers())
    assert len(ours) == 15
    for name, buffer in ours.items():
        assert torch.equal(buffer, theirs[name]), name
    assert int(ours["0.norm.num_batches_tracked"]) == 3


class Failing:
    """A loss whose second pass raises."""

    def __init__(self, loss_of: Callable[[], torch.Tensor]) -> None:
        self.loss_of, self.calls = loss_of, 0

    def __call__(self) -> torch.Tensor:
        self.calls += 1
        if self.calls == 2:
            self.loss_of()
            raise RuntimeError("out of memory")
        return self.loss_of()


def test_everything_is_restored_when_the_second_pass_raises() -> None:
    model, flat, loss_of = net()
    twin, _, twin_loss_of = net()
    before = flat.weights.clone()
    with pytest.raises(RuntimeError, match="out of memory"):
        SAM(rho=10.0).backward(Failing(loss_of), model, flat)
    twin_loss_of()
    assert torch.equal(flat.weights, before)
    for buffer, theirs in zip(model.buffers(), twin.buffers(), strict=True):
        assert torch.equal(buffer, theirs)
    assert all(m.momentum == 0.1 for m in model.modules() if isinstance(m, nn.BatchNorm2d))


def test_weights_come_back_to_the_same_bits() -> None:
    model, flat, loss_of = net()
    before = flat.weights.clone()
    SAM(rho=1e3).backward(loss_of, model, flat)
    assert torch.equal(flat.weights, before)


def test_a_loss_and_gradient_of_zero_still_step() -> None:
    model, flat, loss_of = quadratic(0.0, 0.0)
    assert float(SAM().backward(loss_of, model, flat)) == 0
    assert torch.equal(flat.gradient, torch.zeros(2))
    assert torch.equal(flat.weights, torch.tensor([3.0, 4.0]))


def test_a_loss_of_zero_on_a_slope_gives_the_slope() -> None:
    model, flat, _ = quadratic(0.0, 0.0)
    loss = SAM().backward(lambda: (model.weight - model.weight.detach()).sum(), model, flat)
    assert float(loss) == 0
    assert torch.equal(flat.gradient, torch.ones(2))


def test_the_model_is_run_twice_and_once_without_radius() -> None:
    for rho, passes in ((0.05, 2), (0.0, 1)):
        model, flat, loss_of = quadratic(1.0, 1.0)
        counted: list[int] = []

        def counting(loss_of: Callable[[], torch.Tensor] = loss_of) -> torch.Tensor:
            counted.append(1)  # noqa: B023 - read before the next turn
            return loss_of()

        SAM(rho).backward(counting, model, flat)
        assert len(counted) == passes


@pytest.mark.parametrize("rho", [-0.1, float("inf")])
def test_refuses_a_radius_without_meaning(rho: float) -> None:
    with pytest.raises(ValueError, match=r"sam rho must be finite and >= 0, got"):
        SAM(rho)

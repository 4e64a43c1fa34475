"""On a GPU the recorded loss, its gradients and its statistics are those of plain torch."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smidgen import zoo
from smidgen.flat import Flat
from smidgen.kernels import reference
from smidgen.kernels.graph import GraphedLoss
from smidgen.methods import SAM, BlurPool, SqueezeExcite, rewritten

pytestmark = pytest.mark.gpu


def _plain(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(model(images).float(), targets)


def _trained(graphed: bool, sam: bool) -> tuple[list[float], Tensor, dict[str, Tensor]]:
    """Return the losses, weights and buffers of some steps of plain descent."""
    spec = rewritten(zoo.net("mnist-1k5-dw"), (BlurPool(), SqueezeExcite()))
    model = spec.build(0).cuda().train()
    flat = Flat(model)
    generator = torch.Generator().manual_seed(1)
    recorded: GraphedLoss | None = None
    losses: list[float] = []
    for _ in range(5):
        images = torch.randn(32, 1, 28, 28, generator=generator).cuda()
        images = images.contiguous(memory_format=torch.channels_last)
        targets = F.one_hot(torch.randint(10, (32,), generator=generator), 10).float().cuda()
        if graphed and recorded is None:
            recorded = GraphedLoss(model, images, targets)

        loss_of = partial(recorded.loss if recorded else partial(_plain, model), images, targets)

        flat.gradient.zero_()
        losses.append(float(SAM(0.05 if sam else 0.0).backward(loss_of, model, flat)))
        flat.weights.add_(flat.gradient, alpha=-0.1)
    return losses, flat.weights, dict(model.named_buffers())


@pytest.mark.parametrize("sam", [False, True])
def test_recorded_steps_are_those_of_plain_torch(sam: bool) -> None:
    losses, weights, buffers = _trained(graphed=True, sam=sam)
    expected_losses, expected_weights, expected_buffers = _trained(graphed=False, sam=sam)
    assert losses == pytest.approx(expected_losses, rel=1e-3)
    torch.testing.assert_close(weights, expected_weights, rtol=1e-2, atol=1e-3)
    for name, expected in expected_buffers.items():
        torch.testing.assert_close(buffers[name], expected, rtol=1e-2, atol=1e-3)
    counts = [b for name, b in buffers.items() if name.endswith("num_batches_tracked")]
    assert {int(count) for count in counts} == {5}, "neither warm-up nor SAM's second pass counts"


def test_a_norm_that_begins_anywhere_is_that_of_plain_torch() -> None:
    """Where weights before it end at an odd number: cuDNN stopped at "misaligned address"."""
    norm = nn.BatchNorm2d(40).cuda().train()
    with torch.no_grad():
        for weight in norm.parameters():
            weight.data = torch.rand(41, device="cuda")[1:]
    images = torch.randn(128, 40, 16, 16, device="cuda", dtype=torch.bfloat16)
    images = images.contiguous(memory_format=torch.channels_last)
    found = reference.bn_relu(images, norm, relu=False)
    weight, bias = norm.weight.double(), norm.bias.double()
    exact = F.batch_norm(images.double(), None, None, weight, bias, training=True)
    torch.testing.assert_close(found.double(), exact, rtol=2e-2, atol=2e-2)
    found.float().square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in norm.parameters())

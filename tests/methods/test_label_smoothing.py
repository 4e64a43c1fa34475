"""Label smoothing: torch's own, on targets instead of in the loss."""

from itertools import permutations

import pytest
import torch
import torch.nn.functional as F

from smidgen.methods import LabelSmoothing, Mixup, in_order
from smidgen.methods.base import BatchMethod, of_kind
from smidgen.tensors import Batch


def smoothed(labels: torch.Tensor, classes: int, smoothing: float) -> torch.Tensor:
    batch = Batch(torch.zeros(len(labels), 1, 1, 1), F.one_hot(labels, classes).float())
    return LabelSmoothing(smoothing).transform(batch, 0.0, torch.Generator()).targets


@pytest.mark.parametrize(("classes", "own", "other"), [(10, 0.91, 0.01), (3, 0.93333, 0.03333)])
def test_a_tenth_goes_to_all_classes_alike(classes: int, own: float, other: float) -> None:
    row = smoothed(torch.tensor([1]), classes, 0.1)[0]
    expected = torch.full((classes,), other)
    expected[1] = own
    torch.testing.assert_close(row, expected, atol=1e-5, rtol=0)


def test_the_loss_of_three_logits_is_the_one_by_hand() -> None:
    targets = smoothed(torch.tensor([0]), 3, 0.1)
    loss = F.cross_entropy(torch.tensor([[2.0, 0.0, 0.0]]), targets)
    assert float(loss) == pytest.approx(0.372878, abs=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_equals_torch(smoothing: float) -> None:
    g = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(32, 10, generator=g), torch.randint(10, (32,), generator=g)
    ours = F.cross_entropy(logits, smoothed(labels, 10, smoothing))
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels, label_smoothing=smoothing))


def test_mixup_and_smoothing_give_the_same_targets_in_whichever_order() -> None:
    batch = Batch(torch.zeros(6, 1, 1, 1), torch.eye(6))
    mix, smooth = Mixup(1.0), LabelSmoothing(0.3)
    found: list[torch.Tensor] = []
    for order in permutations([mix, smooth]):
        for asked in (order, of_kind(in_order(order), BatchMethod)):
            generator, now = torch.Generator().manual_seed(0), batch
            for method in asked:
                now = method.transform(now, 0.0, generator)
            found.append(now.targets)
    mixed = mix.transform(batch, 0.0, torch.Generator().manual_seed(0)).targets
    for targets in found:
        torch.testing.assert_close(targets, 0.7 * mixed + 0.3 / 6)
        torch.testing.assert_close(targets.sum(1), torch.ones(6))


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_refuses_what_is_no_share(smoothing: float) -> None:
    with pytest.raises(ValueError, match=r"smoothing must be in \[0, 1\), got"):
        LabelSmoothing(smoothing)

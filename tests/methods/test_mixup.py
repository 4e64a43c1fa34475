"""Mixup: images and targets are blended by the same pairs and the same weight."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from tests.methods.conftest import seeded

from smidgen.kernels.batch import blend
from smidgen.methods import Mixup
from smidgen.methods.beta import drawn
from smidgen.tensors import Batch


def labelled(n: int) -> Batch:
    """Image i is filled with the number i, target i is the i-th unit vector."""
    return Batch(torch.arange(n).float().reshape(n, 1, 1, 1).expand(n, 1, 4, 4), torch.eye(n))


@pytest.mark.parametrize("alpha", [1e-3, 1e-6, 5e-324])
def test_the_smallest_strengths_draw_either_end_alike(alpha: float) -> None:
    """CutMix draws of the same: two draws too small for a float made a nought, always."""
    draws = [drawn(alpha, seed) for seed in range(1000)]
    assert all(0 <= one <= 1 for one in draws)
    assert 450 < sum(one > 0.5 for one in draws) < 550


def test_of_two_ways_to_draw_small_strengths_both_are_of_one_distribution() -> None:
    below, above = (sorted(drawn(a, seed) for seed in range(4000)) for a in (0.00499, 0.00501))
    middle = [sum(0.01 < one < 0.99 for one in draws) for draws in (below, above)]
    assert abs(middle[0] - middle[1]) < 60
    assert abs(sum(below) - sum(above)) < 180


def test_blends_with_the_partner_by_its_weight() -> None:
    blended = blend(torch.arange(3.0).view(3, 1, 1, 1), torch.tensor([1, 2, 0]), 0.25)
    assert blended.flatten().tolist() == [0.25, 1.25, 1.5]


@given(alpha=st.floats(0.05, 4), seed=st.integers(0, 2**32), n=st.integers(1, 16))
def test_the_target_says_what_is_in_the_image(alpha: float, seed: int, n: int) -> None:
    mixed = Mixup(alpha).transform(labelled(n), 0.0, seeded(seed))
    said = mixed.targets @ torch.arange(n).float()
    torch.testing.assert_close(mixed.images[:, 0, 0, 0], said)


@given(alpha=st.floats(0.05, 4), seed=st.integers(0, 2**32))
def test_the_larger_share_is_the_images_own(alpha: float, seed: int) -> None:
    mixed = Mixup(alpha).transform(labelled(8), 0.0, seeded(seed))
    assert (mixed.targets.diagonal() >= 0.5).all()


@pytest.mark.parametrize("alpha", [0.0, 1e-9])
def test_no_strength_is_the_identity(alpha: float) -> None:
    for seed in range(20):
        mixed = Mixup(alpha).transform(labelled(8), 0.0, seeded(seed))
        assert torch.equal(mixed.images, labelled(8).images)
        assert torch.equal(mixed.targets, labelled(8).targets)


@pytest.mark.parametrize(("alpha", "mean"), [(0.2, 0.102), (1.0, 0.25)])
def test_the_partners_mean_weight_is_that_of_the_folded_beta(alpha: float, mean: float) -> None:
    generator = seeded(0)
    draws = torch.tensor([Mixup(alpha).draw(generator) for _ in range(6000)])
    assert float(draws.mean()) == pytest.approx(mean, abs=0.006)
    assert 0 <= float(draws.min()) <= float(draws.max()) <= 0.5


def test_one_weight_a_batch_and_another_for_the_next() -> None:
    generator = seeded(1)
    weights = [
        {round(float(1 - w), 5) for w in mixed.diagonal() if w < 1}
        for mixed in (Mixup(1.0).transform(labelled(32), 0.0, generator).targets for _ in range(9))
    ]
    assert all(len(found) == 1 for found in weights)
    assert len(set.union(*weights)) == 9


def test_weights_hardly_ever_come_again() -> None:
    generator = seeded(4)
    assert len({Mixup(1.0).draw(generator) for _ in range(500)}) > 490


def test_cross_entropy_is_the_blend_of_both() -> None:
    logits = torch.randn(8, 8, generator=seeded(2), dtype=torch.float64)
    mixed = Mixup(1.0).transform(labelled(8), 0.0, seeded(3)).targets.double()
    own, partners = torch.arange(8), (mixed - torch.eye(8) * mixed.diag()).argmax(1)
    m = 1 - float(mixed.diagonal().min())
    changed = mixed.diagonal() < 1
    expected = (1 - m) * F.cross_entropy(logits, own, reduction="none") + m * F.cross_entropy(
        logits, partners, reduction="none"
    )
    found = F.cross_entropy(logits, mixed, reduction="none")
    assert changed.sum() > 4
    torch.testing.assert_close(found[changed], expected[changed], atol=1e-6, rtol=0)


@pytest.mark.parametrize("alpha", [-1.0, float("inf")])
def test_refuses_a_strength_without_meaning(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"mixup alpha must be in \[0, 1,000,000\], got"):
        Mixup(alpha)

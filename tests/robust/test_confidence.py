"""Confidence against figures done by hand, and against scikit-learn."""

import pytest
import torch

from smidgen.evaluate.calibration import ece
from smidgen.robust.confidence import (
    chosen,
    confidences,
    kept_by,
    pooled,
    reliability,
    selective,
    told_apart,
)


def answers(count: int, wrong: int, surer_first: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits of falling confidence, whose last ``wrong`` are wrong."""
    logits = torch.zeros(count, 2)
    logits[:, 1] = torch.linspace(8, 0.1, count)
    labels = torch.ones(count, dtype=torch.int64)
    labels[count - wrong :] = 0
    if not surer_first:
        labels = labels.flip(0)
    return logits, labels


def test_reliability_holds_the_calibration_error() -> None:
    logits, labels = answers(200, 37)
    bins = reliability(logits, labels)
    assert sum(one.images for one in bins) == 200
    gaps = sum(one.images * abs(one.accuracy - one.confidence) for one in bins) / 200
    assert gaps == pytest.approx(ece(logits, labels))


def test_bins_of_two_halves_are_those_of_the_whole() -> None:
    logits, labels = answers(200, 37)
    whole = reliability(logits, labels)
    both = pooled(
        [reliability(logits[part], labels[part]) for part in (slice(90), slice(90, None))]
    )
    for one, other in zip(whole, both, strict=True):
        assert one.images == other.images
        assert one.accuracy == pytest.approx(other.accuracy)
        assert one.confidence == pytest.approx(other.confidence)


def test_the_surest_of_equal_answers_are_not_those_that_come_first() -> None:
    logits = torch.zeros(100, 2)
    logits[:, 0], logits[:10, 0] = 1, 2
    labels = torch.tensor([0] * 55 + [1] * 45)  # as folders of classes are read
    found = dict(selective(logits, labels))
    assert found[1.0] == pytest.approx(0.55)
    assert found[0.5] == pytest.approx((10 + 40 * 45 / 90) / 50)
    assert dict(selective(logits.flip(0), labels.flip(0))) == pytest.approx(found)


def test_the_surest_half_is_right_where_the_unsure_ones_are_wrong() -> None:
    found = dict(selective(*answers(100, 20)))
    assert found[1.0] == pytest.approx(0.8)
    assert found[0.9] == pytest.approx(80 / 90)
    assert found[0.8] == found[0.5] == 1.0


def test_a_threshold_answers_as_many_as_stay_accurate_enough() -> None:
    logits, labels = answers(100, 20)
    confidence, wanted, kept = chosen(logits, labels, 0.95)
    assert (wanted, kept) == (0.95, 0.84)  # 80 of 84
    assert kept_by(confidence, logits, labels) == (0.84, pytest.approx(80 / 84))
    assert confidence == float(confidences(logits)[83])


def test_half_of_the_errors_are_wanted_unless_told() -> None:
    assert chosen(*answers(100, 20), None)[1] == pytest.approx(0.9)


def test_answers_of_equal_confidence_pass_together() -> None:
    logits, labels = answers(100, 20)
    logits[70:90] = logits[70].clone()
    confidence, _, kept = chosen(logits, labels, 0.95)
    assert kept == 0.7
    assert confidence > float(confidences(logits)[70])


def test_a_threshold_that_no_image_meets_is_refused_with_the_best_there_is() -> None:
    with pytest.raises(ValueError, match=r"no threshold makes 99 % .* held-out images: the best"):
        chosen(*answers(100, 50, surer_first=False), 0.99)


@pytest.mark.parametrize("wanted", [0.0, -0.1, 1.01, float("nan")])
def test_a_share_outside_0_to_1_is_refused(wanted: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \(0, 1\], got"):
        chosen(*answers(100, 20), wanted)


def test_a_threshold_that_lets_none_pass_has_no_accuracy() -> None:
    assert kept_by(1.0, *answers(100, 20)) == (0.0, None)


def test_told_apart_is_the_area_under_the_curve() -> None:
    from sklearn.metrics import roc_auc_score

    generator = torch.Generator().manual_seed(0)
    own = (torch.rand(50, generator=generator) * 10).round() / 10 + 0.2
    others = (torch.rand(70, generator=generator) * 10).round() / 10
    expected = roc_auc_score([1] * 50 + [0] * 70, torch.cat([own, others]).numpy())
    assert told_apart(own, others) == pytest.approx(expected)
    assert told_apart(others - 9, own) == 0


def test_of_fewer_than_twenty_answers_all_make_a_threshold() -> None:
    assert chosen(*answers(8, 2), 0.75)[1:] == (0.75, 1.0)


def test_a_share_of_few_answers_is_rounded_up() -> None:
    """Of ten answers the surest 95 % are all ten."""
    assert dict(selective(*answers(10, 1)))[0.95] == 0.9


def test_a_confidence_on_an_edge_is_of_the_bin_that_it_ends() -> None:
    found = reliability(torch.zeros(2, 2), torch.tensor([0, 0]), 4)
    assert [one.images for one in found] == [0, 2, 0, 0]

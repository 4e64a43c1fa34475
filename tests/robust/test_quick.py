"""The quick card, of things that answer whose figures are known beforehand."""

from statistics import fmean

import pytest
import torch

from smidgen.data import Split
from smidgen.evaluate.accuracy import accuracy
from smidgen.robust.camera import changes
from smidgen.robust.corruptions import corruptions_for
from smidgen.robust.quick import quick_card
from smidgen.tensors import Logits, Pixels


def by_corner(pixels: Pixels) -> Logits:
    """Answer 1 where the upper left is brighter than the lower right, surer the clearer it is."""
    there, here = (
        part.float().mean((1, 2, 3)) for part in (pixels[..., 14:, 14:], pixels[..., :14, :14])
    )
    return torch.stack([torch.zeros_like(here), (here - there) / 8], 1)


def spots(channels: int) -> Split:
    """Return pictures with a bright spot near the middle, of class 1 in the upper left."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(60, 120, (30, channels, 28, 28), generator=generator, dtype=torch.uint8)
    labels = torch.arange(30) % 2
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:, 11 - 2 * label : 18 - 2 * label, 12 - 2 * label : 17 - label] = 250
    return Split(images, labels)


def test_its_accuracies_are_means_over_kinds_and_of_a_kind_over_versions() -> None:
    images = spots(3)
    quick = quick_card(by_corner, images, seed=1)

    def right(*versions: Pixels) -> float:
        return fmean(accuracy(by_corner(pixels), images.labels) for pixels in versions)

    spoilt = [right(one.apply(images.images, 3, 1)) for one in corruptions_for(3, 28, 28)]
    assert quick["corruptions"].accuracy == pytest.approx(fmean(spoilt))
    seen = {(of.kind, of.amount): right(*of.apply(images.images)) for of in changes()}

    def mean(*kinds: tuple[str, tuple[float, ...]]) -> float:
        return fmean(fmean(seen[kind, amount] for amount in amounts) for kind, amounts in kinds)

    moved = mean(("shift", (2,)), ("rotation", (15,)), ("scale", (0.8, 1.25)))
    lit = mean(("exposure", (-2, 2)), ("contrast", (0.5, 2)), ("blur", (1,)))
    assert quick["geometry"].accuracy == pytest.approx(moved)
    assert quick["light"].accuracy == pytest.approx(lit)
    assert len({round(of.accuracy, 6) for of in quick.values()}) == 3, "they tell nothing apart"


def test_what_is_given_to_the_right_class_counts_and_classes_may_count_alike() -> None:
    images = Split(spots(1).images, (torch.arange(30) >= 6).long())  # 24 of 30 are of class 1
    odds = torch.tensor([0.25, 0.75]).log()
    for family, of in quick_card(lambda pixels: odds.repeat(len(pixels), 1), images).items():
        assert of.accuracy == pytest.approx(0.8), family
        assert of.likelihood == pytest.approx(0.25**0.2 * 0.75**0.8)
        assert of.balanced_accuracy == pytest.approx(0.5)
        assert of.balanced_likelihood == pytest.approx((0.25 * 0.75) ** 0.5)


def test_it_looks_at_few_pictures_and_draws_them_from_its_seed() -> None:
    asked: list[Pixels] = []

    def noted(pixels: Pixels) -> Logits:
        asked.append(pixels)
        return by_corner(pixels)

    first = quick_card(noted, spots(1), seed=3)
    assert len(asked) == 15 + (4 + 2 + 2) + (2 + 2 + 1)
    assert quick_card(by_corner, spots(1), seed=3) == first

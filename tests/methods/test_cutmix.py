"""CutMix: one rectangle a batch, and targets that say exactly how much of each image is there."""

from math import sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.methods.conftest import seeded

from smidgen.methods import CutMix
from smidgen.tensors import Batch


def labelled(n: int, height: int = 8, width: int = 8, channels: int = 1) -> Batch:
    """Image i is filled with the number i, target i is the i-th unit vector."""
    images = torch.arange(n).float().reshape(n, 1, 1, 1).expand(n, channels, height, width)
    return Batch(images.contiguous(), torch.eye(n))


def rectangles(method: CutMix, side: int, draws: int) -> list[tuple[slice, slice]]:
    generator = seeded(0)
    return [method.draw(side, side, generator) for _ in range(draws)]


@given(
    alpha=st.floats(0.05, 4),
    seed=st.integers(0, 2**32),
    n=st.integers(1, 16),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
)
def test_the_target_says_how_much_of_each_image_there_is(
    alpha: float, seed: int, n: int, height: int, width: int
) -> None:
    batch = labelled(n, height, width, 3)
    mixed = CutMix(alpha, 1.0).transform(batch, 0.0, seeded(seed))
    pixels = mixed.images[:, 0].flatten(1)
    shares = torch.stack([(pixels == i).float().mean(1) for i in range(n)], 1)
    torch.testing.assert_close(mixed.targets, shares)
    assert torch.equal(mixed.images[:, 0], mixed.images[:, 2]), "all channels are cut alike"


def test_a_rectangle_of_one_batch_is_the_same_in_every_image() -> None:
    generator, found = seeded(1), set[int]()
    for _ in range(20):
        mixed = CutMix(1.0, 1.0).transform(labelled(16), 0.0, generator)
        own = torch.arange(16).view(16, 1, 1) == mixed.images[:, 0]
        partners = (~own).any(0)  # a permutation leaves an image or two with themselves
        for hole in ~own:
            assert torch.equal(hole, partners) or not hole.any()
        found.add(int(partners.sum()))
    assert len(found) > 8, "another rectangle for the next batch"


def test_pixels_stay_where_they_were() -> None:
    images = torch.randn(6, 2, 5, 7, generator=seeded(2))
    mixed = CutMix(1.0, 1.0).transform(Batch(images, torch.eye(6)), 0.0, seeded(3)).images
    for image, new in zip(images, mixed, strict=True):
        assert any(torch.equal(torch.where(new == image, image, other), new) for other in images), (
            "what is not its own is another image's, at the same place"
        )
    assert not torch.equal(mixed, images)


def test_sides_are_the_root_of_the_area_clipped_at_the_borders() -> None:
    found = rectangles(CutMix(1e6), 100, 400)  # l is 1/2
    lengths = [rows.stop - rows.start for rows, _ in found]
    whole = int(100 * sqrt(0.5))
    assert max(lengths) in {whole, whole + 1}
    assert min(lengths) >= whole // 2, "the centre is inside the image"
    inside = [r for r, _ in found if r.start > 0 and r.stop < 100]
    assert all(abs(r.stop - r.start - whole) <= 1 for r in inside)
    assert len({(r.start, c.start) for r, c in found}) > 200


def test_the_area_before_clipping_is_uniform_at_alpha_1() -> None:
    # A side s about a uniform centre is s - s^2 / 4 after clipping, in the mean; both sides are the
    # root of one uniform area, so that E s^k = 2 / (k + 2) in E[(s - s^2 / 4)^2].
    found = rectangles(CutMix(1.0), 200, 6000)
    areas = [(r.stop - r.start) * (c.stop - c.start) / 200**2 for r, c in found]
    expected = 2 / 4 - (2 / 5) / 2 + (2 / 6) / 16
    assert sum(areas) / len(areas) == pytest.approx(expected, abs=0.015)


def test_the_probability_is_that_of_a_batch() -> None:
    generator, batch = seeded(4), labelled(8, 16, 16)
    changed = [
        not torch.equal(CutMix(1.0, 0.3).transform(batch, 0.0, generator).images, batch.images)
        for _ in range(3000)
    ]
    # a little less than 0.3: some rectangles have no pixel
    assert 0.26 < sum(changed) / len(changed) < 0.31

"""Wilson's interval is scipy's, and holds at the ends."""

import pytest
from scipy import stats

from smidgen.chance import beside_one_answer, is_near_one_answer, wilson


@pytest.mark.parametrize(
    ("right", "images"), [(0, 1), (1, 1), (0, 7), (19, 20), (20, 20), (137, 200), (9900, 10_000)]
)
def test_it_is_scipys(right: int, images: int) -> None:
    expected = stats.binomtest(right, images).proportion_ci(method="wilson")
    assert wilson(right / images, images) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(("share", "images", "said"), [(1.2, 5, "1.2"), (0.5, 0, "got 0")])
def test_what_is_no_share_is_refused(share: float, images: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wilson(share, images)


@pytest.mark.parametrize(
    ("share", "floor", "near"),
    [
        *((0.10, 0.10, True), (0.125, 0.10, True), (0.126, 0.10, False)),
        *((0.05, 0.10, True), (0.95, 0.95, True), (0.97, 0.95, False)),
    ],
)
def test_hardly_above_one_answer_for_all(share: float, floor: float, near: bool) -> None:
    assert is_near_one_answer(share, floor) is near


@pytest.mark.parametrize(("share", "words"), [(0.51, "is near"), (0.5, "is no more than")])
def test_what_is_below_one_answer_for_all_is_not_near_it(share: float, words: str) -> None:
    assert beside_one_answer(share, 0.5) == words

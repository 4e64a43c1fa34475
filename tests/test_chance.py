"""Wilson's interval is scipy's, and holds at the ends."""

import pytest
from scipy import stats

from smidgen.chance import wilson


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

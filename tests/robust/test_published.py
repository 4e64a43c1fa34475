"""Pixels change as much as under the published definitions, stated apart from ours."""

import pytest
from tests.robust.test_corruptions import pictures

pytest.importorskip("cv2")

from tests.robust.published import COLOUR, GREY, change_of, of

from smidgen.robust.corruptions import COLOUR as OURS
from smidgen.robust.corruptions import GREY as OURS_IN_GREY
from smidgen.robust.corruptions import Corruption
from smidgen.tensors import Pixels

FEW, COUNT, MORE = 12, 40, 160  # pictures; few where the published loops take a second a dozen
WIDE = ("fog", "elastic_transform", "spatter")  # draws differ most
DRAWN = {  # the share by which means over other draws may differ
    **dict.fromkeys(("gaussian_noise", "shot_noise"), 0.03),
    **dict.fromkeys(("impulse_noise", "glass_blur", "motion_blur"), 0.06),
    **dict.fromkeys(("translate", "shear", "rotate"), 0.05),
    **dict.fromkeys(("snow", "dotted_line", "zigzag", *WIDE), 0.1),
}


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("name", COLOUR)
def test_colour_changes_as_published(name: str, severity: int) -> None:
    (one,) = [one for one in OURS if one.name == name]
    count = FEW if name == "glass_blur" else MORE if name in WIDE else COUNT
    require_alike(pictures(3, 32, count), one, severity)


@pytest.mark.parametrize("name", GREY)
def test_grey_changes_as_published(name: str) -> None:
    (one,) = [one for one in OURS_IN_GREY if one.name == name]
    require_alike(pictures(1, 28, MORE if name in WIDE else COUNT), one, one.published[0])


def require_alike(given: Pixels, one: Corruption, severity: int) -> None:
    found = one.apply(given, severity, seed=1)
    ours = float((found.float() - given.float()).abs().mean())
    clean = given.permute(0, 2, 3, 1).squeeze(-1).numpy()
    change, numbers = of(one.name, severity, grey=given.shape[1] == 1)
    theirs = change_of(clean, change, *numbers)
    assert ours == pytest.approx(theirs, rel=DRAWN.get(one.name, 0.0), abs=0.1)

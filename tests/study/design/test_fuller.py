"""Where early maps bind and weights are to spare, nets use them; else nothing is added."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from smidgen.layers import Shape
from smidgen.study.design.budget import Budget
from smidgen.study.design.fuller import (
    FULL,
    WEIGHTS,
    _fuller,
    _halving,
    _is_late,
    _late,
    _steeper,
    fuller,
)
from smidgen.study.design.ladder import kinds_of, ladder
from smidgen.study.design.maker import Maker, Shaped
from smidgen.study.design.templates import Template, widened

SMALL = Shape(3, 32, 32)
TIGHT = Budget(max_params=20_000, max_macs=500_000)  # of which the usual nets use 7 to 39 %


def made(shape: Shape, budget: Budget) -> tuple[Maker, list[Shaped | None]]:
    own = Maker(shape, 10, budget)
    return own, list(fuller(own, kinds_of(own)[:4]))


@pytest.mark.parametrize(
    ("shape", "budget"),
    [(SMALL, TIGHT), (Shape(3, 320, 240), Budget(max_params=20_000, max_macs=1_000_000))],
)
def test_fuller_nets_use_the_weights_up_and_no_stage_is_out_of_proportion(
    shape: Shape, budget: Budget
) -> None:
    own, found = made(shape, budget)
    nets = [one for one in found if one is not None]
    assert nets[0].template.family == "plain"
    assert {one.template.family for one in nets} == {"plain", "mixed", "residual", "depthwise"}
    assert sum(own.used(one.spec, WEIGHTS) >= FULL for one in nets) >= 2
    for one in nets:
        usual = own.widest(Template(one.template.family, one.template.blocks), 1.0)
        assert usual is None or own.used(one.spec, WEIGHTS) > own.used(usual.spec, WEIGHTS)
        assert own.excess(one.spec) <= 1
        assert one.widths[0] >= 4
        for early, late in pairwise(one.widths):
            assert early <= late <= 1.5 * 4.25 * early  # grown fourfold, rounded, then widened
        assert one == own.made(one.template, one.widths), "its neighbours are made of the template"


def test_of_the_first_two_nets_one_uses_the_flash_up_where_ram_binds() -> None:
    own = Maker(Shape(3, 48, 32), 3, Budget(max_flash=16_384, max_ram=4_096))
    first, second = ladder(own, 2)
    assert own.used(first.spec, {"flash"}) >= FULL
    assert own.used(second.spec, {"flash"}) < FULL
    assert own.used(second.spec, {"ram"}) > 0.9
    assert max(own.excess(one.spec) for one in (first, second)) <= 1


def test_the_last_stage_of_large_images_widens_on_its_own_where_ram_binds() -> None:
    own = Maker(Shape(3, 96, 96), 10, Budget(max_flash=32_768, max_ram=4_096))
    kind = Template("plain", (1, 1, 1), halved=2)
    steeper, found = _steeper(own, kind), list(_late(own, kind))
    assert steeper is not None
    best = max(own.used(one.spec, WEIGHTS) for one in found)
    assert best > own.used(steeper.spec, WEIGHTS)
    for one in found:
        assert own.excess(one.spec) <= 1
        assert one.widths[0] >= 4
        assert one.widths[-1] <= 8 * one.widths[-2]
        assert not own.fits(one.template, widened(one.widths, 2)) or (
            one.widths[-1] == 8 * one.widths[-2]
        )
    fullest = _fuller(own, kind)
    assert fullest is not None
    assert own.used(fullest.spec, WEIGHTS) >= best
    assert next(fuller(own, [kind])) == fullest
    assert not _is_late(Maker(Shape(3, 48, 48), 10, own.budget))


def test_a_fuller_net_follows_the_first_and_then_every_third_usual_one() -> None:
    own = Maker(SMALL, 10, TIGHT)
    kinds = kinds_of(own)
    usual = [one.spec for kind in kinds[:5] if (one := own.widest(kind, 1.0)) is not None]
    full = [one.spec for one in fuller(own, kinds[:4]) if one is not None]
    for rungs, first, others in ((1, 0, 1), (2, 1, 1), (4, 1, 3), (7, 2, 5)):
        nets = {one.spec for one in ladder(own, rungs)}
        assert nets == {*full[:first], *usual[:others]}
    spread = [one.spec for one in ladder(own, 8, smallest=True)]
    assert sum(one in spread for one in full) == 2
    assert min(net.params for net in spread) < 0.3 * usual[0].params


@pytest.mark.parametrize(
    ("shares", "taken"),
    [
        ((0.5, 0.7, 0.6, 0.6), 1),  # none uses 80 %: the fullest
        ((0.5, 0.85, 0.95, 0.6), 1),  # the first that does, as the image is halved least
        ((0.95, 0.85, 0.95, 0.6), 0),
        ((0.05, 0.05, 0.05, 0.05), None),  # less than the usual one
    ],
)
def test_of_stems_the_one_is_taken_that_uses_the_weights_up_or_else_most(
    shares: tuple[float, ...], taken: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smidgen.study.design import fuller as module

    own = Maker(SMALL, 10, TIGHT)
    of_stems = [own.made(Template("plain", (1,)), [round(share * 510)]) for share in shares]
    answers = iter(of_stems)

    def answered(own: Maker, template: Template) -> Shaped | None:
        del own, template
        return next(answers)

    monkeypatch.setattr(module, "_steeper", answered)
    found = module._fuller(own, Template("plain", (1, 1, 1)))
    assert found == (None if taken is None else of_stems[taken])


@pytest.mark.parametrize(
    "budget",
    [
        Budget(max_params=2_000),
        Budget(max_macs=500_000),
        Budget(max_params=2_000, max_macs=2_000_000),  # the first kind uses 98 % of the parameters
    ],
)
def test_nothing_is_added_where_weights_bind_or_are_not_limited(budget: Budget) -> None:
    own, found = made(SMALL, budget)
    assert not found
    assert all(one.template.growth in (0, 1.5) for one in ladder(own, 9))


def test_a_kind_that_uses_the_weights_up_as_usual_gets_no_other() -> None:
    own, found = made(SMALL, Budget(max_params=20_000, max_macs=5_000_000))
    for kind, one in zip((kinds_of(own)[3], *kinds_of(own)[:3]), found, strict=True):
        usual = own.widest(kind, 1.0)
        assert usual is not None
        assert (one is None) == (own.used(usual.spec, WEIGHTS) >= FULL)
    assert {one is None for one in found} == {True, False}


@pytest.mark.parametrize(
    ("kind", "long", "shapes"),
    [
        # as it is; then once more, to as few pixels at the end; then to half of them, if three
        (((1, 1, 1), 2), 96, [((1, 1, 1), 2), ((1, 1), 3), ((1, 1, 1), 3)]),
        (((2, 3, 2), 0), 32, [((2, 3, 2), 0), ((3, 2), 1), ((2, 3, 2), 1), ((3, 2), 2)]),
        (((2, 3, 2), 2), 48, [((2, 3, 2), 2), ((3, 2), 3)]),
        (((1, 1), 3), 96, [((1, 1), 3)]),
        (((3,), 0), 32, [((3,), 0)]),
    ],
)
def test_a_stem_halves_more_and_more_down_to_three_pixels(
    kind: tuple[Sequence[int], int], long: int, shapes: list[tuple[Sequence[int], int]]
) -> None:
    template = Template("plain", tuple(kind[0]), halved=kind[1])
    found = list(_halving(template, long))
    assert [(one.blocks, one.halved) for one in found] == shapes


def test_of_widths_that_use_the_weights_up_those_are_taken_whose_first_is_the_widest() -> None:
    own = Maker(SMALL, 10, TIGHT)
    kind = Template("residual", (2, 3, 2), halved=1)
    found = _steeper(own, kind)
    assert found is not None
    assert found.template.growth == 2.5
    assert own.used(found.spec, WEIGHTS) >= FULL
    less = own.widest(Template("residual", (2, 3, 2), halved=1, growth=2.0), 1.0)
    assert less is not None
    assert own.used(less.spec, WEIGHTS) < FULL
    steeper = own.widest(Template("residual", (2, 3, 2), halved=1, growth=3.0), 1.0)
    assert steeper is not None
    assert steeper.widths[0] < found.widths[0]


def test_no_net_is_made_through_whose_first_stage_the_image_hardly_gets() -> None:
    own = Maker(SMALL, 10, Budget(max_params=20_000, max_macs=160_000))
    narrow = own.widest(Template("mixed", (1, 1, 1), growth=4.0), 1.0)
    assert narrow is not None
    assert narrow.widths[0] == 3
    less = _steeper(own, Template("mixed", (1, 1, 1)))
    assert less is not None
    assert (less.widths[0], less.template.growth < 4.0) == (4, True)
    assert _steeper(own, Template("plain", (1, 1, 1))) is None

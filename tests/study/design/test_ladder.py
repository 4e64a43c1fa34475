"""Every rung is inside the budget by exact accounting; a budget that none meets is refused."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smidgen import zoo
from smidgen.export.c.footprint import predict_cost
from smidgen.layers import Conv, Depthwise, MaxPool, Repeat, Residual, Shape, Transition
from smidgen.layers.base import sides_of
from smidgen.methods import BlurPool
from smidgen.spec import NetSpec
from smidgen.study.design.budget import Budget, Latencies, costs, excess, measured_latency
from smidgen.study.design.inputs import Input, inputs
from smidgen.study.design.ladder import BudgetError, _further, _sized, _spread, kinds_of
from smidgen.study.design.ladder import ladder as shaped_ladder
from smidgen.study.design.maker import Maker, Shaped, _bisected
from smidgen.study.design.moves import moves
from smidgen.study.design.outset import _entrants, _most_views
from smidgen.study.design.templates import FAMILIES, Template, templates, widened
from smidgen.study.job import Origin

KINDS = Conv | Depthwise | Transition
IMAGES = (Shape(1, 8, 8), Shape(1, 28, 28), Shape(3, 32, 32), Shape(3, 96, 64))


def ladder(own: Maker, rungs: int, *, smallest: bool = False) -> list[NetSpec]:
    return [one.spec for one in shaped_ladder(own, rungs, smallest=smallest)]


def maker(shape: Shape, budget: Budget, classes: int = 10) -> Maker:
    return Maker(shape, classes, budget)


@settings(max_examples=4)
@given(
    st.sampled_from(IMAGES),
    st.integers(2, 100),
    st.integers(2_000, 100_000),
    st.integers(200_000, 20_000_000),
    st.integers(3, 6),
)
def test_every_rung_meets_every_limit_and_takes_the_images(
    shape: Shape, classes: int, params: int, macs: int, rungs: int
) -> None:
    budget = Budget(max_params=params, max_macs=macs)  # those that take long to count: below
    nets = ladder(maker(shape, budget, classes), rungs)
    assert 1 <= len(nets) <= rungs
    assert len(set(nets)) == len(nets)
    for net in nets:
        assert net.params <= params
        assert net.macs <= macs
        assert net.input_shape == shape
        assert net.out_shape == Shape(classes, 1, 1)


def test_rungs_are_of_every_family_and_use_the_budget_up() -> None:
    nets = ladder(maker(Shape(1, 28, 28), Budget(max_params=1600)), 24)
    assert len(nets) == 24
    assert {net.name.split("-")[0] for net in nets} == set(FAMILIES)
    assert sum(net.params > 0.9 * 1600 for net in nets) >= 12
    assert len({net.name for net in nets}) == 24


def test_rungs_are_spread_where_the_smallest_is_wanted() -> None:
    nets = ladder(maker(Shape(1, 28, 28), Budget(max_params=1600)), 24, smallest=True)
    sizes = [net.params for net in nets]
    assert max(sizes) > 0.97 * 1600
    assert min(sizes) < 0.25 * 1600


def test_the_shape_that_was_measured_to_be_best_is_in_the_ladder() -> None:
    nets = ladder(maker(Shape(3, 32, 32), Budget(max_params=143_396, max_macs=9_300_000)), 9)
    (best,) = [net for net in nets if net.name == "residual-2-3-4-2-142866"]
    widths = [layer.out_channels for layer in best.layers if isinstance(layer, Conv | Depthwise)]
    assert widths == [19, 32, 64, 128, 192]
    sums = [layer.layers[0] for layer in best.layers if isinstance(layer, Residual)]
    assert [of.out_channels for of in sums if isinstance(of, Depthwise)] == [64] * 2 + [128] * 3 + [
        192
    ]
    assert best.macs > 0.95 * 9_300_000  # both budgets are used up
    assert best.params > 0.95 * 143_396


def test_blurs_are_counted_where_nets_have_them() -> None:
    budget = Budget(max_params=5_000, max_macs=400_000)
    blurred = Maker(Shape(1, 28, 28), 10, budget, (BlurPool(),))
    for one in shaped_ladder(blurred, 6):
        assert BlurPool().rewrite(one.spec).macs <= 400_000


def test_a_wider_net_of_its_kind_would_be_over_the_budget() -> None:
    budget = Budget(max_params=5000)
    own = maker(Shape(1, 28, 28), budget)
    for template in templates(Shape(1, 28, 28))[:6]:
        found = own.widest(template, 1.0)
        assert found is not None
        wider = [found.widths[0] + 1, *found.widths[1:]]
        assert found.spec.params <= 5000
        assert found.spec == template.spec(Shape(1, 28, 28), 10, found.widths)
        assert not own.fits(template, wider)


@pytest.mark.parametrize("most", [2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 100, 513, 1023])
def test_the_widest_that_fits_is_found_and_not_the_one_before(most: int) -> None:
    def fits(widths: Sequence[int]) -> bool:
        return widths[0] <= most

    def widths_of(width: int) -> list[int]:
        return [width, 2 * width]

    assert _bisected(widths_of, fits) == [most, 2 * most]


def test_no_width_is_found_where_none_fits_and_there_is_a_widest() -> None:
    def widths_of(width: int) -> list[int]:
        return [width]

    assert _bisected(widths_of, lambda widths: False) is None
    assert _bisected(widths_of, lambda widths: widths[0] < 2) is None
    asked: list[int] = []

    def any_fits(widths: Sequence[int]) -> bool:
        asked.append(widths[0])
        return True

    assert _bisected(widths_of, any_fits) == [2047]
    assert max(asked) == 2047


@pytest.mark.parametrize("params", [2_000, 3_000, 4_100, 5_300])
def test_what_the_budget_leaves_goes_to_the_last_stage_first(params: int) -> None:
    template, own = Template("mixed", (1, 1, 1)), maker(Shape(3, 32, 32), Budget(max_params=params))
    found = own.widest(template, 1.0)
    even = _bisected(template.widths, lambda widths: own.fits(template, widths))
    assert found is not None
    assert even is not None
    late = [*even[:2], found.widths[2]]
    wider = widened(late, 2)
    assert own.fits(template, late)
    assert wider[2] > 1.5 * even[2] or not own.fits(template, wider)


@pytest.mark.parametrize(
    ("side", "halved", "stages", "others"),
    [
        (8, 0, 2, {0}),
        (16, 0, 2, {0}),
        (28, 0, 3, {0}),
        (32, 0, 3, {0}),
        (64, 1, 3, {0, 1}),
        (96, 2, 3, {1, 2}),
        (128, 2, 3, {1, 2}),
        (256, 3, 3, {2, 3}),
        (512, 3, 4, {2, 3}),
    ],
)
def test_stem_and_stages_halve_an_image_to_about_six_pixels(
    side: int, halved: int, stages: int, others: set[int]
) -> None:
    kinds = templates(Shape(3, side, side // 2))
    assert (kinds[0].halved, kinds[0].stages) == (halved, stages)
    assert 4 <= side / 2 ** (halved + stages - 1) <= 8
    assert {kind.halved for kind in kinds} == others
    of_stem = {kind.stages for kind in kinds if kind.halved == halved}
    assert of_stem == {stages - 1, stages, stages + 1, stages + 2}


@pytest.mark.parametrize(
    ("shape", "budget"),
    [
        (Shape(3, 96, 1), Budget(max_params=4_500, max_macs=200_000)),
        (Shape(3, 1, 96), Budget(max_params=4_500)),
    ],
)
def test_narrow_maps_get_many_nets_that_halve_the_side_that_has_length(
    shape: Shape, budget: Budget
) -> None:
    nets = ladder(maker(shape, budget, 3), 9)
    assert len(nets) >= 6
    assert max(net.params for net in nets) > 3_000
    for net in nets:
        *_, (_, last) = [(layer, before) for layer, before in net.walk()][:-1]
        assert max(last.height, last.width) <= 12
        for layer, _ in net.leaves():
            if isinstance(layer, Conv | Depthwise):
                high, wide = sides_of(layer.kernel_size)
                assert (wide, high)[shape.width > 1] == 1  # no weight sees the border alone
                assert max(high, wide) > 3


@pytest.mark.parametrize("side", [16, 320])
def test_the_ladder_covers_small_and_large_images_and_uses_the_flash(side: int) -> None:
    budget = Budget(max_flash=32_768, max_ram=16_384)
    nets = ladder(maker(Shape(3, side, side * 3 // 4), budget), 2)
    assert len(nets) == 2
    assert max(predict_cost(net).flash for net in nets) > 0.8 * 32_768
    for net in nets:
        flash, ram = predict_cost(net)
        assert (flash <= 32_768, ram <= 16_384) == (True, True)
        assert costs(net, budget) == {"flash": flash, "ram": ram}
        assert excess(costs(net, budget), budget) == max(flash / 32_768, ram / 16_384)


@pytest.mark.parametrize(
    ("shape", "ram", "further"),
    [
        (Shape(3, 240, 320), 8_192, 1),
        (Shape(3, 240, 320), 32_768, 0),
        (Shape(3, 320, 1), 1_024, 0),  # nothing fits
        (Shape(3, 96, 96), 4_096, 0),
    ],
)
def test_large_images_halve_as_often_as_their_ram_asks_for(
    shape: Shape, ram: int, further: int
) -> None:
    own = maker(shape, Budget(max_ram=ram))
    assert _further(own, templates(shape)[0]) == further
    kinds = templates(shape, further=further)
    assert kinds[0].halved == templates(shape)[0].halved + further


def test_what_halves_further_sees_every_pixel() -> None:
    spec = Template("plain", (1, 1, 1), halved=4).spec(Shape(3, 320, 240), 10, [4, 8, 16])
    assert spec.layers[:3] == (MaxPool(), MaxPool(), Conv(4, kernel_size=5, stride=4))
    assert [before.height for _, before in spec.walk()][3:6] == [20, 10, 10]


def test_equal_blocks_are_sums_and_shared_ones_repeat() -> None:
    shape, widths = Shape(3, 32, 32), [4, 6, 9]
    summed = Template("residual", (1, 3, 2)).spec(shape, 10, widths)
    assert sum(isinstance(layer, Residual) for layer in summed.layers) == 3
    shared = Template("shared", (1, 3, 2)).spec(shape, 10, widths)
    assert [layer.times for layer in shared.layers if isinstance(layer, Repeat)] == [2, 1]
    assert shared.macs == summed.macs
    assert shared.params < summed.params


@given(
    family=st.sampled_from(FAMILIES),
    blocks=st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple),
    halved=st.integers(0, 5),
    kernel=st.sampled_from([3, 5]),
    height=st.integers(16, 100),
    width=st.sampled_from([1, 2, 5, 32, 96]),
)
def test_every_template_makes_a_net_and_reads_back(
    family: str, blocks: tuple[int, ...], halved: int, kernel: int, height: int, width: int
) -> None:
    narrow = family in ("plain", "mixed", "depthwise")
    halved = halved if min(height, width) >= 8 else min(halved, 3)  # three poolings
    template = Template(family, blocks, transitions=narrow, halved=halved, kernel=kernel)
    assert Template.from_dict(template.to_dict()) == template
    spec = template.spec(Shape(1, height, width), 7, template.widths(3))
    assert spec.out_shape == Shape(7, 1, 1)
    assert NetSpec.from_dict(spec.to_dict()) == spec


def test_moves_change_one_thing_and_stay_inside_the_budget() -> None:
    own = maker(Shape(3, 32, 32), Budget(max_params=20_000))
    start = own.widest(Template("residual", (2, 3, 2)), 1.0)
    assert start is not None
    near = moves(own, start)
    told = [change for change, _ in near]
    assert {"a block more in stage 2", "kernels of 5 x 5", "a stage less"} <= set(told)
    assert any(change.endswith("wider") for change in told)
    assert len({one.spec for _, one in near} | {start.spec}) == len(near) + 1
    for _, one in near:
        assert 0.75 * 20_000 < one.spec.params <= 20_000
        assert one.spec == one.template.spec(own.shape, 10, one.widths)


def near(template: Template, budget: Budget, shape: Shape = IMAGES[2]) -> dict[str, Shaped]:
    own = maker(shape, budget)
    start = own.widest(template, 1.0)
    assert start is not None
    found = moves(own, start)
    assert len({told for told, _ in found}) == len(found)
    for _, one in found:
        assert own.excess(one.spec) <= 1
    return dict(found)


def test_the_first_neighbours_are_deeper_and_then_each_sort_has_one() -> None:
    found = list(near(Template("residual", (2, 3, 2)), Budget(max_params=20_000)))
    assert found[:10] == [
        "a block more in stage 2",
        "a block more in stage 3",
        "a block more in stage 1",
        "kernels of 5 x 5",
        "a block of stage 2 a stage earlier",
        "stage 1 wider",
        "a block less in stage 2",
        "a block of stage 2 a stage later",
        "a stage less",
        "the image halved once more",
    ]
    assert {"stage 3 wider", "a block less in stage 1"} <= set(found[10:])


def test_a_block_is_moved_before_or_behind_a_halving_and_none_is_lost() -> None:
    budget = Budget(max_params=20_000, max_macs=3_000_000)
    found = near(Template("residual", (2, 1, 3)), budget)
    moved = {told: one.template.blocks for told, one in found.items() if "a block of" in told}
    assert moved == {
        "a block of stage 3 a stage earlier": (2, 2, 2),
        "a block of stage 1 a stage later": (1, 2, 3),
    }
    assert not any("a block of" in told for told in near(Template("plain", (1, 1)), budget))
    assert not any("a block of" in told for told in near(Template("plain", (3,)), budget))


def test_the_first_convolution_halves_once_more_or_less_where_it_can() -> None:
    budget, large = Budget(max_params=5_000, max_macs=900_000), Shape(3, 96, 96)

    def halved(already: int) -> dict[str, int]:
        found = near(Template("plain", (1, 1), halved=already), budget, large)
        return {told: one.template.halved for told, one in found.items() if "halved" in told}

    more, less = "the image halved once more", "the image halved once less"
    assert halved(2) == {more: 3, less: 1}
    assert halved(0) == {more: 1}
    assert halved(3) == {less: 2}


def test_images_are_looked_at_smaller_where_their_size_is_what_binds() -> None:
    large, here, tight = Shape(3, 96, 64), Origin("pictures"), Budget(max_ram=8192)
    sides = [(96, 64), (64, 44), (48, 32), (32, 20), (24, 16)]
    views = inputs(here, large, tight, 12)
    assert [view.shape for view in views[:5]] == [Shape(3, *one) for one in sides]
    assert [view.origin and view.origin.image_size for view in views][:2] == [None, "64x44"]
    grey = [(view.shape, view.origin and view.origin.color) for view in views[5:]]
    assert grey == [(Shape(1, *one), "grey") for one in sides]
    asked = [view.origin.image_size for view in views[5:] if view.origin]
    assert asked == ["96x64", "64x44", "48x32", "32x20", "24x16"]
    kept = inputs(Origin("pictures", color="rgb"), large, tight, 12)
    assert [view.shape.channels for view in kept] == [3] * 5
    assert len(inputs(here, large, Budget(max_params=8192), 12)) == 1
    assert len(inputs(Origin("pictures", image_size="96x64"), large, tight, 12)) == 1
    assert len(inputs(here, Shape(1, 28, 28), tight, 12)) == 1
    values = inputs(here, large, tight, 12, values=True)
    assert {view.shape.channels for view in values} == {3}, "of values there is no grey"
    larger = inputs(here, Shape(3, 32, 32), tight, 12, shrunk=True)
    assert [(v.shape.channels, v.shape.height) for v in larger] == [
        (3, 32), (3, 48), (3, 64), (1, 32), (1, 48), (1, 64)
    ]  # fmt: skip
    for side in (48, 64):  # no view is the one as they are, once more
        shapes = [view.shape for view in inputs(here, Shape(3, side, side), tight, 12, shrunk=True)]
        assert len(shapes) == len(set(shapes))


@pytest.mark.parametrize("most", [1, 7, 8, 9])
def test_where_views_are_too_many_the_smallest_go_and_colour_stays_longer(most: int) -> None:
    views = inputs(Origin("pictures"), Shape(3, 96, 96), Budget(max_ram=4096), most)
    sides = {c: [v.shape.height for v in views if v.shape.channels == c] for c in (3, 1)}
    every = [96, 64, 48, 32, 24]
    assert sides == {3: every[: (most + 1) // 2], 1: every[: most // 2]}
    grey = inputs(Origin("pictures"), Shape(1, 96, 96), Budget(max_ram=4096), most)
    assert [v.shape.height for v in grey] == every[:most]


@pytest.mark.parametrize(("rungs", "most", "last"), [(24, 8, 3), (9, 8, 1), (36, 12, 3)])
def test_nets_are_dealt_to_the_views_and_each_has_its_fewest(
    rungs: int, most: int, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smidgen.study.design import outset as module

    def deeper_and_deeper(own: Maker, rungs: int, *, smallest: bool) -> list[Shaped]:
        assert not smallest
        return [own.made(Template("plain", (1 + n,)), [4]) for n in range(rungs)]

    monkeypatch.setattr(module, "ladder", deeper_and_deeper)
    assert _most_views(rungs) == most
    budget = Budget(max_params=4_000, max_macs=400_000)
    views = inputs(Origin("pictures"), Shape(3, 96, 96), budget, _most_views(rungs))
    makers = {view: Maker(view.shape, 2, budget) for view in views}
    dealt = _entrants(makers, rungs, smallest=False)[:rungs]
    assert len(dealt) == rungs, "no place is left empty"
    assert [one.told for one in dealt[: len(views)]] == [view.told for view in views]
    assert min(Counter(one.told for one in dealt).values()) == last
    # a size begins with its largest net in colour or in grey, and with the second in the other
    begun = {
        view: one.shaped.template.blocks[0] - 1 for view, one in zip(views, dealt, strict=False)
    }
    colour, grey = ([begun[v] for v in views if v.shape.channels == c] for c in (3, 1))
    assert colour == [0, 1, 0, 1, 0][: len(colour)]
    assert grey == [1, 0, 1, 0, 1][: len(grey)]


def test_kinds_whose_flash_cannot_be_told_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from smidgen.study.design import ladder as module

    def only_plain(spec: NetSpec) -> bool:
        return not any(isinstance(layer, Residual | Repeat) for layer in spec.layers)

    monkeypatch.setattr(module, "is_predictable", only_plain)
    kinds = kinds_of(maker(Shape(1, 28, 28), Budget(max_flash=9_000)))
    assert {template.family for template in kinds} == {"plain", "mixed", "depthwise"}


def test_wide_nets_have_channels_in_eights() -> None:
    nets = ladder(maker(Shape(3, 32, 32), Budget(max_params=20_000)), 9)
    widths = {
        layer.out_channels for net in nets for layer in net.layers if isinstance(layer, KINDS)
    }
    assert max(widths) > 64
    assert all(width < 32 or width % 8 == 0 for width in widths)
    assert any(width % 8 for width in widths)


@pytest.mark.parametrize("family", ["plain", "mixed", "depthwise"])
def test_families_differ_in_their_layers(family: str) -> None:
    net = Template(family, (2, 2, 2), transitions=True).spec(Shape(3, 32, 32), 10, [4, 6, 9])
    kinds = [type(layer) for layer in net.layers if not isinstance(layer, MaxPool)]
    second = Depthwise if family == "depthwise" else Conv
    later = Conv if family == "plain" else Depthwise
    assert kinds[:8] == [Conv, second, Transition, later, later, Transition, later, later]
    assert [type(layer) for layer in net.layers].count(MaxPool) == 2


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(max_params=20), "20 parameters at most; the smallest one"),
        (Budget(max_flash=16), "of flash (a number alone is of bytes: 16KB?)"),
        (Budget(max_macs=10), "10 MACs at most"),
        (Budget(max_flash=10), "10 bytes of flash at most"),
        (Budget(max_params=1000, max_ram=9), "1,000 parameters at most, 9 bytes of RAM at most"),
    ],
)
def test_an_impossible_budget_names_the_smallest_net_and_its_figure(
    budget: Budget, said: str
) -> None:
    own = maker(Shape(1, 8, 8), budget)
    with pytest.raises(BudgetError) as caught:
        ladder(own, 5)
    assert said in str(caught.value)
    name = str(caught.value).split("the smallest one, ")[1].split(",")[0]
    every = [template.spec(own.shape, 10, [2] * template.stages) for template in kinds_of(own)]
    (smallest,) = {net for net in every if net.name == name}
    assert own.excess(smallest) == min(own.excess(net) for net in every)


def test_a_budget_needs_a_positive_limit() -> None:
    with pytest.raises(ValueError, match="at least one of max-params, max-macs"):
        Budget()
    with pytest.raises(ValueError, match=r"^max-ram must be a number > 0, got -1"):
        Budget(max_ram=-1)


def test_latency_is_measured_before_training() -> None:
    small = templates(Shape(1, 8, 8))[0].spec(Shape(1, 8, 8), 10, [2, 2])
    assert measured_latency(small) > 0
    assert maker(Shape(1, 8, 8), Budget(max_latency=1e-6)).excess(small) > 1


def test_a_net_of_a_design_has_the_latency_that_was_measured_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another time it would be another, and with it the nets that fit."""
    from smidgen.study.design import budget as module

    took, noted = iter((2.0, 3.0, 5.0)), list[dict[str, float]]()
    monkeypatch.setattr(module, "measured_latency", lambda spec: next(took))  # pyright: ignore[reportUnknownLambdaType]
    small, large = (Template("plain", (1,)).spec(Shape(1, 8, 8), 10, [n]) for n in (4, 8))
    renamed = NetSpec(large.input_shape, large.layers, "other")
    first = Latencies({})
    assert first.of(small) == 2.0
    first.noted_by(lambda known: noted.append(dict(known)))
    assert [first.of(small), first.of(large), first.of(renamed)] == [2.0, 3.0, 3.0]
    assert [list(known.values()) for known in noted] == [[2.0], [2.0, 3.0]]
    own = Maker(Shape(1, 8, 8), 10, Budget(max_latency=4.0), (), Latencies(noted[-1]))
    assert (own.excess(large), own.figures(small)) == (0.75, {"latency": 2.0})


def test_the_best_kinds_use_the_budget_up_before_any_is_tried_smaller() -> None:
    kinds = [Template("plain", (n,)) for n in range(1, 9)]
    asked = [(kind.blocks[0], share) for kind, share in _spread(kinds, 5, smallest=False)]
    assert asked == [
        *((n, 1.0) for n in (1, 2, 3, 4, 5, 6)),
        *((n, 0.4) for n in (1, 2, 3)),
        *((n, 1.0) for n in (7, 8)),
        *((n, 0.4) for n in (7, 8)),
        *((n, 0.7) for n in range(1, 9)),
    ]


@pytest.mark.parametrize(("rungs", "steps"), [(9, 3), (11, 3), (12, 4), (18, 6), (60, 6)])
def test_where_the_smallest_is_wanted_sizes_fall_evenly_by_ratio_to_0_15(
    rungs: int, steps: int
) -> None:
    kinds = [Template("plain", (n,)) for n in range(1, 6)]
    asked = [(kind.blocks[0], share) for kind, share in _spread(kinds, rungs, smallest=True)]
    shares = [0.15 ** (step / (steps - 1)) for step in range(steps)]
    expected = [
        *((n, share) for share in shares for n in (1, 2, 3)),
        *((n, share) for share in shares for n in (4, 5)),
    ]
    assert [n for n, _ in asked] == [n for n, _ in expected]
    assert [share for _, share in asked] == pytest.approx([share for _, share in expected])
    assert min(share for _, share in asked) == pytest.approx(0.15)


@pytest.mark.parametrize(
    "limits", [{"max_params": 4_000}, {"max_params": 4_000, "max_macs": 10**5}]
)
def test_where_the_smallest_is_wanted_of_a_few_nets_of_several_views_sizes_are_spread(
    limits: dict[str, Any],
) -> None:
    budget = Budget(**limits)
    views = [Input(None, Shape(3, 1, side), f"1 x {side}") for side in (96, 64, 48, 32, 24)]
    makers = {view: Maker(view.shape, 3, budget) for view in views}
    found = _entrants(makers, 9, smallest=True)[:9]
    sizes = sorted(one.shaped.spec.params for one in found)
    assert sizes[0] < sizes[len(sizes) // 2] / 2 < sizes[-1] / 4
    assert max(one.excess for one in found) <= 1
    assert {one.told for one in found} == {view.told for view in views}


def test_where_no_net_has_so_small_a_share_it_is_one_of_the_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Code takes, as it were, half of the flash of any net."""

    def half(own: Maker, spec: NetSpec) -> float:
        return max(0.5 + spec.params / 2000, spec.params / (own.budget.max_params or 10**6))

    monkeypatch.setattr(Maker, "excess", half)
    own, plain = maker(Shape(1, 8, 8), Budget(max_flash=12_321)), Template("plain", (1, 1))
    made = [_sized(own, plain, share) for share in (1.0, 0.8, 0.39, 0.15)]
    sizes = [one.spec.params for one in made if one is not None]
    limits = [1000, 600, 0.39 * sizes[0], 0.15 * sizes[0]]
    assert all(0.7 * limit < size <= limit for size, limit in zip(sizes, limits, strict=True))


@pytest.mark.parametrize(
    ("limits", "halved"),
    [
        ({"max_params": 9_000}, False),
        ({"max_macs": 900_000}, True),
        ({"max_params": 90_000, "max_macs": 900_000}, True),
        ({"max_params": 9_000, "max_latency": 1.0}, True),
    ],
)
def test_where_early_stages_bind_stems_halve(limits: dict[str, Any], halved: bool) -> None:
    kinds = kinds_of(maker(Shape(3, 32, 32), Budget(**limits)))
    assert kinds == templates(Shape(3, 32, 32), halve=halved, scarce=set(limits) == {"max_params"})
    assert any(kind.halved for kind in kinds) == halved


@pytest.mark.parametrize(
    ("shape", "limits", "scarce"),
    [
        (Shape(3, 32, 32), {"max_params": 20_000}, True),
        (Shape(3, 32, 32), {"max_flash": 20_000}, True),
        (Shape(3, 32, 32), {"max_macs": 12_500_000}, False),
        (Shape(3, 32, 32), {"max_params": 20_000, "max_macs": 12_500_000}, True),
        (Shape(3, 32, 32), {"max_params": 20_000, "max_macs": 5_000_000}, False),
        (Shape(3, 32, 32), {"max_params": 20_000, "max_latency": 1000.0}, False),
        (Shape(3, 32, 32), {"max_flash": 16_384, "max_ram": 8_192}, False),
        (Shape(3, 96, 1), {"max_flash": 8_192, "max_ram": 4_096}, True),
        (Shape(3, 32, 32), {"max_params": 20, "max_macs": 12_500_000}, False),
    ],
)
def test_where_weights_alone_bind_those_that_use_them_often_come_early(
    shape: Shape, limits: dict[str, Any], scarce: bool
) -> None:
    kinds = kinds_of(maker(shape, Budget(**limits)))
    assert ("shared" in {kind.family for kind in kinds[:3]}) == scarce
    assert kinds == templates(shape, halve=len(limits) > 1, scarce=True) or not scarce


@pytest.mark.parametrize(
    ("shape", "budget"),
    [
        (Shape(3, 32, 32), Budget(max_params=20_000, max_macs=12_500_000)),
        (Shape(1, 28, 28), Budget(max_params=1_600)),
    ],
)
def test_short_and_longer_ladders_hold_shared_nets_that_use_the_weights_up(
    shape: Shape, budget: Budget
) -> None:
    own, most = maker(shape, budget), budget.max_params or 0
    for rungs, least in ((9, 1), (24, 2)):
        nets = ladder(own, rungs)
        full = [net for net in nets if net.params > 0.95 * most]
        shared = [net for net in full if net.name.startswith("shared")]
        plain = [net for net in full if net.name.startswith("residual-2-3-2-")]
        assert len(shared) == least
        assert min(net.macs for net in shared) > 2 * plain[0].macs
        assert {net.name.split("-")[0] for net in full} == set(FAMILIES), "variety is kept"


def test_the_shared_shape_that_was_measured_to_be_best_is_in_the_ladder() -> None:
    best = zoo.net("cifar-20000-r")
    (kind,) = [one for one in templates(Shape(3, 32, 32), scarce=True)[:6] if "shared" in one.kind]
    made = kind.spec(Shape(3, 32, 32), 10, [32, 56, 72])
    assert made.params == pytest.approx(best.params, rel=0.02)
    assert made.macs == pytest.approx(best.macs, rel=0.06)
    assert [layer.times for layer in made.layers if isinstance(layer, Repeat)] == [4, 4]


def test_latency_is_measured_for_nets_inside_the_other_limits_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from smidgen.study.design import maker as module

    template, measured = Template("plain", (1,)), list[NetSpec]()

    def two_ms(spec: NetSpec) -> float:
        measured.append(spec)
        return 2.0 if len(spec.layers) > 2 else 0.5  # of the end of a net alone

    monkeypatch.setattr(module, "measured_latency", two_ms)
    own = maker(Shape(1, 28, 28), Budget(max_params=100, max_latency=8.0))
    small, large = (template.spec(own.shape, 10, [width]) for width in (4, 40))
    assert own.excess(small) == pytest.approx(max(small.params / 100, 0.25))
    assert own.excess(large) == pytest.approx(large.params / 100)
    assert measured == ([small] if small.params <= 100 else [])
    slow = maker(Shape(1, 28, 28), Budget(max_params=10_000, max_latency=1.0))
    assert slow.excess(small) == 2.0
    exact = maker(Shape(1, 28, 28), Budget(max_params=small.params, max_latency=8.0))
    assert exact.excess(small) == 1.0
    assert measured[-1] == small
    said = r"10,000 parameters at most, 1 ms at most; the smallest one, .* parameters, 2 ms"
    with pytest.raises(BudgetError, match=said):
        ladder(maker(Shape(1, 28, 28), Budget(max_params=10_000, max_latency=1.0)), 1)
    measured.clear()
    with pytest.raises(BudgetError, match=r"has 0\.4 ms at most; the pooling and the .* 0\.5 ms$"):
        ladder(maker(Shape(1, 28, 28), Budget(max_latency=0.4)), 1)
    assert [len(spec.layers) for spec in measured] == [2], "no net is made to be refused"


def test_rungs_are_as_many_as_asked_for_the_largest_first() -> None:
    own = maker(Shape(1, 28, 28), Budget(max_params=1600))
    for rungs in (1, 2, 7):
        nets = ladder(own, rungs)
        assert len(nets) == rungs
        sizes = [(net.params, net.macs) for net in nets]
        assert sizes == sorted(sizes, reverse=True)


def test_a_net_fits_up_to_its_share_of_the_budget() -> None:
    template = Template("plain", (1, 1))
    spec = template.spec(Shape(1, 28, 28), 10, [4, 6])
    own = maker(Shape(1, 28, 28), Budget(max_params=2 * spec.params))
    assert own.fits(template, [4, 6], 0.5)
    assert not own.fits(template, [4, 6], 0.499)
    assert own.fits(template, [4, 6])


def test_a_budget_of_a_board_counts_the_code_of_its_core() -> None:
    spec = zoo.net("mnist-1k5-dw")
    usual, other = Budget(max_flash=8192), Budget(max_flash=8192, compiled="rv32ec")
    assert costs(spec, usual)["flash"] == predict_cost(spec).flash
    assert costs(spec, other)["flash"] == predict_cost(spec, "rv32ec").flash
    assert costs(spec, other)["flash"] > 1.1 * costs(spec, usual)["flash"]
    assert str(usual) == "8,192 bytes of flash at most"
    assert str(other) == "8,192 bytes of flash at most, on a RISC-V of RV32EC"

"""Every rung is inside the budget by exact accounting; a budget that none meets is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smidgen.export.c.footprint import predict_cost
from smidgen.layers import Conv, Depthwise, MaxPool, Shape, Transition
from smidgen.study.design.budget import Budget, costs, excess, measured_latency
from smidgen.study.design.ladder import FAMILIES, BudgetError, Maker, Template, ladder, templates

KINDS = Conv | Depthwise | Transition
IMAGES = (Shape(1, 8, 8), Shape(1, 28, 28), Shape(3, 32, 32), Shape(3, 96, 64))


def maker(shape: Shape, budget: Budget, classes: int = 10) -> Maker:
    return Maker(shape, classes, budget)


@settings(max_examples=8)
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
    budget = Budget(max_params=params, max_macs=macs, max_ram=100_000)
    nets = ladder(maker(shape, budget, classes), rungs)
    assert 1 <= len(nets) <= rungs
    assert len(set(nets)) == len(nets)
    for net in nets:
        assert net.params <= params
        assert net.macs <= macs
        assert net.peak_activation <= 100_000
        assert net.input_shape == shape
        assert net.out_shape == Shape(classes, 1, 1)


def test_rungs_are_of_every_family_and_spread_over_the_budget() -> None:
    nets = ladder(maker(Shape(1, 28, 28), Budget(max_params=1600)), 24)
    assert len(nets) == 24
    assert {net.name.split("-")[0] for net in nets} == set(FAMILIES)
    sizes = [net.params for net in nets]
    assert max(sizes) > 0.97 * 1600
    assert min(sizes) < 0.25 * 1600
    assert len({net.name for net in nets}) == 24


def test_a_wider_net_of_its_kind_would_be_over_the_budget() -> None:
    budget = Budget(max_params=5000)
    own = maker(Shape(1, 28, 28), budget)
    for template in templates(Shape(1, 28, 28))[:6]:
        net = own.widest(template, 1.0)
        assert net is not None
        widths: list[int] = [
            layer.out_channels for layer in net.layers if isinstance(layer, Conv | Depthwise)
        ]
        stages = widths[:: template.blocks]
        wider = template.spec(net.input_shape, 10, [stages[0] + 1, *stages[1:]])
        assert net.params <= 5000 < wider.params


def test_wide_nets_have_channels_in_eights() -> None:
    nets = ladder(maker(Shape(3, 32, 32), Budget(max_params=20_000)), 24)
    widths = {
        layer.out_channels for net in nets for layer in net.layers if isinstance(layer, KINDS)
    }
    assert max(widths) > 64
    assert all(width < 32 or width % 8 == 0 for width in widths)
    assert any(width % 8 for width in widths)


@pytest.mark.parametrize("family", FAMILIES)
def test_families_differ_in_their_layers(family: str) -> None:
    net = Template(family, 3, 2, True).spec(Shape(3, 32, 32), 10, [4, 6, 9])
    kinds = [type(layer) for layer in net.layers if not isinstance(layer, MaxPool)]
    second = Depthwise if family == "depthwise" else Conv
    later = Conv if family == "plain" else Depthwise
    assert kinds[:8] == [Conv, second, Transition, later, later, Transition, later, later]
    assert [type(layer) for layer in net.layers].count(MaxPool) == 2


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(max_params=20), "20 parameters at most; the smallest one"),
        (Budget(max_macs=10), "10 MACs at most"),
        (Budget(max_flash=10), "10 bytes of flash at most"),
        (Budget(max_params=1000, max_ram=9), "1,000 parameters at most, 9 bytes of RAM at most"),
    ],
)
def test_an_impossible_budget_names_the_smallest_net_and_its_figure(
    budget: Budget, said: str
) -> None:
    own = maker(Shape(1, 28, 28), budget)
    with pytest.raises(BudgetError) as caught:
        ladder(own, 5)
    assert said in str(caught.value)
    name = str(caught.value).split("the smallest one, ")[1].split(",")[0]
    (smallest,) = {
        net
        for template in templates(Shape(1, 28, 28))
        for net in [template.spec(Shape(1, 28, 28), 10, [2] * template.stages)]
        if net.name == name
    }
    for other in templates(Shape(1, 28, 28)):
        net = other.spec(Shape(1, 28, 28), 10, [2] * other.stages)
        assert own.excess(smallest) <= own.excess(net)


def test_a_budget_needs_a_positive_limit() -> None:
    with pytest.raises(ValueError, match="at least one of --max-params, --max-macs"):
        Budget()
    with pytest.raises(ValueError, match="--max-ram must be > 0, got -1"):
        Budget(max_ram=-1)


def test_rungs_meet_limits_of_predicted_flash_and_ram() -> None:
    budget = Budget(max_flash=6_000, max_ram=5_000)
    nets = ladder(maker(Shape(1, 28, 28), budget), 4)
    assert len(nets) == 4
    for net in nets:
        flash, ram = predict_cost(net)
        assert (flash <= 6_000, ram <= 5_000) == (True, True)
        assert costs(net, budget) == {"flash": flash, "ram": ram}
        assert excess(costs(net, budget), budget) == max(flash / 6_000, ram / 5_000)


def test_latency_is_measured_before_training_and_limits_the_ladder() -> None:
    small = templates(Shape(1, 8, 8))[0].spec(Shape(1, 8, 8), 10, [2, 2])
    assert measured_latency(small) > 0
    with pytest.raises(BudgetError, match=r"1e-06 ms at most; the smallest one, .* ms"):
        ladder(maker(Shape(1, 8, 8), Budget(max_latency=1e-6)), 3)

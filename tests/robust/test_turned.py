"""A run on turned images is judged on pictures as they lie: wind and rain know up from aside."""

from dataclasses import replace

import pytest
import torch

from smidgen.data import Data, Split
from smidgen.data.turned import exchanged
from smidgen.layers import Classifier, Conv, GlobalAveragePool, Shape
from smidgen.recipe import Recipe
from smidgen.robust.card import Aside
from smidgen.robust.measured import RobustWish, as_they_lie, cards, floats_of
from smidgen.run import Run
from smidgen.spec import NetSpec
from smidgen.train import train


@pytest.fixture(scope="module")
def pair() -> tuple[Run, Run, Data]:
    """Return a run on turned images, the same net on those as they lie, and these."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (24, 12, 18, 3), generator=generator, dtype=torch.uint8)
    images[::2, :6] //= 3
    part = Split(images.permute(0, 3, 1, 2), torch.arange(24) % 2)
    data = Data("own", part, part, ("a", "b"))
    other = exchanged(data)
    spec = NetSpec(Shape(*other.shape), (Conv(4, (5, 3)), GlobalAveragePool(), Classifier(2)))
    run = train(spec, other, recipe=Recipe(epochs=2, batch_size=8))
    model = spec.exchanged.build()
    state = run.model.state_dict()
    model.load_state_dict(
        {name: t.transpose(2, 3) if t.ndim == 4 else t for name, t in state.items()}
    )
    twin = replace(run, model=model.eval(), preprocessing=data.preprocessing)
    return run, twin, data


def test_pictures_as_they_lie_are_answered_as_the_net_takes_them(
    pair: tuple[Run, Run, Data],
) -> None:
    run, twin, data = pair
    pixels = data.test.images
    torch.testing.assert_close(floats_of(run)(pixels), floats_of(twin)(pixels))
    there = exchanged(data).test
    assert as_they_lie(run, there).images.equal(pixels)
    assert as_they_lie(twin, data.test) is data.test


def test_the_card_is_that_of_the_same_net_on_pictures_as_they_lie(
    pair: tuple[Run, Run, Data],
) -> None:
    run, twin, data = pair
    there = exchanged(data).test
    (turned,) = cards(run, there, RobustWish(), aside=Aside(there)).values()
    (own,) = cards(twin, data.test, RobustWish(), aside=Aside(data.test)).values()
    for found, expected in zip(turned.corruptions, own.corruptions, strict=True):
        assert [of.change for of in found.levels] == [of.change for of in expected.levels]
        assert [of.accuracy for of in found.levels] == [of.accuracy for of in expected.levels]
    assert [of.consistency for of in turned.seen] == [of.consistency for of in own.seen]

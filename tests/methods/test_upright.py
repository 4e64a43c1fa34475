"""Methods change pictures as they lie, also where the net takes them turned."""

import pytest
import torch

from smidgen.data import Data, Preprocessing, Split
from smidgen.data.turned import exchanged
from smidgen.layers import Classifier, Conv, GlobalAveragePool, Shape
from smidgen.methods import parse
from smidgen.methods.base import BatchMethod
from smidgen.methods.distill import Distill
from smidgen.methods.upright import Upright, upright
from smidgen.recipe import Recipe
from smidgen.runtime import choose
from smidgen.spec import NetSpec
from smidgen.tensors import Batch
from smidgen.training import Training
from smidgen.trial import Trial

METHODS = (
    "crop(2), flip, trivial-augment, affine(anneal=1.0), cutout(3), random-erasing,"
    " cutmix(1.0, 1.0)"
)


def batch(height: int = 9, width: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(32, height, width, 3, generator=generator).permute(0, 3, 1, 2)
    return Batch(images, torch.eye(2).repeat(16, 1))


def turned(of: Batch) -> Batch:
    images = of.images.transpose(2, 3).contiguous(memory_format=torch.channels_last)
    return Batch(images, of.targets)


def changed(method: BatchMethod, of: Batch) -> Batch:
    return method.transform(of, 0.3, torch.Generator().manual_seed(5))


@pytest.mark.parametrize("method", parse(METHODS), ids=lambda method: method.name)
def test_a_turned_batch_is_changed_as_the_pictures_would_be(method: BatchMethod) -> None:
    before = batch()
    expected, found = changed(method, before), changed(Upright(method), turned(before))
    assert found.images.transpose(2, 3).equal(expected.images)
    assert found.targets.equal(expected.targets)
    assert found.images.is_contiguous(memory_format=torch.channels_last), "as the net takes them"
    assert not changed(method, turned(before)).images.equal(found.images), "or it knows no side"


def test_a_teacher_is_asked_about_what_the_net_takes() -> None:
    flip, distill = parse("flip, distill(teacher='a')")
    assert upright((flip, distill), turned=True) == (Upright(flip), distill)  # pyright: ignore
    assert isinstance(distill, Distill)
    assert upright((flip, distill), turned=False) == (flip, distill)  # pyright: ignore


def test_a_run_flips_left_and_right_of_turned_pictures() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (20, 4, 7, 3), generator=generator, dtype=torch.uint8)
    split = Split(images.permute(0, 3, 1, 2), torch.arange(20) % 2)
    data = Data("own", split, split, ("a", "b"), preprocessing=Preprocessing(4, 7, "rgb", 3))
    flips: list[torch.Tensor] = []
    for of in (data, exchanged(data)):
        spec = NetSpec(Shape(*of.shape), (Conv(2), GlobalAveragePool(), Classifier(2)))
        trial = Trial(
            spec, parse("flip(1.0)"), Recipe(batch_size=20), 0, of.name, of.fingerprint, "full"
        )
        training = Training(trial, of, choose("cpu"))
        (first,) = training.batches.epoch(torch.Generator().manual_seed(2))
        (method,) = training.batch_methods
        flips.append(changed(method, first).images)
    own, other = flips
    assert other.transpose(2, 3).equal(own)

"""A seed draws the same numbers, and gives the same batch, whichever path changes the pixels."""

from dataclasses import dataclass
from itertools import permutations
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from tests.kernels.conftest import running
from tests.methods.conftest import seeded

from smidgen import zoo
from smidgen.data import Batches, Split, channel_statistics
from smidgen.kernels import available
from smidgen.methods import METHODS, Crop, Cutout, Distill, Flip, parse, rewritten
from smidgen.methods.base import BatchMethod, of_kind
from smidgen.tensors import Batch

ALL = of_kind([kind() for kind in METHODS if kind is not Distill], BatchMethod)
COPIES = {
    "crop",
    "flip",
    "cutout",
    "random-erasing",
    "cutmix",
    "time-shift",
    "label-smoothing",
}  # values move or vanish, none is computed
COMPILED = [name for name in available() if name != "torch"]
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)


def a_batch(dtype: torch.dtype = torch.float32) -> Batch:
    images = torch.randn(33, 14, 17, 3, generator=seeded(1)).permute(0, 3, 1, 2)
    return Batch(images.to(dtype), F.one_hot(torch.arange(33) % 5, 5).float())


def after(
    methods: tuple[BatchMethod, ...], path: str, dtype: torch.dtype = torch.float32
) -> tuple[Batch, torch.Tensor]:
    """Return the transformed batch and where its generator then stands."""
    batch, generator = a_batch(dtype), seeded()
    with running(path):
        for method in methods:
            batch = method.transform(batch, 0.5, generator)
    return batch, generator.get_state()


def close(a: Batch, b: Batch, *, times: int = 1) -> None:
    """Check that two batches differ by rounding alone, that of so many methods."""
    rounding = 2**-7 * times if a.images.dtype == torch.bfloat16 else 1e-5
    # of a sum that is nearly 0, as jitter may make it, what its parts were rounded by is left
    nothing = 1e-3 if a.images.dtype == torch.bfloat16 and times > 1 else 1e-4
    torch.testing.assert_close(a.images, b.images, rtol=rounding, atol=nothing)
    assert torch.equal(a.targets, b.targets)


@DTYPES
@pytest.mark.parametrize("path", COMPILED)
@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_compiled_and_torch_give_one_batch_from_one_seed(
    method: BatchMethod, path: str, dtype: torch.dtype
) -> None:
    (compiled, stands), (plain, stood) = (after((method,), p, dtype) for p in (path, "torch"))
    assert torch.equal(stands, stood)
    close(compiled, plain)
    if method.name in COPIES:
        assert torch.equal(compiled.images, plain.images)


def test_crop_draws_all_shifts_down_and_then_all_across() -> None:
    shifts = torch.randint(9, (2, 33), generator=seeded()) - 4
    padded = F.pad(a_batch().images, [4] * 4)
    expected = [
        image[:, 4 + a : 18 + a, 4 + b : 21 + b]
        for image, a, b in zip(padded, *shifts.tolist(), strict=True)
    ]
    assert torch.equal(Crop(4).transform(a_batch(), 0.0, seeded()).images, torch.stack(expected))


def test_flip_mirrors_where_a_uniform_number_is_below_the_probability() -> None:
    chosen = torch.rand(33, generator=seeded()) < 0.3
    expected = torch.where(chosen[:, None, None, None], a_batch().images.flip(3), a_batch().images)
    assert torch.equal(Flip(0.3).transform(a_batch(), 0.0, seeded()).images, expected)


def test_cutout_draws_all_rows_and_then_all_columns_of_the_centres() -> None:
    g, expected = seeded(), a_batch().images.clone()
    rows, columns = (torch.randint(side, (33,), generator=g).tolist() for side in (14, 17))
    for image, a, b in zip(expected, rows, columns, strict=True):
        image[:, max(a - 2, 0) : a + 3, max(b - 2, 0) : b + 3] = 0
    assert torch.equal(Cutout(5).transform(a_batch(), 0.0, seeded()).images, expected)


@dataclass(frozen=True, slots=True)
class Negative(BatchMethod):
    """A user's own method, in two lines of torch."""

    name: ClassVar[str] = "negative"

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        sign = torch.randint(2, (len(batch.images), 1, 1, 1), generator=generator) * 2 - 1
        return Batch(batch.images * sign, batch.targets)


@pytest.mark.parametrize("path", COMPILED)
@DTYPES
def test_a_user_s_method_stands_anywhere_among_ours(path: str, dtype: torch.dtype) -> None:
    ours = of_kind(parse("crop, affine, cutout"), BatchMethod)
    for order in permutations((*ours, Negative())):
        (compiled, _), (plain, _) = (after(order, p, dtype) for p in (path, "torch"))
        close(compiled, plain)
        assert compiled.images.stride() == a_batch(dtype).images.stride()


@DTYPES
@pytest.mark.parametrize("path", COMPILED)
def test_an_epoch_is_the_same_with_compiled_operations(path: str, dtype: torch.dtype) -> None:
    pixels = torch.randint(256, (40, 3, 9, 9), generator=seeded(2), dtype=torch.uint8)
    split = Split(pixels, torch.arange(40) % 5)
    mean, std = channel_statistics(pixels)
    made = Batches(
        split,
        batch_size=8,
        classes=5,
        mean=mean,
        std=std,
        device=torch.device("cpu"),
        dtype=dtype,
    )

    def epoch(path: str) -> list[Batch]:
        found, generator = list[Batch](), seeded(3)
        with running(path):
            for batch in made.epoch(generator):
                for method in ALL:
                    batch = method.transform(batch, 0.5, generator)
                found.append(batch)
        return found

    for compiled, plain in zip(epoch(path), epoch("torch"), strict=True):
        close(compiled, plain, times=3)  # trivial-augment, affine and mixup compute values


@pytest.mark.parametrize(
    ("methods", "epochs"), [("label-smoothing", 2), ("cutout", 1), ("flip", 1)]
)
def test_runs_of_one_seed_share_the_order_of_images_until_a_method_draws(
    methods: str, epochs: int
) -> None:
    """As docs/studies.md says of effects that are paired by seed."""
    numbers = torch.arange(64, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4)
    made = Batches(
        Split(numbers, torch.arange(64)),
        batch_size=8,
        classes=64,
        mean=(0.0,),
        std=(1.0,),
        device=torch.device("cpu"),
    )

    def orders(methods: str) -> list[list[int]]:
        generator, found = seeded(3), list[list[int]]()
        for _ in range(2):
            found.append([])
            for batch in made.epoch(generator):
                found[-1] += batch.targets.argmax(1).tolist()
                for method in of_kind(parse(methods), BatchMethod):
                    batch = method.transform(batch, 0.5, generator)
        return found

    same = [one == other for one, other in zip(orders(methods), orders(""), strict=True)]
    assert same == [True] * epochs + [False] * (2 - epochs)


def test_runs_of_one_seed_share_the_first_weights_but_those_after_a_squeeze_excite() -> None:
    net = zoo.net("mnist-1k5-dw")

    def weights(methods: str) -> list[torch.Tensor]:
        held = rewritten(net, parse(methods)).build(3).parameters()
        return [of for of in held if of.dim() > 1]

    plain = weights("")
    assert all(map(torch.equal, plain, weights("blurpool")))
    changed = weights("squeeze-excite")
    same = [any(of.equal(other) for other in changed) for of in plain]
    assert same == [True] + [False] * (len(plain) - 1)

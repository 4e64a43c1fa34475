"""Finishing trains what the integer program computes, and regains what rounding lost."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from tests.export.nets import Plan, blurred, excited, nest, pixels_for, plans, spec_of, warmed

from smidgen import layers, zoo
from smidgen.data import Data, load, selection_split
from smidgen.export.fold import fold
from smidgen.export.int8 import finish as module
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.fake import FakeQuantised, Scale, floats
from smidgen.export.int8.finish import Images, finish, finished, told
from smidgen.export.int8.program import Grid, IntConv2d, IntegerProgram, IntResidual
from smidgen.export.int8.quantize import quantize, rescale
from smidgen.export.int8.simulate import simulate
from smidgen.export.lower import lower
from smidgen.export.program import (
    Conv2d,
    GlobalAveragePool,
    Linear,
    Pixels,
    Program,
    Residual,
    run_float,
)
from smidgen.layers import Shape
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.train import train


def assert_same(spec: NetSpec) -> None:
    """Hold the float form of the roundings, in float64, against the integers."""
    program, images = warmed(spec), pixels_for(spec, 16, seed=1)
    ranges = calibrate(lower(program), pixels_for(spec, 20), "minmax")
    integer = quantize(lower(program), ranges)
    with torch.no_grad():
        found = FakeQuantised(lower(program), ranges).double()(floats(images).double()).numpy()
    sums = found / integer.head.scale
    expected = simulate(integer, images)
    tolerance = 1e-6 * np.abs(expected).max() + 2  # two of a bias: its float32 form is not exact
    np.testing.assert_allclose(sums, expected, rtol=0, atol=tolerance)


def test_sides_that_cancel_each_other_are_no_finer_than_their_sum() -> None:
    opposite = -(1 - 1e-7) * np.eye(2, dtype=np.float32)[:, :, None, None]
    sum_ = Residual((Conv2d(opposite, np.zeros(2, np.float32)),), (), relu=True)
    head = Linear(np.ones((2, 2), np.float32), np.array([1.0, -1.0], np.float32))
    program = Program("cancelled", Shape(2, 3, 3), (sum_, GlobalAveragePool(), head))
    images = np.random.default_rng(0).integers(0, 256, (8, 2, 3, 3), np.uint8)
    ranges = calibrate(program, images, "minmax")
    integer = quantize(program, ranges)
    np.testing.assert_allclose(
        simulate(integer, images) * integer.head.scale, run_float(program, images), atol=1e-2
    )
    with torch.no_grad():
        found = FakeQuantised(program, ranges)(floats(images)).numpy()
    np.testing.assert_allclose(found, run_float(program, images), atol=1e-2)


def test_finishing_keeps_what_passes_of_a_repeat_share() -> None:
    spec = nest("repeat")
    program = lower(warmed(spec))
    images = pixels_for(spec, 8)
    ranges = calibrate(program, images)
    done = finish(program, ranges, images, epochs=2)
    plain = quantize(program, ranges)
    (first, *_), *_ = (op.inner for op in done.operations if isinstance(op, IntResidual))
    (before, *_), *_ = (op.inner for op in plain.operations if isinstance(op, IntResidual))
    weights = [
        op.inner[0].weight
        for op in done.operations
        if isinstance(op, IntResidual) and isinstance(op.inner[0], IntConv2d)
    ]
    assert isinstance(first, IntConv2d)
    assert isinstance(before, IntConv2d)
    assert (first.weight != before.weight).any()  # it has learned
    assert len(weights) == 3
    assert all((own == first.weight).all() for own in weights)


def test_the_reference_net_in_floats_gives_the_integers_logits() -> None:
    assert_same(zoo.net("mnist-1k5-dw"))
    assert_same(blurred(zoo.net("mnist-1k5-dw")))


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_drawn_nets_in_floats_give_the_integers_logits(plan: Plan) -> None:
    assert_same(spec_of(plan))


@pytest.mark.parametrize("shared", [False, True])
def test_narrowed_sums_have_the_gradients_of_their_definition(shared: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    sums = torch.randn((4, 3, 5, 5), generator=generator, dtype=torch.float64) * 9000
    factor = torch.tensor(0.02) if shared else torch.tensor([0.004, 0.02, 0.05])[:, None, None]
    ours, plain = [(sums.clone().requires_grad_(), factor.clone().requires_grad_()) for _ in "ab"]
    scale = Scale(Grid(1.0, 7))
    by = rescale(factor.double().flatten().numpy(), 7)
    held = torch.from_numpy(by.multiplier * 2.0**-31 / np.exp2(by.shift)).reshape(factor.shape)

    found = scale.narrowed(*ours)
    exact = plain[0] * (plain[1] + (held - plain[1]).detach())
    wanted = (exact + (exact.round() - exact).detach()).clamp(-135, 120)
    with torch.no_grad():
        assert (found - wanted).abs().max() <= 1  # of halves; the integers are judged above
        assert {float(found.min()), float(found.max())} == {-135.0, 120.0}

    weights = torch.randn(sums.shape, generator=generator, dtype=torch.float64)
    for result in (found, wanted):
        (result * weights).sum().backward()
    for own, other in zip(ours, plain, strict=True):
        assert own.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-6, atol=0)


def test_a_mean_taken_before_the_first_convolution_has_a_grid_of_its_own() -> None:
    assert_same(spec_of(Plan((2, 1, 3), [layers.Transition(1)], 3, flat=False)))


@pytest.fixture(autouse=True)
def _as_for_users(usual_loss: float, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(module, "NOTEWORTHY", usual_loss)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="module")
def uneven(digits: Data) -> Program:
    """Return a trained program one of whose channels is scaled up, and down again by its reader.

    The float program answers as before; int8 has one scale for all channels of the map, and only
    a step or two are left for each of the others.
    """
    spec = zoo.net("mnist-1k5-dw").fitted(Shape(1, 8, 8), 10)
    run = train(spec, digits, recipe=Recipe(epochs=6, batch_size=32), seed=0)
    assert isinstance(run.model, torch.nn.Sequential)
    program = fold(spec, run.model, run.mean, run.std)
    operations = list(program.operations)
    first, second = operations[1:3]
    assert isinstance(first, Conv2d)
    assert isinstance(second, Conv2d)
    assert first.relu
    assert second.depthwise
    factor = np.ones(len(first.weight), np.float32)
    factor[3] = 400  # loses 35 to 58 points, whatever the processor made of the net
    column = factor.reshape(-1, 1, 1, 1)
    operations[1] = dataclasses.replace(
        first, weight=first.weight * column, bias=first.bias * factor
    )
    operations[2] = dataclasses.replace(second, weight=second.weight / column)
    return dataclasses.replace(program, operations=tuple(operations))


@pytest.fixture(scope="module")
def images(digits: Data) -> Images:
    learning, held_out = selection_split(digits.train)
    pixels, others = (np.ascontiguousarray(part.images.numpy()) for part in (learning, held_out))
    return Images(pixels, others, held_out.labels.numpy())


def test_finishing_regains_most_of_what_an_uneven_map_lost(uneven: Program, images: Images) -> None:
    said: list[str] = []
    ranges = calibrate(lower(uneven), images.pixels, "minmax")
    done = finished(lower(uneven), ranges, images, epochs=6, tell=said.append)
    assert done.epochs == 6
    assert done.loss is not None
    assert done.loss_after is not None
    assert done.loss > 0.2, "the map is not uneven enough to need it"
    assert done.loss_after < done.loss / 2

    def right(logits: np.ndarray) -> float:
        return float((logits.argmax(1) == images.held_out_labels).mean())

    aim = right(run_float(uneven, images.held_out))
    assert done.loss_after == pytest.approx(aim - right(simulate(done.program, images.held_out)))
    assert f"loses {100 * done.loss:.2f} points" in said[0]
    assert f"{100 * done.loss_after:.2f} points" in said[1]


def test_what_was_trained_is_what_the_integers_compute(uneven: Program, images: Images) -> None:
    ranges = calibrate(lower(uneven), images.pixels, "minmax")
    model = FakeQuantised(lower(uneven), ranges)
    with torch.no_grad():
        for parameter in model.parameters():  # far from where they started
            parameter.mul_(1 + 0.1 * torch.randn(parameter.shape, generator=generator()))
    integer = quantize(*model.program())
    with torch.no_grad():
        found = model.double()(floats(images.held_out).double()).numpy() / integer.head.scale
    expected = simulate(integer, images.held_out)
    equal = np.abs(found - expected).max(1) <= 1e-6 * np.abs(expected).max() + 2
    assert equal.mean() > 0.95, "a half may round the other way where numbers are not exact"


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_seed_alone_decides(uneven: Program, images: Images) -> None:
    pixels: Pixels = images.pixels[:256]
    ranges = calibrate(lower(uneven), pixels, "minmax")
    torch.manual_seed(1)
    one, again, other = (finish(lower(uneven), ranges, pixels, epochs=1, seed=s) for s in (0, 0, 1))
    logits = [simulate(integer, images.held_out) for integer in (one, again, other)]
    assert (logits[0] == logits[1]).all()
    assert (logits[0] != logits[2]).any()


def test_a_caller_without_gradients_finishes_to_the_same_bits(
    uneven: Program, images: Images
) -> None:
    pixels: Pixels = images.pixels[:128]
    ranges = calibrate(lower(uneven), pixels, "minmax")
    wanted = finish(lower(uneven), ranges, pixels, epochs=1)
    with torch.inference_mode():
        found = finish(lower(uneven), ranges, pixels, epochs=1)
    assert (simulate(found, pixels) == simulate(wanted, pixels)).all()


def test_a_net_that_loses_little_is_left_alone(images: Images) -> None:
    spec = zoo.net("mnist-1k5-dw").fitted(Shape(1, 8, 8), 10)
    program = warmed(spec)
    answers = run_float(program, images.held_out).argmax(1)
    ranges = calibrate(lower(program), images.pixels[:200], "minmax")
    plain = simulate(quantize(lower(program), ranges), images.held_out).argmax(1)
    agreed = plain == answers  # on these it loses nothing at all
    own = Images(images.pixels, images.held_out[agreed], answers[agreed])
    done = finished(lower(program), ranges, own, tell=pytest.fail)
    assert (done.epochs, done.loss, done.loss_after) == (0, 0.0, 0.0)


def test_nought_epochs_never_finish_and_fewer_are_refused(uneven: Program, images: Images) -> None:
    ranges = calibrate(lower(uneven), images.pixels, "minmax")
    done = finished(lower(uneven), ranges, images, epochs=0, tell=pytest.fail)
    assert (done.epochs, done.loss) == (0, None)
    with pytest.raises(ValueError, match="epochs of finishing must be >= 0, got -1"):
        finished(lower(uneven), ranges, images, epochs=-1)


def test_gates_in_floats_give_the_integers_logits() -> None:
    assert_same(excited(zoo.net("mnist-5k-dw")))


def test_a_finished_program_that_is_worse_is_thrown_away(
    uneven: Program, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges = calibrate(lower(uneven), images.pixels, "minmax")
    plain = quantize(lower(uneven), ranges)
    head = plain.head
    worse = dataclasses.replace(head, weight=-head.weight)  # answers the least likely class
    spoiled = dataclasses.replace(plain, operations=(*plain.operations[:-1], worse))

    def spoil(*_: object, **__: object) -> IntegerProgram:
        return spoiled

    monkeypatch.setattr(module, "finish", spoil)
    said: list[str] = []
    done = finished(lower(uneven), ranges, images, epochs=2, tell=said.append)
    assert re.fullmatch(
        r"finishing did not help: it loses \d+\.\d\d points after it, and stays as calibrated",
        said[-1],
    )
    assert done.epochs == 0
    assert done.loss == done.loss_after
    assert (simulate(done.program, images.held_out) == simulate(plain, images.held_out)).all()


def test_the_rate_of_finishing_falls_to_nothing_on_a_line(
    uneven: Program, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    class Watched(torch.optim.Adam):
        def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            rates.append(self.param_groups[0]["lr"])
            super().step(closure)

    monkeypatch.setattr(torch.optim, "Adam", Watched)
    pixels = images.pixels[:320]  # five steps an epoch
    finish(lower(uneven), calibrate(lower(uneven), pixels, "minmax"), pixels, epochs=2)
    expected = [module.PEAK_LR * (1 - step / 10) for step in range(10)]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (0.0139, "loses 1.39 points"),
        (-0.0139, "gains 1.39 points"),
        (0.0, "loses nothing"),
        (-0.00001, "loses nothing"),
    ],
)
def test_a_loss_has_one_sign(loss: float, words: str) -> None:
    assert told(loss) == words


def test_every_epoch_sees_each_image_once_in_an_order_of_its_own(
    uneven: Program, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Pixels] = []

    def watched(pixels: Pixels) -> torch.Tensor:
        seen.append(pixels)
        return floats(pixels)

    monkeypatch.setattr(module, "floats", watched)
    pixels = images.pixels[:194]  # three steps of 64, and two images that wait for another epoch
    ranges = calibrate(lower(uneven), pixels, "minmax")
    finish(lower(uneven), ranges, pixels, epochs=2)
    assert [len(batch) for batch in seen] == [64] * 6
    numbers = {image.tobytes(): number for number, image in enumerate(pixels)}
    assert len(numbers) == 194
    orders = [[numbers[image.tobytes()] for batch in half for image in batch]
              for half in (seen[:3], seen[3:])]  # fmt: skip
    assert all(len({*order}) == 192 for order in orders)
    assert orders[0] != orders[1]
    expected = torch.randperm(194, generator=generator()).tolist()[:192]
    assert orders[0] == expected
    seen.clear()
    finish(lower(uneven), ranges, pixels[:5], epochs=1)
    assert [len(batch) for batch in seen] == [5]


def test_finishing_is_as_documented() -> None:
    assert (module.EPOCHS, module.BATCH_SIZE, module.PEAK_LR) == (3, 64, 0.001)
    assert module.NOTEWORTHY == 0.003


@pytest.mark.parametrize(
    ("wrong", "after", "epochs", "loss"),
    [(2, 0, 0, 0.002), (4, 3, 3, 0.003), (4, 4, 0, 0.004), (4, 5, 0, 0.004), (-2, 0, 0, -0.002)],
)
def test_a_loss_of_more_than_0_3_points_is_worked_on_and_the_better_one_kept(
    wrong: int, after: int, epochs: int, loss: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 1,000 images, ten of which the float program gets wrong."""

    def logits(errors: int) -> np.ndarray:
        right = np.arange(1000) >= errors
        return np.stack([right, ~right], 1).astype(np.float32)

    spec = nest("depthwise")
    program = lower(warmed(spec))
    ranges = calibrate(program, pixels_for(spec, 4))
    plain, better = quantize(program, ranges), quantize(program, ranges)
    asked: list[tuple[int, int]] = []

    def finishing(*_: object, epochs: int, seed: int) -> IntegerProgram:
        asked.append((epochs, seed))
        return better

    def simulated(tried: IntegerProgram, pixels: Pixels) -> np.ndarray:
        del pixels
        return logits(10 + (after if tried is better else wrong))

    def prepared(*_: object) -> IntegerProgram:
        return plain

    def answered(*_: object) -> np.ndarray:
        return logits(10)

    monkeypatch.setattr(module, "quantize", prepared)
    monkeypatch.setattr(module, "finish", finishing)
    monkeypatch.setattr(module, "simulate", simulated)
    monkeypatch.setattr(module, "run_float", answered)
    held_out = Images(pixels_for(spec, 1), pixels_for(spec, 1), np.zeros(1000, np.int64))
    said: list[str] = []
    done = finished(program, ranges, held_out, seed=7, tell=said.append)
    assert asked == ([(3, 7)] if wrong > 3 else [])
    assert done.program is (better if epochs else plain)
    assert (done.epochs, done.loss_after) == (epochs, pytest.approx(loss))
    assert done.loss == pytest.approx(wrong / 1000)
    assert len(said) == (2 if wrong > 3 else 0)

"""The loop calls each kind of method at its place, in order, and tells it the right time."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from smidgen import zoo
from smidgen.again import trained_on
from smidgen.data import Batches, Data, DataError, Split, load, normalise
from smidgen.data.parts import parts
from smidgen.evaluate import Evaluation, evaluate
from smidgen.evaluate.accuracy import accuracy, predict
from smidgen.flat import Flat
from smidgen.kernels.library import forget_choice
from smidgen.layers import (
    Classifier,
    Conv,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Shape,
    Transition,
)
from smidgen.methods import (
    EMA,
    METHODS,
    SAM,
    SWA,
    Affine,
    BlurPool,
    Cutout,
    LabelSmoothing,
    Lookahead,
    OneCycle,
    SqueezeExcite,
)
from smidgen.methods.base import (
    ArchitectureMethod,
    BatchMethod,
    GradientMethod,
    Method,
    ScheduleMethod,
    WeightMethod,
    WeightTracker,
)
from smidgen.methods.of_runs import run_of
from smidgen.model import model_of
from smidgen.progress import Report
from smidgen.recipe import Recipe
from smidgen.run import load_run
from smidgen.run_folder import WEIGHTS
from smidgen.runtime import Runtime
from smidgen.spec import NetSpec
from smidgen.tensors import Batch, Scalar
from smidgen.testing import given
from smidgen.train import Backprop, train
from smidgen.training import Pace, Training, TrainingDivergedError
from smidgen.trial import Trial

CPU = Runtime("cpu", threads=1, precision="float32")
NET = NetSpec(
    Shape(1, 8, 8), (Conv(4), MaxPool(), Conv(6), GlobalAveragePool(), Classifier(2)), "small"
)
LOG: list[str] = []


def bars(images: int, seed: int = 0) -> Data:
    """Images of a bright row (class 0) or a bright column (class 1), with noise."""
    g = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 80, (images, 1, 8, 8), generator=g, dtype=torch.uint8)
    labels = torch.arange(images) % 2
    place = torch.randint(8, (images,), generator=g)
    for i in range(images):
        lines = pixels[i, 0] if labels[i] == 0 else pixels[i, 0].T
        lines[place[i]] = 255
    cut = images * 3 // 4
    train_split = Split(pixels[:cut], labels[:cut])
    return Data("bars", train_split, Split(pixels[cut:], labels[cut:]), ("row", "column"))


@dataclass(frozen=True)
class SpyArchitecture(ArchitectureMethod):
    name: ClassVar[str] = "spy-architecture"

    def rewrite(self, spec: NetSpec) -> NetSpec:
        return NetSpec(spec.input_shape, (Conv(3), *spec.layers[1:]), spec.name)


@dataclass(frozen=True)
class SpyBatch(BatchMethod):
    name: ClassVar[str] = "spy-batch"

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        LOG.append(f"batch {progress:.3f}")
        return batch


@dataclass(frozen=True)
class SpySchedule(ScheduleMethod):
    name: ClassVar[str] = "spy-schedule"

    def lr_factor(self, progress: float) -> float:
        LOG.append(f"lr {progress:.3f}")
        return 1.0


@dataclass(frozen=True)
class SpyGradient(GradientMethod):
    name: ClassVar[str] = "spy-gradient"

    def backward(self, loss_of: Callable[[], Scalar], model: nn.Module, flat: Flat) -> Scalar:
        LOG.append("gradient")
        assert float(flat.gradient.abs().max()) == 0, "the loop must hand over a zero gradient"
        return Backprop().backward(loss_of, model, flat)


class SpyTracker(WeightTracker):
    def __init__(self, weights: Tensor) -> None:
        self.weights = weights

    @property
    def average(self) -> Tensor:
        return self.weights

    def after_step(self) -> None:
        LOG.append("after step")

    def after_epoch(self, progress: float) -> None:
        LOG.append(f"after epoch {progress}")

    def state(self) -> dict[str, Tensor]:
        return {}

    def load(self, state: dict[str, Tensor]) -> None:
        assert not state


@dataclass(frozen=True)
class SpyWeight(WeightMethod):
    name: ClassVar[str] = "spy-weight"

    def follow(self, weights: Tensor) -> WeightTracker:
        return SpyTracker(weights)

    def lr_factor(self, progress: float, scheduled: float) -> float:
        return scheduled


SPIES: list[Method] = [SpyWeight(), SpyGradient(), SpyBatch(), SpySchedule(), SpyArchitecture()]


def test_transcript_of_two_epochs_of_two_steps() -> None:
    LOG.clear()
    run = train(NET, bars(32), methods=SPIES, recipe=Recipe(epochs=2, batch_size=12), runtime=CPU)
    step = ["batch {0}", "lr {0}", "gradient", "after step"]
    expected = [
        *(line.format("0.000") for line in step),
        *(line.format("0.333") for line in step),
        "after epoch 0.5",
        *(line.format("0.667") for line in step),
        *(line.format("1.000") for line in step),
        "after epoch 1.0",
        *["batch 1.000"] * 2,  # the pass that re-estimates batch norm
    ]
    assert expected == LOG
    assert run.model[0].conv.out_channels == 3, "the architecture method was not applied"  # pyright: ignore


def test_learns_what_can_be_learned() -> None:
    data = bars(400)
    recipe = Recipe(epochs=15, batch_size=20, peak_lr=0.02)
    run = train(NET, data, recipe=recipe, runtime=CPU, methods=[OneCycle()])
    assert evaluate(run, data.test, measure_latency=False).accuracy > 0.97


def test_the_selection_split_is_reported_and_not_trained_on() -> None:
    data = bars(400)
    recipe = Recipe(epochs=1, batch_size=20)
    run = train(NET, data, recipe=recipe, runtime=CPU, split="selection")
    assert run.history[0].held_out_accuracy is not None
    full = train(NET, data, recipe=recipe, runtime=CPU, split="full")
    assert full.history[0].held_out_accuracy is None
    assert run.mean != full.mean, "statistics must come from the images trained on"


def state(run_model: nn.Module) -> dict[str, Tensor]:
    return dict(run_model.state_dict())


def same_bits(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(value, b.state_dict()[name]) for name, value in state(a).items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_same_seed_same_bits_and_other_seed_other_bits(precision: str) -> None:
    data, recipe = bars(64), Recipe(epochs=2, batch_size=16)
    runtime = Runtime("cpu", 1, precision)
    methods = [BlurPool(), Affine(), LabelSmoothing(), OneCycle(), SAM(), EMA(), SWA(start=0.4)]

    def model(seed: int) -> nn.Module:
        return train(NET, data, methods=methods, recipe=recipe, seed=seed, runtime=runtime).model

    before = torch.random.get_rng_state()
    once = model(1)
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator was touched"
    assert same_bits(once, model(1))
    assert not same_bits(once, model(2))


@pytest.mark.filterwarnings("ignore:cutout hides 74 % of images")
@pytest.mark.parametrize(
    "kind",
    [kind for kind in METHODS if run_of(kind()) is None],
    ids=lambda kind: kind.name,
)
def test_every_method_trains_alone(kind: type[Method]) -> None:
    data, recipe = bars(64), Recipe(epochs=8, batch_size=16)  # SWA's last quarter has two
    run = train(NET, data, methods=[kind()], recipe=recipe, runtime=CPU)
    assert all(torch.isfinite(value).all() for value in state(run.model).values())


def test_new_parameters_of_a_method_are_trained() -> None:
    recipe = Recipe(epochs=1, batch_size=16)
    run = train(NET, bars(64), methods=[SqueezeExcite()], recipe=recipe, runtime=CPU)
    fresh = dict(run.trial.spec.build(seed=0).named_parameters())
    gates = [name for name in fresh if "squeeze" in name or "excite" in name]
    assert gates
    for name in gates:
        assert not torch.equal(fresh[name], run.model.state_dict()[name]), f"{name} never moved"


def test_weight_averages_get_the_batch_norm_statistics_of_their_own_weights() -> None:
    data, recipe = bars(64), Recipe(epochs=4, batch_size=48, peak_lr=0.1)
    run = train(NET, data, methods=[SWA(start=0.4)], recipe=recipe, runtime=CPU)
    images = normalise(data.train.images, run.mean, run.std, torch.float32)
    first = run.model[0]  # pyright: ignore
    expected = first.conv(images).mean((0, 2, 3))
    torch.testing.assert_close(first.norm.running_mean, expected, atol=1e-4, rtol=1e-4)


def test_swa_after_ema_averages_the_smoothed_weights() -> None:
    """Both are at work: the result differs from either alone."""
    data = bars(64)
    recipe = Recipe(epochs=4, batch_size=48, peak_lr=0.05)

    def weights(epochs_kept: list[Method]) -> Tensor:
        run = train(NET, data, methods=epochs_kept, recipe=recipe, runtime=CPU)
        return torch.cat([p.detach().reshape(-1) for p in run.model.parameters()])

    both, ema, swa = weights([EMA(), SWA(start=0.5)]), weights([EMA()]), weights([SWA(start=0.5)])
    assert not torch.equal(both, ema)
    assert not torch.equal(both, swa)


def test_the_last_partial_batch_does_not_change_the_number_of_steps() -> None:
    steps: list[int] = []
    train(
        NET,
        bars(80),
        recipe=Recipe(epochs=1, batch_size=16),
        runtime=CPU,
        observer=lambda report: steps.append(report.step),
    )
    assert steps == [1, 2, 3]


def test_the_loss_of_an_epoch_is_the_mean_of_those_reported_of_its_steps() -> None:
    reports: list[Report] = []
    run = train(
        NET,
        bars(64),
        recipe=Recipe(epochs=1, batch_size=16),
        runtime=CPU,
        observer=reports.append,
    )
    losses = [float(report.loss) for report in reports]
    assert sum(losses) / 3 == pytest.approx(run.history[0].loss, rel=1e-6)


def test_refuses_a_net_that_does_not_fit_the_data() -> None:
    wrong = NET.fitted(Shape(3, 8, 8), 2)
    with pytest.raises(
        ValueError,
        match=r"takes 3x8x8 images of 2 classes, but bars has 1x8x8 of 2: net\.fitted\(sm\.layers",
    ):
        train(wrong, bars(16), runtime=CPU)


@pytest.mark.parametrize(
    "end", [(Conv(2, kernel_size=1),), (Transition(2),), (Classifier(3), Classifier(2))]
)
def test_refuses_a_net_that_does_not_end_in_its_only_classifier(end: tuple[Layer, ...]) -> None:
    other = NetSpec(Shape(1, 8, 8), (Conv(4), GlobalAveragePool(), *end), "other")
    with pytest.raises(ValueError, match="net other must end in its only classifier, got"):
        train(other, bars(16), recipe=Recipe(epochs=1), runtime=CPU)


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ([SAM(), SpyGradient()], "at most one GradientMethod per run, got sam and spy-gradient"),
        ([OneCycle(), SpySchedule()], "at most one ScheduleMethod per run"),
        ([SWA(), SWA(start=0.5)], "method swa was asked for 2 times"),
    ],
)
def test_refuses_methods_that_contradict(methods: list[Method], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        train(NET, bars(16), methods=methods, runtime=CPU)


@pytest.mark.parametrize(
    ("precision", "advice"),
    [("float32", r"1e\+30 may help$"), ("bfloat16", r"1e\+30 may help, or precision float32$")],
)
def test_a_loss_that_is_not_finite_stops_the_run(precision: str, advice: str) -> None:
    recipe = Recipe(epochs=3, batch_size=16, peak_lr=1e30, optimizer="sgd")
    said = rf"diverged in epoch 1 \(loss \S+, precision {precision}\); a smaller peak_lr .*{advice}"
    with pytest.raises(TrainingDivergedError, match=said):
        train(NET, bars(64), recipe=recipe, runtime=replace(CPU, precision=precision))


def test_maps_that_no_memory_holds_are_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, recipe = bars(64), Recipe(epochs=1, batch_size=16)
    maps = 4 * 16 * sum(layer.out_shape(shape).elements for layer, shape in NET.walk())
    training = sys.modules["smidgen.train"]
    monkeypatch.setattr(training, "memory", lambda: maps - 1)
    with pytest.raises(
        ValueError, match=r"images of 8x8 needs 0\.0 GB .* for 16 at a time, .* less"
    ):
        train(NET, data, recipe=recipe, runtime=CPU, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(training, "memory", lambda: maps)
    train(NET, data, recipe=recipe, runtime=CPU)


def test_running_statistics_that_are_not_finite_stop_the_run() -> None:
    """Each map is normalised again, so that the loss stays a number however large weights grow."""
    layers = (Conv(2), Transition(2), Conv(2), GlobalAveragePool(), Classifier(2))
    net = NetSpec(NET.input_shape, layers)
    with pytest.raises(TrainingDivergedError, match="diverged in epoch 1"):
        train(net, bars(64), recipe=Recipe(epochs=1, batch_size=16, peak_lr=1e12), runtime=CPU)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "soap"])
def test_weight_decay_pulls_on_convolutions_alone(optimizer: str) -> None:
    data = bars(64)
    plain, decayed = (
        train(
            NET,
            data,
            recipe=Recipe(
                epochs=4, batch_size=16, peak_lr=0.05, weight_decay=decay, optimizer=optimizer
            ),
            runtime=CPU,
        ).model
        for decay in (0.0, 3.0)
    )
    size = [float(m[0].conv.weight.detach().norm()) for m in (plain, decayed)]  # pyright: ignore
    assert size[1] < 0.6 * size[0]
    norms = [float(m[0].norm.weight.detach().norm()) for m in (plain, decayed)]  # pyright: ignore
    assert norms[1] > 0.7 * norms[0], "batch norm must not be decayed"


def test_a_balanced_run_weighs_every_class_alike_in_its_loss() -> None:
    from smidgen.runtime import choose
    from smidgen.training import Training, class_weights
    from smidgen.trial import Trial

    assert torch.allclose(class_weights(torch.tensor([0, 0, 0, 1]), 2), torch.tensor([2 / 3, 2.0]))
    data = bars(400)
    kept = torch.cat([torch.arange(0, 300, 2), torch.arange(1, 21, 2)])  # 15 to 1
    uneven = Data(
        "uneven",
        Split(data.train.images[kept], data.train.labels[kept]),
        data.test,
        data.classes,
    )
    losses: dict[str, list[float]] = {}
    for kernels in (CPU, choose(threads=1)):
        for balance in (False, True):
            trial = Trial(
                net=NET,
                methods=(),
                recipe=Recipe(epochs=1, batch_size=160, balance=balance),
                seed=0,
                data="uneven",
                fingerprint=uneven.fingerprint,
                split="full",
            )
            training = Training(trial, uneven, kernels)
            batch = next(iter(training.batches.epoch(training.generator)))
            plain = nn.functional.cross_entropy(
                training.model(batch.images).float(), batch.targets, reduction="none"
            )
            weights = batch.targets @ class_weights(uneven.train.labels, 2)
            wanted = (plain * weights).mean() if balance else plain.mean()
            loss = training.loss_of(training.weighed(batch))
            assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=0.02)
            losses.setdefault(str(balance), []).append(float(loss.detach()))
    assert losses["True"] != losses["False"]


def test_a_balanced_run_weighs_images_by_their_labels_however_soft() -> None:
    from smidgen.data import channel_statistics
    from smidgen.training import class_weights

    data = bars(400)
    kept = torch.cat([torch.arange(0, 285, 2), torch.arange(1, 15, 2)])  # 143 and 7
    split = Split(data.train.images[kept], data.train.labels[kept])
    uneven = Data("uneven", split, data.test, data.classes)
    recipe = Recipe(epochs=1, batch_size=150, balance=True)
    run = train(NET, uneven, methods=[LabelSmoothing(0.1)], recipe=recipe, runtime=CPU)
    images = normalise(split.images, *channel_statistics(split.images), torch.float32)
    losses = nn.functional.cross_entropy(
        NET.build(0)(images), split.labels, reduction="none", label_smoothing=0.1
    )
    wanted = (losses * class_weights(split.labels, 2)[split.labels]).mean()
    assert run.history[0].loss == pytest.approx(float(wanted.detach()), rel=1e-4)


def set_defaults(dtype: torch.dtype, device: str) -> None:
    torch.set_default_dtype(dtype)
    torch.set_default_device(device)


@pytest.mark.parametrize(("dtype", "device"), [(torch.float64, "cpu"), (torch.float32, "meta")])
def test_the_defaults_of_torch_change_no_bit(
    tmp_path: Path, dtype: torch.dtype, device: str
) -> None:
    linked = NetSpec(Shape(1, 8, 8), (Conv(4), GlobalAveragePool(), Classifier(2)), "linked")
    data, recipe = bars(64), Recipe(epochs=1, batch_size=16)
    few = load("digits", image_size=7)
    wanted = train(linked, data, methods=[Affine()], recipe=recipe, split="selection", runtime=CPU)
    logits = predict(wanted.model, data.test.images, wanted.mean, wanted.std)
    set_defaults(dtype, device)
    try:
        numbers: Any = {"methods": [Affine()], "recipe": recipe, "split": "selection"}
        train(linked, data, **numbers, runtime=CPU, folder=tmp_path / "a")
        run = load_run(tmp_path / "a")
        assert torch.equal(predict(run.model, data.test.images, run.mean, run.std), logits)
        fresh = load("digits", image_size=7, cache_dir=tmp_path / "cache")
        assert (torch.get_default_dtype(), torch.get_default_device().type) == (dtype, device)
    finally:
        set_defaults(torch.float32, "cpu")
    assert fresh.fingerprint == few.fingerprint
    assert run.history[0].loss == wanted.history[0].loss
    for name, tensor in wanted.model.state_dict().items():
        found = run.model.state_dict()[name]
        assert found.dtype == tensor.dtype
        assert torch.equal(found, tensor), name


def test_a_caller_s_autocast_changes_no_bit() -> None:
    strided = NetSpec(Shape(1, 8, 8), (Conv(4, stride=2), GlobalAveragePool(), Classifier(2)))
    data, recipe = bars(64), Recipe(epochs=1, batch_size=16)

    def found() -> tuple[float, Evaluation]:
        run = train(strided, data, recipe=recipe, runtime=CPU)
        answer = model_of(run).predict(data.test.images[0])
        return answer.probability, evaluate(run, data.test, measure_latency=False)

    wanted = found()
    with torch.autocast("cpu", torch.bfloat16):
        assert found() == wanted
        assert torch.is_autocast_enabled("cpu"), "the caller's own is as it was"


def test_data_that_were_changed_are_other_data(tmp_path: Path) -> None:
    data, recipe = bars(64), Recipe(epochs=1, batch_size=16)
    fewer = replace(data, train=Split(data.train.images[:32], data.train.labels[:32]))
    run = train(NET, data, recipe=recipe, runtime=CPU, folder=tmp_path / "run")
    assert run.trial.fingerprint == data.fingerprint
    assert train(NET, fewer, recipe=recipe, runtime=CPU).trial.key != run.trial.key
    with pytest.raises(
        ValueError, match=r"another run: fingerprint is .* the pictures have changed"
    ):
        train(NET, fewer, recipe=recipe, runtime=CPU, folder=tmp_path / "run", resume=True)
    with pytest.raises(DataError, match="the pictures run was trained on as they were"):
        trained_on(run, "run", data=fewer)


def test_data_that_were_changed_are_other_data_where_some_are_held_out() -> None:
    data, recipe = bars(64), Recipe(epochs=1, batch_size=16)
    fewer = replace(data, train=Split(data.train.images[:32], data.train.labels[:32]))
    keys = {
        train(NET, one, recipe=recipe, runtime=CPU, split="selection").trial.key
        for one in (data, fewer, replace(data, name="others"))
    }
    assert len(keys) == 2


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("methods", [[], [SAM(), EMA()]])
def test_a_caller_without_gradients_trains_to_the_same_bits(
    off: Any, methods: list[Method]
) -> None:
    def trained() -> dict[str, Tensor]:
        recipe = Recipe(epochs=1, batch_size=8)
        run = train(given.NET, given.some_data(), methods=methods, recipe=recipe, runtime=CPU)
        return run.model.state_dict()

    wanted = trained()
    with off():
        found = trained()
        assert not torch.is_grad_enabled(), "the caller's own is as it was"
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


def test_a_fold_is_held_out_of_training() -> None:
    data = bars(400)
    recipe = Recipe(epochs=1, batch_size=20)
    first, second = (
        train(NET, data, recipe=recipe, runtime=CPU, split=f"fold-{n}-of-3") for n in (1, 2)
    )
    assert first.history[0].held_out_accuracy is not None
    assert first.mean != second.mean, "statistics must come from the images trained on"


@pytest.mark.parametrize(("looks", "judged"), [(None, 6), (1 / 3, 6), (1 / 8, 3), (0.01, 1)])
def test_held_out_images_are_judged_as_often_as_asked_and_at_the_end(
    looks: float | None, judged: int
) -> None:
    """A quarter as many as are trained on: a fifth of the images is held out."""
    recipe = Recipe(epochs=6, batch_size=20)
    given: Any = {"recipe": recipe, "runtime": CPU, "split": "fold-1-of-5"}
    run = train(NET, bars(400), pace=Pace(looks=looks), **given)
    shares = [record.held_out_accuracy for record in run.history]
    assert sum(share is not None for share in shares) == judged
    assert shares[-1] is not None
    every = train(NET, bars(400), **given)
    assert torch.equal(run.model[0].conv.weight, every.model[0].conv.weight)  # pyright: ignore


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("methods", [[EMA()], [SWA(0.5), Cutout(3)], [Lookahead(3), EMA(0.9)]])
def test_epochs_are_judged_by_the_weights_to_keep(
    methods: list[Method], precision: str, tmp_path: Path
) -> None:
    data, split = given.some_data(200), "fold-1-of-2"
    recipe = Recipe(epochs=4, batch_size=16, peak_lr=0.05)
    numbers: Any = {"methods": methods, "recipe": recipe, "split": split}
    numbers["runtime"] = Runtime("cpu", threads=1, precision=precision)
    run = train(given.NET, data, **numbers, folder=tmp_path / "run")
    _, held_out = parts(data, split)
    assert held_out is not None
    kept = accuracy(predict(run.model, held_out.images, run.mean, run.std), held_out.labels)
    assert run.history[-1].held_out_accuracy == kept
    seldom = train(given.NET, data, **numbers, pace=Pace(looks=0.001))
    (tmp_path / "run" / WEIGHTS).unlink()
    again = train(given.NET, data, **numbers, folder=tmp_path / "run", resume=True)
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, seldom.model.state_dict()[name]), "a look changes the run"
        assert torch.equal(tensor, again.model.state_dict()[name]), "the end depends on a look"


def test_averaged_weights_are_judged_in_passing_by_statistics_of_their_own() -> None:
    """Live ones swing while the rate is high, and with them the statistics that follow them."""
    spec = zoo.net("mnist-1k5-dw").fitted(Shape(1, 8, 8), 10)
    recipe = Recipe(epochs=12, batch_size=64, peak_lr=0.05)
    methods = [EMA(), OneCycle()]
    run = train(
        spec, load("digits"), methods=methods, recipe=recipe, runtime=CPU, split="selection"
    )
    shares = [record.held_out_accuracy or 0 for record in run.history]
    assert shares[3] > 0.7, shares


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_statistics_of_averaged_weights_are_those_that_torch_finds(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime("cpu", threads=1, precision=precision)
    data, methods = bars(96), (EMA(), Affine(), LabelSmoothing())
    recipe = Recipe(epochs=1, batch_size=20)
    trial = Trial(NET, methods, recipe, 3, data.name, data.fingerprint, "full")
    found: list[dict[str, Tensor]] = []
    for path in ("", "torch"):
        with runtime.active(), monkeypatch.context() as here:
            training = Training(trial, data, runtime)
            if path:
                here.setenv("SMIDGEN_KERNELS", path)
                forget_choice()
            found.append(training.finished().model.state_dict())
    forget_choice()
    for own, expected in zip(found[0].values(), found[1].values(), strict=True):
        torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-5)


def test_wrong_labels_are_of_training_alone_and_of_the_seed() -> None:
    data = bars(80)
    trial = Trial(NET, (), Recipe(label_noise=0.5), 3, data.name, data.fingerprint, "selection")
    clean = replace(trial, recipe=Recipe())
    found = [Training(one, data, CPU) for one in (clean, trial, replace(trial, seed=4))]
    plain, noisy, other = (training.batches for training in found)
    assert found[0].held_out is not None
    assert found[1].held_out is not None
    assert torch.equal(found[0].held_out.labels, found[1].held_out.labels)
    assert found[0].mean == found[1].mean

    def labels(batches: Batches) -> Tensor:
        epoch = batches.epoch(torch.Generator().manual_seed(0))
        return torch.cat([batch.targets.argmax(1) for batch in epoch])

    assert float((labels(noisy) != labels(plain)).double().mean()) == pytest.approx(0.5, abs=0.1)
    assert not torch.equal(labels(noisy), labels(other))
    assert torch.equal(data.train.labels, bars(80).train.labels)


def test_a_share_is_learned_in_as_many_steps_and_judged_by_the_same_images() -> None:
    data = bars(180)
    trial = Trial(NET, (), Recipe(batch_size=32), 3, data.name, data.fingerprint, "selection")
    recipes = [Recipe(batch_size=32, share=share) for share in (1.0, 0.5, 0.25)]
    found = [Training(replace(trial, recipe=recipe), data, CPU) for recipe in recipes]
    assert {len(training.batches) for training in found} == {3}
    assert {training.batches.batch_size for training in found} == {32}
    assert [len(training.batches.labels) for training in found] == [121, 61, 30]
    whole = found[0].held_out
    assert whole is not None
    for training in found[1:]:
        assert training.held_out is not None
        assert torch.equal(training.held_out.images, whole.images)


def test_a_share_is_of_the_key_and_the_command_unless_it_is_all() -> None:
    data = bars(16)
    trial = Trial(NET, (), Recipe(share=0.5), 3, data.name, data.fingerprint, "full")
    whole = replace(trial, recipe=Recipe())
    assert replace(trial, recipe=Recipe(share=1)).key == whole.key != trial.key
    assert "share" not in whole.to_dict()["recipe"]
    assert Trial.from_dict(trial.to_dict()) == trial
    assert "recipe.share=0.5" in trial.command("digits", data.preprocessing)


def test_a_share_that_leaves_a_class_without_an_image_leaves_no_folder(tmp_path: Path) -> None:
    data = bars(16)
    with pytest.raises(DataError, match="share must leave every class an image"):
        train(NET, data, recipe=Recipe(share=0.05), folder=tmp_path / "run", runtime=CPU)
    assert not (tmp_path / "run").exists()


def test_wrong_labels_come_as_often_at_the_start_of_the_first_epoch_as_later() -> None:
    data = bars(400)
    trial = Trial(NET, (), Recipe(label_noise=0.5), 3, data.name, data.fingerprint, "full")
    clean, noisy = (Training(one, data, CPU) for one in (replace(trial, recipe=Recipe()), trial))
    batches = (training.batches.epoch(training.generator) for training in (clean, noisy))
    first, other = (next(of).targets.argmax(1) for of in batches)
    assert 0.3 < float((first != other).double().mean()) < 0.7


def test_a_share_of_wrong_labels_is_of_the_key_and_the_command() -> None:
    data = bars(16)
    trial = Trial(NET, (), Recipe(label_noise=0.2), 3, data.name, data.fingerprint, "full")
    clean = replace(trial, recipe=Recipe())
    assert trial.key != clean.key
    assert "label_noise" not in clean.to_dict()["recipe"]
    assert Trial.from_dict(trial.to_dict()) == trial
    assert "recipe.label_noise=0.2" in trial.command("digits", data.preprocessing)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_of_wrong_labels_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"label_noise must be in \[0, 1\], got"):
        Recipe(label_noise=share)

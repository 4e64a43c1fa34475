"""What every method promises, whatever it does. A new method is covered by being in METHODS."""

import warnings
from dataclasses import FrozenInstanceError, dataclass, fields
from itertools import pairwise
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import smidgen.methods
from smidgen.data import Data, Split
from smidgen.flat import Flat
from smidgen.layers import (
    Classifier,
    Conv,
    Depthwise,
    GlobalAveragePool,
    MaxPool,
    Repeat,
    Residual,
    Shape,
)
from smidgen.methods import BY_NAME, METHODS, SWA, Method, in_order, parse, rewritten
from smidgen.methods.base import (
    ArchitectureMethod,
    BatchMethod,
    GradientMethod,
    ScheduleMethod,
    WeightMethod,
    at_most_one,
)
from smidgen.recipe import Recipe
from smidgen.run import Run
from smidgen.runtime import Runtime
from smidgen.spec import NetSpec
from smidgen.tensors import Batch
from smidgen.text import to_text
from smidgen.train import Backprop, train

ALL = [kind() for kind in METHODS]
NET = NetSpec(
    Shape(3, 8, 8),
    (
        Conv(6),
        MaxPool(),
        Residual((Conv(8, stride=2), Depthwise(8, activation="none")), True, "relu"),
        Repeat((Residual((Depthwise(8),)),)),
        GlobalAveragePool(),
        Classifier(5),
    ),
)
FORMATS = pytest.mark.parametrize(
    "memory_format", [torch.contiguous_format, torch.channels_last], ids=["planes", "last"]
)
SINGLE = Runtime("cpu", threads=1, precision="float32")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def a_batch(
    n: int,
    *,
    channels: int = 3,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Batch:
    g = seeded(7)
    labels = torch.randint(5, (n,), generator=g)
    images = torch.randn(n, channels, 8, 8, generator=g).to(dtype)
    if memory_format == torch.channels_last:  # spelt out: with one channel, torch's own is a no-op
        images = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    return Batch(images, F.one_hot(labels, 5).float())


def some_data(images: int = 24) -> Data:
    g = seeded(3)
    labels = torch.arange(images) % 5
    pixels = torch.randint(0, 256, (images, 3, 8, 8), generator=g, dtype=torch.uint8)
    split = Split(pixels, labels)
    return Data("noise", split, split, tuple("abcde"))


def run_with(methods: list[Method], **recipe: Any) -> Run:
    numbers: dict[str, Any] = {"epochs": 2, "batch_size": 8, "peak_lr": 0.01, **recipe}
    return train(NET, some_data(), methods=methods, recipe=Recipe(**numbers), runtime=SINGLE)


def of(kind: type[Method]) -> pytest.MarkDecorator:
    chosen = [method for method in ALL if isinstance(method, kind)]
    return pytest.mark.parametrize("method", chosen, ids=lambda method: method.name)


@of(Method)
def test_is_a_frozen_value(method: Method) -> None:
    assert method == type(method)()
    assert hash(method) == hash(type(method)())
    assert not hasattr(method, "__dict__"), "slots keep a misspelt attribute from being set"
    values: Any = method
    for field in fields(values):
        with pytest.raises(FrozenInstanceError):
            setattr(values, field.name, None)


@of(Method)
def test_the_text_form_round_trips(method: Method) -> None:
    assert to_text(method) == method.name, "a method with its defaults is its name"
    assert parse(method.name) == (method,)
    values: Any = method
    shown = ", ".join(f"{f.name}={getattr(values, f.name)!r}" for f in fields(values))
    assert parse(f"{method.name}({shown})") == (method,)


@of(Method)
def test_is_of_one_kind_and_documented(method: Method) -> None:
    kinds = (ArchitectureMethod, BatchMethod, ScheduleMethod, GradientMethod, WeightMethod)
    assert sum(isinstance(method, kind) for kind in kinds) == 1
    assert BY_NAME[method.name] is type(method)
    assert type(method).__name__ in smidgen.methods.__all__
    said = type(method).__doc__ or ""
    for part in ("Args:", "Raises:", "Source:", "``"):
        assert part in said, f"{method.name} does not say its {part}"


@of(Method)
def test_refuses_numbers_that_are_none(method: Method) -> None:
    kind: Any = type(method)
    for field in fields(kind):
        if field.type is float:
            with pytest.raises(ValueError, match=rf"{method.name} {field.name} must be"):
                kind(**{field.name: float("nan")})


def test_order_does_not_depend_on_the_caller() -> None:
    assert in_order(ALL) == in_order(reversed(ALL)) == tuple(ALL)


def test_a_stranger_is_applied_last() -> None:
    @dataclass(frozen=True, slots=True)
    class Stranger(BatchMethod):
        name: ClassVar[str] = "stranger"

        def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
            del progress, generator
            return batch

    assert in_order([Stranger(), *ALL])[-1] == Stranger()


def test_two_schedules_contradict_each_other() -> None:
    with pytest.raises(ValueError, match=r"at most one ScheduleMethod per run, got one-cycle and"):
        at_most_one(parse("one-cycle, cosine"), ScheduleMethod)


@of(ArchitectureMethod)
def test_architecture_is_idempotent_and_exact(method: ArchitectureMethod) -> None:
    new = method.rewrite(NET)
    assert new != NET
    assert method.rewrite(new) == new
    assert new.name == NET.name
    assert new.out_shape == NET.out_shape
    assert new.params == sum(p.numel() for p in new.build().parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rewritten(NET, [method]) == new


@of(ArchitectureMethod)
def test_architecture_that_changes_nothing_says_so(method: ArchitectureMethod) -> None:
    bare = NetSpec(Shape(3, 8, 8), (GlobalAveragePool(), Classifier(5)), "bare")
    with pytest.warns(UserWarning, match=f"^{method.name} changes nothing in bare: it has no "):
        assert rewritten(bare, [method]) == bare


@of(BatchMethod)
@FORMATS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("n", "channels"), [(1, 1), (2, 3), (33, 1), (8, 3)])
def test_batch_keeps_what_it_must(
    method: BatchMethod,
    n: int,
    channels: int,
    dtype: torch.dtype,
    memory_format: torch.memory_format,
) -> None:
    before, kept = (
        a_batch(n, channels=channels, dtype=dtype, memory_format=memory_format) for _ in range(2)
    )
    after = method.transform(before, 0.5, seeded())
    assert after.images.shape == before.images.shape
    assert after.images.dtype == dtype
    assert after.images.stride() == before.images.stride(), "the memory format changed"
    assert after.targets.dtype == torch.float32
    torch.testing.assert_close(after.targets.sum(1), torch.ones(n))
    assert after.targets.min() >= 0
    assert torch.equal(before.images, kept.images), "the input was modified"
    assert torch.equal(before.targets, kept.targets), "the input was modified"


@of(BatchMethod)
def test_batch_acts_alike_in_every_memory_format(method: BatchMethod) -> None:
    planes, last = (
        method.transform(a_batch(8, memory_format=memory_format), 0.5, seeded())
        for memory_format in (torch.contiguous_format, torch.channels_last)
    )
    assert torch.equal(planes.images, last.images)
    assert torch.equal(planes.targets, last.targets)


@of(BatchMethod)
def test_batch_takes_a_slice_that_is_not_dense(method: BatchMethod) -> None:
    whole = a_batch(8)
    part = Batch(whole.images[::2, :, 1:, 1:], whole.targets[::2])
    dense = Batch(part.images.clone(memory_format=torch.contiguous_format), part.targets.clone())
    once, again = (method.transform(batch, 0.5, seeded()) for batch in (part, dense))
    assert torch.equal(once.images, again.images)


@of(BatchMethod)
def test_batch_draws_only_from_its_generator(method: BatchMethod) -> None:
    state = torch.random.get_rng_state()
    once, again = (method.transform(a_batch(8), 0.5, seeded(3)) for _ in range(2))
    assert torch.equal(once.images, again.images)
    assert torch.equal(once.targets, again.targets)
    assert torch.equal(state, torch.random.get_rng_state()), "the global generator was touched"


@of(ScheduleMethod)
def test_schedule_is_a_continuous_fraction_of_the_peak(method: ScheduleMethod) -> None:
    values = [method.lr_factor(step / 1000) for step in range(1001)]
    assert all(0 <= value <= 1 for value in values)
    assert max(values) == pytest.approx(1, abs=1e-3)
    assert max(abs(a - b) for a, b in pairwise(values)) < 0.02


@of(GradientMethod)
def test_gradient_reports_the_plain_loss_and_moves_nothing_else(method: GradientMethod) -> None:
    model, twin = (NET.build() for _ in range(2))
    twin.load_state_dict(model.state_dict())
    flat, twin_flat, batch = Flat(model), Flat(twin), a_batch(8)
    loss = method.backward(loss_on(model, batch), model, flat)
    plain = Backprop().backward(loss_on(twin, batch), twin, twin_flat)
    assert torch.equal(loss, plain)
    assert not loss.requires_grad
    for (name, ours), theirs in zip(
        model.state_dict().items(), twin.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), f"{name} moved, or moved twice"
    assert all(m.momentum == 0.1 for m in model.modules() if isinstance(m, nn.BatchNorm2d))


def loss_on(model: nn.Module, batch: Batch) -> Any:
    return lambda: F.cross_entropy(model(batch.images), batch.targets)


@of(WeightMethod)
def test_weights_are_watched_and_never_touched(method: WeightMethod) -> None:
    weights = torch.randn(50, generator=seeded())
    before = weights.clone()
    tracker = method.follow(weights)
    for epoch in range(4):
        tracker.after_step()
        tracker.after_epoch((epoch + 1) / 8)
    assert torch.equal(weights, before)
    torch.testing.assert_close(tracker.average, before)  # weights that stay average to themselves
    assert tracker.average.data_ptr() != weights.data_ptr()


@of(WeightMethod)
def test_weights_resume_to_the_same_bits(method: WeightMethod) -> None:
    def steps(tracker: Any, weights: torch.Tensor, epochs: range) -> None:
        for epoch in epochs:
            weights.copy_(torch.randn(50, generator=seeded(epoch)))
            tracker.after_step()
            tracker.after_epoch((epoch + 1) / 16)

    weights, again = torch.zeros(50), torch.zeros(50)
    whole, first, second = method.follow(weights), method.follow(again), method.follow(again)
    steps(whole, weights, range(16))
    steps(first, again, range(14))
    state = first.state()
    steps(first, again, range(14, 15))  # what was saved must not follow the run that goes on
    second.load(state)
    steps(second, again, range(14, 16))
    assert torch.equal(whole.average, second.average)


@of(WeightMethod)
def test_weights_have_one_average_tensor_for_the_whole_run(method: WeightMethod) -> None:
    weights = torch.zeros(3)
    tracker = method.follow(weights)
    place = tracker.average.data_ptr()
    for epoch in range(8):
        weights += 1
        tracker.after_step()
        tracker.after_epoch((epoch + 1) / 8)
        assert tracker.average.data_ptr() == place
    tracker.load(tracker.state())
    assert tracker.average.data_ptr() == place


@of(Method)
def test_trains_alone_and_repeats_bit_for_bit(method: Method) -> None:
    chosen: Method = SWA(start=0.25) if isinstance(method, SWA) else method
    state = torch.random.get_rng_state()
    once, again = (run_with([chosen]).model.state_dict() for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state()), "the global generator was touched"
    assert all(torch.isfinite(v).all() for v in once.values())
    assert all(torch.equal(v, again[k]) for k, v in once.items())
    assert any(not torch.equal(v, w) for v, w in zip(once.values(), plain_run(), strict=False))


def plain_run() -> list[torch.Tensor]:
    return list(run_with([]).model.state_dict().values())


TOGETHER = [method for method in ALL if method.name not in {"cosine", "cyclical"}]


def test_all_methods_train_together() -> None:
    assert len({type(method).__mro__[1] for method in TOGETHER}) == 5, "of every kind"
    model = run_with(TOGETHER, epochs=8).model
    assert all(torch.isfinite(v).all() for v in model.state_dict().values())


def test_the_methods_that_leave_images_alone_learn_them_by_heart() -> None:
    chosen = [method for method in TOGETHER if not isinstance(method, BatchMethod)]
    history = run_with(chosen, epochs=40, peak_lr=0.05).history
    assert history[-1].loss < 0.3 * history[0].loss


def test_parameters_that_a_method_adds_are_trained() -> None:
    methods = [*parse("squeeze-excite, blurpool")]
    before, after = (run_with(methods, epochs=epochs).model.state_dict() for epochs in (1, 2))
    names = [name for name, _ in rewritten(NET, methods).build().named_parameters()]
    assert sum(before[name].numel() for name in names) > NET.params
    assert all(not torch.equal(before[name], after[name]) for name in names)


def test_every_parameter_is_a_view_of_the_one_vector_in_two_groups() -> None:
    spec = rewritten(NET, parse("squeeze-excite"))
    model = spec.build()
    flat = Flat(model)
    assert flat.weights.numel() == flat.gradient.numel() == spec.params
    assert flat.decayed == sum(p.numel() for p in model.parameters() if p.ndim > 1)
    flat.weights.fill_(2.0)
    flat.gradient.fill_(3.0)
    for p in model.parameters():
        assert p.grad is not None
        assert (p == 2).all()
        assert (p.grad == 3).all()


def test_a_batch_is_transformed_once_a_step_although_sam_passes_twice() -> None:
    seen: list[float] = []

    @dataclass(frozen=True, slots=True)
    class Counting(BatchMethod):
        name: ClassVar[str] = "counting"

        def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
            del generator
            seen.append(progress)
            return batch

    run_with([Counting(), *parse("sam, mixup")])
    assert seen == [step / 5 for step in range(6)], "3 steps an epoch, 2 epochs, first 0, last 1"


@pytest.mark.parametrize(
    ("shown", "same"),
    [
        ("cutout:length=8", "cutout(length=8)"),
        ("blurpool,cutout:length=8,one-cycle", "blurpool, cutout(length=8), one-cycle"),
        ("cutout:8", "cutout(8)"),
        ("swa:start=0.75:lr=0.15", "swa(start=0.75, lr=0.15)"),
        ("label-smoothing:smoothing=0.2, ema", "label-smoothing(smoothing=0.2), ema"),
    ],
)
def test_arguments_after_colons_need_no_quotes_in_a_shell(shown: str, same: str) -> None:
    assert parse(shown) == parse(same)


@pytest.mark.parametrize("text", ["cutout:", ":8", "cutout:length=8)", "cutout:length=(8)"])
def test_half_of_a_form_with_colons_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="method must be name"):
        parse(text)


def test_an_unknown_argument_after_a_colon_is_named() -> None:
    with pytest.raises(ValueError, match="cutout has no argument 'lenght'; did you mean 'length'"):
        parse("cutout:lenght=8")

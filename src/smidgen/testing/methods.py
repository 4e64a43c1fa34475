"""What every method promises, whatever it does."""

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import FrozenInstanceError, fields
from itertools import pairwise, product
from typing import Any, TypeAlias

import torch
from torch import nn

from smidgen.flat import Flat
from smidgen.methods import Method, known, rewritten
from smidgen.methods.base import (
    KINDS,
    ArchitectureMethod,
    BatchMethod,
    GradientMethod,
    ScheduleMethod,
    StartMethod,
    WeightMethod,
)
from smidgen.testing.given import BARE, NET, a_batch, loss_on, run_with, seeded
from smidgen.text import parse, to_text
from smidgen.train import Backprop

Check: TypeAlias = Callable[[Any], None]

_FORMATS = (torch.contiguous_format, torch.channels_last)
_SIZES = ((1, 1), (2, 3), (33, 1), (8, 3))  # images and channels
_CLOSE = 1e-5


def method_checks(method: Method) -> tuple[Check, ...]:
    """Return the checks that hold for a method of this kind; each is called with the method."""
    of_kind = {
        ArchitectureMethod: (is_idempotent_and_exact, says_where_it_changes_nothing),
        BatchMethod: (
            keeps_what_it_must_of_a_batch,
            acts_alike_in_every_memory_format,
            takes_a_slice_that_is_not_dense,
            draws_only_from_its_generator,
        ),
        StartMethod: (begins_alike_with_finite_weights,),
        ScheduleMethod: (is_a_continuous_fraction_of_the_peak,),
        GradientMethod: (reports_the_plain_loss_and_moves_nothing_else,),
        WeightMethod: (
            watches_weights_and_never_touches_them,
            resumes_to_the_same_bits,
            has_one_average_for_the_whole_run,
        ),
    }
    chosen = [checks for kind, checks in of_kind.items() if isinstance(method, kind)]
    return (
        is_a_frozen_value,
        has_a_text_form_that_round_trips,
        is_of_one_kind_and_documented,
        refuses_numbers_that_are_none,
        *(check for checks in chosen for check in checks),
        trains_alone_and_repeats_bit_for_bit,
    )


def is_a_frozen_value(method: Method) -> None:
    """Equal and hashable by value, without room for a misspelt attribute."""
    assert method == type(method)(), "a method with its defaults must equal another one"
    assert hash(method) == hash(type(method)()), "equal methods must have one hash"
    assert not hasattr(method, "__dict__"), "slots=True keeps a misspelt attribute from being set"
    for field in fields(method):  # pyright: ignore[reportArgumentType]
        refused = False
        with suppress(FrozenInstanceError):
            setattr(method, field.name, None)
            refused = True
        assert not refused, f"{field.name} can be set: frozen=True"


def has_a_text_form_that_round_trips(method: Method) -> None:
    """Written and read again, it is the same, with defaults and without."""
    kinds = {method.name: type(method)}
    assert to_text(method) == method.name, "a method with its defaults is its name"
    assert parse(method.name, kinds, "method") == method, "its name alone must give its defaults"
    values: Any = method
    shown = ", ".join(f"{field.name}={getattr(values, field.name)!r}" for field in fields(values))
    text = f"{method.name}({shown})"
    assert parse(text, kinds, "method") == method, f"{text} must be read as what it was written of"


def is_of_one_kind_and_documented(method: Method) -> None:
    """Of exactly one kind, offered by its name, with a docstring that says what it does."""
    of = [kind.__name__ for kind in KINDS if isinstance(method, kind)]
    assert len(of) == 1, f"a method must be of one kind, got {', '.join(of) or 'none'}"
    here = known().get(method.name)
    assert here is type(method), f"no installed package offers {method.name} by smidgen.methods"
    said = type(method).__doc__ or ""
    for part in ("Args:", "Raises:", "Source:", "``"):
        assert part in said, f"the docstring of {method.name} does not say its {part}"


def refuses_numbers_that_are_none(method: Method) -> None:
    """No number of it may be NaN."""
    kind: Any = type(method)
    for field in fields(kind):
        if field.type is not float:
            continue
        said = ""
        try:
            kind(**{field.name: float("nan")})
        except ValueError as error:
            said = str(error)
        asked = f"{method.name} {field.name} must be"
        assert asked in said, f"NaN must be refused with '{asked} ...', got {said!r}"


def is_idempotent_and_exact(method: ArchitectureMethod) -> None:
    """Applied twice is applied once; parameters are those of the net that is built."""
    new = method.rewrite(NET)
    assert new != NET, f"{method.name} must change a net of common layers"
    assert method.rewrite(new) == new, "applied again, it must change nothing"
    assert new.name == NET.name, "a net keeps its name"
    assert new.out_shape == NET.out_shape, "a net keeps its classes"
    built = sum(p.numel() for p in new.build().parameters())
    assert new.params == built, f"{new.params} parameters are counted and {built} built"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rewritten(NET, [method]) == new, "a run must build what it rewrites"


def says_where_it_changes_nothing(method: ArchitectureMethod) -> None:
    """A net without its target stays as it is, with a warning that names the target."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert rewritten(BARE, [method]) == BARE, "a net without its target must stay as it is"
    said = [str(one.message) for one in heard]
    assert any(line.startswith(f"{method.name} changes nothing in bare") for line in said), said


def keeps_what_it_must_of_a_batch(method: BatchMethod) -> None:
    """Shapes, types, memory format; targets that sum to 1; and what it was given."""
    cases = product(_FORMATS, (torch.float32, torch.bfloat16), _SIZES)
    for memory_format, dtype, (count, channels) in cases:
        before, kept = (
            a_batch(count, channels=channels, dtype=dtype, memory_format=memory_format)
            for _ in range(2)
        )
        after = method.transform(before, 0.5, seeded())
        case = f"{count} images of {channels} channels, {dtype}, {memory_format}"
        assert after.images.shape == before.images.shape, f"{case}: another shape"
        assert after.images.dtype == dtype, f"{case}: another type, {after.images.dtype}"
        assert after.images.stride() == before.images.stride(), f"{case}: another memory format"
        assert after.targets.dtype == torch.float32, f"{case}: targets must stay float32"
        apart = (after.targets.sum(1) - 1).abs().max()
        assert float(apart) < _CLOSE, f"{case}: targets must sum to 1"
        assert float(after.targets.min()) >= 0, f"{case}: a target is negative"
        assert torch.equal(before.images, kept.images), f"{case}: the images given were modified"
        assert torch.equal(before.targets, kept.targets), f"{case}: the targets were modified"


def acts_alike_in_every_memory_format(method: BatchMethod) -> None:
    """The order in memory changes no pixel."""
    planes, last = (
        method.transform(a_batch(8, memory_format=memory_format), 0.5, seeded())
        for memory_format in _FORMATS
    )
    assert torch.equal(planes.images, last.images), "channels_last gives other images"
    assert torch.equal(planes.targets, last.targets), "channels_last gives other targets"


def takes_a_slice_that_is_not_dense(method: BatchMethod) -> None:
    """A view of other images gives what its copy gives."""
    whole = a_batch(8)
    part = type(whole)(whole.images[::2, :, 1:, 1:], whole.targets[::2])
    copy = part.images.clone(memory_format=torch.contiguous_format)
    dense = type(whole)(copy, part.targets.clone())
    once, again = (method.transform(batch, 0.5, seeded()) for batch in (part, dense))
    assert torch.equal(once.images, again.images), "a slice gives other images than its copy"


def draws_only_from_its_generator(method: BatchMethod) -> None:
    """One seed gives one result, and the global generator is left alone."""
    state = torch.random.get_rng_state()
    once, again = (method.transform(a_batch(8), 0.5, seeded(3)) for _ in range(2))
    assert torch.equal(once.images, again.images), "one seed gives two results"
    assert torch.equal(once.targets, again.targets), "one seed gives two results"
    untouched = torch.equal(state, torch.random.get_rng_state())
    assert untouched, "the global generator was touched"


def begins_alike_with_finite_weights(method: StartMethod) -> None:
    """Two models of one seed begin alike, with as many weights as they had."""
    models = [NET.build(seed=0) for _ in range(2)]
    before = {name: value.shape for name, value in models[0].state_dict().items()}
    for model in models:
        method.start(model)
    one, other = (model.state_dict() for model in models)
    assert {name: value.shape for name, value in one.items()} == before, "shapes must stay"
    for name, value in one.items():
        assert value.isfinite().all(), f"{name} must be finite"
        assert torch.equal(value, other[name]), f"{name} must be the same for the same seed"


def is_a_continuous_fraction_of_the_peak(method: ScheduleMethod) -> None:
    """Between 0 and 1, 1 somewhere, without a jump."""
    values = [method.lr_factor(step / 1000) for step in range(1001)]
    assert all(0 <= value <= 1 for value in values), "a factor must be in [0, 1]"
    assert abs(max(values) - 1) < 1e-3, f"the peak must be 1, got {max(values)}"  # noqa: PLR2004
    jump = max(abs(a - b) for a, b in pairwise(values))
    assert jump < 0.02, f"the learning rate jumps by {jump} of its peak"  # noqa: PLR2004


def reports_the_plain_loss_and_moves_nothing_else(method: GradientMethod) -> None:
    """The loss is that at the current weights; batch-norm statistics move once."""
    model, twin = (NET.build() for _ in range(2))
    twin.load_state_dict(model.state_dict())
    flat, twin_flat, batch = Flat(model), Flat(twin), a_batch(8)
    loss = method.backward(loss_on(model, batch), model, flat)
    plain = Backprop().backward(loss_on(twin, batch), twin, twin_flat)
    assert torch.equal(loss, plain), "the loss must be that at the current weights"
    assert not loss.requires_grad, "the loss must be detached"
    pairs = zip(model.state_dict().items(), twin.state_dict().values(), strict=True)
    for (name, ours), theirs in pairs:
        assert torch.equal(ours, theirs), f"{name} moved, or moved twice"
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    momentum = all(norm.momentum == 0.1 for norm in norms)  # noqa: PLR2004
    assert momentum, "the momentum of batch norm must be as it was"


def watches_weights_and_never_touches_them(method: WeightMethod) -> None:
    """Weights that stay average to themselves, in a tensor of its own."""
    weights = torch.randn(50, generator=seeded())
    before = weights.clone()
    tracker = method.follow(weights)
    for epoch in range(4):
        tracker.after_step()
        tracker.after_epoch((epoch + 1) / 8)
    assert torch.equal(weights, before), "the weights were touched"
    apart = float((tracker.average - before).abs().max())
    assert apart < _CLOSE, "weights that stay must average to themselves"
    own = tracker.average.data_ptr() != weights.data_ptr()
    assert own, "the average must have memory of its own"


def resumes_to_the_same_bits(method: WeightMethod) -> None:
    """What it saved goes on to where it would have come."""

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
    fixed = [
        sorted((name, t.dtype, t.shape) for name, t in of.items()) for of in (second.state(), state)
    ]
    assert fixed[0] == fixed[1], "names, shapes or types of what is saved change in a run"
    second.load(state)
    steps(second, again, range(14, 16))
    assert torch.equal(whole.average, second.average), "resumed, it ends elsewhere"


def has_one_average_for_the_whole_run(method: WeightMethod) -> None:
    """The tensor of the average is the same at every call."""
    weights = torch.zeros(3)
    tracker = method.follow(weights)
    place = tracker.average.data_ptr()
    for epoch in range(8):
        weights += 1
        tracker.after_step()
        tracker.after_epoch((epoch + 1) / 8)
        assert tracker.average.data_ptr() == place, "the average moved to another tensor"
    tracker.load(tracker.state())
    assert tracker.average.data_ptr() == place, "loading moved the average to another tensor"


def trains_alone_and_repeats_bit_for_bit(method: Method) -> None:
    """A run with it ends with finite weights, the same at every time, and others than without."""
    state = torch.random.get_rng_state()
    once, again = (run_with([method], epochs=8).model.state_dict() for _ in range(2))
    untouched = torch.equal(state, torch.random.get_rng_state())
    assert untouched, "the global generator was touched"
    assert all(bool(v.isfinite().all()) for v in once.values()), "weights are not finite"
    same = all(torch.equal(value, again[name]) for name, value in once.items())
    assert same, "two runs of one seed differ"
    plain = run_with([], epochs=8).model.state_dict().values()
    changed = any(not torch.equal(v, w) for v, w in zip(once.values(), plain, strict=False))
    assert changed, f"{method.name} changes nothing in a run"

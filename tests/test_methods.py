"""What every method promises, whatever it does. A new method is covered by being in METHODS."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

import smidgen.methods
from smidgen.flat import Flat
from smidgen.methods import (
    BY_NAME,
    METHODS,
    Method,
    in_order,
    parse,
    rewritten,
)
from smidgen.methods.base import BatchMethod, ScheduleMethod, at_most_one
from smidgen.methods.of_runs import run_of
from smidgen.tensors import Batch
from smidgen.testing import method_checks
from smidgen.testing.given import NET, run_with

# Those that learn from a run have tests of their own.
ALL = [kind() for kind in METHODS if run_of(kind()) is None]


def of(kind: type[Method]) -> pytest.MarkDecorator:
    chosen = [method for method in ALL if isinstance(method, kind)]
    return pytest.mark.parametrize("method", chosen, ids=lambda method: method.name)


CHECKS = [(method, check) for method in ALL for check in method_checks(method)]


@pytest.mark.filterwarnings("ignore:cutout hides")  # of images as small as a test takes
@pytest.mark.parametrize(
    ("method", "check"), CHECKS, ids=[f"{of.name}-{check.__name__}" for of, check in CHECKS]
)
def test_every_method_keeps_every_promise(method: Method, check: Callable[[Method], None]) -> None:
    check(method)


@of(Method)
def test_is_offered_by_its_name(method: Method) -> None:
    assert BY_NAME[method.name] is type(method)
    assert type(method).__name__ in smidgen.methods.__all__


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


def test_what_no_run_could_apply_or_name_is_no_method() -> None:
    @dataclass(frozen=True, slots=True)
    class OfNoKind(Method):
        name: ClassVar[str] = "of-no-kind"

    class NoDataclass(ScheduleMethod):
        name: ClassVar[str] = "no-dataclass"

        def lr_factor(self, progress: float) -> float:
            return 1.0

    @dataclass(frozen=True, slots=True)
    class Nameless(NoDataclass):
        name: ClassVar[str] = None  # pyright: ignore[reportAssignmentType]

    for wrong in (OfNoKind(), NoDataclass(), Nameless()):
        with pytest.raises(ValueError, match=r"a frozen dataclass with a name, of exactly one"):
            run_with([wrong])


def test_two_schedules_contradict_each_other() -> None:
    with pytest.raises(ValueError, match=r"at most one ScheduleMethod per run, got one-cycle and"):
        at_most_one(parse("one-cycle, cosine"), ScheduleMethod)


TOGETHER = [method for method in ALL if method.name not in {"cosine", "cyclical"}]


@pytest.mark.filterwarnings("ignore:cutout hides")  # of images as small as a test takes
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
        ("distill:teacher=runs/my-net:share=0.9", "distill(teacher='runs/my-net', share=0.9)"),
        ("distill:teacher=my-net", "distill('my-net')"),
        ("pretrained:run=runs/my-net", "pretrained('runs/my-net')"),
        ("distill(teacher='hub:me/my-net'), sam", "distill(teacher='hub:me/my-net'), sam"),
        ("distill:teacher=hub:me/my-net:share=0.9,sam", "distill('hub:me/my-net', 0.9), sam"),
        ("sam, pretrained:hub:me/my.net@v1/b", "sam, pretrained('hub:me/my.net@v1/b')"),
        ("distill:teacher=hub:share=0.9", "distill(teacher='hub', share=0.9)"),
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

"""Distillation: a teacher that fits, its answers to what the student sees, and its digest."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from tests.methods.learned import others, run

from smidgen.data import Split
from smidgen.export.artefact import source_of
from smidgen.kernels.chain import Inference
from smidgen.layers import Classifier, Conv, Flatten, GlobalAveragePool, Shape
from smidgen.methods import Distill, Flip, in_order, parse
from smidgen.methods.base import BatchMethod, of_kind
from smidgen.progress import Report
from smidgen.recipe import Recipe
from smidgen.run import digest, load_run
from smidgen.run_folder import shared_plan
from smidgen.share.facts import facts_of
from smidgen.spec import NetSpec
from smidgen.study.plan import read_plan
from smidgen.teacher import Lesson, lessons, with_teachers
from smidgen.tensors import Batch
from smidgen.testing import methods as promises
from smidgen.testing.given import CLASSES, NET, SINGLE, a_batch, seeded, some_data
from smidgen.text import to_text
from smidgen.train import train

BIG = NetSpec(Shape(3, 8, 8), (Conv(24), GlobalAveragePool(), Classifier(CLASSES)), "big")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher") / "my-net"
    run(folder, [], net=BIG)
    return folder


def lesson(teacher: Path, **arguments: Any) -> Lesson:
    given = load_run(teacher)
    method = Distill(str(teacher), **arguments)
    (found,) = lessons([method], some_data(), "full", (given.mean, given.std), "cpu")
    assert isinstance(found, Lesson)
    return found


@pytest.mark.parametrize(
    "check",
    [
        promises.is_a_frozen_value,
        promises.has_a_text_form_that_round_trips,
        promises.is_of_one_kind_and_documented,
        promises.refuses_numbers_that_are_none,
    ],
)
def test_keeps_the_promises_of_a_value(check: promises.Check) -> None:
    check(Distill())


@pytest.mark.parametrize("text", ["/a folder/it's-mine", "runs/my-net", "hub:me/my-net"])
def test_the_text_form_keeps_a_place_as_it_is(text: str) -> None:
    method = Distill(text, share=0.25)
    assert parse(to_text(method)) == (method,)


def test_targets_move_a_share_of_the_way_to_the_softened_answers(teacher: Path) -> None:
    batch, model = a_batch(6), load_run(teacher).model
    taught = lesson(teacher, share=0.25, temperature=3.0).transform(batch, 0.0, seeded())
    with torch.no_grad():
        answers = F.softmax(model(batch.images) / 3, dim=1)
    torch.testing.assert_close(taught.targets, 0.75 * batch.targets + 0.25 * answers)
    assert torch.equal(taught.images, batch.images)
    torch.testing.assert_close(taught.targets.sum(1), torch.ones(6))
    heavier = replace(batch, targets=3 * batch.targets)
    again = lesson(teacher, share=0.25, temperature=3.0).transform(heavier, 0.0, seeded())
    torch.testing.assert_close(again.targets, 3 * taught.targets)


def test_the_gradient_at_temperature_1_is_that_of_both_losses(teacher: Path) -> None:
    batch = a_batch(6)
    logits = torch.randn(6, CLASSES, generator=seeded(), requires_grad=True)
    taught = lesson(teacher, share=0.5).transform(batch, 0.0, seeded()).targets
    (found,) = torch.autograd.grad(F.cross_entropy(logits, taught), logits)
    with torch.no_grad():
        answers = load_run(teacher).model(batch.images).log_softmax(1)
    apart = F.kl_div(logits.log_softmax(1), answers, log_target=True, reduction="batchmean")
    both = 0.5 * F.cross_entropy(logits, batch.targets) + 0.5 * apart
    (expected,) = torch.autograd.grad(both, logits)
    torch.testing.assert_close(found, expected)


def test_the_teacher_does_not_learn_nor_draw(teacher: Path) -> None:
    taught = lesson(teacher)
    asked, answers = list[torch.dtype](), taught.answers

    def watched(images: torch.Tensor) -> torch.Tensor:
        asked.append(images.dtype)
        return answers(images)

    taught = replace(taught, answers=watched)
    assert isinstance(answers, Inference)
    model = answers.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generator = seeded()
    state = generator.get_state()
    for dtype in (torch.float32, torch.bfloat16):
        after = taught.transform(a_batch(8, dtype=dtype), 0.0, generator)
        assert after.images.dtype == dtype
        assert after.targets.dtype == torch.float32
        assert asked.pop() == dtype, "a teacher answers in the data type of the run"
    assert torch.equal(state, generator.get_state())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_teacher_sees_pictures_in_its_own_statistics(teacher: Path) -> None:
    given, pixels = load_run(teacher), torch.rand(4, 3, 8, 8, generator=seeded())
    targets = torch.eye(CLASSES)[:4]

    def answers(mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
        (taught,) = lessons([Distill(str(teacher), 1.0)], some_data(), "full", (mean, std), "cpu")
        images = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
        return taught.transform(Batch(images, targets), 0.0, seeded()).targets

    torch.testing.assert_close(
        answers(given.mean, given.std), answers((0.1, 0.5, 0.9), (0.4, 0.1, 0.2))
    )


def test_the_teacher_sees_what_other_methods_made_of_a_picture(teacher: Path) -> None:
    batch = a_batch(8)
    (flip, taught) = (*parse("flip(probability=1.0)"), lesson(teacher, share=1.0))
    seen: Any = flip
    turned = seen.transform(batch, 0.0, seeded())
    with torch.no_grad():
        expected = load_run(teacher).model(batch.images.flip(3)).softmax(1)
    torch.testing.assert_close(taught.transform(turned, 0.0, seeded()).targets, expected)


@dataclass(frozen=True, slots=True)
class Stranger(BatchMethod):
    """Of another package."""

    name: ClassVar[str] = "stranger"

    def transform(self, batch: Batch, progress: float, generator: torch.Generator) -> Batch:
        raise NotImplementedError


def test_the_teacher_comes_after_methods_of_other_packages(teacher: Path) -> None:
    given, methods = load_run(teacher), in_order([Stranger(), Distill(str(teacher)), Flip()])
    found = lessons(
        of_kind(methods, BatchMethod), some_data(), "full", (given.mean, given.std), "cpu"
    )
    assert [method.name for method in found] == ["flip", "stranger", "distill"]


def test_a_student_follows_its_teacher(teacher: Path) -> None:
    """Labels say nothing here, and the student is told nothing else than what its teacher says."""
    given, data = load_run(teacher), some_data()
    plain, taught = (
        train(NET, data, methods=methods, recipe=Recipe(epochs=30, batch_size=8), runtime=SINGLE)
        for methods in ([], [Distill(str(teacher), 1.0)])
    )
    images = (data.train.images / 255 - torch.tensor(given.mean).view(3, 1, 1)) / torch.tensor(
        given.std
    ).view(3, 1, 1)
    with torch.no_grad():
        answers = given.model(images).softmax(1)
        far, near = (
            F.kl_div(of.model(images).log_softmax(1), answers, reduction="batchmean")
            for of in (plain, taught)
        )
    assert near < 0.5 * far


def test_the_digest_is_part_of_the_trial_and_the_place_is_not(
    teacher: Path, tmp_path: Path
) -> None:
    moved, other = tmp_path / "moved", tmp_path / "other"
    moved.mkdir()
    for path in teacher.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    run(other, [], net=BIG, seed=1)
    here, there, elsewhere = (
        run(None, [Distill(str(place))]).trial for place in (teacher, moved, other)
    )
    assert here.key == there.key != elsewhere.key
    assert here.methods[0].digest == digest(load_run(teacher))
    assert here.method_texts != there.method_texts, "people are told where it was"


def test_the_command_of_a_run_names_its_teacher_for_any_folder(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(teacher.parent)
    found = run(tmp_path / "student", [Distill(teacher.name)])
    assert str(teacher) in found.trial.command("noise", found.preprocessing)
    monkeypatch.chdir(tmp_path)
    assert with_teachers(load_run("student").trial.methods, some_data(), "full", NET)


def test_a_run_stopped_and_resumed_ends_at_the_same_bits(teacher: Path, tmp_path: Path) -> None:
    methods = [Distill(str(teacher)), *parse("crop(padding=1), mixup, lookahead, random-erasing")]

    class StoppedError(Exception):
        pass

    def stop(report: Report) -> None:
        if report.epoch == 2:
            raise StoppedError

    whole = run(None, methods).model.state_dict()
    with pytest.raises(StoppedError):
        run(tmp_path / "run", methods, observer=stop)
    resumed = run(tmp_path / "run", methods, resume=True).model.state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


@pytest.mark.filterwarnings("ignore:the card has no figures")
def test_a_distilled_run_is_used_without_its_teacher(tmp_path: Path) -> None:
    run(tmp_path / "teacher", [], net=BIG)
    run(tmp_path / "student", [Distill(str(tmp_path / "teacher"))])
    for path in (tmp_path / "teacher").iterdir():
        path.unlink()
    told = facts_of(tmp_path / "student")
    assert load_run(tmp_path / "student").trial.methods[0].name == "distill"
    assert str(tmp_path) not in shared_plan(tmp_path / "student").decode()
    assert "teacher='teacher'" in shared_plan(tmp_path / "student").decode()
    assert str(tmp_path) not in told.command(0), "nor is the card told of the place"
    student = load_run(tmp_path / "student")
    (method,) = student.trial.methods
    assert isinstance(method, Distill)
    assert method.teacher == str(tmp_path / "teacher"), "the run itself knows where"
    shipped = source_of(student, some_data()).card()["methods"]
    assert (str(tmp_path) in shipped, "teacher='teacher'" in shipped) == (False, True)
    assert method.digest, "which says what teacher it was"
    assert method.digest in shipped


def test_a_flattened_head_of_a_teacher_serves_too(tmp_path: Path) -> None:
    net = NetSpec(Shape(3, 8, 8), (Conv(4, stride=4), Flatten(), Classifier(CLASSES)), "flat")
    run(tmp_path / "teacher", [], net=net)
    run(None, [Distill(str(tmp_path / "teacher"))])


def test_refuses_a_teacher_of_other_classes_pictures_or_images_held_out(teacher: Path) -> None:
    data, method = some_data(), Distill(str(teacher))
    with pytest.raises(
        ValueError, match=r"must know the classes of noise, v, w, x, ... \(5\), got"
    ):
        with_teachers([method], others(data, classes=tuple("vwxyz")), "full", NET)
    small = Split(data.train.images[:, :, :6, :6], data.train.labels)
    with pytest.raises(ValueError, match=r"must see the pictures of noise, .*6.*, got .*8"):
        with_teachers([method], others(data, train=small, test=small), "full", NET)
    with pytest.raises(
        ValueError, match="must be of the split selection, got full: it has learned"
    ):
        with_teachers([method], data, "selection", NET)
    with pytest.raises(ValueError, match=r"must have the digest 0123, got [0-9a-f]{16}$"):
        with_teachers([replace(method, digest="0123")], data, "full", NET)


def test_a_teacher_of_all_training_images_has_not_learned_a_validation_part(
    tmp_path: Path,
) -> None:
    data = some_data()
    data = others(data, validation=data.test)
    run(tmp_path / "teacher", [], data, split="full")
    run(None, [Distill(str(tmp_path / "teacher"))], data, split="selection")
    with pytest.raises(ValueError, match="must be of the split fold-1-of-2, got full"):
        with_teachers([Distill(str(tmp_path / "teacher"))], data, "fold-1-of-2", NET)


def test_a_study_asks_for_the_digest_when_it_is_planned(teacher: Path, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        'name = "s"\ndata = "noise"\nseeds = [0]\n[[trials]]\nnets = ["mnist-1k5-dw"]\n'
        f"""methods = [["distill(teacher='{teacher}')"]]\n"""
    )
    (job,) = read_plan(tmp_path / "s.toml").jobs(some_data())
    (planned,) = job.trial.methods
    assert isinstance(planned, Distill)
    assert planned.digest == digest(load_run(teacher))

"""What is said of a model is what its logits say."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.largest import LargestTensor
from torch import nn

from smidgen import zoo
from smidgen.cli.evaluate import _busy  # pyright: ignore[reportPrivateUsage]
from smidgen.data import Preprocessing, Split, normalise
from smidgen.evaluate import Evaluation, _spread, cost, evaluate, shift
from smidgen.evaluate import row as row_of
from smidgen.evaluate.accuracy import accuracy, accuracy_by_class, predict
from smidgen.evaluate.calibration import balanced_nll, ece, nll
from smidgen.evaluate.cost import latency
from smidgen.evaluate.shift import shift_consistency, shifted
from smidgen.layers import Shape
from smidgen.recipe import Recipe
from smidgen.run import EpochRecord, Run
from smidgen.trial import Trial


def test_accuracy_counts() -> None:
    logits = torch.tensor([[2.0, 1, 0], [0, 1, 0], [0, 0, 1], [3, 0, 0]])
    labels = torch.tensor([0, 1, 1, 1])
    assert accuracy(logits, labels) == 0.5
    assert accuracy_by_class(logits, labels) == [1.0, pytest.approx(1 / 3), None]


@pytest.mark.parametrize(("count", "most"), [(2000, 200), (203, 200), (7, 200), (1, 1)])
def test_images_that_are_shifted_lie_all_over_and_at_no_one_distance(count: int, most: int) -> None:
    places = _spread(count, most)
    assert len(places) == min(count, most)
    assert places.tolist() == sorted(set(places.tolist()))
    assert int(places[0]) >= 0
    assert int(places[-1]) < count
    if count == 2000:
        assert (places % 10).bincount().tolist() != [200]
        assert bool(((places % 10).bincount(minlength=10) > 8).all()), "classes that take turns"


def test_of_each_equal_part_one_image_is_shifted() -> None:
    """Of seven in four parts, they begin at 0, 1, 3 and 5."""
    for place, begins, ends in zip(_spread(7, 4).tolist(), (0, 1, 3, 5), (1, 3, 5, 7), strict=True):
        assert begins <= place < ends


def judged(classes: int, images: int = 4) -> tuple[Run, Evaluation]:
    """Judge a net that nobody trained on pictures of noise."""
    spec = zoo.net("mnist-1k5-dw").fitted(Shape(1, 8, 8), classes)
    history = (EpochRecord(1, 2.0, 0.1, None, 1e3, 7.5),)
    trial = Trial(spec, (), Recipe(epochs=1), 0, "noise", "f" * 16, "full")
    names = tuple(f"class {number}" for number in range(classes))
    as_it_is = Preprocessing(8, 8, "grey", 1)
    model = spec.build().eval()
    run = Run(trial, model, (0.5,), (0.5,), names, history, {}, {}, as_it_is, "noise")
    pixels = torch.randint(256, (images, 1, 8, 8), dtype=torch.uint8)
    return run, evaluate(run, Split(pixels, torch.arange(images)), measure_latency=False)


def test_bytes_are_of_what_is_deployed_and_seconds_of_the_run() -> None:
    run, found = judged(10)
    spec = run.trial.spec
    assert spec.deployed_params < spec.params
    assert (found.bytes_int8, found.bytes_float32) == (
        spec.deployed_params,
        4 * spec.deployed_params,
    )
    assert row_of(run, found, "s", "")["seconds"] == run.seconds == 7.5


@pytest.mark.parametrize(("classes", "rows"), [(100, 100), (101, 0)])
def test_of_a_hundred_classes_there_is_a_matrix_and_of_more_none(classes: int, rows: int) -> None:
    assert len(judged(classes)[1].confusion) == rows


def test_nll_is_sklearns_log_loss() -> None:
    from sklearn.metrics import log_loss

    g = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(50, 4, generator=g), torch.arange(50) % 4
    probabilities = logits.double().softmax(1).numpy()
    assert nll(logits, labels) == pytest.approx(log_loss(labels.numpy(), probabilities), abs=1e-9)


def test_of_classes_alike_those_without_images_do_not_count() -> None:
    """The mean over classes is of those that are there, however many images each has."""
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    first, last = nll(logits[:1], torch.tensor([0])), nll(logits[1:2], torch.tensor([2]))
    found = balanced_nll(logits, torch.tensor([0, 2, 2]))
    assert found == pytest.approx((first + last) / 2)


def logits_of(confidence: float, right: int, wrong: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two classes, the first always predicted with this probability."""
    margin = torch.tensor(confidence / (1 - confidence)).log()
    logits = torch.stack([margin, torch.tensor(0.0)]).expand(right + wrong, 2)
    return logits, torch.tensor([0] * right + [1] * wrong)


def test_ece_of_one_bin_is_confidence_minus_accuracy() -> None:
    assert ece(*logits_of(0.9, right=6, wrong=4)) == pytest.approx(0.3, abs=1e-6)
    assert ece(*logits_of(0.7, right=7, wrong=3)) == pytest.approx(0.0, abs=1e-6)


def test_ece_weighs_bins_by_their_images() -> None:
    sure, unsure = logits_of(0.95, right=10, wrong=10), logits_of(0.55, right=20, wrong=0)
    logits = torch.cat([sure[0], unsure[0]])
    labels = torch.cat([sure[1], unsure[1]])
    assert ece(logits, labels) == pytest.approx(0.5 * 0.45 + 0.5 * 0.45, abs=1e-6)
    one_bin = abs(30 / 40 - (0.95 + 0.55) / 2)
    assert ece(logits, labels, bins=1) == pytest.approx(one_bin, abs=1e-6)


@given(rows=st.integers(-2, 2), columns=st.integers(-2, 2))
def test_a_shift_moves_every_pixel_and_repeats_the_border(rows: int, columns: int) -> None:
    pixels = torch.arange(2 * 5 * 6).reshape(1, 2, 5, 6).to(torch.uint8)
    moved = shifted(pixels, rows, columns)
    for row in range(5):
        for column in range(6):
            source_row, source_column = min(max(row - rows, 0), 4), min(max(column - columns, 0), 5)
            assert torch.equal(moved[0, :, row, column], pixels[0, :, source_row, source_column])


class ColumnReader(nn.Module):
    """Says in which column the brightest pixel is, coarsely: column // width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        column = x[:, 0].amax(1).argmax(1)
        return nn.functional.one_hot(column // self.width, 10).float()


@pytest.mark.parametrize("together", [0, 5 * 8 * 100])
@pytest.mark.parametrize(("width", "expected"), [(10, 1.0), (1, 0.5), (4, 1 - 4 / 32)])
def test_shift_consistency_by_hand(
    width: int, expected: float, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bright pixel in each of the 8 inner columns of 10.

    Rows never matter. At width 4, one image crosses 3|4 and one 7|8, each way: 4 of 32 shifts.
    """
    monkeypatch.setattr(shift, "_TOGETHER", together)
    pixels = torch.zeros(8, 1, 10, 10, dtype=torch.uint8)
    for i in range(8):
        pixels[i, 0, 5, i + 1] = 255
    with LargestTensor() as tensors:
        found = shift_consistency(ColumnReader(width), pixels, (0.0,), (1.0,))
    assert found == pytest.approx(expected)
    assert (tensors.nbytes < 5 * pixels.nbytes) == (not together)


def test_a_window_is_shifted_along_time_alone() -> None:
    pixels = torch.zeros(8, 1, 1, 10, dtype=torch.uint8)
    for i in range(8):
        pixels[i, 0, 0, i + 1] = 255
    assert shift_consistency(ColumnReader(1), pixels, (0.0,), (1.0,)) == 0.0, "no half of nothing"
    dot = pixels[:1, :, :, :1]
    assert shift_consistency(ColumnReader(1), dot, (0.0,), (1.0,)) == 1.0


class Centre(nn.Module):
    """Answers 1 where the middle pixel of 5 x 5 is white."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        middle = self.weight * x[:, 0, 2, 2]
        return torch.stack([0.5 - middle, middle - 0.5], 1)


def test_what_is_shifted_is_compared_with_what_is_not() -> None:
    """All four shifts agree with each other, and none with the picture where it stands."""
    pixels = torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
    pixels[0, 0, 2, 2] = 255
    assert shift_consistency(Centre(), pixels, (0.0,), (1.0,)) == 0.0


def test_prediction_keeps_the_mode_and_does_not_depend_on_the_batch() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    model.train()
    g = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (503, 1, 6, 6), generator=g, dtype=torch.uint8)
    whole = predict(model, pixels, (0.4,), (0.3,))
    assert model.training
    assert whole.shape == (503, 3)
    last = predict(model, pixels[500:], (0.4,), (0.3,))
    torch.testing.assert_close(whole[500:], last)


@pytest.mark.parametrize("net", ["mnist-1k5-dw", "mnist-25k"])
def test_logits_are_those_of_float64_whatever_the_threads_and_the_batch(net: str) -> None:
    spec = zoo.net(net)
    model = spec.build().train()
    pixels = torch.randint(
        256, (200, *spec.input_shape), generator=torch.Generator(), dtype=torch.uint8
    )
    with torch.no_grad():
        model(normalise(pixels, (0.5,), (0.3,), torch.float32))  # statistics other than at first
    threads, found = torch.get_num_threads(), list[torch.Tensor]()
    try:
        for number in (1, 2, 3, 8):
            torch.set_num_threads(number)
            found.append(predict(model, pixels, (0.5,), (0.3,)))
    finally:
        torch.set_num_threads(threads)
    exact = copy.deepcopy(model).eval().double()(normalise(pixels, (0.5,), (0.3,), torch.float64))
    torch.testing.assert_close(found[0].double(), exact, rtol=1e-4, atol=1e-4)
    assert all(torch.equal(one, found[0]) for one in found)
    for start, end in ((3, 4), (60, 70), (100, 200)):
        few = predict(model, pixels[start:end], (0.5,), (0.3,))
        torch.testing.assert_close(few, found[0][start:end])


def test_what_judges_leaves_a_model_as_it_was() -> None:
    model = nn.Sequential(nn.BatchNorm2d(1), nn.BatchNorm2d(1), nn.Flatten()).train()
    model[1].eval()  # as a norm that is kept while the others are trained
    before = [tensor.clone() for tensor in model.state_dict().values()]
    pixels = torch.arange(8 * 36, dtype=torch.uint8).view(8, 1, 6, 6)
    predict(model, pixels, (0.5,), (0.5,))
    latency(model, pixels, (0.5,), (0.5,))
    assert [module.training for module in model] == [True, False, True]
    assert all(map(torch.equal, before, model.state_dict().values()))


FLAT = nn.Sequential(nn.Flatten(), nn.Linear(36, 2)).eval()


FORKED = """
import os, signal, torch
from smidgen import zoo
from smidgen.evaluate import predict
from smidgen.kernels.library import forget_choice

torch.set_num_threads(2)
model, pixels = zoo.net("mnist-7k").build(), torch.zeros(128, 1, 28, 28, dtype=torch.uint8)
for kernels in (None, "torch"):
    if kernels:
        os.environ["SMIDGEN_KERNELS"] = kernels
    forget_choice()
    before = predict(model, pixels, (0.0,), (1.0,))
    if not (process := os.fork()):
        signal.alarm(20)
        os._exit(not predict(model, pixels, (0.0,), (1.0,)).allclose(before))
    if status := os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
        raise SystemExit(f"{kernels}: {status}")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked on POSIX alone")
def test_a_forked_process_predicts_as_the_one_before_it_did() -> None:
    """With compiled operations, where there are some, and then with torch's."""
    done = subprocess.run([sys.executable, "-c", FORKED], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("images", "most", "best"),
    [(40, 512, 32), (128, 512, 128), (600, 512, 128), (20, 512, 1), (600, 127, 32), (600, 31, 1)],
)
def test_latency_is_of_one_image_and_of_the_batch_that_is_best(
    images: int, most: int, best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine whose calls take as long as is said here: per batch, net alone and all of it."""
    monkeypatch.setattr(cost, "_PIXELS", most * 36)
    taken = {1: (0.002, 0.003), 32: (0.032, 0.064), 128: (0.064, 0.096), 512: (0.512, 1.0)}
    sizes = [size for size in (32, 128, 512) if size <= min(images, most)]
    of_best = [] if best == 1 else [taken[best][0]]
    answers = iter([*taken[1], *(taken[size][1] for size in sizes), *of_best])

    def clocked(calls: Sequence[Callable[[], object]], device: torch.device) -> list[float]:
        assert device.type == "cpu"
        for call in calls:
            call()
        return [next(answers) for _ in calls]

    monkeypatch.setattr(cost, "_seconds_of_each", clocked)
    found = latency(FLAT, torch.zeros(images, 1, 6, 6, dtype=torch.uint8), (0.5,), (0.5,))
    assert (found.kernel_ms, found.end_to_end_ms) == pytest.approx((2, 3))
    assert found.best_batch == best
    kernel, whole = taken[best]
    assert found.kernel_s_10000 == pytest.approx(10_000 * kernel / best)
    assert found.end_to_end_s_10000 == pytest.approx(10_000 * whole / best)
    assert (found.threads, found.device) == (torch.get_num_threads(), "cpu")
    assert not list(answers)


def test_the_net_alone_and_all_of_it_are_timed_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_SECONDS", 0.0)
    heard: list[str] = []
    calls = (lambda: heard.append("net"), lambda: heard.append("all"))
    assert len(cost._seconds_of_each(calls, torch.device("cpu"))) == 2  # pyright: ignore[reportPrivateUsage]
    assert heard[:4] == ["net", "net", "all", "all"], "warmed up"
    assert heard[4:] == ["net", "all"] * 7


@pytest.mark.parametrize(("whole", "said"), [(2.0, ""), (1.9, "the machine was busy")])
def test_a_net_alone_that_took_longer_than_all_of_it_is_told(whole: float, said: str) -> None:
    assert said in _busy(2.0, whole)
    assert bool(said) == bool(_busy(2.0, whole))


def test_seconds_are_the_median_of_seven_rounds_of_at_least_0_03_seconds(
    usual_round: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "_SECONDS", usual_round)
    now, calls = [0.0], [0]
    slow = iter([1.0, 1.0, 3.0, 1.0, 1.0, 9.0, 2.0, 2.0])  # by round; the first one warms up

    def call() -> None:
        now[0] += 0.01 * pace[0]
        calls[0] += 1

    pace = [0.0]

    def clock() -> float:
        if started[0] % 2 == 0:  # the start of a round
            pace[0] = next(slow)
        started[0] += 1
        return now[0]

    started = [0]
    monkeypatch.setattr(cost.time, "perf_counter", clock)
    assert cost.seconds_of(call, torch.device("cpu")) == pytest.approx(0.02)
    assert calls[0] == 2 + 7 * 3

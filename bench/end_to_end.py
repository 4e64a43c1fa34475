"""Compare whole training steps, data, augmentation and averages included, with bare ones.

Command: ``python bench/end_to_end.py [threads ...]``, 1 and 2 by default. A bare step is forward,
backward and optimizer on one fixed batch. Short rounds alternate; the share is the median of the
rounds' own, with its quartiles. On one thread time is the thread's CPU time, else the clock's.
Then, on one thread, what a batch costs inside such steps, compiled and in torch: milliseconds of
CPU time, medians.
"""

import sys
import time
from collections.abc import Callable
from statistics import median, quantiles

import torch

from smidgen import zoo
from smidgen.config import load_plan
from smidgen.data import load
from smidgen.kernels import batch as compiled
from smidgen.methods import parse
from smidgen.methods.base import BatchMethod, of_kind
from smidgen.runtime import Runtime, choose
from smidgen.tensors import Batch
from smidgen.train import _step
from smidgen.training import Training
from smidgen.trial import Trial

CASES = (("mnist-1k5-dw", "mnist", 10), ("cifar-143k-dw", "cifar10", 3))  # and steps a round
ROUNDS, BATCH = 21, 128
METHODS = "affine(shift=0.07), crop, flip, cutout(length=8), mixup, label-smoothing"


def training_of(net: str, name: str, threads: int) -> Training:
    data, plan = load(name), load_plan(name)
    trial = Trial(
        net=zoo.net(net),
        methods=plan.methods,
        recipe=plan.recipe,
        seed=0,
        data=name,
        fingerprint=data.fingerprint,
        split="full",
    )
    training = Training(trial, data, Runtime("cpu", threads, choose("cpu").precision))
    training.model.train()
    return training


def whole_step(training: Training, batch: Batch) -> None:
    _step(training, batch, progress=0.3)
    for tracker in training.trackers:
        tracker.after_step()


def bare_step(training: Training, batch: Batch) -> None:
    training.flat.gradient.zero_()
    training.descend(batch)
    training.optimizer.step()


def share(training: Training, steps: int, clock: Callable[[], float]) -> str:
    batches = training.batches.epoch(training.generator)
    fixed = next(batches)

    def rate(step: Callable[[], object]) -> float:
        started = clock()
        for _ in range(steps):
            step()
        return steps * BATCH / (clock() - started)

    rate(lambda: bare_step(training, fixed))
    pairs = [
        (
            rate(lambda: whole_step(training, next(batches))),
            rate(lambda: bare_step(training, fixed)),
        )
        for _ in range(ROUNDS)
    ]
    assert bool(training.flat.weights.isfinite().all())
    low, middle, high = quantiles([100 * whole / bare for whole, bare in pairs])
    whole, bare = (median(rates) for rates in zip(*pairs, strict=True))
    return (
        f"{whole:,.0f} images/s end to end, {bare:,.0f} bare,"
        f" {middle:.0f} % ({low:.0f} to {high:.0f})"
    )


def cost_of_a_batch(training: Training, steps: int) -> dict[str, tuple[float, float]]:
    """Return the milliseconds of each part, in C and in torch, taking turns."""
    methods = of_kind(parse(METHODS), BatchMethod)
    operations, batches = compiled.operations, training.batches.epoch(training.generator)
    found: dict[str, tuple[list[float], list[float]]] = {}

    def timed(name: str, plain: int, act: Callable[[], Batch]) -> Batch:
        started = time.thread_time()
        batch = act()
        spent = 1e3 * (time.thread_time() - started)
        found.setdefault(name, ([], []))[plain].append(spent)
        return batch

    def none(dtype: torch.dtype) -> None:
        """Leave it to torch."""

    for step in range(2 * ROUNDS * steps):
        plain = step % 2
        compiled.operations = none if plain else operations
        batch = timed("gather", plain, lambda: next(batches))
        for method in methods:
            batch = timed(
                method.name,
                plain,
                lambda m=method, b=batch: m.transform(b, 0.3, training.generator),
            )
        bare_step(training, batch)  # leaves the caches as a step does
    compiled.operations = operations
    return {name: (median(a), median(b)) for name, (a, b) in found.items()}


def main() -> None:
    asked = [int(argument) for argument in sys.argv[1:]] or [1, 2]
    for net, name, steps in CASES:
        for threads in asked:
            training = training_of(net, name, threads)
            with training.runtime.active():
                clock = time.thread_time if threads == 1 else time.perf_counter
                print(f"{net}, {threads} thread(s): {share(training, steps, clock)}", flush=True)
        training = training_of(net, name, 1)
        with training.runtime.active():
            for part, (fast, plain) in cost_of_a_batch(training, steps).items():
                print(f"  {part}: {fast:.3f} ms, torch {plain:.3f} ms", flush=True)


if __name__ == "__main__":
    main()

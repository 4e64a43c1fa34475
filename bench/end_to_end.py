"""Compare a whole training run, data and augmentation included, with the bare step.

Command: ``python bench/end_to_end.py``. Rounds alternate; medians, images a second.
"""

import time
from statistics import median

import torch
import torch.nn.functional as F

from smidgen import zoo
from smidgen.config import load_plan
from smidgen.data import load
from smidgen.runtime import Runtime, choose
from smidgen.train import Backprop, _loss_of, _step
from smidgen.training import Training
from smidgen.trial import Trial

STEPS, ROUNDS = 40, 9
CASES = (("mnist-1k5-dw", "mnist"), ("cifar-143k-dw", "cifar10"))
BATCH = 128


def rounds_of(net: str, name: str, threads: int) -> tuple[float, float]:
    data, plan = load(name), load_plan(name)
    runtime = Runtime("cpu", threads, choose("cpu").precision)
    trial = Trial(
        net=zoo.net(net),
        methods=plan.methods,
        recipe=plan.recipe,
        seed=0,
        data=name,
        fingerprint=data.fingerprint,
        split="full",
    )
    with runtime.active():
        training = Training(trial, data, runtime)
        training.model.train()
        batches = training.batches.epoch(training.generator)
        fixed = next(batches)

        def whole() -> None:
            for _ in range(STEPS):
                _step(training, next(batches), progress=0.3)

        def bare() -> None:
            for _ in range(STEPS):
                training.flat.gradient.zero_()
                Backprop().backward(_loss_of(training.model, fixed), training.model, training.flat)
                training.optimizer.step()

        def rate(run: object) -> float:
            started = time.perf_counter()
            run()  # pyright: ignore
            return STEPS * BATCH / (time.perf_counter() - started)

        bare()
        pairs = [(rate(whole), rate(bare)) for _ in range(ROUNDS)]
    assert torch.isfinite(F.softmax(training.flat.weights, 0)).all()
    return median(whole for whole, _ in pairs), median(bare for _, bare in pairs)


def main() -> None:
    for net, name in CASES:
        for threads in (1, 2):
            whole, bare = rounds_of(net, name, threads)
            print(
                f"{net}, {threads} thread(s): {whole:,.0f} images/s end to end,"
                f" {bare:,.0f} bare, {100 * whole / bare:.0f} %"
            )


if __name__ == "__main__":
    main()

"""The same nets and methods under smidgen: its own loop, and its bare step for comparison."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import torch
from rounds import Job, Rounds, serve

from smidgen import methods as m
from smidgen.config import load_plan
from smidgen.data import Data, Split
from smidgen.methods.base import BatchMethod, Method
from smidgen.progress import Report
from smidgen.recipe import Recipe
from smidgen.runtime import choose
from smidgen.spec import NetSpec
from smidgen.train import train
from smidgen.training import Training
from smidgen.trial import Trial
from smidgen.zoo import net

EPOCHS = 1_000_000  # for ever

BATCH = (m.Cutout(), m.Mixup(), m.LabelSmoothing())
AVERAGED = (m.BlurPool(), m.SqueezeExcite(), m.SWA(start=0.0))
SETS: dict[str, tuple[Method, ...]] = {
    "none": (),
    "blurpool + se + swa": AVERAGED,
    "cutout + mixup + smoothing": BATCH,
    "sam": (m.SAM(),),
    "all": (*AVERAGED, *BATCH, m.SAM()),
    "swa": (m.SWA(start=0.0),),
    "ema": (m.EMA(),),
}
DEFAULTS = {"mnist-1k5-dw": "mnist", "cifar-143k-dw": "cifar10"}


def _asked(job: Job) -> tuple[NetSpec, Data, tuple[Method, ...], Recipe]:
    stored = torch.load(job.data)
    images = stored["images"].contiguous(memory_format=torch.channels_last)
    split = Split(images, stored["labels"])
    data = Data("bench", split, split, tuple("0123456789"), fingerprint="bench")
    if job.methods == "recipe":
        plan = load_plan(DEFAULTS[job.net])
        methods, recipe = plan.methods, plan.recipe
    else:
        methods, recipe = SETS[job.methods], Recipe()
    recipe = replace(recipe, epochs=EPOCHS, batch_size=job.batch_size)
    return net(job.net), data, methods, recipe


def end_to_end(job: Job, rounds: Rounds) -> None:
    """Train as a user does: data, augmentation and averages included."""
    spec, data, methods, recipe = _asked(job)

    def observer(report: Report) -> None:
        rounds.step_done(job.batch_size, report.loss)

    rounds.ready(Trial(spec, methods, recipe, 0, "bench", "bench", "full").spec.params)
    train(
        spec,
        data,
        methods=methods,
        recipe=recipe,
        runtime=choose(threads=job.threads),
        observer=observer,
    )


def bare_step(job: Job, rounds: Rounds) -> None:
    """Repeat the step on one batch: neither data nor augmentation nor averages."""
    spec, data, methods, recipe = _asked(job)
    runtime = choose(threads=job.threads)
    kept = tuple(x for x in methods if not isinstance(x, BatchMethod | m.SWA | m.EMA))
    trial = Trial(spec, kept, recipe, 0, "bench", "bench", "full")
    with runtime.active():
        training = Training(trial, data, runtime)
        batch = next(training.batches.epoch(training.generator))
        rounds.ready(trial.spec.params)
        training.model.train()
        while True:
            training.flat.gradient.zero_()
            loss = training.backward(batch)
            training.optimizer.step()
            rounds.step_done(job.batch_size, loss)


CONTENDERS: dict[str, Callable[[Job, Rounds], None]] = {
    "smidgen": end_to_end,
    "smidgen-bare": bare_step,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(CONTENDERS)

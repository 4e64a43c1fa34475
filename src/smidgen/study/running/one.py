"""From a job to its row: train, judge on the images that its split allows, and write it down."""

import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from smidgen.checkpoint import checkpoints
from smidgen.data import Data, Split
from smidgen.data.parts import parts
from smidgen.data.shares import share_of
from smidgen.evaluate import doubted, evaluate, looked_at, predict, row
from smidgen.evaluate.accuracy import packed
from smidgen.evaluate.calibration import balanced_nll
from smidgen.release import revision
from smidgen.run import Run
from smidgen.run_folder import PLAN, WEIGHTS
from smidgen.runtime import PRECISIONS, choose
from smidgen.split_names import FULL
from smidgen.study.job import CARD, QUICK, Job, Others
from smidgen.study.owner import alone
from smidgen.train import Observer, train
from smidgen.training import Pace, PrecisionError

# What a trial may lose when it is killed, and a twentieth of the training images predicted for a
# curve by which nothing is chosen.
PACE = Pace(save_every=2.0, looks=0.05)
_SHIFTED = 200  # held-out images that are shifted, at most: nothing is chosen by it


def execute(
    job: Job,
    data: Data,
    folder: Path,
    observer: Observer = lambda report: None,
    others: Others | None = None,
) -> dict[str, Any]:
    """Run a job and return its row; what an earlier attempt left in ``folder`` is gone on with.

    What it left in another precision is gone on with in that one, unless the study asks for
    another: then it is begun anew.

    The row of a trial on the split ``selection`` is of the held-out images: the test set is not
    touched. Checkpoints are dropped at the end; the trained weights stay.

    Args:
        job: What to do.
        data: Its images.
        folder: The trial's run folder.
        observer: Called after every step.
        others: Pictures of no class that the card is to have, where they are read already.

    Raises:
        ValueError: If ``data`` are not what the trial was planned for, or a method is that of
            another version of its package.
    """
    trial = job.trial
    trial.require_installed()
    if data.fingerprint != trial.fingerprint:
        raise ValueError(
            f"{job.origin.name} has changed since the study was planned: its fingerprint is"
            f" {data.fingerprint}, not {trial.fingerprint}; plan the study again in another store"
        )
    with alone(folder.with_suffix(".lock")):
        if folder.exists() and not (folder / PLAN).exists():
            shutil.rmtree(folder)  # killed before it had begun
        trained = partial(
            train,
            trial.net,
            data,
            methods=trial.methods,
            recipe=trial.recipe,
            seed=trial.seed,
            split=trial.split,
            folder=folder,
            resume=True,
            pace=PACE,
            observer=observer,
            # what only chooses looks at no test image, and of thousands each would keep a megabyte
            keep_pictures=trial.split == FULL,
        )
        try:
            run = trained(runtime=choose(precision=job.precision))
        except PrecisionError as error:
            if job.precision == PRECISIONS[0]:  # left to the machine, and this is another one
                run = trained(runtime=choose(precision=error.begun))
            else:
                shutil.rmtree(folder)
                run = trained(runtime=choose(precision=job.precision))
        for path in checkpoints(folder):
            path.unlink()
    if others is None:
        others = job.origin.others(job.against, data)
    return judged(run, job, data, folder, others)


def judged(run: Run, job: Job, data: Data, folder: Path, others: Others) -> dict[str, Any]:
    """Return the row of a trained run: all figures, and what is needed to train it again."""
    trained_on, held_out = parts(data, job.trial.split)
    own = share_of(trained_on, job.trial.recipe.share, job.trial.seed)
    name, images = ("test", data.test) if held_out is None else ("held-out", held_out)
    torch.set_num_threads(1)
    logits = predict(run.model, images.images, run.mean, run.std)
    evaluation = evaluate(
        run,
        images,
        split=name,
        measure_latency=job.latency,
        weights=folder / WEIGHTS,
        logits=logits,
        shifted=None if held_out is None else _SHIFTED,
    )
    if held_out is None:
        trial = job.trial
        pictures = looked_at(data, logits, trial.split, trial.recipe.share, trial.seed)
    else:
        pictures = doubted(data, job.trial.split, logits)
    return {
        **_robust(run, job, data, held_out, others),
        **row(run, evaluation, study="", revision=revision()),
        "training_images": len(own),
        "right": packed(logits.argmax(1) == images.labels),
        "balanced_nll": balanced_nll(logits, images.labels),
        **pictures,
    }


def _robust(
    run: Run, job: Job, data: Data, held_out: Split | None, others: Others
) -> dict[str, Any]:
    """Return the columns of robustness that a job asks for."""
    if not job.robust:
        return {}
    from smidgen.robust.card import halved, spread_over
    from smidgen.robust.measured import RobustWish, as_they_lie, aside_of, cards, floats_of
    from smidgen.robust.quick import quick_card

    images = data.test if held_out is None else held_out
    if job.robust == "quick":
        few = as_they_lie(run, spread_over(images, QUICK))
        found = quick_card(floats_of(run), few)
        return {"robust_quick": {family: asdict(of) for family, of in found.items()}}
    aside = aside_of(run, data) if held_out is None else halved(held_out)
    card = cards(run, images, RobustWish(images=CARD), aside=aside, others=others)["float32"]
    return {"robust": asdict(card)}

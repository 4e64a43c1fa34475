"""What came of a training, told: where it lies, how far to trust it, what may follow."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from smidgen.chance import beside_one_answer, is_near_one_answer
from smidgen.cli.fine_tuning import gained, told
from smidgen.cli.terminal import next_commands, print_json, say, warn
from smidgen.show import percent

if TYPE_CHECKING:
    from smidgen.data import Data
    from smidgen.fine_tune import Begun
    from smidgen.run import Run


def end(run: "Run", folder: Path, data: "Data", begun: "Begun | None", *, json: bool) -> None:
    """Tell what came of the training, where it lies and what may follow."""
    held = held_out_of(run, data)
    compared = gained(run, begun)
    doubts = [] if held is None else doubts_of(held, balanced=run.trial.recipe.balance)
    warn(*doubts)
    if json:
        row = {"folder": str(folder), "key": run.trial.key, "seconds": run.seconds}
        print_json({**row, **compared})
    else:
        if compared:
            say(told(compared))
        if held is not None and held.uneven and not doubts:
            say(f"held out: balanced accuracy {percent(held.balanced)}, each class alike")
        params = f"{run.trial.spec.params:,} params"
        if run.learned_from:
            say(run.learned_from)
        say(f"{run.trial.net.name}: {params}, trained in {run.seconds:,.0f} s, in {folder}")
        held_out = run.history[-1].held_out_accuracy is not None
        file = "PICTURE"
        if run.preprocessing.takes_text:
            file = "WINDOW.csv"
        elif run.preprocessing.of_values and not data.train.files:
            file = "FILE.npz"
        verbs = ("predict", "evaluate", "export")
        say(*next_commands(folder, *verbs, held_out=held_out, asked=file))


class HeldOut(NamedTuple):
    """How a run does on the images held out."""

    accuracy: float
    balanced: float  # mean over classes
    floor: float  # what one answer for all reaches, each image alike
    classes: int  # that are among them
    uneven: bool  # whether one class of the training images is much larger than another, or weighs


def held_out_of(run: "Run", data: "Data") -> HeldOut | None:
    """Return how a run does on the images held out, if there are any."""
    from smidgen.data.labelled import UNEVEN
    from smidgen.data.parts import parts
    from smidgen.evaluate.accuracy import accuracy_by_class, predict

    reached = run.history[-1].held_out_accuracy
    trained, images = parts(data, run.trial.split)
    if reached is None or images is None:
        return None
    logits = predict(run.model, images.images, run.mean, run.std)
    shares = [share for share in accuracy_by_class(logits, images.labels) if share is not None]
    counts = trained.labels.bincount(minlength=len(data.classes))
    return HeldOut(
        reached,
        sum(shares) / len(shares),
        float(images.labels.bincount().max()) / len(images),
        len(shares),
        run.trial.recipe.balance or int(counts.max()) >= UNEVEN * int(counts.min()),
    )


def doubts_of(held: HeldOut, *, balanced: bool) -> list[str]:
    """Return what to say of a net that hardly learned, by the images held out.

    Where classes are uneven, or weigh alike, each class counts alike: one answer for all is right
    for one of them.
    """
    reached, floor = held.accuracy, held.floor
    if held.uneven:
        reached, floor = held.balanced, 1 / held.classes
    if not is_near_one_answer(reached, floor):
        return []
    what = "balanced accuracy " if held.uneven else ""
    weigh = "" if balanced or not held.uneven else "--set recipe.balance=true, "
    return [
        f"held out: {what}{percent(reached)} {beside_one_answer(reached, floor)} what one answer"
        f" for all reaches, {percent(floor)}: the net has learned little; {weigh}more images or"
        " --epochs, or another net, may help"
    ]

"""Everything that is said of a trained model, from one pass over a split."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smidgen.answer import require_finite
from smidgen.chance import wilson
from smidgen.confusion import (
    MATRIX_CLASSES,
    ClassFigures,
    balanced_accuracy,
    figures_of,
    largest_share,
    macro_f1,
    matrix_of,
    never_answered,
)
from smidgen.data import Split
from smidgen.evaluate.accuracy import accuracy, accuracy_by_class, predict
from smidgen.evaluate.calibration import BINS, ece, nll
from smidgen.evaluate.cost import Latency, latency
from smidgen.evaluate.pictures import doubted, looked_at
from smidgen.evaluate.shift import shift_consistency
from smidgen.names import require_kind, require_path, shown
from smidgen.run import Run
from smidgen.show import card, percent
from smidgen.split_names import row_key
from smidgen.tensors import Logits


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a run achieves on one split, and at what cost.

    Args:
        split: Which images: ``test`` or ``held-out``.
        images: How many.
        groups: Of how many groups they are, one of none by itself; ``None`` if nothing groups them.
        accuracy: In [0, 1].
        accuracy_by_class: In the order of the run's classes.
        balanced_accuracy: Mean of those that have images, in [0, 1]: one answer for all reaches
            1 / as many.
        macro_f1: Mean F1 of the same classes, in [0, 1].
        largest_class: Share of the largest class: what always answering it would reach.
        classes: Their names.
        by_class: Precision, recall and F1 of every class.
        confusion: Images by class (rows) and by answer (columns); of over 100 classes none.
        nll: Mean negative log-likelihood, nats.
        ece: Expected calibration error, 15 bins, in [0, 1].
        shift_consistency: Share of predictions unchanged by a shift of one pixel, border repeated.
        latency: Or ``None`` if it was not measured.
        bytes_float32: Deployed parameters as float32.
        bytes_int8: Deployed parameters as int8, biases as int32 not counted apart.
        bytes_on_disk: Of the weights file, or ``None`` if the run was not loaded from a folder.
    """

    split: str
    images: int
    groups: int | None
    accuracy: float
    accuracy_by_class: tuple[float | None, ...]
    balanced_accuracy: float
    macro_f1: float
    largest_class: float
    classes: tuple[str, ...]
    by_class: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    nll: float
    ece: float
    shift_consistency: float
    latency: Latency | None
    bytes_float32: int
    bytes_int8: int
    bytes_on_disk: int | None

    def __repr__(self) -> str:
        return f"Evaluation({self._told})"

    def _repr_html_(self) -> str:
        """Return a table of the classes, for a notebook."""
        rows = [
            (of.name, of.images, percent(of.precision), percent(of.recall), percent(of.f1))
            for of in self.by_class
        ]
        columns = ("class", "images", "precision", "recall", "F1")
        return card("Evaluation", self._told, columns, rows)

    @property
    def _told(self) -> str:
        """What a prompt shows of the figures."""
        low, high = (100 * end for end in wilson(self.accuracy, self.images))
        return (
            f"accuracy {percent(self.accuracy)} [{low:.2f}, {high:.2f}] on {self.images:,}"
            f" {self.split} images, balanced {percent(self.balanced_accuracy)}, largest class"
            f" {percent(self.largest_class)}, NLL {self.nll:.4f}"
        )

    @property
    def never_answered(self) -> tuple[str, ...]:
        """Classes that have images and are never the answer."""
        return never_answered(self.by_class)


def evaluate(
    run: Run,
    images: Split,
    *,
    split: str = "test",
    measure_latency: bool = True,
    weights: Path | str | None = None,
    logits: Logits | None = None,
    shifted: int | None = None,
) -> Evaluation:
    """Judge a run on ``images``, in float32 on the CPU.

    Args:
        run: A finished run.
        images: Of the same shape and classes as the training images.
        split: What to call them in the result.
        measure_latency: Whether to spend the seconds that timing takes.
        weights: The run's file on disk, to tell its size.
        logits: Of these images by :func:`predict`, where they are known.
        shifted: Images on which the consistency under shifts is found, at most, >= 1; by default
            all.

    Raises:
        ValueError: If the images do not fit the net, an argument is of another kind, or the run's
            logits are not finite.
    """
    require_kind(run, Run, "what is judged", "as smidgen.load_run(FOLDER) returns")
    require_kind(images, Split, "images", "as in data.test")
    file = None if weights is None else require_path(weights, "weights")
    if tuple(images.images.shape[1:]) != tuple(run.trial.net.input_shape):
        found = "x".join(str(side) for side in images.images.shape[1:])
        raise ValueError(f"the run takes {run.trial.net.input_shape} images, got {found}")
    labels, classes = images.labels, len(run.classes)
    least, greatest = (int(label) for label in labels.aminmax())
    if not 0 <= least <= greatest < classes:
        outside = least if least < 0 else greatest
        raise ValueError(
            f"the run knows {classes} classes, 0 to {classes - 1}, got the label {outside}"
        )
    if not (shifted is None or (type(shifted) is int and shifted >= 1)):
        raise ValueError(f"shifted must be a whole number >= 1, got {shown(shifted)}")
    if logits is None:
        logits = predict(run.model, images.images, run.mean, run.std)
    require_kind(logits, Tensor, "logits", "as smidgen.evaluate.predict returns")
    if tuple(logits.shape) != (len(labels), classes):
        found = "x".join(map(str, logits.shape))
        raise ValueError(f"logits of these images must be {len(labels)}x{classes}, got {found}")
    require_finite(bool(logits.isfinite().all()))
    some = images.images[_spread(len(labels), shifted or len(labels))]
    deployed = run.trial.spec.deployed_params
    answers = logits.argmax(1).numpy()
    figures = figures_of(labels.numpy(), answers, run.classes)
    few = classes <= MATRIX_CLASSES
    return Evaluation(
        split=split,
        images=len(labels),
        groups=None if images.groups is None else len(images.groups.unique()),
        accuracy=accuracy(logits, labels),
        accuracy_by_class=tuple(accuracy_by_class(logits, labels)),
        balanced_accuracy=balanced_accuracy(figures),
        macro_f1=macro_f1(figures),
        largest_class=largest_share(figures),
        classes=run.classes,
        by_class=figures,
        confusion=matrix_of(labels.numpy(), answers, classes) if few else (),
        nll=nll(logits, labels),
        ece=ece(logits, labels),
        shift_consistency=shift_consistency(run.model, some, run.mean, run.std),
        latency=latency(run.model, images.images, run.mean, run.std) if measure_latency else None,
        bytes_float32=4 * deployed,
        bytes_int8=deployed,
        bytes_on_disk=file.stat().st_size if file and file.exists() else None,
    )


def _spread(count: int, most: int) -> Tensor:
    """Return places all over so many images: of as many equal parts one each, anywhere in it.

    At one distance from each other they could all be of one class, where classes take turns.
    """
    kept = min(count, most)
    begins = torch.arange(kept + 1) * count // kept
    draws = torch.rand(kept, generator=torch.Generator().manual_seed(0))
    return begins[:-1] + (draws * begins.diff()).long()


def row(run: Run, evaluation: Evaluation, study: str, revision: str) -> dict[str, Any]:
    """Return the one row that a run ends as; see docs/rows.md for its columns.

    Args:
        run: That is told of.
        evaluation: Of it, on one split.
        study: Its name, or nothing.
        revision: The commit of the code that made it, or nothing.
    """
    trial, figures = run.trial, asdict(replace(evaluation, by_class=()))
    net = trial.net.to_dict()
    del figures["by_class"]  # follows from the matrix
    figures["confusion"] = figures["confusion"] or None
    return {
        "key": row_key(trial.key, trial.split, evaluation.split),
        "command": trial.command(run.origin, run.preprocessing),
        "study": study,
        "net": trial.net.name,
        "params": trial.spec.params,
        "deployed_params": trial.spec.deployed_params,
        "macs": trial.spec.macs,
        "methods": trial.method_texts,
        "recipe": trial.to_dict()["recipe"],
        "data": trial.data,
        "fingerprint": trial.fingerprint,
        "trained_on": trial.split,
        "seed": trial.seed,
        "epochs": trial.recipe.epochs,
        "seconds": run.seconds,
        "loss": run.history[-1].loss if run.history else None,
        **figures,
        **run.machine,
        "versions": run.versions,
        "revision": revision,
        "input": net["input"],
        "layers": net["layers"],
        "peak_activation": trial.spec.peak_activation,
        "drawing": trial.spec.table(),
        "history": [asdict(record) for record in run.history],
    }


__all__ = ["BINS", "Evaluation", "Latency", "doubted", "evaluate", "looked_at", "predict", "row"]

"""Plain methods on the same pixels, to stand beside a design: a logistic regression, a forest."""

import hashlib
import time
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from smidgen.confusion import balanced_accuracy, figures_of
from smidgen.data import Data, Split
from smidgen.data.parts import folds_of
from smidgen.evaluate.accuracy import packed
from smidgen.evaluate.calibration import balanced_nll
from smidgen.release import revision
from smidgen.split_names import FULL

STUDY = "baseline"  # what rows of this kind bear as their study
LOGISTIC, FOREST = "logistic-regression", "random-forest"
MOST_IMAGES, MOST_SIDE = 10_000, 32
_TREES = 500
_STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # of the inverse regularisation, chosen on a held-out fifth
_STEPS = 300  # of the solver
_TIMED, _USED = 5, 0.5  # trees and steps that tell how long all take; share of the steps that do
Floats = npt.NDArray[np.float32]


def baselines(data: Data) -> list[dict[str, Any]]:
    """Return a row for each plain method, trained on all training images and tested once.

    They see the pixels from 0 to 1; larger images are averaged to 32 pixels a side at most.
    Scikit-learn's logistic regression gets its strength on a held-out fifth of the training
    images, its forest has 500 trees. Nothing is chosen by these rows. On more than 10,000
    images there are none: they would take longer than the net.
    """
    if len(data.train) > MOST_IMAGES:
        return []
    return [_row(data, LOGISTIC), _row(data, FOREST)]


def seconds_of_baselines(data: Data) -> float:
    """Return about how many seconds :func:`baselines` takes, by a few trees and steps of it."""
    if len(data.train) > MOST_IMAGES:
        return 0.0
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    train, labels = pixels(data.train), data.train.labels.numpy()

    def took(model: Any) -> float:
        started = time.perf_counter()
        model.fit(train, labels)
        return time.perf_counter() - started

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # a solver that stops early is what it is
        tree = took(RandomForestClassifier(_TIMED, random_state=0)) / _TIMED
        step = took(LogisticRegression(max_iter=_TIMED)) / _TIMED
    return _TREES * tree + _USED * _STEPS * (len(_STRENGTHS) + 1) * step


def _row(data: Data, name: str) -> dict[str, Any]:
    started = time.perf_counter()
    train, labels = pixels(data.train), data.train.labels
    from threadpoolctl import threadpool_limits  # scikit-learn's own, as it comes with it

    # Threads for matrices as small as these wait for each other, the longer the busier the machine.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # a solver that stops early is what it is
        aside = folds_of(data.train, 5, 1) == 1
        model = _logistic(train, labels, aside) if name == LOGISTIC else _forest(train, labels)
    found: Any = model.predict_proba(pixels(data.test))
    probabilities = torch.full((len(data.test), len(data.classes)), 1e-6, dtype=torch.float64)
    probabilities[:, model.classes_.tolist()] += torch.as_tensor(found)
    logits = (probabilities / probabilities.sum(1, keepdim=True)).log().float()
    right = logits.argmax(1) == data.test.labels
    figures = figures_of(data.test.labels.numpy(), logits.argmax(1).numpy(), data.classes)
    content = f"{name} {_TREES} {_STRENGTHS} {_STEPS} {MOST_SIDE} {data.fingerprint}"
    return {
        "key": hashlib.sha256(content.encode()).hexdigest()[:16],
        "study": STUDY,
        "net": name,
        "params": _scalars(model),
        "macs": None,
        "methods": [],
        "recipe": {},
        "data": data.name,
        "fingerprint": data.fingerprint,
        "trained_on": FULL,
        "seed": 0,
        "epochs": 0,
        "seconds": time.perf_counter() - started,
        "split": "test",
        "images": len(data.test),
        "accuracy": float(right.double().mean()),
        "balanced_accuracy": balanced_accuracy(figures),
        "nll": float(F.cross_entropy(logits, data.test.labels)),
        "balanced_nll": balanced_nll(logits, data.test.labels),
        "right": packed(right),
        "revision": revision(),
    }


def pixels(split: Split) -> Floats:
    """Return the images as rows of numbers."""
    images = split.images.float() / 255
    height, width = images.shape[2:]
    if max(height, width) > MOST_SIDE:
        smaller = MOST_SIDE / max(height, width)
        size = (max(round(height * smaller), 1), max(round(width * smaller), 1))
        images = F.interpolate(images, size=size, mode="area")
    return images.flatten(1).numpy()


def _logistic(train: Floats, labels: torch.Tensor, held_out: torch.Tensor) -> Any:
    from sklearn.linear_model import LogisticRegression

    aside, known = held_out.numpy(), labels.numpy()

    def likelihood(strength: float) -> float:
        fitted = LogisticRegression(C=strength, max_iter=_STEPS).fit(train[~aside], known[~aside])
        # a class of nothing but copies of another's images may be held out with all of them
        judged = aside & np.isin(known, fitted.classes_)
        given: Any = fitted.predict_proba(train[judged])
        places = np.searchsorted(fitted.classes_, known[judged])
        return float(np.log(given[np.arange(len(places)), places] + 1e-6).mean())

    # held out with all its images, a class may leave one alone to learn from
    is_choice = aside.any() and len(np.unique(known[~aside])) > 1
    best = max(_STRENGTHS, key=likelihood) if is_choice else _STRENGTHS[-1]
    return LogisticRegression(C=best, max_iter=_STEPS).fit(train, known)


def _forest(train: Floats, labels: torch.Tensor) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(_TREES, random_state=0).fit(train, labels.numpy())


def _scalars(model: Any) -> int:
    """Return what a model keeps: coefficients, or what the nodes of its trees compare with."""
    if hasattr(model, "coef_"):
        return int(model.coef_.size + model.intercept_.size)
    return int(sum(tree.tree_.node_count for tree in model.estimators_))

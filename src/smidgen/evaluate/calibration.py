"""Whether a model's probabilities can be believed."""

import torch
import torch.nn.functional as F

from smidgen.tensors import Labels, Logits

BINS = 15


def nll(logits: Logits, labels: Labels) -> float:
    """Return the mean negative log-likelihood of the labels, in nats."""
    return float(F.cross_entropy(logits.double(), labels))


def balanced_nll(logits: Logits, labels: Labels) -> float:
    """Return the negative log-likelihood as a mean over the classes that have images, in nats."""
    losses = F.cross_entropy(logits.double(), labels, reduction="none")
    found = [float(losses[labels == number].mean()) for number in labels.unique().tolist()]
    return sum(found) / len(found)


def ece(logits: Logits, labels: Labels, bins: int = BINS) -> float:
    """Return the expected calibration error, in [0, 1].

    ``sum_b |B_b| / n * |accuracy(B_b) - confidence(B_b)|`` over ``bins`` equal intervals
    (b/bins, (b+1)/bins] of the largest probability.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, eq. (3).
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    right = (predicted == labels).double()
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = torch.zeros(bins, dtype=torch.float64, device=logits.device)
    gaps.index_add_(0, place, right - confidence)
    return float(gaps.abs().sum() / len(labels))

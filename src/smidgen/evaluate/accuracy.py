"""Logits of a trained model, and the share of them that are right."""

import torch
from torch import nn

from smidgen.data import Batches
from smidgen.tensors import Labels, Logits


@torch.no_grad()
def predict(model: nn.Module, batches: Batches) -> tuple[Logits, Labels]:
    """Return the logits of all images, in order, and their labels; ``model`` keeps its mode."""
    training = model.training
    model.eval()
    try:
        logits, labels = zip(
            *((model(images).float(), labels) for images, labels in batches.in_order()), strict=True
        )
    finally:
        model.train(training)
    return torch.cat(logits), torch.cat(labels)


def accuracy(logits: Logits, labels: Labels) -> float:
    """Return the share of images whose largest logit is the label's, in [0, 1]."""
    return float((logits.argmax(1) == labels).double().mean())


def accuracy_by_class(logits: Logits, labels: Labels) -> list[float | None]:
    """Return the accuracy on the images of each class; ``None`` for a class with no image."""
    right = logits.argmax(1) == labels
    shares: list[float | None] = []
    for label in range(logits.shape[1]):
        of_class = right[labels == label]
        shares.append(float(of_class.double().mean()) if len(of_class) else None)
    return shares

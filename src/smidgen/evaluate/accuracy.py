"""Logits of a trained model, and the share of them that are right."""

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from smidgen.data import normalise
from smidgen.kernels.chain import Inference
from smidgen.tensors import Labels, Logits, Pixels
from smidgen.torch_state import answering, one_thread_if_forked

# Maps of a batch stay in the caches, and those of compiled operations, which keep them all, are few
# where pictures are large; no result depends on either.
BATCH_SIZE = 64  # a third faster than 500
BATCH_PIXELS = 2**14  # of compiled operations: 16 images of 32 x 32
LEAST = 4  # images of theirs, whose weights are packed once a batch


def predict(
    model: nn.Module, pixels: Pixels, mean: tuple[float, ...], std: tuple[float, ...]
) -> Logits:
    """Return the float32 logits of all images, on the CPU; ``model`` keeps its mode.

    Args:
        model: A net of images as it takes them.
        pixels: Bytes, n c h w.
        mean: Of each channel, in units of 0 to 1; what :class:`Run` holds.
        std: Likewise.
    """
    one_thread_if_forked()
    device = next(model.parameters()).device

    def logits(some: Sequence[Tensor]) -> list[Tensor]:
        infer = Inference(model)
        return [infer(normalise(one.to(device), mean, std, torch.float32)).cpu() for one in some]

    with answering(model):
        # a compiled operation keeps to one thread, those of torch share them
        alone = Inference(model).is_compiled(torch.float32)
        batches = pixels.split(taken(*pixels.shape[2:]) if alone else BATCH_SIZE)
        threads = min(torch.get_num_threads(), len(batches)) if alone else 1
        each = -(-len(batches) // threads)
        shares = [batches[start : start + each] for start in range(0, len(batches), each)]
        if threads == 1:
            return torch.cat(logits(batches))
        with ThreadPoolExecutor(threads) as pool:
            return torch.cat([one for found in pool.map(logits, shares) for one in found])


def taken(height: int, width: int) -> int:
    """Return how many images of a size compiled operations take at a time."""
    return min(max(BATCH_PIXELS // (height * width), LEAST), BATCH_SIZE)


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


def packed(right: Tensor) -> str:
    """Return which images were predicted right as text, a bit an image, as rows keep it."""
    return base64.b64encode(np.packbits(right.numpy()).tobytes()).decode()

"""Quantisation-aware finishing: a few epochs that teach a net to live with its integers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from smidgen.export.int8.calibrate import Ranges
from smidgen.export.int8.fake import FakeQuantised, floats
from smidgen.export.int8.program import IntegerProgram
from smidgen.export.int8.quantize import quantize
from smidgen.export.int8.simulate import simulate
from smidgen.export.program import Pixels, Program, run_float
from smidgen.sizes import counted
from smidgen.torch_state import gradients

NOTEWORTHY = 0.003  # of accuracy: a loss of more calls for finishing
EPOCHS = 3
BATCH_SIZE = 64
PEAK_LR = 1e-3  # relative to the size of what is learned; falls to 0 on a line

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """An integer program, and what finishing did for it.

    Args:
        program: The better one on held-out images.
        epochs: That made it; 0 if it is as calibrated.
        loss: Of accuracy against the float program on held-out images, as calibrated, 0 to 1;
            ``None`` if nobody looked.
        loss_after: Likewise, of ``program``.
    """

    program: IntegerProgram
    epochs: int
    loss: float | None
    loss_after: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Training images of a run: those to learn from, and those held out to judge by."""

    pixels: Pixels
    held_out: Pixels
    held_out_labels: Labels


def finished(
    program: Program,
    ranges: Ranges,
    images: Images | None,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> Finished:
    """Return the integer form of ``program``, finished if it loses more than 0.3 points.

    Args:
        program: Lowered.
        ranges: Of its maps, as calibrated.
        images: Of the training set alone; ``None`` if none of it can be held out.
        epochs: Of finishing, should it be called for; 0 never finishes.
        seed: Of the order of images.
        tell: Is told that finishing begins, and what came of it.

    Raises:
        ValueError: If ``epochs`` is negative.
    """
    if epochs < 0:
        raise ValueError(f"epochs of finishing must be >= 0, got {epochs}")
    plain = quantize(program, ranges)
    if not epochs:
        return Finished(plain, 0, None, None)
    if images is None:
        tell("each class has one image, and none is held out: what int8 loses is not known")
        return Finished(plain, 0, None, None)

    def accuracy(logits: NDArray[np.generic]) -> float:
        return float((logits.argmax(1) == images.held_out_labels).mean())

    aim = accuracy(run_float(program, images.held_out))
    loss = aim - accuracy(simulate(plain, images.held_out))
    if loss <= NOTEWORTHY:
        return Finished(plain, 0, loss, loss)
    length = counted(epochs, "epoch", "epochs")
    tell(f"int8 {told(loss)} on held-out images: finishing for {length}")
    better = finish(program, ranges, images.pixels, epochs=epochs, seed=seed)
    after = aim - accuracy(simulate(better, images.held_out))
    if after >= loss:
        tell(f"finishing did not help: it {told(after)} after it, and stays as calibrated")
        return Finished(plain, 0, loss, loss)
    tell(f"after finishing it {told(after)}")
    return Finished(better, epochs, loss, after)


def told(loss: float) -> str:
    """Return a loss of accuracy in words, which are never of two minds about its sign."""
    points = 100 * abs(loss)
    if round(points, 2) == 0:
        return "loses nothing"
    return f"{'loses' if loss > 0 else 'gains'} {points:.2f} points"


@gradients()
def finish(
    program: Program, ranges: Ranges, pixels: Pixels, *, epochs: int = EPOCHS, seed: int = 0
) -> IntegerProgram:
    """Return the integer form of ``program`` after training its rounded form to answer like it.

    The targets are the float program's probabilities of each image, so labels are not needed.
    Weights, biases and the scales of maps learn, by Adam; the same call gives the same bits.
    """
    model = FakeQuantised(program, ranges)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=PEAK_LR)
    generator = torch.Generator().manual_seed(seed)
    targets = torch.from_numpy(run_float(program, pixels)).softmax(1)
    size = min(BATCH_SIZE, len(pixels))
    steps = len(pixels) // size
    for step in range(epochs * steps):
        if step % steps == 0:
            order = torch.randperm(len(pixels), generator=generator).numpy()
        chosen = order[step % steps * size :][:size]  # pyright: ignore[reportPossiblyUnboundVariable]
        for group in optimizer.param_groups:
            group["lr"] = PEAK_LR * (1 - step / (epochs * steps))
        batch = floats(pixels[chosen]).to(memory_format=torch.channels_last)
        loss = F.cross_entropy(model(batch), targets[torch.from_numpy(chosen)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return quantize(*model.program())

"""A plain PyTorch loop with the recipe of smidgen's own: what somebody writes without a library.

Nothing in it is slow on purpose: all pictures are in memory, normalised and padded beforehand; crop
and flip of a batch are one indexing; maps are channels_last and the optimizer is torch's fused one.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smidgen.data import Split, normalise
from smidgen.recipe import Recipe

CROP = 4  # pixels a side


def batch_of(padded: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
    """Return a window of every picture, half of them in a mirror; n c h w, channels_last.

    Args:
        padded: All pictures, n h w c, with ``CROP`` pixels more on each side.
        rows: Which ones.
        generator: Drawn from in the order in which smidgen's ``crop`` and ``flip`` do.
    """
    side, count = padded.shape[1] - 2 * CROP, len(rows)
    down, across = torch.randint(2 * CROP + 1, (2, count), generator=generator)
    mirrored = torch.rand(count, generator=generator) < 0.5
    along = torch.arange(side)
    y = down[:, None] + along
    x = across[:, None] + torch.where(mirrored[:, None], side - 1 - along, along)
    return padded[rows[:, None, None], y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def trained(
    model: nn.Module,
    split: Split,
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
    recipe: Recipe,
    seed: int,
) -> nn.Module:
    """Train ``model`` on ``split``: AdamW, one cycle, crop and flip; return it.

    Args:
        model: With the weights that it starts from.
        split: What is learned from.
        statistics: Mean and standard deviation of each channel, on the scale 0 to 1.
        recipe: Epochs, batch, peak rate, decay; convolutions and the classifier alone are decayed.
        seed: Of the order and of the windows.
    """
    generator = torch.Generator().manual_seed(seed)
    pixels = normalise(split.images, *statistics, torch.float32).permute(0, 2, 3, 1)
    padded = F.pad(pixels, (0, 0, CROP, CROP, CROP, CROP)).contiguous()
    model = model.to(memory_format=torch.channels_last).train()
    weights = list(model.parameters())
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, recipe.peak_lr, fused=True)
    steps = len(split) // recipe.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.peak_lr, total_steps=recipe.epochs * steps, cycle_momentum=False
    )
    for _ in range(recipe.epochs):
        order = torch.randperm(len(split), generator=generator)
        for rows in order[: steps * recipe.batch_size].split(recipe.batch_size):
            optimizer.zero_grad()
            images = batch_of(padded, rows, generator)
            F.cross_entropy(model(images), split.labels[rows]).backward()
            optimizer.step()
            schedule.step()
    return model

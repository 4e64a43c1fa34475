"""Write cifar-10k.npz: 10,000 of CIFAR-10's training images, 5,000 others to choose on, its test images."""

import sys

import numpy as np
import torch

from smidgen.data import Split, load

TRAIN, VALIDATION = 1_000, 500  # images a class


def chosen(split: Split, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return places in ``split`` of images to train and to choose on, as many of each class."""
    generator = torch.Generator().manual_seed(0)
    parts: list[list[torch.Tensor]] = [[], []]
    for number in range(classes):
        places = (split.labels == number).nonzero().flatten()
        places = places[torch.randperm(len(places), generator=generator)]
        parts[0].append(places[:TRAIN])
        parts[1].append(places[TRAIN : TRAIN + VALIDATION])
    train, validation = map(torch.cat, parts)
    return train, validation


if __name__ == "__main__":
    data = load("cifar10")
    train, validation = chosen(data.train, len(data.classes))
    parts = {
        "train": Split(data.train.images[train], data.train.labels[train]),
        "validation": Split(data.train.images[validation], data.train.labels[validation]),
        "test": data.test,
    }
    names = np.array(data.classes)
    arrays = {f"x_{name}": part.images.permute(0, 2, 3, 1).numpy() for name, part in parts.items()}
    arrays |= {f"y_{name}": names[part.labels.numpy()] for name, part in parts.items()}
    np.savez(sys.argv[1] if len(sys.argv) > 1 else "cifar-10k.npz", **arrays)

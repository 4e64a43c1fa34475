"""The handwritten digits that scikit-learn embeds."""

from dataclasses import dataclass
from typing import Any, final

import torch

from smidgen.data.base import Source, Split
from smidgen.data.catalogue import TEST, TRAIN, Arrays, Catalogue, Part, Wish
from smidgen.data.splits import divided

TEST_IMAGES = 360  # of 1,797
TEST_SEED = 20_13
BRIGHTEST = 16  # as scikit-learn stores them
WHITE = 255


@final
@dataclass(frozen=True, slots=True)
class Digits(Source):
    """1,797 grey images of 8x8, of which 360 are set aside to test on, always the same."""

    def identity(self) -> tuple[str, ...]:
        return ("scikit-learn digits", str(TEST_IMAGES), str(TEST_SEED))

    def catalogue(self, wish: Wish) -> Catalogue:
        from sklearn.datasets import load_digits

        stored: Any = load_digits()
        levels = torch.from_numpy(stored.images).mul(WHITE / BRIGHTEST).round().to(torch.uint8)
        everything = Split(levels[:, None], torch.from_numpy(stored.target).to(torch.int64))
        names = tuple(str(digit) for digit in stored.target_names)
        parts: dict[str, Part] = {}
        for part, split in zip(
            (TRAIN, TEST), divided(everything, TEST_IMAGES, TEST_SEED), strict=True
        ):
            pictures = Arrays(
                split.images.permute(0, 2, 3, 1).numpy(),
                lambda row, part=part: f"digits {part} row {row}",
            )
            parts[part] = Part(pictures, [names[label] for label in split.labels.tolist()])
        return Catalogue(parts, names)

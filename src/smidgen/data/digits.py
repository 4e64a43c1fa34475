"""The handwritten digits that scikit-learn embeds."""

from dataclasses import dataclass
from typing import Any

import torch

from smidgen.data.base import Data, Progress, Source, Split
from smidgen.data.images import decoded, reporter
from smidgen.data.splits import divided
from smidgen.data.tables import as_images

TEST_IMAGES = 360  # of 1,797
TEST_SEED = 20_13
BRIGHTEST = 16  # as scikit-learn stores them
WHITE = 255


@dataclass(frozen=True, slots=True)
class Digits(Source):
    """1,797 grey images of 8x8, of which 360 are set aside to test on, always the same."""

    def identity(self) -> tuple[str, ...]:
        return ("scikit-learn digits", str(TEST_IMAGES), str(TEST_SEED))

    def read(self, name: str, image_size: tuple[int, int] | None, progress: Progress) -> Data:
        from PIL import Image
        from sklearn.datasets import load_digits

        stored: Any = load_digits()
        levels = torch.from_numpy(stored.images).mul(WHITE / BRIGHTEST).round().to(torch.uint8)
        report = reporter(progress, name, len(levels))
        images = [Image.fromarray(image) for image in levels.numpy()]
        pixels = decoded(images, lambda row: f"{name} row {row}", image_size, report)
        report(len(levels))
        everything = Split(as_images(pixels), torch.from_numpy(stored.target).to(torch.int64))
        train, test = divided(everything, TEST_IMAGES, TEST_SEED)
        return Data(name, train, test, tuple(str(digit) for digit in stored.target_names))

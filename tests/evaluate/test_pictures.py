"""The pictures behind the figures are the right ones."""

import base64
import io

import pytest
import torch
from PIL import Image

from smidgen.data import Split
from smidgen.evaluate.pictures import Copies, copies, named, thumbnail, wrong_answers


def logits_of(*probabilities: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(probabilities).log()


def test_wrong_answers_come_surest_first() -> None:
    logits = logits_of((0.9, 0.1), (0.2, 0.8), (0.4, 0.6), (0.3, 0.7))
    found = wrong_answers(logits, torch.tensor([1, 0, 0, 1]))
    assert [(of.image, of.label, of.answer) for of in found] == [(0, 1, 0), (1, 0, 1), (2, 0, 1)]
    assert [of.probability for of in found] == [0.9, 0.8, 0.6]
    assert len(wrong_answers(logits, torch.tensor([1, 0, 0, 1]), limit=2)) == 2


def test_sure_means_as_sure_as_of_images_that_bear_the_label() -> None:
    """Class 1 gets 0.7 and 0.6 where it is the label: 0.65 on average."""
    logits = logits_of((0.3, 0.7), (0.4, 0.6), (0.34, 0.66), (0.36, 0.64), (0.9, 0.1))
    found = wrong_answers(logits, torch.tensor([1, 1, 0, 0, 0]))
    assert [(of.image, of.sure) for of in found] == [(2, True), (3, False)]


def test_an_answer_that_no_image_bears_is_never_sure() -> None:
    (found,) = wrong_answers(logits_of((0.01, 0.99)), torch.tensor([0]))
    assert not found.sure


def split(*values: tuple[int, int]) -> Split:
    """Images of one value each, with their labels."""
    pixels = [torch.full((1, 2, 2), value, dtype=torch.uint8) for value, _ in values]
    return Split(torch.stack(pixels), torch.tensor([label for _, label in values]))


def test_copies_are_counted_within_across_and_by_label() -> None:
    train = split((1, 0), (1, 0), (2, 0), (3, 1), (3, 0))
    test = split((2, 0), (9, 1), (9, 1), (3, 1))
    assert copies(train, test) == Copies(train=2, test=1, across=2, labels=3)
    assert copies(split((1, 0)), split((2, 0))) == Copies(0, 0, 0, 0)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_a_thumbnail_is_a_small_png_of_the_image(channels: int) -> None:
    image = torch.zeros(channels, 96, 60, dtype=torch.uint8)
    image[:, :48] = 240
    raw = base64.b64decode(thumbnail(image))
    picture = Image.open(io.BytesIO(raw))
    assert (picture.format, picture.size) == ("PNG", (30, 48))
    seen = picture.convert("RGB")
    assert seen.getpixel((5, 5)) == (240, 240, 240)
    assert seen.getpixel((5, 45)) == (0, 0, 0)
    assert len(raw) < 300


def test_an_answer_names_the_file_of_its_picture() -> None:
    (found,) = wrong_answers(logits_of((0.01, 0.99)), torch.tensor([0]))
    of = split((1, 0))
    assert "file" not in named((found,), of)[0]
    with_file = Split(of.images, of.labels, ("cat/IMG_7.jpg",))
    assert named((found,), with_file)[0]["file"] == "cat/IMG_7.jpg"


def test_a_colour_keeps_its_order() -> None:
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    image[0] = 250
    picture = Image.open(io.BytesIO(base64.b64decode(thumbnail(image)))).convert("RGB")
    assert picture.getpixel((0, 0)) == (250, 0, 0)

"""The pictures behind the figures are the right ones."""

import base64
import io
from dataclasses import replace

import pytest
import torch
from PIL import Image

from smidgen.data import Data, Split, load
from smidgen.data.parts import held_out, parts
from smidgen.data.turned import exchanged
from smidgen.evaluate.pictures import (
    Copies,
    copies,
    doubted,
    looked_at,
    mistaken,
    thumbnail,
    wrong_answers,
)


def logits_of(*probabilities: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(probabilities).log()


def test_examples_are_what_a_run_has_learned() -> None:
    digits = load("digits")
    logits = torch.zeros(len(digits.test), 10)
    whole, half = (looked_at(digits, logits, "full", share, 0) for share in (1.0, 0.5))
    pairs = zip(whole["examples"], half["examples"], strict=True)
    assert all(abs(2 * less - more) <= 2 for more, less in pairs)


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
    data = Data("mine", split((1, 0), (2, 1)), of, ("cat", "dog"))
    logits = logits_of((0.01, 0.99))
    assert "file" not in looked_at(data, logits)["wrong"][0]
    with_file = replace(data, test=Split(of.images, of.labels, ("cat/IMG_7.jpg",)))
    (told,) = looked_at(with_file, logits)["wrong"]
    assert (told["file"], told["image"], told["answer"]) == ("cat/IMG_7.jpg", 0, found.answer)
    other = mistaken(with_file, logits)  # as where other data judge a run
    assert other == {name: looked_at(with_file, logits)[name] for name in ("wrong", "pictures")}


@pytest.mark.parametrize("name", ["selection", "fold-2-of-3"])
def test_a_doubted_label_is_found_again_in_the_training_part(name: str) -> None:
    """Every held-out image is answered 1, surely: those labelled 0 are doubted."""
    train = split(*((value, value % 2) for value in range(40)))
    data = Data("mine", train, split((99, 0)), ("cat", "dog"))
    part, places = held_out(data, name)
    kept, aside = parts(data, name)
    assert aside
    assert part == "train"
    assert torch.equal(train.images[places], aside.images)
    assert len(kept) + len(places) == 40
    logits = logits_of(*((0.02, 0.98) for _ in places))
    found = doubted(data, name, logits)
    assert {of["image"] for of in found["doubted"]} == {p for p in places.tolist() if p % 2 == 0}
    assert all(
        (of["part"], of["label"], of["answer"]) == ("train", 0, 1) for of in found["doubted"]
    )
    assert set(found["pictures"]) <= {f"train/{place}" for place in places.tolist()}


def test_pictures_of_turned_data_are_shown_as_they_lie() -> None:
    pixels = torch.arange(2 * 5 * 9).reshape(2, 1, 5, 9).to(torch.uint8)
    part = Split(pixels, torch.tensor([0, 1]))
    data = Data("wide", part, part, ("cat", "dog"))
    logits = logits_of((0.1, 0.9), (0.2, 0.8))
    shown = looked_at(exchanged(data), logits)["pictures"]
    assert shown == looked_at(data, logits)["pictures"]
    assert set(shown) == {"test/0"}
    turned = doubted(exchanged(replace(data, validation=part)), "selection", logits)
    assert turned["pictures"] == {"validation/0": thumbnail(pixels[0])}, (
        "the held-out part is no other"
    )


def test_validation_pictures_are_doubted_where_they_are() -> None:
    train = split((1, 0), (2, 1), (3, 0), (4, 1))
    data = Data("m", train, split((9, 0)), ("cat", "dog"), validation=split((5, 1), (6, 0), (7, 1)))
    logits = logits_of((0.1, 0.9), (0.1, 0.9), (0.1, 0.9))
    (found,) = doubted(data, "selection", logits)["doubted"]
    assert (found["part"], found["image"]) == ("validation", 1)
    assert len(held_out(data, "full")[1]) == 0


def test_a_colour_keeps_its_order() -> None:
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    image[0] = 250
    picture = Image.open(io.BytesIO(base64.b64decode(thumbnail(image)))).convert("RGB")
    assert picture.getpixel((0, 0)) == (250, 0, 0)

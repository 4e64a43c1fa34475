"""Pictures known by their pixels: found again, and kept on their sides."""

from dataclasses import replace

import pytest
import torch

from smidgen.data import Data, DataError, Split
from smidgen.data.base import FOUND
from smidgen.data.known import Known, compared, keys_of
from smidgen.data.shares import learned
from smidgen.data.sides import in_order, sided

CLASSES = ("cat", "owl")


def pictures(count: int, seed: int, *, groups: torch.Tensor | None = None) -> Split:
    """Return pictures of two classes in turn, none like another."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return Split(images, torch.arange(count) % 2, groups=groups)


def joined(*splits: Split) -> Split:
    groups = [of.groups for of in splits if of.groups is not None]
    return Split(
        torch.cat([of.images for of in splits]),
        torch.cat([of.labels for of in splits]),
        groups=torch.cat(groups) if len(groups) == len(splits) else None,
    )


def data_of(train: Split, test: Split, validation: Split | None = None) -> Data:
    return Data("photos", train, test, CLASSES, validation=validation)


def keys(split: Split | None) -> set[int]:
    return set() if split is None else set(keys_of(split).tolist())


BEFORE = data_of(pictures(40, 0), pictures(10, 1))
HELD = BEFORE.train.images[Known.of(BEFORE, "selection").held_out]


def test_the_sides_of_a_run_are_known() -> None:
    known = Known.of(BEFORE, "selection")
    assert int(known.held_out.sum()) == len(HELD) == 4
    assert len(known.learned) == 36
    assert sorted(known.sides.values()) == ["test"] * 10 + ["train"] * 36 + ["validation"] * 4
    again = Known.of_tensors(known.tensors)
    assert again.sides == known.sides
    for wrong in ({"train": known.held_out}, {"other": known.parts["train"]}, {}):
        with pytest.raises(DataError, match="known pictures must be"):
            Known.of_tensors({**wrong, "held_out": known.held_out})


@pytest.mark.parametrize("split", ["selection", "full", "fold-1-of-3"])
def test_what_a_share_left_out_was_neither_learned_nor_held_out(split: str) -> None:
    known = Known.of(BEFORE, split, 0.25, seed=3)
    assert known.learned == keys(learned(BEFORE, split, 0.25, 3))
    assert sorted(known.sides.values()).count("train") == len(known.learned) < 12
    assert len(known.sides) == len(known.learned) + int(known.held_out.sum()) + 10
    again = Known.of_tensors(known.tensors)
    assert again.learned == known.learned
    assert again.counts == (len(known.learned), int((~known.held_out).sum()))
    with pytest.raises(DataError, match="left_out of known pictures must be bool"):
        Known.of_tensors({**known.tensors, "left_out": torch.zeros(3)})
    assert "left_out" not in Known.of(BEFORE, split).tensors, "a file of all is as before"


def test_pictures_are_found_among_others_in_their_order() -> None:
    mixed = joined(pictures(3, 5), BEFORE.test, pictures(2, 6), BEFORE.train)
    change = compared(data_of(mixed, pictures(4, 7)), Known.of(BEFORE, "full"))
    assert (change.came, change.went) == (9, 0)
    assert change.data is not None
    assert change.data.fingerprint == BEFORE.fingerprint
    gone = compared(data_of(pictures(40, 0), pictures(4, 7)), Known.of(BEFORE, "full"))
    assert gone == (None, 4, 10)


def test_groups_are_numbered_as_if_the_others_were_not_there() -> None:
    own = data_of(
        pictures(8, 0, groups=torch.arange(8) // 2), pictures(2, 1, groups=torch.arange(4, 6))
    )
    train = joined(
        replace(pictures(2, 5), groups=torch.tensor([0, 0])),
        replace(own.train, groups=torch.arange(8) // 2 + 1),
    )
    more = data_of(train, replace(own.test, groups=torch.arange(5, 7)))
    found = compared(more, Known.of(own, "full")).data
    assert found is not None
    assert found.fingerprint == own.fingerprint


@pytest.mark.parametrize("split", ["selection", "full", "fold-2-of-4"])
def test_known_pictures_stay_and_new_ones_get_sides(split: str) -> None:
    known = Known.of(BEFORE, split)
    new = pictures(20, 3)
    # in other parts than they were, so that nothing but their pixels tells
    found = data_of(joined(BEFORE.test, new, BEFORE.train), pictures(6, 4))
    of = sided(found, [known], full=False)
    held = keys(BEFORE.train) - known.learned
    assert keys(of.data.train) & known.sides.keys() == known.learned
    assert keys(of.data.validation) & known.sides.keys() == held
    assert keys(of.data.test) & known.sides.keys() == keys(BEFORE.test)
    assert (of.split, of.known, of.new, of.gone) == ("selection", 50, (13, 13), 0)
    assert (of.judged, of.judged_new, of.moved) == (len(held), 2, 10)
    assert len(keys(of.data.validation) & keys(new)) == 2


def test_full_learns_what_was_held_out_but_no_validation_part() -> None:
    known = Known.of(BEFORE, "selection")
    of = sided(data_of(joined(BEFORE.train, pictures(20, 3)), BEFORE.test), [known], full=True)
    assert (of.split, of.data.validation, len(of.data.train)) == ("full", None, 60)
    part = data_of(BEFORE.train, BEFORE.test, pictures(4, 8))
    of = sided(part, [Known.of(part, "selection")], full=True)
    assert keys(of.data.validation) == keys(part.validation)


def test_what_an_earlier_run_learned_is_learned_and_the_last_one_decides() -> None:
    first = data_of(pictures(6, 3), pictures(2, 9))
    last = Known.of(BEFORE, "selection")
    found = data_of(joined(BEFORE.train, pictures(6, 3)), BEFORE.test)
    of = sided(found, [last, Known.of(first, "full")], full=False)
    assert (of.known, of.judged_new) == (56, 0)
    assert keys(first.train) <= keys(of.data.train)


def test_a_new_picture_goes_where_its_group_is() -> None:
    groups = torch.arange(40) // 2
    before = data_of(
        replace(pictures(40, 0), groups=groups), pictures(2, 1, groups=torch.tensor([30, 31]))
    )
    known = Known.of(before, "selection")
    held, learned = (int(groups[of].unique()[0]) for of in (known.held_out, ~known.held_out))
    new = replace(pictures(4, 3), groups=torch.tensor([held, learned, held, 30]))
    of = sided(data_of(joined(before.train, new), before.test), [known], full=False)
    key = keys_of(new).tolist()
    assert {key[0], key[2]} <= keys(of.data.validation)
    assert key[1] in keys(of.data.train)
    assert key[3] in keys(of.data.test)


def test_a_class_with_one_new_picture_has_it_learned() -> None:
    known = Known.of(BEFORE, "full")
    of = sided(data_of(joined(BEFORE.train, pictures(1, 3)), BEFORE.test), [known], full=False)
    assert (of.split, of.judged_new, len(of.data.train)) == ("full", 0, 41)


def test_nothing_to_test_on_is_refused() -> None:
    known = Known.of(BEFORE, "full")
    with pytest.raises(DataError, match="photos must hold a picture to test on that the run"):
        sided(data_of(pictures(20, 0), replace(pictures(20, 0))), [known], full=False)


def test_classes_in_another_order_are_the_same() -> None:
    other = replace(
        BEFORE,
        classes=("owl", "cat"),
        train=Split(BEFORE.train.images, 1 - BEFORE.train.labels),
        test=Split(BEFORE.test.images, 1 - BEFORE.test.labels),
        fingerprint="",
        preprocessing=FOUND,
    )
    assert other.fingerprint != BEFORE.fingerprint
    assert in_order(other, CLASSES).fingerprint == BEFORE.fingerprint

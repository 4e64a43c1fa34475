"""What every data source promises."""

import pickle
from collections.abc import Callable
from typing import Any

from smidgen.data.base import Source
from smidgen.data.catalogue import PARTS, TEST, TRAIN, Wish
from smidgen.data.making import made

_LOOKED_AT = 8  # pictures a part


def source_checks(source: Source) -> tuple[Callable[[Source], None], ...]:
    """Return the checks that hold for every source; each is called with it."""
    del source
    return (
        has_an_identity_of_texts_that_stays,
        has_parts_with_a_label_a_picture,
        shows_pictures_as_it_says,
        is_made_into_the_same_data_twice,
    )


def has_an_identity_of_texts_that_stays(source: Source) -> None:
    """Asked twice, it is the same; a worker gets the same one."""
    once: Any = source.identity()
    texts = isinstance(once, tuple) and all(isinstance(part, str) for part in once)
    assert texts, f"an identity must be a tuple of texts, got {once!r}"
    assert source.identity() == once, "asked twice, the identity differs"
    copy = pickle.loads(pickle.dumps(source))  # as a worker elsewhere gets it
    assert copy.identity() == once, "in another process, the identity differs"
    assert source.key(Wish()) != source.key(Wish(size=(4, 4))), "a wish must change the key"


def has_parts_with_a_label_a_picture(source: Source) -> None:
    """Parts have known names, and as many labels as pictures."""
    catalogue = source.catalogue(Wish())
    assert catalogue.parts, "there must be a part"
    for name, part in catalogue.parts.items():
        assert name in PARTS, f"a part must be one of {', '.join(PARTS)}, got {name!r}"
        pictures, labels = len(part.pictures), len(part.labels)
        assert pictures == labels, f"{name} has {pictures} pictures and {labels} labels"
        unknown = set(part.labels) - {None} - set(catalogue.classes)
        assert not (catalogue.classes and unknown), f"{name} has labels of no class: {unknown}"


def shows_pictures_as_it_says(source: Source) -> None:
    """A picture that is read has the size that its head says, and a name."""
    for name, part in source.catalogue(Wish()).parts.items():
        for number in range(min(len(part.pictures), _LOOKED_AT)):
            said = part.pictures.where(number)
            assert isinstance(said, str) and said, f"{name} {number} has no name"  # noqa: PT018
            head, picture = part.pictures.head(number), part.pictures.picture(number, None)
            size = getattr(picture, "size", ())
            found = picture.shape[:2] if hasattr(picture, "shape") else size[::-1]
            assert tuple(found) == (head.height, head.width), f"{said} has another size: {found}"


def is_made_into_the_same_data_twice(source: Source) -> None:
    """Read twice, they are the same data, with images to learn from and to test on."""
    once, again = (made("checked", source.catalogue(Wish()), Wish(), None) for _ in range(2))
    assert once.fingerprint == again.fingerprint, "read twice, the data differ"
    assert {TRAIN, TEST} <= set(once.parts), "there must be images to train and to test on"

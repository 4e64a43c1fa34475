"""Licences are those that the hub knows, or others by name."""

import pytest

from smidgen.share.card import write_card
from smidgen.share.licences import fields, require_licence


@pytest.mark.parametrize("licence", [None, "mit", "apache-2.0", "openrail++", "other:my-own-1.0"])
def test_a_licence_that_the_hub_knows_or_another_by_name_is_taken(licence: str | None) -> None:
    require_licence(licence)


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("foo", "see https://"),
        ("apache2", "did you mean 'apache-2.0'"),
        ("Apache 2.0", "did you mean 'apache-2.0'"),
        ("gpl-v3", "'gpl-3.0'"),
        ("cc-by-4", "'cc-by-4.0'"),
        ("MIT", "did you mean 'mit'"),
        ("other", "other:NAME"),
        ("other:", "other:NAME"),
        ("other:a\nb", "other:NAME"),
    ],
)
def test_another_word_is_refused_before_any_work_and_the_nearest_is_named(
    licence: str, said: str
) -> None:
    with pytest.raises(ValueError, match="a licence must be one that the hub knows") as error:
        write_card("no such run", "card.md", licence=licence)
    assert said in str(error.value)


def test_the_hub_is_told_the_name_of_another_licence() -> None:
    assert fields("other:my-own-1.0") == {"license": "other", "license_name": "my-own-1.0"}
    assert fields("mit") == {"license": "mit"}
    assert fields(None) == {"license": "unknown"}

"""Names from outside are safe wherever they are written, or refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smidgen.layers import Classifier, GlobalAveragePool, Shape
from smidgen.names import as_name, bare, require_key, require_name, require_path
from smidgen.spec import NetSpec
from smidgen.zoo import NETS

HOSTILE = (
    '*/ int x = system("true"); /*',
    '" onload="alert(1)',
    r"\g<9>",
    "a\x00b",
    "a\nb",
    "../up",
    "/etc/passwd",
    ".hidden",
    "--data",
    "",
    "a" * 101,
    "naïve",
    7,
    None,
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_is_not_plain_is_refused_in_one_short_line(name: object) -> None:
    with pytest.raises(ValueError, match="must be letters, digits and") as refused:
        require_name(name, "the name of a net")
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("name", [*NETS, "a" * 100, "mixed-3x2t-1557", "v1.2_b+c"])
def test_plain_names_are_taken(name: str) -> None:
    assert require_name(name, "a name") == name


@pytest.mark.parametrize("name", HOSTILE)
def test_no_net_has_a_name_that_is_not_plain(name: object) -> None:
    layers = (GlobalAveragePool(), Classifier(2))
    if isinstance(name, str):
        with pytest.raises(ValueError, match="the name of a net must be"):
            NetSpec(Shape(1, 2, 2), layers, name)
    form = {"input": [1, 2, 2], "layers": ["global-average-pool", "classifier(2)"], "name": name}
    with pytest.raises(ValueError, match="the name of a net must be"):
        NetSpec.from_dict(form)


@pytest.mark.parametrize(
    "key", ["/tmp/elsewhere", "../../x", "0123456789abcde", "0123456789ABCDEF", "0" * 17, 1, None]
)
def test_a_key_is_sixteen_hexadecimal_digits(key: object) -> None:
    with pytest.raises(ValueError, match="must be 16 digits"):
        require_key(key, "the key of a trial")
    assert require_key("0123456789abcdef", "a key") == "0123456789abcdef"


@given(st.text())
def test_a_name_can_be_made_of_any_text(text: str) -> None:
    assert require_name(as_name(text), "a name")


def test_a_text_without_its_quotes_keeps_what_tells_that_it_was_cut() -> None:
    assert bare("9.0\n") == "9.0\\n"
    assert bare("9" * 7_000) == f"{'9' * 200}... (7,000 characters)"
    assert bare(["a", "b"]) == "'a', 'b'"
    assert bare(5) == "5"


def test_a_path_may_begin_with_the_folder_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("USERPROFILE", "/home/ada")
    assert require_path("~/nets", "out") == Path("/home/ada/nets")

"""Amounts as people write them."""

from typing import Any

import numpy as np
import pytest

from smidgen.sizes import amounted, bytes_of, count_of, counted, share_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16384", 16_384),
        ("16KB", 16_384),
        ("16 KiB", 16_384),
        ("16k", 16_384),
        ("1.5K", 1536),
        ("1M", 1_048_576),
        ("2MB", 2_097_152),
        ("1_000", 1000),
        ("7 bytes", 7),
        (4096, 4096),
        (np.int64(4096), 4096),
        (4096.0, 4096),
    ],
)
def test_bytes_are_counted_as_makers_of_microcontrollers_do(text: Any, expected: int) -> None:
    assert bytes_of(text, "max-flash") == expected


@pytest.mark.parametrize(
    ("amount", "unit", "told"),
    [
        (1.0, "pixels of 32", "1 pixel of 32"),
        (1.5, "pixels of 32", "1.5 pixels of 32"),
        (-1.0, "stops", "-1 stop"),
        (0.0, "pixels", "0 pixels"),
    ],
)
def test_one_of_a_unit_is_singular(amount: float, unit: str, told: str) -> None:
    assert amounted(amount, unit) == told


@pytest.mark.parametrize(
    ("text", "expected"), [("20k", 20_000), ("1.5M", 1_500_000), ("1600", 1600), (9, 9)]
)
def test_counts_are_decimal(text: int | str, expected: int) -> None:
    assert count_of(text, "max-params") == expected


@pytest.mark.parametrize(
    "text", ["", "KB", "16QB", "-16KB", "-1", "1.2.3K", "1.0001K", "16KB RAM", "²", 16.5]
)
def test_what_cannot_be_read_is_refused_with_how_to_write_it(text: Any) -> None:
    with pytest.raises(ValueError, match="must be bytes above 0, as in 16384, 16KB") as raised:
        bytes_of(text, "max-flash")
    assert repr(text) in str(raised.value)
    with pytest.raises(ValueError, match="max-macs must be a whole number above 0, as in 20000"):
        count_of("0.5", "max-macs")


def test_one_thing_has_a_word_of_its_own() -> None:
    told = [counted(count, "picture is", "pictures are") for count in (0, 1, 1200)]
    assert told == ["0 pictures are", "1 picture is", "1,200 pictures are"]


@pytest.mark.parametrize(
    ("text", "expected"), [("99%", 0.99), (" 99.5 % ", 0.995), (".9", 0.9), (0.5, 0.5)]
)
def test_a_share_is_a_number_or_in_percent(text: float | str, expected: float) -> None:
    assert share_of(text, "sure") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["99", "100%", "0", "1.0", "-5%", "9 9%", "nan", "", 2, "٩٩%"])
def test_what_is_no_share_is_refused_with_how_to_write_it(text: Any) -> None:
    with pytest.raises(ValueError, match="sure must be a share above 0 and below 1, as 99% or"):
        share_of(text, "sure")

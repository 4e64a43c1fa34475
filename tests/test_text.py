"""The text form says what a value is, and refuses what it cannot be."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smidgen.layers import LAYERS, Conv, MaxPool
from smidgen.methods import BY_NAME, SWA, BlurPool, Cutout, Cyclical, Distill, Mixup, OneCycle
from smidgen.text import from_mapping, nearest, parse, parse_list, to_text


@dataclass(frozen=True, slots=True)
class _Held:
    lr: float | None = None

    name: ClassVar[str] = "held"


LAYER_KINDS = {kind.name: kind for kind in LAYERS}


@given(warmup=st.floats(1e-9, 1 - 1e-9), start=st.floats(0, 1), end=st.floats(0, 1))
def test_every_float_survives(warmup: float, start: float, end: float) -> None:
    value = OneCycle(warmup, start, end)
    assert parse(to_text(value), BY_NAME, "method") == value


def test_defaults_are_left_out_and_changes_are_written() -> None:
    assert to_text(Cutout()) == "cutout"
    assert to_text(Cutout(length=8)) == "cutout(length=8)"
    assert to_text(Conv(16, bias=True)) == "conv(out_channels=16, bias=true)"


def test_a_number_is_written_as_its_argument_is_read() -> None:
    assert to_text(OneCycle(end=0)) == "one-cycle(end=0.0)"
    assert to_text(_Held(lr=1)) == "held(lr=1.0)"
    numbers: Any = np.float64(0.3), np.float32(0.5), np.int64(8)
    assert to_text(OneCycle(start=numbers[0], end=numbers[1])) == "one-cycle(start=0.3, end=0.5)"
    assert to_text(Cyclical(cycles=numbers[2])) == "cyclical(cycles=8)"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cutout", Cutout()),
        ("cutout()", Cutout()),
        ("cutout( 8 )", Cutout(8)),
        ("one-cycle(end=4e-6)", OneCycle(end=4e-6)),
        ("blurpool(position=before)", BlurPool(position="before")),
        ("blurpool(position='before')", BlurPool(position="before")),
        ("swa(lr=none)", SWA()),
        ("swa(lr=0.5)", SWA(lr=0.5)),
        ("mixup(1)", Mixup(1.0)),
        ("distill(teacher=my-run)", Distill("my-run")),
        ("distill(my-run, 0.25)", Distill("my-run", 0.25)),
        ("distill(my-run-2)", Distill("my-run-2")),
        ("distill(run_1-2)", Distill("run_1-2")),
        ("distill(teacher = my-run-2, share=0.25)", Distill("my-run-2", 0.25)),
    ],
)
def test_reads_what_a_person_would_write(text: str, value: object) -> None:
    assert parse(text, BY_NAME, "method") == value


def test_two_sides_are_read_and_written_with_a_cross() -> None:
    kinds = {"conv": Conv, "max_pool": MaxPool}
    for text in ("conv(16, 5x1)", "conv(16, kernel_size=5x1)", "conv(16, (5, 1))"):
        assert parse(text, kinds, "layer") == Conv(16, (5, 1))
    assert parse("max_pool(2x1, 3)", kinds, "layer") == MaxPool((2, 1), 3)
    assert to_text(Conv(16, (1, 7))) == "conv(out_channels=16, kernel_size=1x7)"
    with pytest.raises(ValueError, match="layer must be name"):
        parse("conv(16, 5x1x3)", kinds, "layer")
    with pytest.raises(ValueError, match="kernel_size must be odd, got 0"):
        parse("conv(16, 0x3)", kinds, "layer")  # in Python, the hexadecimal 3


def test_a_list_keeps_its_order_and_its_inner_commas() -> None:
    read = parse_list("mixup(alpha=1.0), one-cycle(start=0.1, end=0.0),swa", BY_NAME, "method")
    assert read == (Mixup(1.0), OneCycle(start=0.1, end=0.0), SWA())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cutuot", "unknown method 'cutuot'; did you mean 'cutout'?"),
        ("one-cycel", "unknown method 'one-cycel'; did you mean 'one-cycle'?"),
        ("qqq", "unknown method 'qqq'; known: affine, blurpool"),
        ("cutout(lenght=8)", "method cutout has no argument 'lenght'; did you mean 'length'?"),
        ("cutout(8, length=8)", "method cutout got 'length' twice"),
        ("cutout(1, 2)", "method cutout takes 1 arguments, got 2"),
        ("cutout(length=8.5)", "method cutout argument 'length' "),
        ("cutout(length=true)", "method cutout argument 'length' "),
        ("cutout(length='8')", "method cutout argument 'length' "),
        ("cutout(length=2*4)", "method cutout argument 'length' must be a plain value"),
        ("cutout(length=0)", "cutout length must be >= 1, got 0"),
        ("blurpool(position=beside)", "'after' or 'before'"),
        ("cutout(**x)", "method cutout has no argument"),
        ("cutout(length=8", "method must be name(argument=value, ...), several with commas"),
        ("mixup(alpha=1, 2)", "between them: what has no name, as a layer inside, comes before"),
        ("", "method must be one name"),
        ("cutout, mixup", "method must be one name"),
        ("cutout] + [mixup", "method must be name"),
        ("cutout.length", "method must be name"),
    ],
)
def test_refuses_in_one_line_that_says_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        parse(text, BY_NAME, "method")
    assert "\n" not in str(caught.value)


def test_a_missing_argument_is_named() -> None:
    with pytest.raises(ValueError, match=r"layer conv needs the argument 'out_channels'"):
        parse("conv", LAYER_KINDS, "layer")


def test_a_mapping_is_held_to_the_same_rules() -> None:
    assert from_mapping(Cutout, {"length": 8}, "here") == Cutout(8)
    with pytest.raises(ValueError, match=r"^here has no argument 'len'; did you mean 'length'\?"):
        from_mapping(Cutout, {"len": 8}, "here")


def test_the_nearest_name_is_offered_only_when_there_is_one() -> None:
    assert nearest("convv", ["conv", "blur"]) == "did you mean 'conv'?"
    assert nearest("zzz", ["conv", "blur"]) == "known: blur, conv"
    assert nearest("C", ["arduino", "c"]) == "did you mean 'c'?"


def test_texts_without_a_comma_between_them_are_told_what_lacks() -> None:
    said = r"must be name\(argument=value, ...\), several with commas between them, got 'blur conv'"
    with pytest.raises(ValueError, match=said):
        parse_list("blur conv", {}, "method")

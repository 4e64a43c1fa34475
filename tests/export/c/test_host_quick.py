"""Lines in float32 give the byte that the two integer roundings give, for every sum."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from smidgen.export.c.host_quick import Lines, lines


def rounded(sums: list[int], multiplier: int, zero: int) -> list[int]:
    """Return bytes as the simulation rounds: to a multiple of 2**-31, then by the shift."""
    found = list[int]()
    for sum_ in sums:
        first = (sum_ * multiplier + 2**30) >> 31
        first -= first < 0
        half = 1 << (multiplier & 31)
        found.append(min(255, max(0, ((first + half) >> ((multiplier & 31) + 1)) + zero)))
    return found


def on_line(sums: list[int], own: Lines) -> list[int]:
    """Return bytes as the processor finds them: exact, rounded down to float32, then to bytes."""
    slope = Fraction(float(own.slope[0]))
    found = list[int]()
    for sum_ in sums:
        exact = sum_ * slope + Fraction(float((own.below if sum_ < 0 else own.above)[0]))
        near = np.float32(float(exact))
        if Fraction(float(near)) > exact:
            near = np.nextafter(near, np.float32(-np.inf))
        found.append(min(255, max(0, int(near))))
    return found


def multiplier_of(mantissa: int, shift: int) -> NDArray[np.int32]:
    return np.array([mantissa & ~31 | shift], np.int32)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(2**30, 2**31 - 1),
    st.integers(0, 12),
    st.sampled_from([0, 0, 1, 128, 254, 255]),
    st.integers(0, 2**31),
)
def test_a_line_rounds_as_the_integers_do(m: int, shift: int, zero: int, seed: int) -> None:
    multiplier = multiplier_of(m, shift)
    own = lines(multiplier, zero)
    if own is None:  # no float32 near enough to the slope
        return
    widest = int(300 / float(own.slope[0]))
    drawn = np.random.default_rng(seed).integers(-widest, widest, 300).tolist()
    edges = [
        round((k - zero - 0.5) / float(own.slope[0])) + d for k in range(257) for d in (-1, 0, 1)
    ]
    sums = [*drawn, *edges, -(2**23), 2**23, -1, 0, 1]
    assert on_line(sums, own) == rounded(sums, int(multiplier[0]), zero)


def test_usual_slopes_have_lines_and_small_ones_have_none() -> None:
    generator = np.random.default_rng(0)
    drawn = [multiplier_of(int(m), 5) for m in generator.integers(2**30, 2**31, 50)]
    assert sum(lines(each, 0) is not None for each in drawn) == len(drawn)
    assert lines(multiplier_of(2**30, 18), 0) is None  # byte 255 from sums beyond 2**24 on


def test_one_output_without_a_line_leaves_all_without() -> None:
    both = np.concatenate([multiplier_of(2**30, 5), multiplier_of(2**30, 18)])
    assert lines(both[:1], 0) is not None
    assert lines(both, 0) is None

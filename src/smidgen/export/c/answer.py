"""What C makes of logits: probabilities in integers."""

import math

from smidgen.export.c.text import filled

_STEPS = 64  # of the table of powers, between 1 and a half
_POINT = 16  # bits behind the point of an exponent
_MOST_SHIFT = 63
_FEW = 255  # classes: of more, what each power loses adds up to more than an answer may


def probabilities(net: str, scale: float, classes: int) -> str:
    """Return C that makes probabilities of int32 logits in integers.

    ``e^(-d scale)`` is ``2^(-d scale / ln 2)``: a table of 64 steps between 1 and a half, a line
    between two of them, and shifts. Powers have as many bits as leave their sum below 2^31; of
    many classes they have 30, and their sum is of 64.
    """
    factor = scale / math.log(2) * 2**_POINT
    shift = min(_MOST_SHIFT, max(0, 31 - math.floor(math.log2(factor))))
    powers = [round(2**16 * 2 ** (-i / _STEPS)) - 2**15 for i in range(_STEPS + 1)]
    few = classes <= _FEW
    bits = 31 - classes.bit_length() if few else 30
    lines = [", ".join(map(str, powers[i : i + 11])) for i in range(0, len(powers), 11)]
    values = {
        "SUM": "uint32_t" if few else "uint64_t",
        "BITS": str(bits),
        "SPARE": str(31 - bits),
        "FACTOR": str(min(round(factor * 2**shift), 2**32 - 1)),
        "SHIFT": str(shift),
        "POWERS": ",\n      ".join(lines),
    }
    return filled("probabilities.h", net, values)

"""What a picture goes through, in a net's C header and as integers that follow it."""

from collections.abc import Sequence
from dataclasses import replace

from smidgen.data import Preprocessing
from smidgen.escape import c_comment, c_string
from smidgen.export.c.source import Source, template

_AFTER = "#include <stdint.h>\n"
_FITS = ("stretch", "crop", "pad")
_WHITE = 255
_ORDER = {
    "grey": "One byte a pixel",
    "rgb": "Red, green and blue of a pixel follow each other",
    "channels": "The channels of a pixel follow each other",
}


def described(made: Source, seen: Preprocessing, classes: Sequence[str]) -> Source:
    """Return generated C whose header says what its pictures go through, and its classes."""
    upper = made.name.upper()
    lines = [
        "",
        f"/* Pictures: {c_comment(seen.text)}. {_ORDER[seen.color]}; the mean and",
        "   the deviation of training are taken into account inside. */",
        *(f"#define {upper}_FIT_{fit.upper()} {place}" for place, fit in enumerate(_FITS)),
        f"#define {upper}_FIT {upper}_FIT_{seen.fit.upper()}",
        f"#define {upper}_BACKGROUND {0 if seen.background == 'black' else _WHITE}",
    ]
    if seen.scale:
        lines += [
            "/* byte = floor((value - offset) / step + 1/2), at least 0 and at most 255 */",
            f"#define {upper}_OFFSETS {{{', '.join(map(_float, seen.offset))}}}",
            f"#define {upper}_STEPS {{{', '.join(map(_float, seen.scale))}}}",
        ]
    names = ", ".join(map(c_string, classes))
    lines.append(f"#define {upper}_CLASS_NAMES {{{names}}} /* in the order of the logits */")
    assert made.header.count(_AFTER) == 1
    said = "".join(f"{line}\n" for line in lines)
    return replace(made, header=made.header.replace(_AFTER, _AFTER + said))


def picture_header(made: Source, seen: Preprocessing) -> str:
    """Return ``<name>_picture.h``: a picture of any size becomes what the net takes."""
    text = template("picture.h").replace("TEXT", c_comment(seen.text))
    return text.replace("UPPER", made.name.upper()).replace("NAME", made.name)


def _float(value: float) -> str:
    return f"{value!r}" if "." in repr(value) or "e" in repr(value) else f"{value}.0"

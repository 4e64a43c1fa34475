"""What a net's C header says of pictures and classes, and the integers that follow it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, get_args

from smidgen.data import Preprocessing
from smidgen.data.preprocessing import Color, Fit
from smidgen.data.sensor import SECONDS, Sensor
from smidgen.escape import c_comment, c_string
from smidgen.export.c.boards import timed
from smidgen.export.c.source import Source
from smidgen.export.c.text import filled, named, template
from smidgen.sure import Sure

_AFTER = "#include <stdint.h>\n"
_LAST = "\n#if defined(__cplusplus) && defined(__GNUC__)\n#pragma GCC diagnostic pop\n"
_WHITE = 255
LOGIT_BYTES = 4  # of an int32_t, or of a float
_POINTER = 4  # bytes; texts begin at multiples of as many
_UNPROVED = "/* Accuracy and proof: not measured. */\n"
_CLASS_NAME = """
/* Returns the name of a class. */
static inline const char *NAME_class_name(int place) {
  static const char *const names[] = UPPER_CLASS_NAMES;
  return names[place];
}
"""


def described(
    made: Source,
    seen: Preprocessing,
    classes: Sequence[str],
    *,
    key: str = "",
    version: str = "",
    sure: Sure | None = None,
) -> Source:
    """Return generated C whose header says what its pictures go through, and its classes.

    Args:
        made: As generated.
        seen: What a picture goes through.
        classes: Their names, in the order of the logits.
        key: Of the training.
        version: Of the software.
        sure: From which margin of its int32 logits on it answers, if that was asked for.
    """
    upper = made.name.upper()
    lines = [
        "",
        *_named("VERSION", upper, version, "what wrote this"),
        *_named("TRAINING_KEY", upper, key, "of the run, of its data and of its recipe"),
        _UNPROVED.rstrip("\n"),
        "",
        f"/* Pictures: {c_comment(seen.text)}.",
        f"   {_order(seen.color)}; the mean and the deviation of",
        "   training are taken into account inside. */",
        *_chosen("COLOR", upper, seen.color, get_args(Color)),
        *_chosen("FIT", upper, seen.fit, get_args(Fit)),
        f"#define {upper}_BACKGROUND {0 if seen.background == 'black' else _WHITE}",
        f"#define {upper}_TURNED {int(seen.turned)} /* whether rows and columns are exchanged */",
        f"#define {upper}_MEASURED {int(bool(seen.scale))} /* whether bytes stand for values */",
    ]
    if seen.is_window:
        why = "of a window trained on"
        if seen.length:
            why += f", which {made.name}_picture() fits to those that the net takes"
        lines.append(f"#define {upper}_MOMENTS {max(seen.native)} /* {why} */")
        lines += _of_sensor(seen, upper)
    if seen.scale:
        lines += [
            f"/* What {made.name}_bytes() makes bytes of values by; the numbers are doubles. */",
            f"#define {upper}_OFFSETS {{{', '.join(map(_float, seen.offset))}}}",
            f"#define {upper}_STEPS {{{', '.join(map(_float, seen.scale))}}}",
        ]
    names = ", ".join(map(c_string, classes))
    lines += [
        f"/* Beside it: {LOGIT_BYTES * len(classes)} bytes of memory for the logits, the caller's;",
        f"   {name_bytes(classes)} of flash for names where {made.name}_class_name() is called. */",
        f"#define {upper}_CLASS_NAMES {{{names}}} /* in the order of the logits */",
    ]
    assert made.header.count(_AFTER) == 1
    said = "".join(f"{line}\n" for line in lines)
    header = made.header.replace(_AFTER, _AFTER + said)
    end = header.rindex(_LAST)
    more = named(_CLASS_NAME + (template("bytes.h") if seen.scale else ""), made.name)
    if sure is not None:
        values = {"TOLD": sure.told, "MARGIN": f"{sure.margin}"}
        more += filled("sure.h", made.name, values)
    return replace(made, header=header[:end] + more + header[end:])


def name_bytes(classes: Sequence[str]) -> int:
    """Return the bytes of flash of the table of class names on a core of 32 bits.

    A program has them where it calls ``<name>_class_name()``; the call itself is some 20 more.
    """
    texts = (len(name.encode("utf-8", "surrogatepass")) + 1 for name in classes)
    return sum(_POINTER - (-size // _POINTER) * _POINTER for size in texts)


def signed(made: Source, proof: Mapping[str, Any]) -> str:
    """Return the header of :func:`described` C with what was measured of it.

    Args:
        made: As described.
        proof: The fields of :class:`smidgen.export.proof.Proof`.
    """
    if proof["accuracy"] is None:
        return made.header
    upper, images, apart = made.name.upper(), proof["images"], proof["oracle_difference"]
    same = "bit for bit" if apart == 0 else f"to within {apart:.2g}"
    lines = [
        f"/* Right on {100 * proof['accuracy']:.2f} % of {images} test images,",
        f"   the trained model on {100 * proof['float_accuracy']:.2f} %.",
        f"   Equal to {c_comment(proof['oracle'])},",
        f"   {same}, on {proof['oracle_images']} of them. */",
        *_counted(proof),
        f"#define {upper}_TEST_IMAGES {images}",
        f"#define {upper}_TEST_CORRECT {round(proof['accuracy'] * images)}",
        f"#define {upper}_PROVED_IMAGES {proof['oracle_images']}",
        f"#define {upper}_PROVED_DIFFERENCE {_float(apart)} /* the largest between logits */",
    ]
    assert made.header.count(_UNPROVED) == 1
    return made.header.replace(_UNPROVED, "".join(f"{line}\n" for line in lines))


def _counted(proof: Mapping[str, Any]) -> list[str]:
    """Return what the net took on an emulated microcontroller, where it ran on one."""
    instructions = proof["instructions"]
    if instructions is None:
        return []
    return [
        f"/* On an emulated Cortex-M4: {instructions} instructions an image,",
        f"   {timed(instructions)};",
        f"   {proof['stack']} bytes of stack. */",
    ]


def picture_header(made: Source, seen: Preprocessing) -> str:
    """Return ``<name>_picture.h``: a picture or a frame of any size becomes what the net takes."""
    return filled("picture.h", made.name, {"TEXT": c_comment(seen.text)})


def _of_sensor(seen: Preprocessing, upper: str) -> list[str]:
    """Return what is known of the sensor: the order of its channels, and how often it is read."""
    lines: list[str] = []
    if seen.names:
        names = ", ".join(map(c_string, seen.names))
        lines.append(f"#define {upper}_CHANNEL_NAMES {{{names}}} /* in the order of a moment */")
    if micros := _micros(seen.sensor):
        about = "" if micros.is_exact else f", rounded: {seen.sensor.pace} in training"
        lines.append(
            f"#define {upper}_INTERVAL_US {micros.whole} /* microseconds between moments{about} */"
        )
    elif seen.interval:
        of = seen.unit or "in the unit of the times trained on"
        why = f"between moments, {of}"
        lines.append(f"#define {upper}_INTERVAL {_float(seen.interval)} /* {why} */")
    return lines


class _Micros(NamedTuple):
    """An interval as a clock of 32 bits counts it."""

    whole: int
    is_exact: bool


def _micros(sensor: Sensor) -> _Micros | None:
    """Return an interval in whole microseconds; None where a board's clock cannot wait as long.

    A loop compares differences of ``micros()`` as signed numbers, so they stay below 2^31.
    """
    if not (sensor.interval and sensor.unit):
        return None
    exact = sensor.interval * SECONDS[sensor.unit] * 1e6
    count = round(exact)
    as_often = Sensor(interval=count, unit="us").is_read_as(sensor)
    if not (1 <= count < 1 << 31 and as_often):
        return None
    return _Micros(count, abs(count - exact) <= 1e-9 * exact)


def _order(color: Color) -> str:
    match color:
        case "grey":
            return "One byte a pixel"
        case "rgb":
            return "Red, green and blue of a pixel follow each other"
        case "channels":
            return "The channels of a pixel follow each other"


def _chosen(what: str, upper: str, value: str, known: Sequence[str]) -> list[str]:
    numbers = [f"#define {upper}_{what}_{name.upper()} {at}" for at, name in enumerate(known)]
    return [*numbers, f"#define {upper}_{what} {upper}_{what}_{value.upper()}"]


def _named(what: str, upper: str, value: str, why: str) -> list[str]:
    return [f"#define {upper}_{what} {c_string(value)} /* {why} */"] if value else []


def _float(value: float) -> str:
    return f"{value!r}" if "." in repr(value) or "e" in repr(value) else f"{value}.0"

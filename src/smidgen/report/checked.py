"""What rows may hold, checked before anything is drawn of them: they may come from anybody."""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import Any, NamedTuple, TypeAlias

from smidgen.confusion import MATRIX_CLASSES, Matrix
from smidgen.limits import CHANNELS, LAYERS, TRIALS
from smidgen.limits import TEXT as LETTERS
from smidgen.names import shown
from smidgen.study.database import StoreError

BASELINE = "baseline"  # the study of rows that are no net's
_BINS_OF_CONFIDENCE = 15  # of a card
_DATA = 1_000  # data sets, each a section of a page: 5 ms and 15 KB, three times those of a net
_LARGEST = 2**53  # of whole numbers
_COMMAND = 100_000  # letters of a command, which may hold a net, and of a picture in base64
_SHORT = 1_000  # letters of a file's name, a layer's size and what stands many times in a page
_EPOCHS = 20_000  # of a row; each is in a page four times, as a point of curves
_DRAWN = 200_000  # letters of a net's layers, each of which is in a page eight times
_FEW = 100  # of numbers of a recipe, versions, and kinds of a card
_LINES = 1_000  # of methods, commands and a design's story; of answers and pictures, 64 are written
_SHAPE = re.compile(r"[1-9]\d{0,6}x[1-9]\d{0,6}x[1-9]\d{0,6}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")

Test: TypeAlias = Callable[[Any], bool]


class Rule(NamedTuple):
    """What a value must be, as a test and in words."""

    holds: Test
    words: str
    required: bool = True


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < _LARGEST


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _LARGEST


def _share(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LETTERS


def _short_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _SHORT


def _long_text(value: Any) -> bool:
    """Tell whether a value is a text that stands once in a page, such as a command."""
    return isinstance(value, str) and len(value) <= _COMMAND


def _above_zero(value: Any) -> bool:
    return _number(value) and value > 0


def _duration(value: Any) -> bool:
    return _number(value) and value >= 0


def _pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_share, value))  # noqa: PLR2004


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _base64(value: Any) -> bool:
    return isinstance(value, str) and bool(_BASE64.fullmatch(value))


def _setting(value: Any) -> bool:
    return _short_text(value) or _number(value) or _truth(value)


def _positive(value: Any) -> bool:
    return _whole(value) and value > 0


def _listed(of: Test, most: int = _LINES) -> Test:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(of, value))


def _some(of: Test) -> Test:
    return lambda value: _listed(of, _FEW)(value) and bool(value)


def _mapped(of: Test, most: int = _FEW) -> Test:
    return lambda value: (
        isinstance(value, dict)
        and len(value) <= most
        and all(_short_text(name) and of(part) for name, part in value.items())
    )


def _form(others: Mapping[str, Test] | None = None, /, **fields: Test) -> Test:
    """Return a test of mappings that must have these fields and may have others.

    Args:
        others: Tests of those that may be left out.
        **fields: Tests of those that must be there.
    """
    may = others or {}
    return lambda value: (
        isinstance(value, dict)
        and all(name in value and holds(value[name]) for name, holds in fields.items())
        and all(holds(value[name]) for name, holds in may.items() if name in value)
    )


def _methods(value: Any) -> bool:
    return _listed(_text)(value) and sum(map(len, value)) <= LETTERS


def _layers(value: Any) -> bool:
    return _listed(_LAYER, LAYERS)(value) and sum(len(of["layer"]) for of in value) <= _DRAWN


def _or_null(of: Test) -> Test:
    return lambda value: value is None or of(value)


def _shape(value: Any) -> bool:
    return isinstance(value, str) and bool(_SHAPE.fullmatch(value))


_OF_LETTERS = f"of at most {LETTERS:,} letters"
_SHORTLY = f"of at most {_SHORT:,} letters"
TEXT = Rule(_text, f"a text {_OF_LETTERS}")
WHOLE, NUMBER = Rule(_whole, "a whole number"), Rule(_number, "finite")
SHARE = Rule(_share, "in [0, 1]")
_EPOCH = _form(epoch=_whole, loss=_or_null(_number), held_out_accuracy=_or_null(_share))
_LATENCY = _form(kernel_ms=_above_zero, kernel_s_10000=_above_zero, end_to_end_s_10000=_above_zero)
_COSTS = dict.fromkeys(("params", "macs", "peak_activation"), _whole)
_LAYER = _form(layer=_text, output=_shape, **_COSTS)
_ANSWER = _form({"file": _short_text, "part": _short_text}, image=_whole, label=_whole,
                answer=_whole, probability=_share, sure=_truth)  # fmt: skip
_MATRIX = _listed(_listed(_whole, CHANNELS), CHANNELS)  # of how many rows keep: as they agree
_COPIES = _form(train=_whole, test=_whole, across=_whole, labels=_whole)
_BINS = _listed(_form(images=_whole, confidence=_share, accuracy=_share))
_CARD = _form(
    images=_positive, clean=_share, accuracy=_share, nll=_number, ece=_share,
    corrupted_nll=_number, corrupted_ece=_share,
    corruptions=_some(_form(name=_short_text, accuracy=_share)),
    seen=_some(_form(kind=_short_text, amount=_number, unit=_short_text, accuracy=_share,
                     consistency=_share)),
    reliability=_BINS, corrupted_reliability=_BINS,
    selective=_some(_pair),
    threshold=_or_null(_form(confidence=_share, kept=_share, accuracy=_or_null(_share))),
    strangers=_listed(_form(name=_short_text, certain=_share, answered=_or_null(_share),
                            told_apart=_share), _FEW),
)  # fmt: skip

_ANSWERS = f"a list of answers, at most {_LINES:,}, with file and part {_SHORTLY}"
OF_ALL = {
    "study": TEXT,
    "net": TEXT,
    "fingerprint": TEXT,
    "split": TEXT,
    "accuracy": SHARE,
    **dict.fromkeys(
        ("balanced_accuracy", "largest_class", "macro_f1"),
        SHARE._replace(holds=_or_null(_share), required=False),
    ),
    "params": Rule(_or_null(_whole), "a whole number or null", required=False),
}
OF_NETS = {
    **OF_ALL,
    **dict.fromkeys(("data", "trained_on", "device", "precision", "kernels", "revision"), TEXT),
    **dict.fromkeys(("macs", "seed", "threads", "bytes_int8"), WHOLE),
    "seconds": Rule(_duration, "a number >= 0"),
    "nll": NUMBER,
    **dict.fromkeys(("ece", "shift_consistency"), SHARE),
    **dict.fromkeys(("images", "epochs", "params"), Rule(_positive, "a whole number above 0")),
    "training_images": Rule(_positive, "a whole number above 0", required=False),
    "groups": Rule(_or_null(_positive), "a whole number above 0, or null", required=False),
    "methods": Rule(_methods, f"a list of texts {_OF_LETTERS} in all"),
    "recipe": Rule(_mapped(_setting), f"a mapping of at most {_FEW} numbers or short texts"),
    "versions": Rule(_mapped(_short_text), f"at most {_FEW} texts {_SHORTLY} by name"),
    "command": Rule(
        _or_null(_long_text), f"a text of at most {_COMMAND:,} letters, or null", required=False
    ),
    "latency": Rule(_or_null(_LATENCY), "times above 0 by name, or null"),
    "bytes_float32": WHOLE._replace(required=False),
    "bytes_on_disk": Rule(_or_null(_whole), "a whole number or null", required=False),
    "history": Rule(
        _listed(_EPOCH, _EPOCHS), f"a list of at most {_EPOCHS:,} epochs", required=False
    ),
    "right": Rule(_base64, "base64", required=False),
    "classes": Rule(_listed(_text, CHANNELS), f"a list of texts {_OF_LETTERS}", required=False),
    "confusion": Rule(_or_null(_MATRIX), "a matrix of counts", required=False),
    "accuracy_by_class": Rule(
        _or_null(_listed(_or_null(_share), CHANNELS)), "a list of shares or null", required=False
    ),
    "input": Rule(_listed(_whole), "channels, height and width", required=False),
    "drawing": Rule(
        _layers,
        f"a list of layers, at most {LAYERS:,}, of {_DRAWN:,} letters in all",
        required=False,
    ),
    "examples": Rule(_listed(_whole, CHANNELS), "a list of counts", required=False),
    "copies": Rule(_COPIES, "four counts", required=False),
    "wrong": Rule(_listed(_ANSWER), _ANSWERS, required=False),
    "doubted": Rule(_listed(_ANSWER), _ANSWERS, required=False),
    "robust": Rule(_or_null(_CARD), "a card of robustness, or null", required=False),
    "robust_int8": Rule(_or_null(_CARD), "a card of robustness, or null", required=False),
    "pictures": Rule(
        _mapped(_long_text, _LINES),
        f"at most {_LINES:,} texts of at most {_COMMAND:,} letters by name",
        required=False,
    ),
}


def require_rows(rows: Iterable[Mapping[str, Any]], source: str) -> None:
    """Refuse rows that a report cannot be made of.

    Args:
        rows: As they were read.
        source: Where from, for the message.

    Raises:
        StoreError: Naming the row, the column, what is expected and what was found; or if they are
            more than a page has room for.
    """
    rows = list(rows)
    _require_few("rows", len(rows), TRIALS, source)
    classes: dict[str, Any] = {}  # by fingerprint, of which they are a part
    for row in rows:
        try:
            _require(row)
            own = row.get("study") != BASELINE and row.get("classes")
            if own and classes.setdefault(row["fingerprint"], own) != own:
                raise ValueError("classes must be those of other rows of its fingerprint")
        except ValueError as error:
            raise StoreError(f"{source}, row {shown(row.get('key'))}: {error}") from None
    _require_few("data sets", len({row["fingerprint"] for row in rows}), _DATA, source)


def _require_few(what: str, found: int, most: int, source: str) -> None:
    if found > most:
        raise StoreError(
            f"{source}: a report is of at most {most:,} {what}, got {found:,}: take fewer, as"
            " those of one study (smidgen study STUDY.toml --status --export rows.jsonl)"
        )


def _require(row: Mapping[str, Any]) -> None:
    for name, rule in (OF_ALL if row.get("study") == BASELINE else OF_NETS).items():
        if name not in row:
            if rule.required:
                raise ValueError(f"a report needs its column {name!r}")
        elif not rule.holds(row[name]):
            raise ValueError(f"{name} must be {rule.words}, got {shown(row[name])}")
    _require_agreement(row)


def _require_agreement(row: Mapping[str, Any]) -> None:
    """Refuse columns that are sound alone and contradict each other."""
    if row.get("study") == BASELINE:
        return  # none of these columns is looked at
    if "right" in row:
        _require_bits(row["right"], row)
    classes = row.get("classes") or []
    if matrix := row.get("confusion"):
        _require_counts(matrix, len(classes), row)
    for column in ("robust", "robust_int8"):
        if card := row.get(column):
            _require_card(card, column)
    for column in ("wrong", "doubted"):
        for answer in row.get(column) or ():
            if max(answer["label"], answer["answer"]) >= len(classes):
                raise ValueError(f"{column} must be of {len(classes)} classes, got {answer}")
    if "drawing" in row and len(row.get("input") or ()) != 3:  # noqa: PLR2004
        raise ValueError("input must be channels, height and width")


def _require_bits(right: str, row: Mapping[str, Any]) -> None:
    """Refuse bits of other images or another accuracy than their row tells."""
    size, images = ceil(row["images"] / 8), row["images"]
    signs = 4 * ceil(size / 3)
    if len(right) != signs:
        raise ValueError(f"right must be {signs:,} signs of base64, a bit an image")
    packed = b64decode(right)
    if len(packed) != size:
        raise ValueError(f"right must hold {size:,} bytes, a bit an image, got {len(packed):,}")
    hits = int.from_bytes(packed, "big").bit_count()
    if abs(hits - row["accuracy"] * images) > 1 / 2:
        raise ValueError(f"right must have the accuracy of the row, got {hits:,} right")


def _require_card(card: Mapping[str, Any], column: str) -> None:
    """Refuse a card whose bins of confidence are others than those of other cards."""
    for name in ("reliability", "corrupted_reliability"):
        if len(card[name]) != _BINS_OF_CONFIDENCE:
            raise ValueError(
                f"{name} of {column} must have {_BINS_OF_CONFIDENCE} bins, got {len(card[name]):,}"
            )


def _require_counts(matrix: Matrix, classes: int, row: Mapping[str, Any]) -> None:
    """Refuse a confusion matrix of other classes, images or accuracy than its row tells."""
    if classes > MATRIX_CLASSES:  # as many cells as their square
        raise ValueError(f"confusion must be null above {MATRIX_CLASSES} classes, got {classes:,}")
    if [len(line) for line in matrix] != [classes] * classes:
        raise ValueError(f"confusion must be of {classes} classes")
    held, images = sum(map(sum, matrix)), row["images"]
    if held != images:
        raise ValueError(f"confusion must hold {images:,} images, as the row says, got {held:,}")
    right = sum(line[own] for own, line in enumerate(matrix))
    if abs(right - row["accuracy"] * images) > 1 / 2:
        raise ValueError(f"confusion must have the accuracy of the row, got {right:,} right")


def require_notes(notes: Mapping[str, Any], source: str) -> None:
    """Refuse commands and a design's notes for people in another form than docs/rows.md has.

    Raises:
        StoreError: If one is of another form.
    """
    for name in ("commands", "asked"):
        if not _listed(_long_text)(notes.get(name, [])):
            raise StoreError(
                f"{source}: its note of {name} must be a list of texts, at most {_LINES:,}"
            )
    if "design" not in notes:
        return
    story = notes["design"]
    form = _form(
        facts=_listed(lambda pair: _listed(_long_text)(pair) and len(pair) == 2),  # noqa: PLR2004
        steps=_listed(_form(title=_long_text, lines=_listed(_long_text))),
    )
    methods = _listed(_form(method=_long_text, standing=_long_text, why=_long_text))
    limited: dict[str, Test] = {"flash": _whole, "ram": _whole, "latency_ms": _above_zero}
    limited["changed"] = _share
    front = _listed(_form(limited, net=_text, params=_whole, macs=_whole, accuracy=_share,
                          interval=_pair, folder=_long_text))  # fmt: skip
    known = form(story) and methods(story.get("methods") or [])
    known = known and _listed(_long_text)(story.get("notices") or [])
    known = known and _listed(_long_text)(story.get("warnings") or [])
    known = known and _whole(story.get("read_before") or 0)
    known = known and _long_text(story.get("front_told", ""))
    if not known or not front(story.get("front") or []):
        raise StoreError(f"{source}: its note of the design is not as docs/rows.md has it")

"""What a TensorFlow Lite file says of itself: metadata, and the files attached to it.

Metadata are a FlatBuffer in the file; labels and card are a zip archive behind it, which readers
of archives find at the end and interpreters do not look at.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from smidgen.data import Preprocessing
from smidgen.escape import whole
from smidgen.export.tflite.tables import Table, Value, packed
from smidgen.export.tflite.write import Input

# The numbers below are those of TensorFlow Lite's metadata_schema.fbs, version 1.
NAME = "TFLITE_METADATA"
LABELS, CARD = "labels.txt", "card.json"
_IDENTIFIER = b"M001"
_PARSER = "1.0.0"  # the oldest that knows every field
_DESCRIPTIONS, _AXIS_LABELS = np.int8(1), np.int8(2)  # kinds of attached files
_FEATURE, _IMAGE, _NORMALISATION = np.uint8(1), np.uint8(2), np.uint8(1)  # of unions
_COLOURS = {3: np.int8(1), 1: np.int8(2)}  # RGB, grey
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # archives know no earlier; the same net gives the same file


def metadata(card: Mapping[str, str], seen: Preprocessing, takes: Input) -> bytes:
    """Return the metadata of a file.

    Args:
        card: The model card.
        seen: What a picture goes through.
        takes: Numbers of the input.
    """
    lowest, highest = _ends(takes)
    labels = _attached(LABELS, "class names, in the order of the logits", _AXIS_LABELS)
    pixels: dict[int, Value] = {
        0: "pixels",
        1: f"{card['input']}. Pictures: {card['pictures']}.",
        3: _content(seen),
        4: [_normalisation()],
        5: Table({0: np.array([highest], np.float32), 1: np.array([lowest], np.float32)}),
    }
    logits: dict[int, Value] = {
        0: "logits",
        1: "logits, one a class; softmax gives probabilities",
        3: Table({0: _FEATURE, 1: Table({})}),
        6: [labels],
    }
    graph: dict[int, Value] = {2: [Table(pixels)], 3: [Table(logits)]}
    root: dict[int, Value] = {
        0: card["net"],
        1: f"Trained on {card['data']}. Pictures: {card['pictures']}. The card is attached.",
        2: card["training_key"],
        3: [Table(graph)],
        4: card["made_by"],
        6: [_attached(CARD, "the model card", _DESCRIPTIONS)],
        7: _PARSER,
    }
    return packed(Table(root), _IDENTIFIER)


def attached(file: bytes, card: Mapping[str, str], classes: Sequence[str]) -> bytes:
    """Return ``file`` with its labels, one a line, and its card behind it."""
    labels = "".join(f"{' '.join(whole(name).splitlines())}\n" for name in classes)
    all_ = io.BytesIO(file)
    all_.seek(0, io.SEEK_END)
    with zipfile.ZipFile(all_, "a") as archive:
        for name, text in ((LABELS, labels), (CARD, json.dumps(card, indent=1) + "\n")):
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), text)
    return all_.getvalue()


def _ends(takes: Input) -> tuple[int, int]:
    """Return the least and the largest that a pixel can be."""
    match takes:
        case "uint8":
            return 0, 255
        case "int8":
            return -128, 127
        case "float32":
            return 0, 1


def _content(seen: Preprocessing) -> Table:
    """Return what the input is: an image where readers that scale one to its size are right."""
    if seen.turned or seen.of_values:  # they exchange no rows and columns, and read no values
        return Table({0: _FEATURE, 1: Table({})})
    size = Table({0: np.uint32(seen.width), 1: np.uint32(seen.height)})
    return Table({0: _IMAGE, 1: Table({0: _COLOURS[seen.channels], 1: size})})


def _normalisation() -> Table:
    """Return how a byte becomes what the input's numbers stand for: 0 to 1, whatever they are."""
    mean, std = np.array([0], np.float32), np.array([255], np.float32)
    return Table({0: _NORMALISATION, 1: Table({0: mean, 1: std})})


def _attached(name: str, description: str, kind: np.int8) -> Table:
    return Table({0: name, 1: description, 2: kind})

"""FlatBuffers from plain values: a table is its slots, and each value's type says its kind."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smidgen.escape import whole
from smidgen.extras import needed

_ALIGNED = 16  # bytes: constants are read where they lie, by vector units, too
_FIRST_SIZE = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table by its slots, as a schema numbers them.

    NumPy scalars are stored in the table; text, bytes (aligned), arrays, tables and sequences of
    tables or texts beside it.
    """

    slots: Mapping[int, "Value"]


Item: TypeAlias = Table | str
Value: TypeAlias = np.generic | str | bytes | NDArray[Any] | Table | Sequence[Item]


def require_flatbuffers() -> Any:
    """Return the package that writes them.

    Raises:
        ValueError: If it is missing.
    """
    try:
        return importlib.import_module("flatbuffers")
    except ImportError as error:
        raise needed("TFLite", "flatbuffers", "export", error) from None


def packed(root: Table, identifier: bytes) -> bytes:
    """Return a FlatBuffer whose root is ``root``.

    Args:
        root: The outermost table.
        identifier: Four bytes that say what kind of file it is.
    """
    builder = require_flatbuffers().Builder(_FIRST_SIZE)
    builder.Finish(_table(builder, root), identifier)
    return bytes(builder.Output())


def _table(builder: Any, table: Table) -> int:
    beside = {
        slot: _beside(builder, value)
        for slot, value in table.slots.items()
        if not isinstance(value, np.generic)
    }
    builder.StartObject(max(table.slots, default=-1) + 1)
    for slot, value in table.slots.items():
        if isinstance(value, np.generic):
            kind = {"bool_": "Bool"}.get(type(value).__name__, type(value).__name__.capitalize())
            getattr(builder, f"Prepend{kind}")(value.item())
        else:
            builder.PrependUOffsetTRelative(beside[slot])
        builder.Slot(slot)
    return builder.EndObject()


def _beside(builder: Any, value: Value) -> int:
    if isinstance(value, Table):
        return _table(builder, value)
    if isinstance(value, str):
        return builder.CreateString(whole(value))
    if isinstance(value, bytes):
        builder.StartVector(1, len(value), _ALIGNED)
        builder.head -= len(value)
        builder.Bytes[builder.head : builder.head + len(value)] = value
        return builder.EndVector()
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    assert not isinstance(value, np.generic), "a scalar is stored in the table itself"
    offsets = [_beside(builder, item) for item in value]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()

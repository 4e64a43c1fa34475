"""Exact save and resume: tensors and plain values in one file that cannot be half-written."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from smidgen.files import write_atomically
from smidgen.limits import TENSOR_BYTES, content
from smidgen.names import shown

_UNREADABLE = (  # what a file that is none of ours leads the library and the parser to
    *(AttributeError, KeyError, RecursionError, RuntimeError, SafetensorError, TypeError),
    ValueError,
)
_NAME = re.compile(r"checkpoint-(\d{5,9})\.safetensors", re.ASCII)
KEPT = 2  # so that one damaged file never costs a run
_HEADER = 1 << 22  # bytes of a header beside what follows
_OF_A_TENSOR, _OF_AN_EPOCH, _OF_A_CLASS = 512, 400, 2_000  # bytes of a header, each


class Room(NamedTuple):
    """What a file of tensors may hold: more is refused before memory is asked for it.

    Args:
        tensors: How many; a million empty ones, which take no room, take minutes.
        bytes: Of all of them.
        header: Bytes of their names and of the values beside them.
    """

    tensors: int
    bytes: int
    header: int = _HEADER

    @staticmethod
    def of(own: Iterable[Tensor], epochs: int, classes: int = 0) -> "Room":
        """Return what the file of a run needs.

        Args:
            own: What it holds, or would.
            epochs: Of the run, a record of each of which may stand in it.
            classes: Whose names stand in it.
        """
        sizes = [tensor.nbytes for tensor in own]
        header = _OF_A_TENSOR * len(sizes) + _OF_AN_EPOCH * epochs + _OF_A_CLASS * classes
        return Room(len(sizes), sum(sizes), _HEADER + header)


ANY = Room(100_000, TENSOR_BYTES, TENSOR_BYTES)  # where nobody knows what it is of


class CheckpointError(ValueError):
    """A checkpoint, or a file of weights, that cannot be trusted."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write tensors and JSON values to a safetensors file with a digest of both."""
    write_atomically(path, packed(tensors, values)[0])


def packed(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return the file that :func:`save_tensors` writes, and the digest in it."""
    text = json.dumps(values, sort_keys=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    digest = _digest(tensors, text)
    return to_bytes(tensors, {"values": text, "sha256": digest}), digest


def load_tensors(path: Path, room: Room = ANY) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what :func:`save_tensors` wrote.

    Args:
        path: Of the file.
        room: That it may take.

    Raises:
        CheckpointError: If the file is missing, too large, truncated or altered.
    """
    tensors, values, _ = load_with_digest(path, room)
    return tensors, values


def load_with_digest(path: Path, room: Room = ANY) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Return what :func:`save_tensors` wrote, and its digest.

    Args:
        path: Of the file.
        room: That it may take.

    Raises:
        CheckpointError: If the file is missing, too large, truncated or altered.
    """
    try:
        return _load(path, room)
    except MemoryError:
        size = path.stat().st_size
        raise CheckpointError(
            f"{path}: needs memory for its {size:,} bytes twice, and there is less: free some"
        ) from None


def _load(path: Path, room: Room) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    try:
        held = content(path, room.bytes + room.header)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}; a run is copied whole") from None
    try:
        metadata = _metadata(held, room)
        tensors = from_bytes(held)
        text, expected = metadata["values"], metadata["sha256"]
        values = json.loads(text)
        digest = _digest(tensors, text)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}; a run is copied whole") from None
    except _UNREADABLE as error:
        raise CheckpointError(f"{path}: truncated or not a file of smidgen") from error
    if digest != expected:
        raise CheckpointError(f"{path}: altered: its content does not match its digest")
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: its values must be a table, got {shown(values)}")
    return tensors, values, digest


def _metadata(held: bytes, room: Room) -> dict[str, Any]:
    """Return what stands beside the tensors of a file, of which there are no more than may be.

    Raises:
        CheckpointError: If there are.
    """
    size = int.from_bytes(held[:8], "little")
    if room.header < size <= len(held):
        raise CheckpointError(f"its header must be at most {room.header:,} bytes, got {size:,}")
    header = json.loads(held[8 : 8 + size])
    found = len(header) - 1  # but for the metadata
    if found > room.tensors:
        raise CheckpointError(f"it must hold at most {room.tensors:,} tensors, got {found:,}")
    return header["__metadata__"]


def save_checkpoint(
    folder: Path, epoch: int, tensors: Mapping[str, Tensor], values: Mapping[str, Any]
) -> None:
    """Write the checkpoint of the end of ``epoch`` and drop all but the last two."""
    save_tensors(folder / f"checkpoint-{epoch:05d}.safetensors", tensors, values)
    for old in checkpoints(folder)[KEPT:]:
        old.unlink()


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, newest first; copies by another name are no affair of it."""
    found = [(_NAME.fullmatch(path.name), path) for path in folder.glob("checkpoint-*")]
    numbered = [(int(match[1]), path) for match, path in found if match]
    return [path for _, path in sorted(numbered, reverse=True)]


def load_newest(
    folder: Path, room: Room = ANY
) -> tuple[dict[str, Tensor], dict[str, Any], list[str]] | None:
    """Return the newest checkpoint that can be trusted, and why newer ones were refused.

    Args:
        folder: Of the run.
        room: That each may take.

    Returns:
        Tensors, values and refusals; ``None`` if the folder holds no checkpoint at all.

    Raises:
        CheckpointError: If there are checkpoints and not one of them can be trusted.
    """
    refused: list[str] = []
    for path in checkpoints(folder):
        try:
            return *load_tensors(path, room), refused
        except CheckpointError as error:
            refused.append(str(error))
    if refused:
        raise CheckpointError(f"no checkpoint can be used: {'; '.join(refused)}")
    return None


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

"""Exact save and resume: tensors and plain values in one file that cannot be half-written."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what :func:`save_tensors` wrote.

    Raises:
        CheckpointError: If the file is missing, truncated or altered.
    """
    tensors, values, _ = load_with_digest(path)
    return tensors, values


def load_with_digest(
    path: Path, most: int = TENSOR_BYTES
) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Return what :func:`save_tensors` wrote, and its digest.

    Args:
        path: Of the file.
        most: Bytes that it may have.

    Raises:
        CheckpointError: If the file is missing, too large, truncated or altered.
    """
    try:
        held = content(path, most)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None
    try:
        tensors = from_bytes(held)
        size = int.from_bytes(held[:8], "little")
        metadata = json.loads(held[8 : 8 + size])["__metadata__"]
        text, expected = metadata["values"], metadata["sha256"]
        values = json.loads(text)
        digest = _digest(tensors, text)
    except _UNREADABLE as error:
        raise CheckpointError(f"{path}: truncated or not a file of smidgen") from error
    if digest != expected:
        raise CheckpointError(f"{path}: altered: its content does not match its digest")
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: its values must be a table, got {shown(values)}")
    return tensors, values, digest


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


def load_newest(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any], list[str]] | None:
    """Return the newest checkpoint that can be trusted, and why newer ones were refused.

    Returns:
        Tensors, values and refusals; ``None`` if the folder holds no checkpoint at all.

    Raises:
        CheckpointError: If there are checkpoints and not one of them can be trusted.
    """
    refused: list[str] = []
    for path in checkpoints(folder):
        try:
            return *load_tensors(path), refused
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

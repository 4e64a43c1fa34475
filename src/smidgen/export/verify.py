"""An exported artefact held against its own proof: is it as it was written."""

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from smidgen.export.artefact import Infer, largest_of, require, require_plain
from smidgen.export.c.host import compile_library, find_compiler, load_library
from smidgen.export.onnx import require_tools as require_onnx
from smidgen.export.onnx import session
from smidgen.export.proof import made_up
from smidgen.export.ship import PROOF, sealed
from smidgen.export.targets import OF_C
from smidgen.export.tflite.runtimes import LITERT, MICRO, found, litert, micro
from smidgen.export.tflite.target import ALLOWED, rounds_as_seen
from smidgen.export.wasm import load_wasm
from smidgen.limits import EXPORTED, EXPORTED_BYTES, PLAN_BYTES, content, require_at_most
from smidgen.names import LONGEST, require_path, shown

_CHUNK = 1 << 20
_PATH = 255  # characters of a file's name, with the folders below the artefact's
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of an artefact since it was written.

    Args:
        target: That made it.
        files: How many its proof names. Every one was read, unless the proof itself was altered:
            then they are there, of the sizes that it says, or that is wrong as well.
        wrong: What is not as it was written, or answers otherwise; empty if all is well.
        notes: What could not be looked at, and why.
        ran: What ran the artefact; ``None`` if nothing did.
        difference: The largest of its logits on made-up images from those that it gave when it
            was exported; 0 is bit for bit.
        allowed: Of that.
    """

    target: str
    files: int
    wrong: tuple[str, ...]
    notes: tuple[str, ...]
    ran: str | None = None
    difference: float | None = None
    allowed: float | None = None


def verify(folder: Path | str, *, run: bool = False) -> Verified:
    """Compare the files of an exported artefact with the digests in its ``artefact.json``.

    A digest tells damage, not forgery: whoever writes a file can write its digest.

    Args:
        folder: That :func:`smidgen.export` wrote.
        run: Whether to run the artefact, too, on images made up of noise, whose logits its proof
            holds. C is compiled and runs as you: only what you or somebody you trust exported.

    Raises:
        ValueError: If the folder holds no artefact.
    """
    place = require_path(folder, "folder")
    proof, wrong, notes = _proof_in(place)
    files: Mapping[str, Any] = proof["files"]
    hashed = not wrong  # digests that somebody altered tell nothing
    each = (_altered(place / name, name, of, hashed=hashed) for name, of in files.items())
    wrong += [line for line in each if line]
    verified = Verified(proof["target"], len(files), tuple(wrong), tuple(notes))
    if wrong or not run:  # what was altered is not run
        return verified
    try:
        again = _again(place, proof)
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"{place / PROOF} is not as smidgen export wrote it") from None
    except ValueError as error:
        note = f"{proof['artefact']} was not run: {error}"
        return Verified(proof["target"], len(files), (), (*notes, note))
    return _compared(verified, proof, again)


class _Again(NamedTuple):
    """What runs an artefact here, and what share of the largest logit it may be off by."""

    infer: Infer
    what: str
    tolerance: float


def _proof_in(place: Path) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return the proof of a folder, what is wrong with it, and what could not be looked at.

    Raises:
        ValueError: If there is none.
    """
    file = place / PROOF
    try:
        text = content(file, PLAN_BYTES).decode()
        proof = json.loads(text)
        _require_sound(proof)
    except OSError as error:
        raise ValueError(
            f"{place} must be a folder that smidgen export wrote, got one without an"
            f" {PROOF} that can be read ({error.strerror})"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{file} is not as smidgen export wrote it ({error}): export the run again"
        ) from None
    if "seal" not in proof:
        return proof, [], [f"{PROOF} has no seal: an older smidgen wrote it"]
    fields = {name: value for name, value in proof.items() if name != "seal"}
    if sealed(fields) == text:
        return proof, [], []
    note = f"{PROOF} was altered, so that no file is held against a digest in it"
    return proof, [f"{PROOF} was altered"], [note]


def _require_sound(proof: Mapping[str, Any]) -> None:
    """Refuse a proof that nobody's export writes, and more than there is time to read.

    Raises:
        ValueError: Naming what is wrong with it.
    """
    files = proof["files"]
    require_at_most("files", len(files), EXPORTED)
    require_plain(files)
    require(all(len(name) <= _PATH for name in files), f"a name has more than {_PATH} characters")
    require(proof["artefact"] in files, "it does not name its artefact")
    target, told = proof["target"], [dict(of) for of in files.values()]
    named = isinstance(target, str) and len(target) <= LONGEST
    require(named, f"target must be a text of at most {LONGEST} characters, got {shown(target)}")
    for of in told:
        size, sha256 = of["bytes"], of["sha256"]
        require(type(size) is int and size >= 0, f"bytes must be a number, got {shown(size)}")
        known = isinstance(sha256, str) and _SHA256.fullmatch(sha256)
        require(bool(known), f"sha256 must be 64 digits of 0-9a-f, got {shown(sha256)}")
    require_at_most("bytes of files", sum(of["bytes"] for of in told), EXPORTED_BYTES)


def proof_in(place: Path) -> dict[str, Any]:
    """Return the proof in an exported folder, as it stands there.

    Raises:
        ValueError: If there is none.
    """
    return _proof_in(place)[0]


def _altered(path: Path, name: str, told: Mapping[str, Any], *, hashed: bool) -> str:
    """Return what is wrong with a file, or nothing."""
    if not path.is_file():
        return f"{name} is missing"
    size = path.stat().st_size
    if size != told["bytes"]:
        return f"{name} was altered: it has {size:,} bytes, and had {told['bytes']:,}"
    if not hashed:
        return ""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            found.update(part)
    return "" if found.hexdigest() == told["sha256"] else f"{name} was altered"


def _again(place: Path, proof: Mapping[str, Any]) -> _Again:
    """Return what runs an artefact whose files are as they were written.

    Raises:
        ValueError: If nothing here can, with the reason.
    """
    require("rerun" in proof, "its proof has no logits to compare, an older smidgen wrote it")
    target, main, kept = proof["target"], place / proof["artefact"], proof["rerun"]
    tolerance, classes = kept["tolerance"], len(proof["classes"])
    kind = "int32_t" if proof["numbers"] == "int8" else "float"
    if target in ("onnx", "onnx-int8"):
        require_onnx()
        return _Again(session(main.read_bytes()), "ONNX Runtime", tolerance)
    if target == "wasm":
        infer, _ = load_wasm(main.read_bytes(), classes, kind)
        return _Again(infer, "wasmtime", tolerance)
    if target == "tflite":
        return _interpreted(main.read_bytes(), proof, tolerance)
    require(target in OF_C, f"only its target, {target!r} of another package, knows how")
    compiler = find_compiler()
    require(compiler is not None, "no C compiler (gcc, cc or clang)")
    with tempfile.TemporaryDirectory() as held:
        library = Path(held) / "net.so"
        pixels = int(np.prod(kept["shape"]))
        compile_library(main.parent, main.stem, kind, pixels, classes, library)
        return _Again(load_library(library, kind, classes), str(compiler), tolerance)


def _interpreted(model: bytes, proof: Mapping[str, Any], tolerance: float) -> _Again:
    """Return the interpreter of a TensorFlow Lite file; another than before may round otherwise."""
    scale, by_litert = proof["logit_scale"], proof["runtime"].startswith("LiteRT")
    if found(LITERT):
        same = by_litert and rounds_as_seen()
        infer = litert(model, scale, reference=True)
        return _Again(infer, "LiteRT", tolerance if same else ALLOWED)
    require(bool(found(MICRO)), "neither LiteRT nor tflite-micro: pip install ai-edge-litert")
    return _Again(micro(model, scale), "tflite-micro", ALLOWED if by_litert else tolerance)


def _compared(verified: Verified, proof: Mapping[str, Any], again: _Again) -> Verified:
    """Return what was verified, with how the artefact answers now."""
    kept = proof["rerun"]
    expected = np.array(kept["logits"], np.float64)
    found_now = again.infer(made_up(kept["shape"])).astype(np.float64)
    difference = float(np.abs(found_now - expected).max())
    allowed = again.tolerance * largest_of(expected)
    wrong: tuple[str, ...] = ()
    if not difference <= allowed:  # so that a NaN is a difference, too
        wrong = (
            f"{proof['artefact']} answers otherwise in {again.what} than when it was exported:"
            f" its logits differ by {difference:.3g}, allowed is {allowed:.3g}",
        )
    return Verified(
        verified.target, verified.files, wrong, verified.notes, again.what, difference, allowed
    )

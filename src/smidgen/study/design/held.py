"""What a design finds in the store that it goes on with: as designs write it, or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from smidgen.limits import EPOCHS, LAYERS, TRIALS, is_number
from smidgen.names import shown
from smidgen.study.database import StoreError
from smidgen.study.design.profile import Round
from smidgen.study.design.templates import FAMILIES, HALVED, Template
from smidgen.text import from_mapping

_OF_SEARCH = (
    *("accuracy", "balanced_accuracy", "nll", "balanced_nll", "images", "params", "macs"),
    *("seconds", "epochs"),
)
_OF_LAST = ("largest_class", "ece", "shift_consistency", "bytes_int8", "bytes_float32")
_OF_CHANGED = ("accuracy", "likelihood", "balanced_accuracy", "balanced_likelihood")


@dataclass(frozen=True, slots=True)
class _Notes:
    request: dict[str, Any]
    rungs: list[dict[str, Any]]
    start: list[str] | None = None
    lengths: dict[str, Any] | None = None
    latencies: dict[str, Any] | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class _Rung:
    size: list[int]
    template: dict[str, Any]
    widths: list[int]


@dataclass(frozen=True, slots=True)
class _Lengths:
    seconds: float | None
    params: int
    of: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Of:
    rounds: list[list[Any]]
    moves: int
    images: int
    most_epochs: int


def require_notes(notes: Mapping[str, Any], store: Path) -> None:
    """Refuse notes that no design could go on with.

    Raises:
        StoreError: Naming the store and what is wrong.
    """
    named = {name: notes[name] for name in _Notes.__dataclass_fields__ if name in notes}
    try:
        held = from_mapping(_Notes, named, "the notes of a design")
        for number, form in enumerate(held.rungs, 1):
            _require_rung(from_mapping(_Rung, form, f"net {number} of a design"))
        if not held.rungs:
            raise ValueError("the nets of a design must be some, got none")
        if held.lengths is not None:
            lengths = from_mapping(_Lengths, held.lengths, "the lengths of a design")
            _require_lengths(from_mapping(_Of, lengths.of, "the lengths of a design"))
        for took in (held.latencies or {}).values():
            if not (is_number(took) and took > 0):
                raise ValueError(f"latencies of a design must be numbers > 0, got {shown(took)}")
    except ValueError as error:
        raise StoreError(f"{store}: {error}") from None


def _require_rung(rung: _Rung) -> None:
    form, blocks = rung.template, rung.template.get("blocks")
    if isinstance(blocks, list):  # as JSON has a tuple
        form = {**form, "blocks": tuple(cast("list[Any]", blocks))}
    template = from_mapping(Template, form, "the template of a net")
    blocks = template.blocks
    if template.family not in FAMILIES or not 0 <= template.halved <= HALVED:
        raise ValueError(f"the template of a net must be of a design, got {shown(rung.template)}")
    if not blocks or min(blocks) < 1 or sum(blocks) > LAYERS or len(rung.widths) != len(blocks):
        raise ValueError(f"widths of a net must be one a stage, got {shown(rung.widths)}")


def _require_lengths(of: _Of) -> None:
    if not (of.rounds and all(map(_is_round, of.rounds))):
        raise ValueError(f"rounds must be of share, nets and seeds, got {shown(of.rounds)}")
    if not 1 <= of.most_epochs <= EPOCHS:
        raise ValueError(f"most_epochs must be in [1, {EPOCHS:,}], got {shown(of.most_epochs)}")


def _is_round(form: list[Any]) -> bool:
    share, *counts = form or [None]
    whole = all(type(n) is int and 1 <= n <= TRIALS for n in counts)
    return is_number(share) and 0 < share <= 1 and whole and len(form) == len(Round._fields)


def require_row(
    row: Mapping[str, Any], store: Path, *, full: bool = False, robust: bool = False
) -> None:
    """Refuse a row that lacks what a design goes by.

    Args:
        row: Of a trial.
        store: For errors.
        full: Whether it is one of the last runs.
        robust: Whether its answers to changed pictures are asked for.

    Raises:
        StoreError: Naming the store, the trial and the column.
    """
    quick = row.get("robust_quick")
    families = list(quick.values()) if isinstance(quick, dict) else []
    lacking = [name for name in _OF_SEARCH + _OF_LAST * full if not is_number(row.get(name))]
    if full and not row.get("accuracy_by_class"):
        lacking.append("accuracy_by_class")
    if robust and not (families and all(map(_is_family, families))):
        lacking.append("robust_quick")
    if lacking:
        where = f"{store}, trial {shown(row.get('key'))}"
        found = shown(row.get(lacking[0]))
        raise StoreError(f"{where}: a design needs its column {lacking[0]!r}, got {found}")


def _is_family(of: object) -> bool:
    return isinstance(of, dict) and all(is_number(of.get(name)) for name in _OF_CHANGED)

"""Every method, in the order in which a run applies it."""

import re
import warnings
from collections.abc import Iterable

from smidgen.limits import TEXT, require_at_most
from smidgen.methods.affine import Affine
from smidgen.methods.base import ArchitectureMethod, Method, of_kind
from smidgen.methods.blurpool import BlurPool
from smidgen.methods.cosine import Cosine
from smidgen.methods.crop import Crop
from smidgen.methods.cutout import Cutout
from smidgen.methods.cyclical import Cyclical
from smidgen.methods.ema import EMA
from smidgen.methods.flip import Flip
from smidgen.methods.label_smoothing import LabelSmoothing
from smidgen.methods.mixup import Mixup
from smidgen.methods.one_cycle import OneCycle
from smidgen.methods.sam import SAM
from smidgen.methods.squeeze_excite import SqueezeExcite
from smidgen.methods.swa import SWA
from smidgen.spec import NetSpec
from smidgen.text import parse_list

METHODS: tuple[type[Method], ...] = (
    BlurPool,
    SqueezeExcite,
    Crop,
    Flip,
    Affine,
    Cutout,
    Mixup,
    LabelSmoothing,
    OneCycle,
    Cosine,
    Cyclical,
    SAM,
    EMA,
    SWA,
)

_COLONS = re.compile(r"[A-Za-z][\w-]*(?::[^,:()]+)+")  # name:argument=value

BY_NAME: dict[str, type[Method]] = {kind.name: kind for kind in METHODS}

__all__ = [
    "BY_NAME",
    "EMA",
    "METHODS",
    "SAM",
    "SWA",
    "Affine",
    "BlurPool",
    "Cosine",
    "Crop",
    "Cutout",
    "Cyclical",
    "Flip",
    "LabelSmoothing",
    "Method",
    "Mixup",
    "OneCycle",
    "SqueezeExcite",
    "in_order",
    "parse",
    "rewritten",
]


def parse(text: str) -> tuple[Method, ...]:
    """Return the methods named in ``text``, such as ``cutout(length=8), mixup``, as given.

    ``cutout:length=8`` is the same, for shells that give parentheses a meaning of their own;
    further arguments follow further colons.

    Raises:
        ValueError: If a method or an argument is unknown (the nearest name is given), of the wrong
            type or out of range.
    """
    require_at_most("characters of methods as text", len(text), TEXT)
    return parse_list(_COLONS.sub(_in_parentheses, text), BY_NAME, "method")


def _in_parentheses(found: re.Match[str]) -> str:
    name, *arguments = found[0].split(":")
    return f"{name}({', '.join(arguments)})"


def in_order(methods: Iterable[Method]) -> tuple[Method, ...]:
    """Return ``methods`` as a run applies them: as in METHODS, then strangers as given."""
    rank = {kind: place for place, kind in enumerate(METHODS)}
    return tuple(sorted(methods, key=lambda method: rank.get(type(method), len(METHODS))))


def rewritten(spec: NetSpec, methods: Iterable[Method]) -> NetSpec:
    """Return the spec that will be built: ``spec`` after every architecture method.

    Warns:
        UserWarning: If a method finds nothing in the net to act on.
    """
    for method in of_kind(in_order(methods), ArchitectureMethod):
        new = method.rewrite(spec)
        if new == spec:
            warnings.warn(
                f"{method.name} changes nothing in {spec.name}: it has no {method.target}",
                stacklevel=2,
            )
        spec = new
    return spec

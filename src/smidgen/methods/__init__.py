"""Every method, in the order in which a run applies it."""

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from inspect import isabstract, isclass
from keyword import iskeyword

from smidgen import plugins
from smidgen.data.sensor import is_window
from smidgen.limits import TEXT, require_at_most
from smidgen.methods.affine import Affine
from smidgen.methods.base import KINDS, ArchitectureMethod, Method, of_kind, returned, several
from smidgen.methods.blurpool import BlurPool
from smidgen.methods.cosine import Cosine
from smidgen.methods.crop import Crop
from smidgen.methods.cutmix import CutMix
from smidgen.methods.cutout import Cutout
from smidgen.methods.cyclical import Cyclical
from smidgen.methods.distill import Distill
from smidgen.methods.ema import EMA
from smidgen.methods.flip import Flip
from smidgen.methods.jitter import Jitter
from smidgen.methods.label_smoothing import LabelSmoothing
from smidgen.methods.lookahead import Lookahead
from smidgen.methods.mixup import Mixup
from smidgen.methods.one_cycle import OneCycle
from smidgen.methods.pretrained import Pretrained
from smidgen.methods.random_erasing import RandomErasing
from smidgen.methods.sam import SAM
from smidgen.methods.scaling import Scaling
from smidgen.methods.squeeze_excite import SqueezeExcite
from smidgen.methods.swa import SWA
from smidgen.methods.time_shift import TimeShift
from smidgen.methods.trivial_augment import TrivialAugment
from smidgen.names import require_kind
from smidgen.spec import NetSpec
from smidgen.text import IN_QUOTES, parse_list, readable, to_text

_MOST_HIDDEN = 0.7  # of an image, on average

METHODS: tuple[type[Method], ...] = (
    BlurPool,
    SqueezeExcite,
    Pretrained,
    Crop,
    Flip,
    TrivialAugment,
    Affine,
    TimeShift,
    Scaling,
    Jitter,
    Cutout,
    RandomErasing,
    Mixup,
    CutMix,
    LabelSmoothing,
    Distill,
    OneCycle,
    Cosine,
    Cyclical,
    SAM,
    Lookahead,
    EMA,
    SWA,
)

_HUB = r"(?<=[:=])hub:(?=[^,:()/]+/)"  # where a value begins that is a place on the hub
_ARGUMENT = rf"(?:{_HUB}|[^,:()])+"
_COLONS = re.compile(rf"{IN_QUOTES}|[A-Za-z][\w-]*(?::{_ARGUMENT})+")  # name:argument=value
_PATH = re.compile(r"(?:hub:)?[\w.~/-]*/[\w.~/@-]*|[A-Za-z]\w*(?:[.-]\w+)+")

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
    "CutMix",
    "Cutout",
    "Cyclical",
    "Distill",
    "Flip",
    "Jitter",
    "LabelSmoothing",
    "Lookahead",
    "Method",
    "Mixup",
    "OneCycle",
    "Pretrained",
    "RandomErasing",
    "Scaling",
    "SqueezeExcite",
    "TimeShift",
    "TrivialAugment",
    "in_order",
    "known",
    "package_named",
    "package_of",
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
    require_kind(text, str, "methods as text", "as in 'cutout(length=8), mixup'")
    require_at_most("characters of methods as text", len(text), TEXT)
    text = _COLONS.sub(_in_parentheses, text)
    try:
        return parse_list(text, BY_NAME, "method")
    except ValueError:
        if not plugins.names(plugins.METHODS):
            raise
    return parse_list(text, known(), "method")  # strangers are imported where they are asked for


def _in_parentheses(found: re.Match[str]) -> str:
    if found[0][0] in "'\"":
        return found[0]
    name, *arguments = re.findall(_ARGUMENT, found[0])
    return f"{name}({', '.join(map(_quoted, arguments))})"


def _quoted(argument: str) -> str:
    """Return an argument with quotes around its value if that is a path: ``teacher=hub:me/a``."""
    name, given, value = argument.rpartition("=")
    return f"{name}{given}{value!r}" if _PATH.fullmatch(value) else argument


def in_order(methods: Iterable[Method]) -> tuple[Method, ...]:
    """Return ``methods`` as a run applies them: as in METHODS, then strangers by name."""
    rank = {kind: (place, "") for place, kind in enumerate(METHODS)}
    last = len(METHODS)
    return tuple(sorted(methods, key=lambda method: rank.get(type(method), (last, method.name))))


@cache
def installed() -> tuple[plugins.Plugin, ...]:
    """Return the methods of other packages, those that cannot be used with the reason."""
    return plugins.checked(plugins.METHODS, _refusal, BY_NAME, readable)


@cache
def known() -> Mapping[str, type[Method]]:
    """Return every method that has a name, smidgen's own and other packages'.

    Warns:
        PluginWarning: Of each that is left out.
    """
    working = plugins.working(installed())
    return {**BY_NAME, **{name: plugin.value for name, plugin in working.items()}}


def package_named(name: str) -> str | None:
    """Return the package that offers the method of a name, with its version; ``None`` if none."""
    if name in BY_NAME:
        return plugins.OWN
    offered = (plugin for plugin in installed() if plugin.name == name and not plugin.refusal)
    return next((plugin.package for plugin in offered), None)


def package_of(method: Method) -> str | None:
    """Return the package that offers a method, with its version; ``None`` if none does."""
    kind = type(method)
    if kind in METHODS:
        return plugins.OWN
    offered = (plugin for plugin in installed() if plugin.value is kind)
    return next((plugin.package for plugin in offered), None)


def _refusal(plugin: plugins.Plugin) -> str:
    kind = plugin.value
    if not (isclass(kind) and issubclass(kind, Method)):
        return "it is no Method"
    if sum(issubclass(kind, one) for one in KINDS) != 1:
        return f"it must be of exactly one kind: {', '.join(one.__name__ for one in KINDS)}"
    frozen = is_dataclass(kind) and kind.__dataclass_params__.frozen  # pyright: ignore
    targeted = hasattr(kind, "target") or not issubclass(kind, ArchitectureMethod)
    if isabstract(kind) or not frozen or not targeted:
        return "it must be a frozen dataclass with every method, and the target, of its kind"
    if getattr(kind, "name", None) != plugin.name:
        return f"its name is {getattr(kind, 'name', None)!r}"
    if not readable(plugin.name).isidentifier() or iskeyword(readable(plugin.name)):
        return f"a method is named as in Python, or with hyphens, got {plugin.name!r}"
    return ""


def rewritten(spec: NetSpec, methods: Iterable[Method]) -> NetSpec:
    """Return the spec that will be built: ``spec`` after every architecture method.

    Raises:
        ValueError: If they are no list of methods.

    Warns:
        UserWarning: If a method finds nothing in the net to act on.
    """
    new, idle = _rewritten(spec, methods)
    for method in idle:
        warnings.warn(
            f"{method.name} changes nothing in {spec.name}: it has no {method.target}",
            stacklevel=2,
        )
    return new


def built_of(spec: NetSpec, methods: Iterable[Method]) -> NetSpec:
    """Return what :func:`rewritten` does, without a warning: it was given where training began."""
    return _rewritten(spec, methods)[0]


def _rewritten(
    spec: NetSpec, methods: Iterable[Method]
) -> tuple[NetSpec, list[ArchitectureMethod]]:
    """Return the spec that will be built, and the methods that found nothing to act on."""
    idle: list[ArchitectureMethod] = []
    for method in of_kind(in_order(several(methods)), ArchitectureMethod):
        new = returned(method, "rewrite", method.rewrite(spec), NetSpec)
        if new == spec:
            idle.append(method)
        spec = new
    return spec, idle


def require_suited(methods: Iterable[Method], height: int, width: int) -> None:
    """Refuse methods of pictures that make nonsense of windows of a sensor.

    Args:
        methods: Of a run.
        height: Of its images; windows are those of which one side alone is 1.
        width: Likewise.

    Raises:
        ValueError: Naming the first, why, and what serves windows.
    """
    if not is_window(height, width):
        return
    for method in methods:
        if why := _unsuited(method):
            raise ValueError(
                f"{method.name} is for pictures: {why}, and these are windows of"
                f" {height}x{width}; {_OF_WINDOWS} are for windows"
            )


_OF_WINDOWS = f"{TimeShift.name}, {Scaling.name} and {Jitter.name}"


def _unsuited(method: Method) -> str:
    """Return why a method is none for windows, or nothing."""
    match method:
        case Flip():
            return "it would reverse time"
        case TrivialAugment():
            return "it turns, slants and recolours"
        case Affine() if method.rotation or method.shear:
            return "it turns and slants (affine:rotation=0:shear=0 stretches and shifts alone)"
        case _:
            return ""


def tell_hidden(methods: Iterable[Method], height: int, width: int) -> None:
    """Warn of methods whose pixels, meant for larger images, leave little of these.

    Args:
        methods: Of a run.
        height: Of its images.
        width: Likewise.

    Warns:
        UserWarning: If one hides over 70 % of an image on average.
    """
    for method in methods:
        if not isinstance(method, Cutout | Crop):
            continue
        share, argument = method.hidden(height, width), fields(method)[0].name
        if share > _MOST_HIDDEN:
            warnings.warn(
                f"{to_text(method)} hides {100 * share:.0f} % of images of {height}x{width} on"
                f" average, and the net learns from what is left: a smaller {argument} than"
                f" {getattr(method, argument)} leaves more",
                stacklevel=2,
            )

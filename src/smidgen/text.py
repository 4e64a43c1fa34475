"""The text form of layers and methods: ``name(argument=value, ...)``, read and written."""

import ast
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from functools import cache
from numbers import Integral, Real
from typing import Any, TypeVar

from smidgen.limits import TEXT, require_at_most
from smidgen.names import shown

T = TypeVar("T")
IN_QUOTES = r"'(?:[^'\\]|\\.)*'" + r'|"(?:[^"\\]|\\.)*"'
_HYPHENED = re.compile(rf"{IN_QUOTES}|\b[^\W\d]\w*(?:-\w+)+")
_TIE = "\N{UNDERTIE}"  # for a hyphen inside of a name, as Python reads it
_SPACE = re.compile(rf"{IN_QUOTES}| ")
_SIDES = re.compile(rf"{IN_QUOTES}|(?<![\w.])(\d+)x(\d+)(?![\w.])")  # as in conv(16, 5x1)
_UNREADABLE = (MemoryError, RecursionError, SyntaxError, TypeError, ValueError)  # to the parser

# In the metadata of a dataclass' first field: a tuple of values that are read and written like the
# one that holds them, without a name, before its other arguments, as in residual(conv(8), blur).
HOLDS = "holds"


def to_text(value: Any) -> str:
    """Return ``value``, a frozen dataclass with a ``name``, as text; defaults are left out."""
    shown: list[str] = []
    for field in fields(value):
        own = getattr(value, field.name)
        if field.metadata.get(HOLDS):
            shown += [to_text(part) for part in own]
        elif field.default is MISSING or own != field.default:
            shown.append(f"{field.name}={literal(_as_read(own, field.type))}")
    return f"{value.name}({', '.join(shown)})" if shown else value.name


def _as_read(value: Any, kind: Any) -> Any:
    """Return a number as an argument of its kind is read: 1 as 1.0, and numpy's as Python's."""
    if isinstance(value, bool):
        return value
    if kind in (float, float | None) and isinstance(value, Real):
        return float(value)
    return int(value) if kind is int and isinstance(value, Integral) else value


def parse(text: str, kinds: Mapping[str, type[T]], what: str) -> T:
    """Return the value that ``text`` names.

    Args:
        text: For example ``cutout(length=10)``, ``conv(16, bias=true)`` or ``sam``.
        kinds: The dataclasses to choose from, by name.
        what: What is being read, for the error: "method", "layer".

    Raises:
        ValueError: If the text cannot be read, names nothing in ``kinds`` (the nearest name is
            given), or has an argument that is unknown, of the wrong type or out of range.
    """
    found = parse_list(text, kinds, what)
    if len(found) != 1:
        raise ValueError(f"{what} must be one name(argument=value, ...), got {shown(text)}")
    return found[0]


def parse_list(text: str, kinds: Mapping[str, type[T]], what: str) -> tuple[T, ...]:
    """Return the values named in ``text``, separated by commas; see :func:`parse`.

    Raises:
        ValueError: As of :func:`parse`, or if the text is too long.
    """
    require_at_most(f"characters of {what}s as text", len(text), TEXT)
    try:
        tree = ast.parse(f"[{_readable(text)}]", mode="eval").body
    except _UNREADABLE as error:
        raise ValueError(f"{what} must be {_form(error)}, got {shown(text)}") from None
    if not isinstance(tree, ast.List):
        raise ValueError(f"{what} must be name(argument=value, ...), got {shown(text)}")
    try:
        return tuple(_built(node, kinds, what) for node in tree.elts)
    except RecursionError:
        raise ValueError(f"{what} is nested too deep, got {shown(text)}") from None


def _form(error: BaseException) -> str:
    """Return what a text must be that Python's parser refuses."""
    late = isinstance(error, SyntaxError) and "follows keyword argument" in error.msg
    order = ": what has no name, as a layer inside, comes before what has one" * late
    return f"name(argument=value, ...), several with commas between them{order}"


def nearest(name: object, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown ``name``: the nearest known one, or all."""
    known = sorted(known)
    name = str(name)[:100]  # the comparison takes the square of its length
    close = difflib.get_close_matches(name, known, n=1) or [
        one for one in known if one.casefold() == name.casefold()
    ]
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def readable(name: str) -> str:
    """Return a name as Python can read it, with underscores for hyphens."""
    return name.replace("-", "_")


def _readable(text: str) -> str:
    """Return ``text`` as Python can read it: 5x1 in brackets, ties for hyphens in names."""
    text = _SIDES.sub(lambda found: f"({found[1]}, {found[2]})" if found[1] else found[0], text)
    return _HYPHENED.sub(_tied, text)


def _tied(found: re.Match[str]) -> str:
    return found[0] if found[0][0] in "'\"" else found[0].replace("-", _TIE)


def without_spaces(text: str) -> str:
    """Return a text form without the spaces that are not part of a value in quotes."""
    return _SPACE.sub(lambda found: "" if found[0] == " " else found[0], text)


def _built(node: ast.expr, kinds: Mapping[str, type[T]], what: str) -> T:
    call = node if isinstance(node, ast.Call) else ast.Call(func=node, args=[], keywords=[])
    if not isinstance(call.func, ast.Name):
        raise ValueError(f"{what} must be name(argument=value, ...), got {_source(node)}")
    by_name = {readable(name): name for name in kinds}
    own = call.func.id.replace(_TIE, "_")
    if own not in by_name:
        asked = own.replace("_", "-") if "-" in "".join(kinds) else own
        raise ValueError(f"unknown {what} {shown(asked)}; {nearest(asked, kinds)}")
    name = by_name[own]
    known, held = _names(kinds[name]), _held(kinds[name])
    named: dict[str, Any] = {}
    if held is not None:
        for part in call.args:
            _require_held(part, kinds, name, what)
        named[held] = tuple(_built(part, kinds, what) for part in call.args)
        known, call.args = [other for other in known if other != held], []
    if len(call.args) > len(known):
        raise ValueError(f"{what} {name} takes {len(known)} arguments, got {len(call.args)}")
    pairs = [
        *zip(known, call.args, strict=False),
        *(((k.arg or "**").replace(_TIE, "_"), k.value) for k in call.keywords),
    ]
    for argument, value in pairs:
        if argument == held:
            raise ValueError(f"{what} {name} has no argument {argument!r}; {nearest('', known)}")
        if argument in named:
            raise ValueError(f"{what} {name} got {argument!r} twice")
        named[argument] = _value(value, f"{what} {name} argument {argument!r}")
    return from_mapping(kinds[name], named, f"{what} {name}")


def _require_held(node: ast.expr, kinds: Mapping[str, type[T]], name: str, what: str) -> None:
    """Refuse a value among what ``name`` holds that is meant for an argument of it.

    Raises:
        ValueError: Naming the first argument that takes it.
    """
    if not isinstance(node, ast.Constant | ast.Name) or _source(node).strip("'") in kinds:
        return
    value = _value(node, what)
    value = "none" if value is None else value  # a word of its own among an argument's others
    for field in fields(kinds[name]):  # pyright: ignore[reportArgumentType]
        if not field.metadata.get(HOLDS) and _takes(field.type, value):
            given, bare = _source(node), _source(node).strip("'")
            raise ValueError(
                f"{what} {name} takes {field.name} by its name alone:"
                f" write {field.name}={bare}, got {given}"
            )


def _takes(kind: Any, value: Any) -> bool:
    from pydantic import ValidationError

    try:
        _adapter(kind).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def from_mapping(kind: type[T], named: Mapping[str, Any], where: str) -> T:
    """Return the dataclass ``kind`` with arguments from outside, their names and types checked.

    Raises:
        ValueError: If an argument is unknown, missing, of the wrong type or out of range; the
            error starts with ``where``.
    """
    from pydantic import ValidationError

    for argument in named:
        if argument not in _names(kind):
            known = [name for name in _names(kind) if name != _held(kind)]
            said = nearest(str(argument), known)
            raise ValueError(f"{where} has no argument {shown(argument)}; {said}")
    checked: dict[str, Any] = {}
    for field in fields(kind):  # pyright: ignore[reportArgumentType]
        if field.name not in named:
            if field.default is MISSING:
                raise ValueError(f"{where} needs the argument {field.name!r}")
            continue
        if field.metadata.get(HOLDS):  # built from kinds that are known here to be the right ones
            checked[field.name] = named[field.name]
            continue
        adapter = _adapter(field.type)
        # none is a word of its own where an argument is one of several words
        given = (named[field.name], "none") if named[field.name] is None else (named[field.name],)
        refused: list[ValidationError] = []
        for value in given:
            try:  # strict: 8.5 is no int and 1 is no bool, but 8 becomes a float
                checked[field.name] = adapter.validate_python(value, strict=True)
                break
            except ValidationError as error:
                refused.append(error)
        else:
            said = refused[0].errors()[0]["msg"].removeprefix("Input ").lower()
            raise ValueError(f"{where} argument {field.name!r} {said}, got {shown(given[0])}")
    return kind(**checked)


@cache
def _adapter(kind: Any) -> Any:
    """Return what checks a value of a type: a quarter of a millisecond each to make."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _names(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


def _held(kind: type[Any]) -> str | None:
    return next((field.name for field in fields(kind) if field.metadata.get(HOLDS)), None)


def _value(node: ast.expr, where: str) -> Any:
    if isinstance(node, ast.Name):
        word = node.id.replace(_TIE, "-")
        return {"true": True, "false": False, "none": None}.get(word.lower(), word)
    try:
        value = ast.literal_eval(node)
        hash(value)  # what a frozen value holds
        repr(value)  # refuses whole numbers of thousands of digits
    except _UNREADABLE:
        raise ValueError(f"{where} must be a plain value, got {_source(node)}") from None
    return value


def literal(value: Any) -> str:
    """Return a plain value as it is written in a text form."""
    if isinstance(value, tuple) and [type(side) for side in value] == [int, int]:
        return "{}x{}".format(*value)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _source(node: ast.expr) -> str:
    try:
        return shown(ast.unparse(node).replace(_TIE, "-"))
    except _UNREADABLE:
        return "one nested too deep"

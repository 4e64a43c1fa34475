"""``smidgen list``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smidgen.cli.options import Json
from smidgen.cli.terminal import print_json, say, table
from smidgen.plugins import OWN

if TYPE_CHECKING:
    from dataclasses import Field

_Table = tuple[list[str], list[list[object]]]
_KINDS = ("nets", "methods", "data", "targets", "boards", "recipes", "kernels", "plugins")


def list_(
    what: Annotated[str, typer.Argument(metavar="|".join(_KINDS))],
    json: Json = False,
) -> None:
    """List what has a name: nets, methods, data, targets, boards, recipes, kernels, plugins."""
    from smidgen.text import nearest

    kinds = (_nets, _methods, _data, _targets, _boards, _recipes, _kernels, _plugins)
    tables: dict[str, Callable[[], _Table]] = dict(zip(_KINDS, kinds, strict=True))
    rows = tables.get(what)
    if rows is None:
        raise ValueError(f"cannot list {what!r}; {nearest(what, _KINDS)}")
    header, body = rows()
    if json:
        print_json([dict(zip(header, row, strict=True)) for row in body])
    elif not body:
        say(f"there are no {what}")
    else:
        table(header, [["" if cell is None else cell for cell in row] for row in body])


def _nets() -> _Table:
    from smidgen import zoo

    specs = [zoo.net(name) for name in zoo.NETS]
    header = ["name", "input", "params", "deployed_params", "macs", "peak_activation"]
    return header, [
        [s.name, str(s.input_shape), s.params, s.deployed_params, s.macs, s.peak_activation]
        for s in specs
    ]


def _methods() -> _Table:
    from dataclasses import fields

    from smidgen.methods import known, package_named
    from smidgen.methods.base import KINDS

    body: list[list[object]] = []
    for method in known().values():
        kind = next(one for one in KINDS if issubclass(method, one))
        kind = kind.__name__.removesuffix("Method").lower()
        defaults = ", ".join(map(_default, fields(method)))  # pyright: ignore[reportArgumentType]
        body.append([method.name, kind, defaults, _said(method), package_named(method.name)])
    return ["name", "kind", "arguments", "what", "package"], body


def _default(field: "Field[Any]") -> str:
    from dataclasses import MISSING

    return field.name if field.default is MISSING else f"{field.name}={field.default}"


def _data() -> _Table:
    from smidgen.data import NAMED
    from smidgen.data.hub import Hub
    from smidgen.data.plugged import Plugged
    from smidgen.data.sources import others

    body: list[list[object]] = []
    for name, source in NAMED.items():
        where = f"{source.repository} on the hub" if isinstance(source, Hub) else "embedded"
        body.append([name, where, OWN])
    for name, source in others().items():
        if isinstance(source, Plugged):
            body.append([name, _said(source.source), source.package])
    for name, what in (
        ("a folder", "CLASS/*.jpg, or train/CLASS and test/CLASS; pictures of any kind and size"),
        ("a folder", "a table of file names and labels beside pictures: .csv, .tsv, .jsonl"),
        ("a folder or file", ".npz, .mat, IDX, Parquet; tables of pixel values, .csv, .tsv"),
        ("owner/name", "an image classification data set of the hub"),
    ):
        body.append([name, what, OWN])
    return ["name", "what", "package"], body


def _targets() -> _Table:
    from smidgen.export.targets import TARGETS, installed
    from smidgen.plugins import working

    rows: list[list[object]] = []
    for name, build in TARGETS.items():
        rows.append([name, _said(build), OWN])
    for plugin in working(installed()).values():
        rows.append([plugin.name, _said(plugin.value), plugin.package])  # noqa: PERF401
    return ["name", "what", "package"], rows


def _boards() -> _Table:
    from smidgen.export.c.boards import BOARDS

    header = ["name", "chip", "core", "mhz", "flash_bytes", "ram_bytes"]
    header += ["half_of_flash", "half_of_ram"]
    rows: list[list[object]] = [
        [of.name, of.chip, of.core, of.clock, of.flash, of.ram, *of.room] for of in BOARDS
    ]
    return header, rows


def _plugins() -> _Table:
    from smidgen import methods
    from smidgen.data import NAMED, plugged
    from smidgen.export import targets

    found = (
        *methods.installed(),
        *plugged.installed(frozenset(NAMED)),
        *targets.installed(),
    )
    return ["name", "group", "package", "left_out"], [
        [plugin.name, plugin.group, plugin.package, plugin.refusal or None] for plugin in found
    ]


def _said(value: Any) -> str:
    """Return the first line of what something says of itself, without the marks of code."""
    return (value.__doc__ or "").strip().split("\n")[0].replace("``", "")


def _recipes() -> _Table:
    import tomllib

    from smidgen.config import recipes

    return ["name", "what"], [
        [name, tomllib.loads(path.read_text(encoding="utf-8")).get("about", "")]
        for name, path in recipes().items()
    ]


def _kernels() -> _Table:
    from smidgen.kernels.survey import known

    return ["name", "float32_ms", "bfloat16_ms", "what"], [
        [one.name, one.float32, one.bfloat16, one.said] for one in known()
    ]

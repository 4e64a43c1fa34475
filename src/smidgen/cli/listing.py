"""``smidgen list``."""

from collections.abc import Callable
from typing import Annotated

import typer

from smidgen.cli.options import Json
from smidgen.cli.terminal import print_json, table

_Table = tuple[list[str], list[list[object]]]
_KINDS = ("nets", "methods", "data", "recipes", "kernels")


def list_(
    what: Annotated[str, typer.Argument(metavar="nets|methods|data|recipes|kernels")],
    json: Json = False,
) -> None:
    """List the nets, methods, data sets, recipes or compiled operations that have names."""
    from smidgen.text import nearest

    kinds = (_nets, _methods, _data, _recipes, _kernels)
    tables: dict[str, Callable[[], _Table]] = dict(zip(_KINDS, kinds, strict=True))
    rows = tables.get(what)
    if rows is None:
        raise ValueError(f"cannot list {what!r}; {nearest(what, _KINDS)}")
    header, body = rows()
    if json:
        print_json([dict(zip(header, row, strict=True)) for row in body])
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

    from smidgen.methods import METHODS

    body: list[list[object]] = []
    for method in METHODS:
        kind = method.__mro__[1].__name__.removesuffix("Method").lower()
        defaults = ", ".join(f"{field.name}={field.default}" for field in fields(method))  # pyright: ignore[reportArgumentType]
        what = (method.__doc__ or "").strip().splitlines()[0]
        body.append([method.name, kind, defaults, what])
    return ["name", "kind", "arguments", "what"], body


def _data() -> _Table:
    from smidgen.data import NAMED
    from smidgen.data.hub import Hub

    body: list[list[object]] = [
        [name, f"{source.repository} on the hub" if isinstance(source, Hub) else "embedded"]
        for name, source in NAMED.items()
    ]
    body.append(
        ["a folder", "CLASS/*.jpg, or train/CLASS and test/CLASS; pictures of any kind and size"]
    )
    body.append(
        ["a folder", "a table of file names and labels beside pictures: .csv, .tsv, .jsonl"]
    )
    body.append(["a folder or file", ".npz, IDX, Parquet"])
    body.append(["owner/name", "an image classification data set of the hub"])
    return ["name", "what"], body


def _recipes() -> _Table:
    import tomllib

    from smidgen.config import recipes

    return ["name", "what"], [
        [name, tomllib.loads(path.read_text()).get("about", "")] for name, path in recipes().items()
    ]


def _kernels() -> _Table:
    from smidgen.kernels.survey import known

    return ["name", "float32_ms", "bfloat16_ms", "what"], [
        [one.name, one.float32, one.bfloat16, one.said] for one in known()
    ]

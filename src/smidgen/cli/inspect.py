"""``smidgen inspect``."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from smidgen.cli.options import Json, With
from smidgen.cli.terminal import print_json, table, tell

if TYPE_CHECKING:
    from smidgen.export.c.boards import Board, Compiled, Fit
    from smidgen.export.c.profile import LayerCost, Profile
    from smidgen.methods import Method
    from smidgen.spec import NetSpec


def inspect(
    net: Annotated[
        str,
        typer.Argument(
            help="A named net, a TOML file or a TOML table that describes one, or the folder of a"
            " run or a design."
        ),
    ],
    with_: With = None,
    input_: Annotated[
        str | None, typer.Option("--input", metavar="CxHxW", help="Fit to images of this shape.")
    ] = None,
    classes: Annotated[int | None, typer.Option(help="Fit to this many classes.")] = None,
    board: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of `smidgen list boards`; status 1 if it is too big."),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a net costs, before anything is trained: a row a layer, and whether boards fit."""
    from smidgen.export.c.boards import board_named
    from smidgen.layers import Shape, SqueezeExcite
    from smidgen.methods import in_order, parse, rewritten
    from smidgen.methods.base import ArchitectureMethod, of_kind, require_together
    from smidgen.text import to_text

    on = None if board is None else board_named(board)
    asked, methods, turned = _asked(net)
    methods = methods if with_ is None else parse(with_)
    require_together(methods)
    shape = _shape(input_) if input_ else asked.input_shape
    asked = asked.fitted(Shape(*shape), asked.out_shape.channels if classes is None else classes)
    spec = rewritten(asked, methods)
    as_c = _as_c(spec, on)
    gates = sum(layer.params(s) for layer, s in spec.leaves() if isinstance(layer, SqueezeExcite))
    changes = [to_text(one) for one in of_kind(in_order(methods), ArchitectureMethod)]
    summary = {
        "name": spec.name,
        "methods": changes,
        "input": str(spec.input_shape),
        "params": spec.params,
        "params_of_squeeze_excite": gates,
        "deployed_params": spec.deployed_params,
        "macs": spec.macs,
        "peak_activation": spec.peak_activation,
        "bytes_float32": 4 * spec.deployed_params,
        "bytes_int8": spec.deployed_params,
        "turned": turned,
        **as_c.summary,
    }
    if as_c.fit is not None:
        summary["board"] = asdict(as_c.fit)
    if json:
        costs = as_c.profile.layers if as_c.profile else [None] * len(spec.layers)
        print_json({**summary, "layers": [*map(_layer_of, spec.table(), costs)]})
    else:
        _show(summary, spec, as_c)
    if as_c.fit is not None and as_c.fit.verdict == "too big":
        raise typer.Exit(1)


def _show(summary: dict[str, Any], spec: "NetSpec", as_c: "_AsC") -> None:
    layers = spec.table()
    header = list(layers[0])
    table(header, [list(row.values()) for row in layers], title=f"{spec.name}  {spec.input_shape}")
    if as_c.profile is not None:
        _show_profile(as_c.profile, as_c.core)
    gates = summary["params_of_squeeze_excite"]
    own = f" ({spec.params - gates:,} of the net + {gates:,} of squeeze-excite)" if gates else ""
    tell("")
    if summary["turned"]:
        sides = f"{spec.input_shape.width}x{spec.input_shape.height}"
        tell(f"images           {sides}, rows and columns exchanged for the net")
    tell(f"with             {', '.join(summary['methods']) or 'no method that changes it'}")
    tell(f"params           {spec.params:,}{own}")
    tell(f"deployed params  {spec.deployed_params:,} (batch norm folded)")
    tell(f"MACs             {spec.macs:,} per image")
    tell(f"peak activation  {spec.peak_activation:,} elements")
    float32, int8 = summary["bytes_float32"], summary["bytes_int8"]
    tell(f"bytes            {float32:,} as float32, {int8:,} as int8")
    _show_boards(summary, spec, as_c.fit)


def _asked(net: str) -> "tuple[NetSpec, tuple[Method, ...], bool]":
    """Return a net, the methods that stand beside it, and whether images are turned for it."""
    from smidgen.config import is_turned, load_methods, load_net
    from smidgen.run_folder import load_plan, run_folder

    if os.path.isdir(net):  # noqa: PTH112 - Path's own fails on a table, which may be long
        trial, seen, *_ = load_plan(run_folder(net))
        return trial.net, trial.methods, seen is not None and seen.turned
    return load_net(net), load_methods(net), is_turned(net)


def _as_c(spec: "NetSpec", asked: "Board | None") -> "_AsC":
    """Return what the net takes as int8 C, and what that means for boards; or why it is none."""
    from smidgen.export.c.boards import CORES, fit_of, verdict
    from smidgen.export.c.footprint import predict_costs
    from smidgen.export.c.profile import profile_for

    try:
        costs = predict_costs(spec)
    except ValueError as error:
        if asked is not None:
            raise
        told = {"flash": None, "ram": None, "boards": {}, "not_exportable": str(error)}
        return _AsC(told, None, None, "")
    boards = {board.name: judged for board, judged in verdict(costs)}
    cores = {compiled: cost._asdict() for compiled, cost in costs.items()}
    compiled: Compiled = "m4" if asked is None else asked.compiled
    made = profile_for(spec, compiled)
    told = {
        **cores[compiled],
        "instructions": made.instructions,
        "code": made.code,
        "shared_tables": made.tables,
        "ram_beside": made.beside,
        "decides_ram": made.decides + 1,
        "tried": [one._asdict() for one in made.tried],
        "cores": cores,
        "boards": boards,
    }
    fit = None if asked is None else fit_of(asked, made.flash, made.ram, made.instructions)
    return _AsC(told, made, fit, CORES[compiled])


class _AsC(NamedTuple):
    """What JSON has of a net as int8 C; the same by layers, and for the board that is asked for."""

    summary: dict[str, Any]
    profile: "Profile | None"
    fit: "Fit | None"
    core: str


def _layer_of(row: dict[str, Any], cost: "LayerCost | None") -> dict[str, Any]:
    """Return a layer's row with what it takes as int8 C; places of layers are from 1."""
    names = ("flash", "ram", "ram_in_use", "instructions", "merged_into")
    if cost is None:
        return {**row, **dict.fromkeys(names)}
    within = None if cost.within is None else cost.within + 1
    costs = (cost.flash, cost.ram, cost.live, cost.instructions, within)
    return {**row, **dict(zip(names, costs, strict=True))}


def _show_profile(made: "Profile", core: str) -> None:
    """Print a row a layer: its flash and RAM, what is in use while it runs, its instructions."""
    counted = made.instructions is not None
    rows: list[list[object]] = []
    for place, cost in enumerate(made.layers):
        mark = "*" if place == made.decides else ""
        layer = cost.layer if cost.within is None else f"{cost.layer}: in layer {cost.within + 1}"
        figures = [cost.flash, cost.ram, cost.live, *[cost.instructions] * counted]
        rows.append([f"{place + 1}{mark}", layer, *figures])
    blank = [""] * counted
    rows.append(["", "code, of all layers", made.code, "", "", *blank])
    if made.tables:
        rows.append(["", "tables of several layers", made.tables, "", "", *blank])
    rows.append(["", "stack and alignment", "", "", made.beside, *blank])
    rows.append(["", "the net", made.flash, "", made.ram, *[made.instructions] * counted])
    names = ["", "layer", "flash", "RAM", "RAM in use", *["instructions"] * counted]
    tell("")
    table(names, rows, title=f"as int8 C on {core}, predicted")
    tell(f"* {made.told}")
    tell("RAM is a layer's own; in use are also those of the layers that run in turns with it")


def _show_boards(summary: dict[str, Any], spec: "NetSpec", fit: "Fit | None") -> None:
    from smidgen.export.c.boards import BOARDS, timed
    from smidgen.export.c.picture import LOGIT_BYTES
    from smidgen.study.design.turn import turned_told

    if summary["flash"] is None:
        tell(f"flash, RAM       none: {summary['not_exportable']}")
        return
    where = "predicted, int8 C on a Cortex-M4"
    if fit is not None:
        where = "predicted, int8 C on that board's core"
    tell(f"flash            {summary['flash']:,} bytes ({where})")
    beside = f"a picture of {spec.input_shape.elements:,} and logits of"
    beside += f" {LOGIT_BYTES * spec.out_shape.channels:,} come on top"
    tell(f"RAM              {summary['ram']:,} bytes (likewise; {beside})")
    if told := turned_told(spec):
        tell(f"                 {told}")
    if summary["instructions"] is not None and fit is None:
        count = summary["instructions"]
        tell(f"instructions     {count:,} an image (likewise; {timed(count)})")
    if fit is not None:
        tell(f"board            {fit.told}")
        return
    tell("")
    rows: list[list[object]] = []
    for board, judged in zip(BOARDS, summary["boards"].values(), strict=True):
        net = summary["cores"][board.compiled]
        flash, ram = f"{net['flash']:,} of {board.flash:,}", f"{net['ram']:,} of {board.ram:,}"
        rows.append([board.name, f"{board.chip}, {board.core}", flash, ram, judged])
    table(["board", "chip", "flash bytes", "RAM bytes", "verdict"], rows)
    others = ", ".join(board.core for board in BOARDS if board.compiled == "unknown")
    tell("each as predicted for its core, up to 9 % short of flash: so much is left free, too")
    tell(f"{others}: the largest of the other cores, as none was measured")


def _shape(text: str) -> tuple[int, int, int]:
    sides = text.lower().split("x")
    if len(sides) != 3 or not all(side.isdecimal() for side in sides):  # noqa: PLR2004
        raise ValueError(f"--input must be CHANNELSxHEIGHTxWIDTH as in 3x32x32, got {text!r}")
    channels, height, width = (int(side) for side in sides)
    return channels, height, width

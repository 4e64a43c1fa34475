"""``smidgen inspect``."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smidgen.cli.options import Json, With
from smidgen.cli.terminal import print_json, table, tell

if TYPE_CHECKING:
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
    json: Json = False,
) -> None:
    """Show what a net costs, exactly, before anything is trained: a row a layer."""
    from smidgen.layers import Shape, SqueezeExcite
    from smidgen.methods import in_order, parse, rewritten
    from smidgen.methods.base import ArchitectureMethod, of_kind, require_together
    from smidgen.text import to_text

    asked, methods, turned = _asked(net)
    methods = methods if with_ is None else parse(with_)
    require_together(methods)
    shape = _shape(input_) if input_ else asked.input_shape
    asked = asked.fitted(Shape(*shape), asked.out_shape.channels if classes is None else classes)
    spec = rewritten(asked, methods)
    layers = spec.table()
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
        **_on_boards(spec),
    }
    if json:
        print_json({**summary, "layers": layers})
        return
    header = list(layers[0])
    table(header, [list(row.values()) for row in layers], title=f"{spec.name}  {spec.input_shape}")
    own = f" ({spec.params - gates:,} of the net + {gates:,} of squeeze-excite)" if gates else ""
    tell("")
    if turned:
        tell(f"images           {shape[2]}x{shape[1]}, rows and columns exchanged for the net")
    tell(f"with             {', '.join(changes) or 'no method that changes it'}")
    tell(f"params           {spec.params:,}{own}")
    tell(f"deployed params  {spec.deployed_params:,} (batch norm folded)")
    tell(f"MACs             {spec.macs:,} per image")
    tell(f"peak activation  {spec.peak_activation:,} elements")
    float32, int8 = summary["bytes_float32"], summary["bytes_int8"]
    tell(f"bytes            {float32:,} as float32, {int8:,} as int8")
    _show_boards(summary, spec)


def _asked(net: str) -> "tuple[NetSpec, tuple[Method, ...], bool]":
    """Return a net, the methods that stand beside it, and whether images are turned for it."""
    from smidgen.config import is_turned, load_methods, load_net
    from smidgen.run_folder import load_plan, run_folder

    if os.path.isdir(net):  # noqa: PTH112 - Path's own fails on a table, which may be long
        trial, seen, *_ = load_plan(run_folder(net))
        return trial.net, trial.methods, seen is not None and seen.turned
    return load_net(net), load_methods(net), is_turned(net)


def _on_boards(spec: "NetSpec") -> dict[str, Any]:
    """Return predicted flash and RAM, and what that means for each board; or why there is none."""
    from smidgen.export.c.boards import verdict
    from smidgen.export.c.footprint import predict_costs

    try:
        costs = predict_costs(spec)
    except ValueError as error:
        return {"flash": None, "ram": None, "boards": {}, "not_exportable": str(error)}
    boards = {board.name: judged for board, judged in verdict(costs)}
    cores = {compiled: cost._asdict() for compiled, cost in costs.items()}
    return {**cores["m4"], "cores": cores, "boards": boards}


def _show_boards(summary: dict[str, Any], spec: "NetSpec") -> None:
    from smidgen.export.c.boards import BOARDS
    from smidgen.export.c.picture import LOGIT_BYTES
    from smidgen.study.design.turn import turned_told

    if summary["flash"] is None:
        tell(f"flash, RAM       none: {summary['not_exportable']}")
        return
    where = "predicted, int8 C on a Cortex-M4"
    tell(f"flash            {summary['flash']:,} bytes ({where})")
    beside = f"a picture of {spec.input_shape.elements:,} and logits of"
    beside += f" {LOGIT_BYTES * spec.out_shape.channels:,} come on top"
    tell(f"RAM              {summary['ram']:,} bytes (likewise; {beside})")
    if told := turned_told(spec):
        tell(f"                 {told}")
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

"""``smidgen design``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smidgen.cli.options import (
    Color,
    DataDir,
    Fit,
    GroupBy,
    ImageColumn,
    ImageSize,
    Json,
    LabelColumn,
    SkipBroken,
    Track,
    Window,
)
from smidgen.cli.terminal import ALONE, next_commands, print_json, say, table, warn
from smidgen.sizes import counted

if TYPE_CHECKING:
    from smidgen.study.design.design import Design

_COUNTS = ("params", "deployed_params", "macs", "bytes_int8", "bytes_float32")


def design(  # noqa: PLR0913 - a command line
    data: Annotated[str, typer.Option(help="A name, a folder of images or a hub id.")],
    out: Annotated[Path, typer.Option(help="A new folder, or that of an interrupted design.")],
    max_params: Annotated[
        str | None, typer.Option(metavar="N", help="Learned scalars, as in 20000 or 20k.")
    ] = None,
    max_macs: Annotated[
        str | None,
        typer.Option(metavar="N", help="Multiply-accumulates an image, as in 2000000 or 2M."),
    ] = None,
    max_flash: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES",
            help="Code and constants as int8 C on a Cortex-M4, predicted: 16384 or 16KB.",
        ),
    ] = None,
    max_ram: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES", help="Static memory and stack there, predicted: 8192 or 8KB."
        ),
    ] = None,
    max_latency: Annotated[
        float | None,
        typer.Option(metavar="MS", help="Milliseconds of one image, by PyTorch on this machine."),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Half of its flash and RAM; `smidgen list boards`."),
    ] = None,
    profile: Annotated[
        str, typer.Option(help="Of the search: quick, standard or thorough.")
    ] = "standard",
    jobs: Annotated[
        int | None, typer.Option(help="Trials side by side; one a processor by default.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the images in the last runs.")
    ] = None,
    prefer: Annotated[
        str, typer.Option(help="best in the budget, or smallest that is nearly as good.")
    ] = "best",
    balance: Annotated[
        bool, typer.Option("--balance", help="Let every class weigh alike in training.")
    ] = False,
    pareto: Annotated[
        bool, typer.Option("--pareto", help="End with a front of nets, from small to good.")
    ] = False,
    for_: Annotated[
        str, typer.Option("--for", help="accuracy, or robust: changed pictures weigh as much.")
    ] = "accuracy",
    time: Annotated[
        str | None, typer.Option(metavar="2h", help="At most so long: 90s, 20m, 2h, 1h30m.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Write the page again and again as the design goes on.")
    ] = False,
    on: Annotated[str, typer.Option(help="Where trials run: local or ray.")] = "local",
    address: Annotated[str | None, typer.Option(help="Address of a running Ray cluster.")] = None,
    data_dir: DataDir = None,
    image_size: ImageSize = None,
    color: Color = None,
    fit: Fit = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    group_by: GroupBy = None,
    window: Window = None,
    skip_broken: SkipBroken = False,
    track: Track = None,
    json: Json = False,
) -> None:
    """Find, train and test a net for your images within a budget."""
    from smidgen.cli.searching import DesignProgress
    from smidgen.design import DOUBTED, REPORT
    from smidgen.design import design as search
    from smidgen.machine import seconds_of_process
    from smidgen.run_folder import load_plan
    from smidgen.study.design.search import News
    from smidgen.study.job import Origin
    from smidgen.track import require_trackers, track_row

    trackers = require_trackers(track or ())
    with DesignProgress() as progress:

        def observe(news: News) -> None:
            progress.observe(news)
            for ended in news.event.ended if news.event else ():
                if ended.row:
                    track_row(trackers, ended.row, str(out))

        found = search(
            Origin(
                *(data, data_dir, image_size, color, fit, image_column, label_column, skip_broken),
                group_by=group_by,
                window=window,
            ),
            out=out,
            max_params=max_params,
            max_macs=max_macs,
            max_flash=max_flash,
            max_ram=max_ram,
            max_latency=max_latency,
            board=board,
            profile=profile,
            jobs=jobs,
            epochs=epochs,
            prefer=prefer,
            balance=balance,
            pareto=pareto,
            purpose=for_,
            time=time,
            spent=seconds_of_process() if ALONE.get() else 0.0,
            on=on,
            address=address,
            live=live,
            observer=observe,
        )
    page = out / REPORT
    if json:
        print_json(_told(found, page, out / DOUBTED))
    else:
        _show(found)
        if found.front:
            _show_front(found)
        for line in found.warnings:
            warn(f"warning: {line}")
        say(
            f"model:  {found.model}{_footprint(found, max_flash, max_ram, board)}",
            f"report: {page}",
        )
        if (out / DOUBTED).exists():
            say(f"labels that the models contradict: {out / DOUBTED}")
        say(f"again:  {found.command}")
        seen = load_plan(found.model).preprocessing
        asked = "PICTURE"
        if seen is not None and seen.of_values:
            asked = "WINDOW.csv" if seen.takes_text else "FILE.npz"
        say(*next_commands(out, "predict", "export", asked=asked))


def _told(found: "Design", page: Path, doubted: Path) -> dict[str, Any]:
    """Return what ``--json`` prints of a design.

    Args:
        found: The design.
        page: Its report.
        doubted: The file of labels that the models contradict; there may be none.
    """
    from smidgen.study.design.front import told_points
    from smidgen.study.design.story import footprint_of

    accuracy, row = found.accuracy, found.rows[min(found.rows)]
    trained = row.get("latency")
    limits = {_named(name): limit for name, limit in found.limits.items()}
    told = zip(found.front, told_points(found.front, found.folder), strict=True)
    return {
        "net": found.net.to_dict(),
        "accuracy": accuracy.mean / 100,
        "interval": [accuracy.low / 100, accuracy.high / 100],
        **({} if found.changed is None else {"changed": found.changed / 100}),
        **{name: row[name] for name in _COUNTS},
        **_memory(footprint_of(found.net, found.methods, found.compiled)),
        "latency_ms": found.admitted,  # as in the front and the limits
        "trained_latency_ms": trained["kernel_ms"] if trained else None,
        "limits": limits,
        "folder": str(found.folder),
        "model": str(found.model),
        "report": str(page),
        "doubted": str(doubted) if doubted.exists() else None,
        "command": found.command,
        "front": [
            {**of, **_memory(point.footprint), "folder": str(found.folder / of["folder"])}
            for point, of in told
        ],
        "warnings": found.warnings,
    }


def _named(limit: str) -> str:
    """Return the name of a limit as that of the figure which it limits."""
    return "latency_ms" if limit == "latency" else limit


def _memory(footprint: tuple[int, int] | None) -> dict[str, int | None]:
    flash, ram = footprint or (None, None)
    return {"flash": flash, "ram": ram}


def _footprint(found: "Design", *limits: str | None) -> str:
    """Return flash and RAM of the model, if one of them was limited."""
    if not any(limits):
        return ""
    from smidgen.export.c.boards import CORES

    flash, ram = found.footprint
    where = f"as int8 C on {CORES[found.compiled]}, predicted"
    return f", {flash:,} bytes of flash and {ram:,} of RAM {where}"


def _show_front(found: "Design") -> None:
    from smidgen.study.design.front import told_front

    names = {"flash": "flash", "ram": "RAM", "latency": "ms untrained"}
    also = [name for name in names if all(name in point.sizes for point in found.front)]
    changed = ["changed"] if all(point.changed is not None for point in found.front) else []
    rows: list[list[object]] = [
        [
            point.name,
            point.params,
            point.macs,
            *(_sized(name, point.sizes[name]) for name in also),
            f"{point.accuracy.mean:.2f} % [{point.accuracy.low:.2f}, {point.accuracy.high:.2f}]",
            *(f"{point.changed:.2f} %" for _ in changed),
            str(point.folder),
        ]
        for point in found.front
    ]
    columns = ["net", "params", "MACs", *(names[name] for name in also), "test accuracy"]
    table([*columns, *changed, "exports from"], rows, title="front")
    say(told_front(found.front))


def _sized(name: str, size: float | int) -> object:
    return f"{size:.3f}" if name == "latency" else size


def _show(found: "Design") -> None:
    row = found.rows[min(found.rows)]
    accuracy, latency = found.accuracy, row["latency"]
    others = "other seeds and pictures" if len(found.rows) > 1 else "other pictures"
    of = f"test images, mean of {counted(len(found.rows), 'seed', 'seeds')}, 95 % for {others}"
    rows: list[list[object]] = [
        ["accuracy", f"{accuracy.mean:.2f} % [{accuracy.low:.2f}, {accuracy.high:.2f}]", of],
        ["params", f"{row['params']:,}", f"{row['deployed_params']:,} deployed"],
        ["MACs", f"{row['macs']:,}", "per image"],
        [
            "latency",
            f"{latency['kernel_ms']:.3f} ms",
            f"batch 1, {counted(latency['threads'], 'thread', 'threads')}, PyTorch and not the C",
        ],
        ["bytes", f"{row['bytes_int8']:,}", f"int8; {row['bytes_float32']:,} as float32"],
    ]
    if found.changed is not None:
        from smidgen.robust.quick import by_family

        of = f"the same, changed: mean of {', '.join(by_family(row['robust']))}"
        rows.insert(1, ["changed", f"{found.changed:.2f} %", of])
    table(["", "value", "of"], rows, title=f"{found.net.name} for {row['data']}")

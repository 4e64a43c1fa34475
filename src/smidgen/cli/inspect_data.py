"""``smidgen inspect-data``."""

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    Window,
    in_a_folder,
)
from smidgen.cli.terminal import LoadingProgress, print_json, say, table, tell

if TYPE_CHECKING:
    from smidgen.data.inspection import Inspection

_SIZES = 8  # that are shown


def inspect_data(  # noqa: PLR0913 - a command line
    data: Annotated[str, typer.Argument(help="A name, a folder, a file or a hub id.")],
    sheet: Annotated[
        Path | None,
        typer.Option(
            callback=in_a_folder,
            help="Write a PNG with pictures of each class, as a net sees them.",
        ),
    ] = None,
    data_dir: DataDir = None,
    image_size: ImageSize = None,
    color: Color = None,
    fit: Fit = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    group_by: GroupBy = None,
    window: Window = None,
    json: Json = False,
) -> None:
    """Show what is understood of a data set: classes, counts, sizes, copies and oddities."""
    from smidgen.data.inspection import DOWN, PNG, SHEET, contact_sheet
    from smidgen.data.sources import NO_COLUMNS, NO_DATA_DIR, inspect
    from smidgen.files import require_own

    if sheet is not None and sheet.suffix.lower() != ".png":
        raise ValueError(f"--sheet must be a file .png, got {sheet}")
    if sheet is not None and Path(data).absolute() in sheet.absolute().parents:
        raise ValueError(f"--sheet {sheet} is in {data}: it would be one of its pictures")
    if sheet is not None:
        require_own(sheet, "sheet of pictures", PNG, SHEET)
    with LoadingProgress() as loading, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the notes are shown below
        for unused in map(re.escape, (NO_COLUMNS, NO_DATA_DIR)):
            warnings.filterwarnings("always", f".*{unused}")
        found = inspect(
            data,
            data_dir=data_dir,
            image_size=image_size,
            color=color,
            fit=fit,
            image_column=image_column,
            label_column=label_column,
            group_by=group_by,
            window=window,
            skip_broken=True,
            progress=loading.observe,
        )
    if sheet is not None:
        sheet.write_bytes(contact_sheet(found.data))
    if json:
        print_json({**found.to_dict(), "origin": _origin_of(found)})
    else:
        _show(found)
        if sheet is not None:
            some = f", of the first {DOWN} classes" if len(found.data.classes) > DOWN else ""
            say(f"pictures: {sheet}{some}")


def _origin_of(found: "Inspection") -> str:
    """Return where data are from, without what was not asked for and left nothing out."""
    from smidgen.data.decoding import LEFT_OUT
    from smidgen.data.remembered import asked_of, place_of, with_asked

    data = found.data
    if any(LEFT_OUT in note for note in data.notes):
        return data.origin
    asked = {name: value for name, value in asked_of(data.origin).items() if name != "skip-broken"}
    return with_asked(place_of(data.origin), asked)


def _show(found: "Inspection") -> None:
    from smidgen.data.decoding import LEFT_OUT
    from smidgen.data.survey import SIZES, listed_sizes

    data, counts = found.data, found.counts()
    rows: list[list[object]] = [
        [name, *(of[name] for of in counts.values())] for name in data.classes
    ]
    rows.append(["all", *(sum(of.values()) for of in counts.values())])
    table(["class", *counts], rows, title=f"{data.name}: {len(data.classes)} classes")
    fitted = any(note.startswith(SIZES) for note in data.notes)
    other = " (--image-size N or HxW for another size)" if fitted else ""
    lines = [
        f"sizes (height x width): {listed_sizes(found.sizes, _SIZES)}",
        f"a net sees: {data.preprocessing.text}{other}",
        f"copies, as a net sees them: {found.copies:,}",
    ]
    if found.few:
        lines.append(f"few training pictures: {', '.join(found.few[:_SIZES])}")
    lines += [f"note: {note}" for note in data.notes if not note.startswith(SIZES)]
    if any(LEFT_OUT in note for note in data.notes):  # which others do only if they are asked to
        lines.append("note: train and design refuse broken pictures unless --skip-broken is given")
    tell("", *lines)

"""``smidgen compare``."""

import csv as tables
import io
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smidgen.cli.options import (
    DataDir,
    ImageColumn,
    Json,
    LabelColumn,
    SkipBroken,
    files_of_run,
    in_a_folder,
    require_another,
)
from smidgen.cli.terminal import LoadingProgress, print_json, say, table, tell, warn
from smidgen.sizes import counted, listed

if TYPE_CHECKING:
    from smidgen.compare import ComparedPicture, Comparison

_NAMED = 10  # pictures that get two answers
_COLUMNS = ("picture", "label", "a", "a_probability", "b", "b_probability")
_BEGINS = b"picture,label,a,"


def compare(  # noqa: PLR0913 - a command line
    first: Annotated[
        str,
        typer.Argument(
            metavar="A", help="The folder of a run or design, an ONNX file, or hub:USER/NAME."
        ),
    ],
    second: Annotated[
        str, typer.Argument(metavar="B", help="The model beside it, named in the same ways.")
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="Other pictures, as photos/new. Default: the test part of the data of both."
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=in_a_folder,
            help="Write both answers to each picture to this file, as both.csv.",
        ),
    ] = None,
    data_dir: DataDir = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    skip_broken: SkipBroken = False,
    json: Json = False,
) -> None:
    """Judge two models on the same pictures, and tell whether chance may explain the difference."""
    from smidgen.compare import compare as judged
    from smidgen.files import require_own

    read = [first, second, *files_of_run(first), *files_of_run(second)]
    require_another("--csv", csv, [*read, *([data] if data else [])], "what is compared")
    if csv is not None:
        require_own(csv, "table of two models' answers", _BEGINS)
    with LoadingProgress() as loading:
        found = judged(
            first,
            second,
            data=data,
            data_dir=data_dir,
            image_column=image_column,
            label_column=label_column,
            skip_broken=skip_broken,
            progress=loading.observe,
        )
    if csv is not None:
        _write(csv, found.pictures)
        say(f"{csv}: {counted(found.images, 'picture', 'pictures')}")
    if json:
        print_json(_plain(found))
    else:
        _show(found)
    for line in _left_out(found):
        warn(line)


def _write(path: Path, pictures: "tuple[ComparedPicture, ...]") -> None:
    from smidgen.escape import cell, whole
    from smidgen.files import write_atomically

    text = io.StringIO()
    rows = tables.writer(text)
    rows.writerow(_COLUMNS)
    for of in pictures:
        rows.writerow([cell(whole(v)) if isinstance(v, str) else v for v in astuple(of)])
    write_atomically(path, text.getvalue().encode())


def _plain(found: "Comparison") -> dict[str, object]:
    """Return what is told to machines: of the pictures those that get two answers."""
    pictures = [asdict(of) for of in found.differing]
    return {**asdict(found), "verdict": found.verdict, "pictures": pictures}


def _show(found: "Comparison") -> None:
    first, second = found.first, found.second
    low, high = (100 * end for end in found.interval)
    tell(found.told("A", "B"))
    tell(
        f"A - B is {100 * found.difference:+.1f} points [{low:+.1f}, {high:+.1f}], the 95 %"
        " interval of Newcombe for pairs"
    )
    tell("")
    pairs: list[tuple[str, object, object, str]] = [
        ("model", first.place, second.place, ""),
        ("net", first.net, second.net, ""),
        ("params", first.params, second.params, ""),
        ("MACs", first.macs, second.macs, "per image"),
        ("bytes", first.bytes_float32, second.bytes_float32, "float32"),
        ("bytes, int8", first.bytes_int8, second.bytes_int8, "parameters alone"),
        ("flash", first.flash, second.flash, "bytes, predicted, int8 C on a Cortex-M4"),
        ("RAM", first.ram, second.ram, "likewise; the picture itself not counted"),
    ]
    if found.uneven:
        shares = [f"{100 * of.balanced_accuracy:.1f} %" for of in (first, second)]
        told = "mean over classes, which are uneven"
        pairs.insert(2, ("balanced accuracy", shares[0], shares[1], told))
    rows = [[name, _cell(a), _cell(b), of] for name, a, b, of in pairs]
    aside = ", held out by both" if found.part == "held-out" else ""
    table(["", "A", "B", "of"], rows, title=f"{found.data}{aside}")
    _show_differing(found)


def _cell(value: object) -> object:
    return "-" if value is None else value


def _show_differing(found: "Comparison") -> None:
    differing = found.differing
    if not differing:
        return
    rows: list[list[object]] = []
    for of in differing[:_NAMED]:
        first = _said(of.first, of.first_probability, of.label)
        second = _said(of.second, of.second_probability, of.label)
        rows.append([of.picture, of.label, *first, *second])
    more = f"{min(_NAMED, len(differing))} of {len(differing):,} pictures with two answers"
    tell("")
    table([more, "labelled", "A", "sure %", "B", "sure %"], rows)


def _said(answer: str, probability: float, label: str) -> list[object]:
    return [answer if answer == label else f"{answer} (wrong)", f"{100 * probability:.1f}"]


def _left_out(found: "Comparison") -> list[str]:
    """Return what makes the figures say less than they seem to, a line each."""
    lines: list[str] = []
    if found.learned:
        pictures = counted(found.learned, "picture is", "pictures are")
        lines.append(f"{pictures} left out: a model has learned them, or copies of them")
    if found.unshared:
        pictures = counted(found.unshared, "picture is", "pictures are")
        lines.append(f"{pictures} left out: they may judge one of the models alone")
    if found.others:
        pictures = counted(sum(found.others.values()), "picture is", "pictures are")
        named = listed([repr(name) for name in found.others])
        lines.append(f"{pictures} left out: a model does not know the class ({named})")
    if found.groups:
        pictures = counted(found.images, "picture is", "pictures are")
        lines.append(
            f"{pictures} of {counted(found.groups, 'group', 'groups')}: those of one recording are"
            " not independent, so that p and the interval are surer than they may be"
        )
    return lines

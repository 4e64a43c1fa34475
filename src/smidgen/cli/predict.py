"""``smidgen predict``."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smidgen.cli.answers import STREAM, CsvRows
from smidgen.cli.options import (
    Json,
    Sure,
    SureOn,
    files_of_run,
    in_a_folder,
    require_another,
    require_sure,
)
from smidgen.cli.sure import Chosen, line_of
from smidgen.cli.terminal import LoadingProgress, padded, print_json, say, tell, warn
from smidgen.limits import BOUNDLESS, ENCODED, is_boundless, require_at_most
from smidgen.sizes import counted

if TYPE_CHECKING:
    from smidgen.answer import Answer
    from smidgen.model import Model, Told
    from smidgen.sure import Sure as Line

_NAMED = 20  # broken pictures that are named one by one


def _writable(path: Path | None) -> Path | None:
    return path if str(path) == STREAM else in_a_folder(path)


def predict(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="The folder of a run or of a design, an ONNX file, or hub:USER/NAME.",
        ),
    ],
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURE|FOLDER|FILE|-...",
            help="Any size and format; a CSV of pixels or of a sensor's window, as new.csv, .npz or"
            " .npy; - is one on standard input.",
        ),
    ],
    top: Annotated[int, typer.Option(help="Classes to tell of each picture.")] = 1,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=_writable,
            help="Write a row a picture to this file; - is standard output.",
        ),
    ] = None,
    sure: Sure = None,
    sure_on: SureOn = None,
    json: Json = False,
) -> None:
    """Ask a model what is in pictures: a class and its probability each."""
    streamed = _streamed(csv, top, json=json)
    wanted = require_sure(sure, sure_on)
    from smidgen.model import load

    asked = load(model)
    found = list(_listed(pictures, asked))
    read = {model, *files_of_run(model), *pictures, *(name for name, _ in found)}
    _require_free(None if streamed else csv, read)
    line = line_of(asked.run, wanted, Chosen(model, sure_on))
    listed = [name for name, _ in found]
    content = [_from_stdin() if name == STREAM else picture for name, picture in found]
    rows: list[dict[str, Any]] = []
    broken: list[str] = []
    passed = 0
    names = padded(listed)
    classes = dict(zip(asked.classes, padded(asked.classes), strict=True))
    shown = not json and csv is None  # lines are progress enough on a terminal, and a bar in them
    table = nullcontext()
    if csv is not None:
        table = CsvRows(csv, min(top, len(asked.classes)), len(listed), sure=line is not None)
    barred = not ((shown or streamed) and sys.stdout.isatty())
    with table as written, LoadingProgress(on=barred) as progress:
        answers = zip(found, asked.each(content), strict=True)
        for done, ((name, picture), told) in enumerate(answers, 1):
            row = _row(name, picture, told, top, line)
            passed += row.get("sure", False)
            if told.answer is None:
                broken.append(row["error"])
            elif shown:
                tell(f"{names[done - 1]}  {_line(told.answer, top, classes, line)}")
            if written:
                written.add(row)
            if json:
                rows.append(row)
            progress.observe("pictures", done, len(listed))
    _require_one(broken, len(listed))
    if json:
        print_json(rows)
    _tell_sure(line, passed, len(listed))
    _tell(broken, len(listed))


def _streamed(csv: Path | None, top: int, *, json: bool) -> bool:
    """Return whether rows go to standard output.

    Raises:
        ValueError: If anything else does, too, or no class is told of a picture.
    """
    if top < 1:
        raise ValueError(f"--top must be >= 1, got {top}")
    streamed = csv is not None and str(csv) == STREAM
    if streamed and json:
        raise ValueError("--csv - and --json both write to standard output: ask for one of them")
    return streamed


def _require_free(csv: Path | None, read: Iterable[str | Path]) -> None:
    """Refuse to write answers over what is read, or over anything but answers."""
    from smidgen.files import require_own

    require_another("--csv", csv, read, "the model or one of the pictures")
    if csv is not None:
        require_own(csv, "table of answers", b"picture,class")


def _from_stdin() -> bytes:
    encoded = sys.stdin.buffer.read(ENCODED + 1)
    require_at_most("bytes on standard input", len(encoded), ENCODED)
    return encoded


def _listed(pictures: list[str], asked: "Model") -> Iterator[tuple[str, Any]]:
    """Yield the pictures named, and those in folders and files named, as training finds them."""
    from smidgen.data.archives import is_archive, unpacked
    from smidgen.data.cache import cache_at
    from smidgen.data.layouts.tables import ENDINGS
    from smidgen.data.lines import is_text

    if pictures.count(STREAM) > 1:
        raise ValueError("- is standard input, which can be read once")
    for name in pictures:
        path = Path(name)
        if name != STREAM and path.is_dir():
            yield from _below(path, asked, name)
        elif is_archive(path):
            yield from _below(unpacked(path, cache_at(None)), asked, name)
        elif asked.preprocessing.takes_text and is_text(path):
            yield name, name  # the model reads it
        elif name != STREAM and (held := _held_in(path, asked)) is not None:
            if not held:
                raise ValueError(f"{name} holds no picture")
            yield from held
        elif path.is_file() and (said := _instead(path)):
            raise ValueError(f"{name} is no picture{said}")
        elif path.suffix.lower() in ENDINGS and path.is_file():
            raise ValueError(_of_table(path, asked))
        else:
            yield name, name


def _below(folder: Path, asked: "Model", name: str) -> Iterator[tuple[str, str]]:
    """Yield the pictures below a folder, or windows as text for a model of these.

    Args:
        folder: Where they are.
        asked: Takes one or the other.
        name: That the folder, or the archive that was unpacked to it, was asked about by.
    """
    from smidgen.data.layouts.folders import files_below, pictures_below
    from smidgen.data.lines import ENDINGS, is_text

    if is_boundless(folder):
        raise ValueError(f"{folder} {BOUNDLESS}")
    of_text = asked.preprocessing.takes_text
    found = list(filter(is_text, files_below(folder))) if of_text else pictures_below(folder)
    if not found:
        what = f"window, {' or '.join(ENDINGS)}" if of_text else "picture"
        raise ValueError(f"{name} holds no {what}{_instead(folder)}")
    yield from ((str(Path(name, path.relative_to(folder))), str(path)) for path in found)


def _of_table(path: Path, asked: "Model") -> str:
    """Return what to do with a table that holds no pictures."""
    if not asked.preprocessing.of_values:
        return f"{path} holds no pixels: of a table of names, name the files or their folder"
    height, width = asked.preprocessing.size
    return (
        f"{path} must be .npy or .npz, since the model takes measured values of {height}x{width}:"
        f' numpy.save("{path.with_suffix(".npy")}", array) makes one of an array'
    )


def _instead(path: Path) -> str:
    """Return what to do with a folder, or a file, that holds pictures but is not asked about."""
    from smidgen.data.layouts import Idx, Parquet, idx
    from smidgen.data.layouts.folders import endings_below

    if idx.is_named(path):
        path = path.parent
    if Idx.claim(path) or Parquet.claim(path):
        return (
            f" to ask about: `smidgen evaluate MODEL --data {path}` judges a model on its pictures"
        )
    arrays = (
        [ending for ending, _ in endings_below(path) if ending in (".npy", ".npz")]
        if path.is_dir()
        else []
    )
    return f": its files {arrays[0]} are asked about by name" if arrays else ""


def _held_in(path: Path, asked: "Model") -> list[tuple[str, Any]] | None:
    """Return the pictures in a file of several, and what to call them; None of any other file."""
    from smidgen.data.layouts import npz, pixels

    values = pixels.pictures_of(path, asked.classes)
    if values is not None:
        return [(f"{path} picture {number}", value) for number, value in enumerate(values, 1)]
    return npz.pictures_of(path, asked.preprocessing)


def _line(answer: "Answer", top: int, names: Mapping[str, str], sure: "Line | None") -> str:
    """Return an answer for people; ``names`` are of the classes, as wide as one another."""
    told = [f"{names[of]} {100 * share:5.1f} %" for of, share in answer.top(top)]
    if answer.windows > 1:
        told.append(f"(mean of {answer.windows:,} windows)")
    text = "   ".join(told)
    return text if sure is None or sure.passes(answer) else f"not sure ({text})"


def _row(name: str, picture: Any, told: "Told", top: int, sure: "Line | None") -> dict[str, Any]:
    if told.answer is None:
        return {"picture": name, "error": _error(name, picture, told.error)}
    best = [{"class": of, "probability": share} for of, share in told.answer.top(top)]
    mean = {"windows": told.answer.windows} if told.answer.windows > 1 else {}
    passed = {} if sure is None else {"sure": sure.passes(told.answer)}
    return {"picture": name, **best[0], **passed, **({"top": best} if top > 1 else {}), **mean}


def _error(name: str, picture: Any, said: str) -> str:
    from smidgen.data.names import of_address

    if name == STREAM:
        return f"standard input {said}"
    if isinstance(picture, str) and not os.path.lexists(picture):
        return f"there is no picture {name}{of_address(name)}"
    return said if isinstance(picture, str) else f"{name}: {said}"  # files are named in it


def _require_one(broken: list[str], asked: int) -> None:
    """Refuse if not one picture could be read.

    Raises:
        ValueError: Naming the first.
    """
    if len(broken) == asked == 1:
        raise ValueError(broken[0])
    if len(broken) == asked:
        raise ValueError(f"none of {asked} pictures can be read: {broken[0]}")


def _tell_sure(line: "Line | None", passed: int, asked: int) -> None:
    if line is not None:
        say(f"{passed:,} of {counted(asked, 'picture', 'pictures')} answered; {line.told}")


def _tell(broken: list[str], asked: int) -> None:
    if not broken:
        return
    warn(f"{len(broken)} of {asked} pictures cannot be read:")
    for error in broken[:_NAMED]:
        warn(f"  {error}")
    if len(broken) > _NAMED:
        warn(f"  and {len(broken) - _NAMED} more (--json and --csv name all)")

"""Two models judged on the same pictures, and whether chance alone may tell them apart."""

from pathlib import Path
from typing import TYPE_CHECKING

from smidgen.compare.judging import judged
from smidgen.compare.matching import learned_by, matched, parts_of
from smidgen.compare.reading import How, asked_for, common, given, in_place
from smidgen.compare.result import ComparedPicture, Comparison, Judged

if TYPE_CHECKING:
    from smidgen.data import Data
    from smidgen.data.base import Progress
    from smidgen.model import Model
    from smidgen.run import Run

__all__ = ["ComparedPicture", "Comparison", "Judged", "compare"]


def compare(
    first: "Path | str | Run | Model",
    second: "Path | str | Run | Model",
    *,
    data: "Data | Path | str | None" = None,
    data_dir: Path | str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    skip_broken: bool = False,
    progress: "Progress" = None,
) -> Comparison:
    """Judge two models on the same pictures, in float32 on the CPU.

    By default these are the test part of the data that both were trained on, or what both held
    out if no picture of it is left. Those that either has learned, or whose class it does not know,
    are left out. Classes are matched by name.

    Args:
        first: A run or its folder, that of a design, an ONNX file that smidgen exported,
            ``hub:USER/NAME``, or what :func:`smidgen.load` returned of one.
        second: Likewise.
        data: Other pictures, or where those trained on are now; of data without a test part all.
            Data that were loaded must be made of pictures as those of both models are.
        data_dir: A folder of local copies of data sets.
        image_column: Of a table, where it is not that of the runs.
        label_column: Likewise.
        skip_broken: Whether images that cannot be read are left out and told.
        progress: See :func:`smidgen.data.load`.

    Raises:
        ValueError: If a model cannot be read, or there is no picture to judge both on; of data it
            is a :class:`smidgen.data.DataError`.

    Warns:
        DataWarning: If it is not known which pictures a model has learned.
    """
    from smidgen.again import Columns
    from smidgen.data import Data

    asked = (asked_for(first, "first"), asked_for(second, "second"))
    how = How(data_dir, Columns(image_column, label_column), skip_broken, progress)
    if data is None:
        seen = common(asked, how)
    elif isinstance(data, Data):
        seen = given(asked, data)
    else:
        seen = in_place(asked, data, how)
    learned = [learned_by(one, data, how) for one, data in zip(asked, seen, strict=True)]
    refused: list[str] = []
    for part, splits in parts_of(asked, seen, held_out=data is None):
        found = matched(asked, splits, learned)
        if found.places[0]:
            return judged(asked, splits, part, found)
        refused.append(
            f"{part}: {found.learned:,} are learned, {found.unshared:,} are of one model alone,"
            f" {sum(found.others.values()):,} of classes that one does not know"
        )
    raise ValueError(
        f"no picture of {seen[0].name} can judge both {asked[0].place} and {asked[1].place}"
        f" ({'; '.join(refused)}): name pictures that neither was trained on (--data, or data=)"
    )

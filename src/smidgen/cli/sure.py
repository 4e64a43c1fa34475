"""``--sure``: the threshold of a run from which on it answers, and what other images say of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from smidgen.chance import CONFIDENCE, wilson
from smidgen.cli.terminal import LoadingProgress, table, tell

if TYPE_CHECKING:
    from smidgen.data import Data, Split
    from smidgen.run import Run
    from smidgen.sure import Sure
    from smidgen.tensors import Logits


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where a run is, and the images that its threshold is chosen on.

    Args:
        run: Its folder, as it was given.
        on: Labelled images that were asked for, if any.
        data_dir: Folder of local copies of data sets.
        own: The data it was trained on, if they are read already.
    """

    run: str
    on: str | None
    data_dir: str | None = None
    own: "Data | None" = None


def line_of(run: "Run | None", wanted: float | None, place: Chosen) -> "Sure | None":
    """Return the threshold of a run for a share of right answers, if one is asked for.

    Raises:
        ValueError: If there is no run, or its images cannot show the share.
    """
    from smidgen.sure import chosen, images_for

    if wanted is None:
        return None
    if run is None:
        raise ValueError(f"--sure asks the folder of a run: {place.run} keeps no held-out images")
    with LoadingProgress() as loading:
        images = images_for(
            run,
            place.run,
            own=place.own,
            on=place.on,
            data_dir=place.data_dir,
            progress=loading.observe,
        )
    return chosen(run, images, wanted)


def judged(line: "Sure | None", images: "Split | None", logits: "Logits") -> dict[str, Any]:
    """Return ``sure`` as JSON has it, with what is answered of images that did not choose it.

    Args:
        line: The threshold, if there is one.
        images: That judge it, if any do.
        logits: Of these.
    """
    if line is None:
        return {}
    values: dict[str, Any] = {**asdict(line), "confidence": CONFIDENCE, "rule": line.rule}
    if images is not None:
        values["judged"] = line.judged(logits.numpy(), images.labels.numpy())
    return {"sure": values}


def show_sure(values: Mapping[str, Any], split: str) -> None:
    """Print what :func:`judged` returns."""
    at_least = f"at least {100 * values['wanted']:g} % with {100 * CONFIDENCE:g} % confidence"
    rows = [_row("held-out", values, f"chosen on these: {at_least}")]
    if "judged" in values:
        rows.append(_row(split, values["judged"], "Wilson's interval for those answered"))
    tell("")
    table(["images", "answered", "right of those", "of"], rows, title='Answer, or "not sure"')
    tell(values["rule"])


def _row(name: str, counts: Mapping[str, Any], why: str) -> list[object]:
    images, answered, right = counts["images"], counts["answered"], counts["right"]
    told = "-"
    if answered:
        low, high = wilson(right / answered, answered)
        told = f"{100 * right / answered:.2f} %"
        if name != "held-out":  # whose lower end is what was wished for
            told += f" [{100 * low:.2f}, {100 * high:.2f}]"
    return [f"{name}, {images:,}", f"{100 * answered / images:.2f} %", told, why]

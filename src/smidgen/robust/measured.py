"""The cards of a run: in float32, and as the integers that a microcontroller computes with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from smidgen.again import held_out_of
from smidgen.data import Data, DataError, Preprocessing, Split, load
from smidgen.evaluate import predict
from smidgen.robust.card import Answers, Aside, Progress, RobustCard, robust_card, spread_over
from smidgen.robust.confidence import require_share
from smidgen.robust.strangers import DRAWN
from smidgen.run import Run
from smidgen.tensors import Pixels

OTHERS = 1000  # pictures of another set, at most
AS_INTEGERS = 1000  # pictures judged where int8 is simulated, unless told


def floats_of(run: Run) -> Answers:
    """Return what answers as the trained model does, to pictures as they lie."""
    turn = run.preprocessing.turn
    return lambda pixels: predict(run.model, turn(pixels), run.mean, run.std)


def integers_of(run: Run, data: Data) -> Answers:
    """Return what answers as the int8 C of a run does, bit for bit, to pictures as they lie.

    Args:
        run: A finished run.
        data: It was trained on: int8 is calibrated and finished on training images.

    Raises:
        ValueError: If a layer has no integer form.
    """
    from smidgen.export.artefact import Wish, pixels_of, source_of
    from smidgen.export.int8.made import integers_of as made
    from smidgen.export.int8.simulate import simulate

    program = made(source_of(run, data), Wish()).done.program

    def answers(pixels: Pixels) -> torch.Tensor:
        turned = run.preprocessing.turn(pixels)
        logits = torch.from_numpy(simulate(program, pixels_of(turned)))
        return logits.float() * float(program.head.scale)

    return answers


@dataclass(frozen=True, slots=True)
class RobustWish:
    """What a person may ask of a card.

    Args:
        images: To judge on, spread evenly over all; all by default, 1,000 with int8.
        int8: Whether to judge the integers, too.
        sure: Wanted accuracy of what is answered; half of the errors by default.
        against: Data that show none of the classes, each a name or a folder.
        seed: Of all draws.

    Raises:
        ValueError: If there is no such number of images or accuracy.
    """

    images: int | None = None
    int8: bool = False
    sure: float | None = None
    against: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.images is not None and self.images < 1:
            raise ValueError(f"images to judge robustness on must be >= 1, got {self.images}")
        if self.sure is not None:
            require_share(self.sure)

    @property
    def count(self) -> int | None:
        """Images to judge on; ``None`` for all."""
        return AS_INTEGERS if self.images is None and self.int8 else self.images


def cards(
    run: Run,
    images: Split,
    wish: RobustWish,
    *,
    trained_on: Data | None = None,
    aside: Aside | None = None,
    others: Mapping[str, Pixels] | None = None,
    progress: Progress = lambda what, place, of: None,
) -> dict[str, RobustCard]:
    """Return the card by kind of numbers, ``float32`` and on request ``int8``, of the same images.

    Args:
        run: A finished run.
        images: To judge on.
        wish: What is asked for.
        trained_on: The run's own data, for int8.
        aside: Images to choose the threshold on, and to judge it on.
        others: Pictures of none of the classes, by name; see :func:`others_of`.
        progress: Told what is judged.

    Raises:
        ValueError: As :func:`~smidgen.robust.card.robust_card`, or if int8 lacks its data.
    """
    if wish.int8 and trained_on is None:
        raise ValueError("int8 is calibrated on the run's own training images, which are not here")
    chosen = as_they_lie(run, spread_over(images, wish.count))
    if aside is not None:
        judges = None if aside.judges is None else as_they_lie(run, aside.judges)
        aside = Aside(as_they_lie(run, aside.chooses), judges)
    others = {name: run.preprocessing.turn(pixels) for name, pixels in (others or {}).items()}
    kinds = {"float32": floats_of(run)}
    if wish.int8 and trained_on is not None:
        kinds["int8"] = integers_of(run, trained_on)
    return {
        numbers: robust_card(
            answers,
            chosen,
            aside=aside,
            others=others,
            wanted=wish.sure,
            numbers=numbers,
            seed=wish.seed,
            progress=progress,
        )
        for numbers, answers in kinds.items()
    }


def as_they_lie(run: Run, images: Split) -> Split:
    """Return images that a run takes as the pictures lie: corruptions know up from aside."""
    if not run.preprocessing.turned:
        return images
    turned = run.preprocessing.turn(images.images)
    return replace(images, images=turned.contiguous(memory_format=torch.channels_last))


def aside_of(run: Run, data: Data) -> Aside | None:
    """Return what a run held out of training, to choose on; ``None`` if there is nothing."""
    try:
        return Aside(held_out_of(run, data, "the run"))
    except ValueError:
        return None


def others_of(
    places: Iterable[str],
    seen: Preprocessing,
    own: str,
    data_dir: Path | str | None = None,
) -> dict[str, Pixels]:
    """Return pictures of other data sets as a net takes pictures, by name.

    Args:
        places: Each a name or a folder.
        seen: What the net's pictures go through.
        own: Fingerprint of the data that it is trained on.
        data_dir: Folder of local copies of data sets.

    Raises:
        DataError: If one cannot be read, is the net's own, or has the name of another.
    """
    found: dict[str, Pixels] = {}
    for place in places:
        data = load(place, data_dir=data_dir, preprocessing=seen)
        if data.fingerprint == own:
            raise DataError(f"against must be other data than the net's own, got {place}")
        if data.name in (*DRAWN, *found):
            raise DataError(f"against must be data of different names, got {data.name} twice")
        found[data.name] = spread_over(data.test, OTHERS).images.contiguous()
    return found

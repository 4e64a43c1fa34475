"""The integers of a run: calibrated as wished, finished where int8 loses."""

from typing import NamedTuple

from smidgen.export.artefact import Source, Wish
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.choose import quantize_best
from smidgen.export.int8.finish import EPOCHS, Finished, finished
from smidgen.export.lower import lower


class Integers(NamedTuple):
    """An integer program with what finishing did for it, and how its ranges were found."""

    done: Finished
    calibration: str


def integers_of(source: Source, wish: Wish) -> Integers:
    """Return the integer form of a run's program.

    Raises:
        ValueError: If the calibration is unknown, or the epochs of finishing are negative.
    """
    calibration, images = wish.calibration, source.calibration_images
    program = lower(source.program)
    if calibration is None:
        choice = quantize_best(program, images)
        calibration, ranges = choice.method, choice.ranges
    else:
        ranges = calibrate(program, images, calibration)
    done = finished(
        program,
        ranges,
        source.finishing_images,
        epochs=EPOCHS if wish.finish_epochs is None else wish.finish_epochs,
        seed=source.run.trial.seed,
        tell=wish.tell,
    )
    return Integers(done, calibration)

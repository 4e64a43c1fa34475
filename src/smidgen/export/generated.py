"""A run as C: generated, held against an oracle, and made an artefact."""

import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smidgen.answer import margins_of
from smidgen.data import Split
from smidgen.export.artefact import (
    Artefact,
    Infer,
    Oracle,
    Source,
    SureInC,
    Wish,
    pixels_of,
)
from smidgen.export.c.emulate import (
    ParityError,
    ToolMissingError,
    footprint,
    require_equal,
    run_board,
)
from smidgen.export.c.float32 import generate_float
from smidgen.export.c.footprint import unforeseen
from smidgen.export.c.host import FAST, compile_library, find_compiler, load_library, load_sure
from smidgen.export.c.host_int8 import generate_host
from smidgen.export.c.int8 import generate
from smidgen.export.c.picture import (
    LOGIT_BYTES,
    described,
    name_bytes,
    picture_header,
    signed,
)
from smidgen.export.c.source import Source as Generated
from smidgen.export.int8.finish import Finished
from smidgen.export.int8.made import integers_of
from smidgen.export.int8.simulate import simulate
from smidgen.export.program import Pixels
from smidgen.release import release
from smidgen.sizes import share_of
from smidgen.sure import images_for, require_enough, surest

HOST = "host"
ROUNDING = 1e-5  # of the largest logit: what float32 sums may differ by in another order
UNPROVED = (
    "no C compiler (gcc, cc or clang): the C is written, but what it answers, its accuracy and its"
    " speed are not measured; on Debian: apt-get install gcc"
)
ALL = 2**62  # images: as many as there are
_SIMULATED = 2_000  # images that integer artefacts are held against the simulation on


def c(source: Source, wish: Wish) -> Artefact:
    """Make a source and a header of C99; flash and RAM are told for a Cortex-M4."""
    return in_folder("", made_of(source, wish), source, wish)


def in_folder(place: str, made: "Made", source: Source, wish: Wish) -> Artefact:
    """Return the artefact of C whose files lie in a folder, ``src/`` say; ``""`` is none."""
    generated = made.source
    name, kind, classes = generated.name, generated.logit_type, generated.classes

    def infer(folder: Path, _: int) -> Infer:
        with tempfile.TemporaryDirectory() as held:  # what is loaded outlives its file
            library = Path(held) / "net.so"
            pixels = source.program.input_shape.elements
            compile_library(folder / place, name, kind, pixels, classes, library)
            return load_library(library, kind, classes)

    def sure(folder: Path) -> Infer:
        with tempfile.TemporaryDirectory() as held:
            library = Path(held) / "net.so"
            pixels = source.program.input_shape.elements
            compile_library(folder / place, name, kind, pixels, classes, library, sure=True)
            logits, answers = load_library(library, kind, classes), load_sure(library)
            return lambda pixels: answers(logits(pixels))

    def quoted(proof: Mapping[str, Any]) -> dict[str, bytes]:
        return {f"{place}{name}.h": signed(generated, proof).encode()}

    compiler = find_compiler()
    if compiler is None:
        wish.tell(UNPROVED)
    artefact = Artefact(
        files={
            f"{place}{name}.c": generated.source.encode(),
            f"{place}{name}.h": generated.header.encode(),
            f"{place}{name}_picture.h": picture_header(
                generated, source.run.preprocessing
            ).encode(),
        },
        infer=infer if compiler else None,
        runtime=f"{compiler} {' '.join(FAST)} on this machine" if compiler else "none",
        threads=(1,),
        scale=made.scale,
        oracle=made.oracle,
        numbers=wish.numbers or "int8",
        calibration=made.calibration,
        finished=made.finished,
        logit_bytes=LOGIT_BYTES * classes,
        name_bytes=name_bytes(source.run.classes),
        sure=None if made.sure is None else replace(made.sure, infer=sure if compiler else None),
        quoted=quoted,
    )
    if wish.optimize == HOST:  # which is for other processors
        return artefact
    return _on_cortex_m4(artefact, made, source.calibration_images[:2], wish.tell)


class Made(NamedTuple):
    """C, what to hold it against, what 1 in its logits stands for, and how it came about."""

    source: Generated
    oracle: Oracle
    scale: float
    calibration: str | None
    finished: Finished | None
    sure: SureInC | None = None


def made_of(source: Source, wish: Wish) -> Made:
    """Return the C that a wish asks for, one that :func:`require_wish` lets pass."""
    if wish.numbers == "float32":
        oracle = Oracle("the trained model in torch", source.float_infer(), ALL, ROUNDING)
        return Made(
            _told(generate_float(source.program, source.stem), source), oracle, 1.0, None, None
        )
    held_out = None if wish.sure is None else _held_out(source, wish)
    done, calibration = integers_of(source, wish)

    def simulated(pixels: Pixels) -> NDArray[np.int32]:
        return simulate(done.program, pixels)

    oracle = Oracle("the integer simulation in NumPy", simulated, _SIMULATED, 0.0)
    if wish.optimize == HOST:
        generated = generate_host(done.program, source.stem)
    else:
        generated = generate(done.program, source.stem, wish.optimize or "speed")
        _tell_of_more(unforeseen(source.run.trial.spec, generated))
    sure = None if held_out is None else _sure(held_out, wish, simulated)
    told = _told(generated, source, sure)
    return Made(told, oracle, done.program.head.scale, calibration, done, sure)


def _held_out(source: Source, wish: Wish) -> Split:
    """Return the images to choose a threshold on; refuse too few before anything is calibrated."""
    assert wish.sure is not None
    run = source.run
    images = images_for(run, run.trial.net.name, own=source.data, on=wish.sure_on)
    require_enough(len(images), share_of(wish.sure, "sure"))
    return images


def _sure(images: Split, wish: Wish, infer: Infer) -> SureInC:
    """Return from which margin on integers answer, chosen on their logits of held-out images."""
    assert wish.sure is not None
    pixels = pixels_of(images.images)
    logits = infer(pixels)
    margins, answers = margins_of(logits), logits.argmax(1)
    line = surest(margins, answers == images.labels.numpy(), share_of(wish.sure, "sure"))
    return SureInC(line, pixels, np.where(margins >= line.margin, answers, -1))


def _tell_of_more(flash: int) -> None:
    if flash:
        warnings.warn(
            f"passes of a repeat came to keep weights of their own: {flash:,} bytes of flash more"
            " than a design or inspect counted; where that is limited, give export a max-flash",
            stacklevel=2,
        )


def _told(made: Generated, source: Source, sure: SureInC | None = None) -> Generated:
    run = source.run
    return described(
        made,
        run.preprocessing,
        run.classes,
        key=run.trial.key,
        version=f"smidgen {release()}",
        sure=None if sure is None else sure.line,
    )


def _on_cortex_m4(
    artefact: Artefact, made: Made, pixels: Pixels, tell: Callable[[str], None]
) -> Artefact:
    """Return the artefact with what it takes on a Cortex-M4, as far as the tools at hand can tell.

    What is too large or too slow for the emulated board may be right for a host.

    Raises:
        ParityError: If integers are others there, where loops of assembly run.
    """
    try:
        flash = footprint(made.source).flash
    except (ToolMissingError, ParityError) as error:
        tell(f"flash and RAM are not measured: {error}")
        return artefact
    artefact = replace(artefact, flash=flash)
    try:
        ran = run_board(made.source, pixels)
    except (ToolMissingError, ParityError) as error:
        tell(f"RAM is not measured: {error}")
        return artefact
    if made.oracle.tolerance == 0:
        require_equal("the C on an emulated Cortex-M4", ran.logits, made.oracle.infer(pixels))
    return replace(artefact, ram=ran.ram, stack=ran.stack, instructions=ran.instructions)

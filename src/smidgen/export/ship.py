"""From a run to an artefact with its proof, or to nothing at all."""

import contextlib
import hashlib
import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from numpy.typing import NDArray

from smidgen.again import trained_on
from smidgen.answer import require_finite
from smidgen.chance import CONFIDENCE, fair_coin
from smidgen.data import Data
from smidgen.evaluate import predict
from smidgen.export.artefact import (
    Artefact,
    Source,
    Wish,
    pixels_of,
    require_plain,
    source_of,
)
from smidgen.export.c.emulate import ParityError, ToolMissingError
from smidgen.export.c.names import identifier_of, require_own
from smidgen.export.fitting import board_for, fitted
from smidgen.export.generated import HOST
from smidgen.export.int8.finish import NOTEWORTHY, told
from smidgen.export.page import Facts, frame_of, page, thresholds
from smidgen.export.proof import Proof, files_of, proved
from smidgen.export.squares import looked_at
from smidgen.export.targets import OF_C, require_tools, target_of
from smidgen.export.wishes import require_wish
from smidgen.files import write_atomically
from smidgen.hub import is_hub
from smidgen.hub import place_of as hub_place
from smidgen.names import require_kind, require_path, shown
from smidgen.run import Run, load_run
from smidgen.run_folder import path_of
from smidgen.sizes import bytes_of
from smidgen.torch_state import float32_on_the_cpu

PROOF = "artefact.json"
_AS_USUAL = Wish()
_POINTS = 100  # of accuracy: all of it
_SAMPLES = 20  # classes that the page shows an image of


def export(  # noqa: PLR0913 - a door; all but three arguments by keyword
    run: Path | str | Run,
    to: str,
    out: Path | str | None = None,
    *,
    data: Data | Path | str | None = None,
    data_dir: Path | str | None = None,
    wish: Wish = _AS_USUAL,
    max_flash: int | str | None = None,
    max_ram: int | str | None = None,
    max_loss: float | None = None,
    board: str | None = None,
) -> Proof:
    """Write the artefact of a finished run to a folder, with its proof in ``artefact.json``.

    Args:
        run: The folder of a finished run, or of a design; or a run itself, as
            :func:`smidgen.train` returns it.
        to: ``onnx``, ``onnx-int8``, ``c``, ``wasm`` or ``tflite``, or a package of C: ``arduino``,
            ``esp-idf``, ``zephyr``, ``cmake`` or ``platformio``.
        out: A folder that is not there yet, or empty; by default beside the run's, see
            :func:`place_of`.
        data: Where the data of the run are now, if they were moved; or the data themselves.
        data_dir: Folder of local copies of data sets.
        wish: What the target leaves to choose.
        max_flash: Bytes that code and constants may take; ``16KB`` is understood.
        max_ram: Bytes of memory that may be written to.
        max_loss: Points of accuracy (0 to 100) on all test images of the run's data that the
            artefact may lose against the trained model; ``None`` lets it lose any, and warns
            where that is more than chance.
        board: That C must fit, as ``smidgen list boards`` names it; the proof's ``board`` says how
            much of it the net takes, and how long an image.

    Raises:
        ValueError: If anything is missing, does not fit, or differs from its oracle; ``out`` is
            then as it was.
    """
    build = target_of(to)
    require_kind(wish, Wish, "a wish", "as in sm.Wish(name='my_net')")
    require_wish(to, wish)
    if wish.name is not None:
        require_own(wish.name, to)
    out = place_of(run, to) if out is None else require_path(out, "out")
    flash, ram = _limit("flash", max_flash), _limit("ram", max_ram)
    _require_points(max_loss)
    _require_free(out)
    on = None if board is None else board_for(board, to, wish)
    require_tools(to)
    _require_known(to, flash, ram)
    if wish.optimize == HOST and (flash is not None or ram is not None):
        raise ValueError("code for hosts is not measured on a microcontroller: no limit holds")
    loaded = run if isinstance(run, Run) else load_run(run)
    named = loaded.trial.net.name if isinstance(run, Run) else run
    trained = trained_on(loaded, named, data=data, data_dir=data_dir)
    first = predict(loaded.model, trained.test.images[:1], loaded.mean, loaded.std)
    require_finite(bool(first.isfinite().all()))
    name = wish.name or identifier_of(loaded.trial.net.name, to)
    source = source_of(loaded, trained, name)
    try:
        with float32_on_the_cpu():
            artefact = build(source, wish)
            _require_within("flash", artefact.flash, flash)
            _require_within("RAM", artefact.ram, ram)
            if on is not None:
                artefact = replace(artefact, fit=fitted(on, artefact, loaded.trial.spec))
            proof = _written(source, to, artefact, out, max_loss)
    except (ToolMissingError, ParityError) as error:
        raise ValueError(str(error)) from error
    if max_loss is None and (line := loss_told(proof)):
        warnings.warn(line, stacklevel=2)
    return proof


def loss_told(proof: Proof) -> str:
    """Return what of accuracy is lost on the test images, if that is much and more than chance."""
    loss = _lost(proof) or 0.0
    lost, gained = proof.lost or 0, proof.gained or 0
    if loss <= NOTEWORTHY or fair_coin(lost, gained) >= 1 - CONFIDENCE:
        return ""
    return (
        f"{proof.target} {told(loss)} of accuracy on the test images: of {proof.images:,} it gets"
        f" {lost:,} wrong that the trained model gets right, and {gained:,} right that this gets"
        " wrong"
    )


def place_of(run: Path | str | Run, to: str) -> Path:
    """Return where the artefact of a run goes if nobody says: beside it, named after both.

    That of a run in no folder goes to the working folder, named after its net.
    """
    if isinstance(run, Run):
        return Path(f"{run.trial.net.name}-{to}")
    if is_hub(run):
        return Path(f"{hub_place(run).name}-{to}")
    folder = path_of(run)
    folder = folder if folder.name not in ("", "..") else folder.resolve()
    return folder.with_name(f"{folder.name}-{to}")


def _limit(what: str, asked: int | str | None) -> int | None:
    return None if asked is None else bytes_of(asked, f"max-{what}")


def _require_points(asked: Any) -> None:
    if asked is None:
        return
    number = isinstance(asked, int | float) and not isinstance(asked, bool)
    if not (number and 0 <= asked <= _POINTS):
        raise ValueError(f"max-loss must be points of accuracy, 0 to 100, got {shown(asked)}")


def _lost(proof: Proof) -> float | None:
    """Return what share of the test images the artefact gets wrong and the model does not, net."""
    return None if proof.accuracy is None else proof.float_accuracy - proof.accuracy


def _require_loss(proof: Proof, most: float | None) -> None:
    """Refuse an artefact that loses more than so many points of accuracy.

    Raises:
        ValueError: Naming what was lost, and what may help.
    """
    if most is None:
        return
    loss = _lost(proof)
    if loss is None:
        raise ValueError(
            f"{proof.target} must lose <= {most:g} points of accuracy, and what it loses could not"
            " be measured: there is nothing to run it with"
        )
    if round(_POINTS * loss, 9) > most:  # a difference of two shares, as in 0.96 - 0.95
        helps = (
            "another --calibration, or Wish(calibration='percentile-99.9'),"
            if proof.target == "onnx-int8"
            else "more --finish-epochs, or Wish(finish_epochs=10),"
        )
        raise ValueError(
            f"{proof.target} {told(loss)} of accuracy on the {proof.images:,} test images"
            f" ({_POINTS * proof.float_accuracy:.2f} % as trained), and must lose <= {most:g};"
            f" {helps} may help, and onnx and c have a float32 form"
        )


def _written(
    source: Source, target: str, artefact: Artefact, out: Path, max_loss: float | None
) -> Proof:
    """Write and prove the artefact beside ``out``, then move it there, or leave nothing.

    An empty folder that is there is filled: it may be a mount, a link or where the user stands.
    """
    standing = out.is_dir()
    place = out if standing else out.parent
    folder, made = place / f".{out.name}-{token_hex(4)}", list[Path]()
    try:
        made += [parent for parent in out.parents if not parent.exists()]
        folder.mkdir(parents=True)
    except OSError as error:
        _remove_empty(made)
        raise ValueError(f"{out.parent}: cannot be written: {error.strerror}") from None
    try:
        write_files(artefact.files, folder)
        proof, logits = proved(source, target, artefact, folder)
        _require_loss(proof, max_loss)
        if artefact.quoted is not None:
            write_files(artefact.quoted(asdict(proof)), folder)
            proof = replace(proof, files=files_of(folder))
        if target == "wasm":
            assert logits is not None
            html = _page(source, proof, artefact, logits)
            write_atomically(folder / f"{source.stem}.html", html.encode())
            proof = replace(proof, files=files_of(folder))
        write_atomically(folder / PROOF, sealed(asdict(proof)).encode())
        if standing:
            _require_free(out, folder.name)
            for path in sorted(folder.iterdir(), key=lambda path: path.name == PROOF):
                path.replace(out / path.name)  # the proof last: what it is beside is whole
        else:
            folder.replace(out)
    except OSError as error:
        raise ValueError(f"{out}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_empty(made)
    return proof


def sealed(proof: Mapping[str, Any]) -> str:
    """Return the text of ``artefact.json``; its last field is the sha256 of those before."""
    seal = hashlib.sha256(json.dumps(proof).encode()).hexdigest()
    return json.dumps({**proof, "seal": seal}, indent=1) + "\n"


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, each inside the next, up to one that holds something."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files by their names below the folder, with the folders that these hold."""
    require_plain(files)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, content)


def _page(source: Source, proof: Proof, artefact: Artefact, logits: NDArray[Any]) -> str:
    test = source.data.test
    firsts = [int((test.labels == k).nonzero()[0]) for k in test.labels.unique().tolist()]
    samples = tuple((int(test.labels[i]), pixels_of(test.images[i])) for i in firsts[:_SAMPLES])
    facts = Facts(
        name=proof.net,
        data=proof.data,
        numbers=proof.numbers,
        logit_scale=artefact.scale,
        params=proof.params,
        macs=proof.macs,
        accuracy=proof.accuracy or 0.0,
        images=proof.images,
        classes=proof.classes,
        samples=samples,
        preprocessing=source.run.preprocessing,
        squares=looked_at(source.program),
        thresholds=thresholds(artefact.scale * logits, test.labels.numpy()),
        **frame_of(source.data.train.images),
    )
    module, plain, *_ = artefact.files.values()
    return page(module, source.program.input_shape, facts, plain)


def _require_free(out: Path, own: str = "") -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} must be a folder, got a file: choose another name")
    if out.exists() and not {path.name for path in out.iterdir()} <= {own}:
        raise ValueError(f"{out} is there and not empty: choose another folder")


def _require_known(target: str, flash: int | None, ram: int | None) -> None:
    """Refuse a limit of what nothing here can tell, before any work."""
    for what, limit, known in (
        ("flash", flash, ("arm-none-eabi-gcc",)),
        ("RAM", ram, ("arm-none-eabi-gcc", "qemu-system-arm")),
    ):
        if limit is None or target == "wasm":
            continue
        if target not in OF_C:
            raise ValueError(
                f"{what} of {target} is not known here; a limit is for c and wasm, and for packages"
            )
        if not all(map(shutil.which, known)):
            raise ValueError(
                f"{what} of {target} is not known here;"
                " on Debian: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"
                " qemu-system-arm"
            )


def _require_within(what: str, found: int | None, limit: int | None) -> None:
    if limit is None:
        return
    if found is None:
        raise ValueError(f"{what} must be <= {limit:,} bytes, and could not be measured")
    if found > limit:
        raise ValueError(
            f"{what} must be <= {limit:,} bytes, got {found:,}: {found - limit:,} over"
        )

"""``smidgen evaluate``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smidgen.chance import wilson
from smidgen.cli.options import (
    DataDir,
    ImageColumn,
    Json,
    LabelColumn,
    SkipBroken,
    Sure,
    SureOn,
    Threads,
    in_a_folder,
    require_sure,
)
from smidgen.cli.robust import Place, asked, columns_of, measured, require_possible, show
from smidgen.cli.sure import Chosen, judged, line_of, show_sure
from smidgen.cli.terminal import LoadingProgress, print_json, say, table, tell, warn
from smidgen.sizes import counted, listed

if TYPE_CHECKING:
    from smidgen.again import Columns
    from smidgen.data import Data, Split
    from smidgen.evaluate import Evaluation
    from smidgen.robust.card import RobustCard
    from smidgen.run import Run
    from smidgen.tensors import Logits


def _of_rows(path: Path | None) -> Path | None:
    """Return the file that a row is to be added to.

    Raises:
        ValueError: If it cannot be: told now, and not once all is computed.
    """
    from smidgen.study.rows import require_row_file

    place = in_a_folder(path)
    if place is not None:
        require_row_file(place)
    return place


def evaluate(  # noqa: PLR0913 - a command line
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="The folder of a run or of a design, or hub:USER/NAME."),
    ],
    data: Annotated[
        str | None, typer.Option(help="Other data, or where those it was trained on are now.")
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Judge on the held-out images, not the test set.")
    ] = False,
    row: Annotated[
        Path | None,
        typer.Option(callback=_of_rows, help="Append the row to this JSON lines file."),
    ] = None,
    wrong: Annotated[
        int, typer.Option(metavar="N", min=0, help="Surest wrong answers to name.")
    ] = 5,
    robust: Annotated[
        bool, typer.Option("--robust", help="Judge corrupted, moved and strange pictures, too.")
    ] = False,
    robust_images: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="For --robust: images to judge. Default: all; 1,000 with --int8."
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="For --robust: int8 beside float32.")
    ] = False,
    sure: Sure = None,
    sure_on: SureOn = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATA", help="For --robust: data of none of the classes; may be repeated."
        ),
    ] = None,
    data_dir: DataDir = None,
    image_size: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW", help="Of the run, which is taken without it; another is refused."
        ),
    ] = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    skip_broken: SkipBroken = False,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Judge a run: accuracy, calibration, shift consistency, latency and bytes."""
    from smidgen.again import Columns, held_out_of
    from smidgen.evaluate import evaluate as judge
    from smidgen.evaluate import predict
    from smidgen.evaluate import row as row_of
    from smidgen.evaluate.pictures import told, wrong_answers
    from smidgen.release import revision
    from smidgen.run import load_run
    from smidgen.runtime import choose
    from smidgen.study.rows import append_row

    wanted = require_sure(sure, sure_on, judges=None if held_out else data)
    wish = asked(robust=robust, images=robust_images, int8=int8, sure=wanted, against=against)
    loaded_run = load_run(run)
    _require_size(loaded_run, image_size)
    require_possible(loaded_run, wish, data_dir)
    columns = Columns(image_column, label_column)
    judges = None if held_out else data
    source = _read(
        loaded_run,
        run,
        data if held_out else None,
        judges,
        data_dir,
        columns,
        skip_broken=skip_broken,
    )
    images = held_out_of(loaded_run, source, run) if held_out else source.test
    own = source if source.fingerprint == loaded_run.trial.fingerprint else None
    with choose("cpu", threads).active():
        # before any test image is looked at
        line = line_of(loaded_run, wanted, Chosen(run, sure_on, data_dir, own))
        logits = predict(loaded_run.model, images.images, loaded_run.mean, loaded_run.std)
        split = "held-out" if held_out else "test"
        found = judge(loaded_run, images, split=split, weights=_weights_of(run), logits=logits)
        place = Place(run, data_dir, own, held_out)
        cards = measured(loaded_run, images, wish, place) if wish else {}
    values = _named(row_of(loaded_run, found, study="", revision=revision()), source)
    values |= columns_of(cards)
    try:
        if row:
            seen = _pictured(loaded_run, source, images, logits, held_out=held_out)
            append_row(row, {**values, **seen})
    finally:  # what took an hour is told, whatever becomes of its row
        values["wrong"] = told(wrong_answers(logits, images.labels, limit=wrong), images)
        values |= judged(line, None if held_out else images, logits)
        _tell(loaded_run, source, values, found, cards, json=json)


def _read(
    run: "Run",
    place: str,
    data: str | None,
    judges: str | None,
    data_dir: str | None,
    columns: "Columns",
    *,
    skip_broken: bool,
) -> "Data":
    """Return the data of a run, wherever they are now, or others that are to judge."""
    from smidgen.again import judged_on, trained_on

    with LoadingProgress() as loading:
        if judges is None:
            return trained_on(
                run,
                place,
                data=data,
                data_dir=data_dir,
                progress=loading.observe,
                columns=columns,
            )
        return judged_on(
            run,
            judges,
            data_dir=data_dir,
            progress=loading.observe,
            columns=columns,
            skip_broken=skip_broken,
        )


def _tell(
    run: "Run",
    source: "Data",
    values: dict[str, Any],
    found: "Evaluation",
    cards: "dict[str, RobustCard]",
    *,
    json: bool,
) -> None:
    if json:
        latency = values["latency"]
        print_json({**values, "latency_ms": latency["kernel_ms"], "bytes": values["bytes_float32"]})
    else:
        things = run.preprocessing.things
        _show(values, source.name, things)
        if run.learned_from:
            say(run.learned_from)
        _show_classes(found, things)
        _show_wrong(values["wrong"], found.classes)
        if "sure" in values:
            show_sure(values["sure"], found.split)
        if cards:
            show(cards, source.name)
    if found.never_answered:
        warn(_never(found.never_answered, found.classes, _learned(run, source)))


def _learned(run: "Run", source: "Data") -> list[int]:
    """Return how many images of each class a run learned, or nothing of data of another run."""
    from smidgen.data.shares import learned

    if source.fingerprint != run.trial.fingerprint:
        return []
    trial = run.trial
    labels = learned(source, trial.split, trial.recipe.share, trial.seed).labels
    return labels.bincount(minlength=len(run.classes)).tolist()


def _pictured(
    run: "Run", source: "Data", images: "Split", logits: "Logits", *, held_out: bool
) -> dict[str, Any]:
    """Return the columns of a row that are of each picture, as a study's rows have them."""
    from smidgen.evaluate.accuracy import packed
    from smidgen.evaluate.pictures import doubted, looked_at, mistaken
    from smidgen.split_names import FULL

    split = run.trial.split
    right: dict[str, Any] = {"right": packed(logits.argmax(1) == images.labels)}
    if own := _learned(run, source):
        right["training_images"] = sum(own)
    if held_out:
        return right if split == FULL else {**right, **doubted(source, split, logits)}
    if source.fingerprint != run.trial.fingerprint:
        return {**right, **mistaken(source, logits)}  # what it was trained on is not here
    share, seed = run.trial.recipe.share, run.trial.seed
    return {**right, **looked_at(source, logits, split, share, seed)}


def _weights_of(run: str) -> Path:
    from smidgen.run_folder import WEIGHTS, run_folder

    return run_folder(run) / WEIGHTS


def _require_size(run: "Run", asked: str | None) -> None:
    """Refuse another size than the run's, which knows its own."""
    from smidgen.data.sizes import checked_size

    seen = run.preprocessing
    if checked_size(asked) not in (None, seen.size):
        own = "x".join(map(str, seen.size))
        raise ValueError(f"--image-size must be left out, or the run's {own}, got {asked}")


def _named(row: dict[str, Any], source: "Data") -> dict[str, Any]:
    """Return a row under the name of what was judged.

    Of other data it is no seed of the run's own figure, nor what a study's trial would end as.
    """
    if source.fingerprint == row["fingerprint"]:
        return row
    key = f"{row['key']}-{source.fingerprint}"
    return {**row, "key": key, "data": source.name, "fingerprint": source.fingerprint}


def _show(values: dict[str, Any], data: str, things: str) -> None:
    latency = values["latency"]
    threads = counted(latency["threads"], "thread", "threads")
    # so that none takes it for that of a device, which runs what export writes
    where = f"batch 1, {threads}, {latency['device']}, in Python, not the C of export"
    best = f"10,000 {things}, batch {latency['best_batch']}, {threads}"
    busy = _busy(latency["kernel_ms"], latency["end_to_end_ms"])
    busy_for_many = _busy(latency["kernel_s_10000"], latency["end_to_end_s_10000"])
    low, high = wilson(values["accuracy"], values["images"])
    rows: list[list[object]] = [
        [
            "accuracy",
            f"{100 * values['accuracy']:.2f} % [{100 * low:.2f}, {100 * high:.2f}]",
            f"{values['split']}, {values['images']:,} {things} and Wilson's interval for them",
        ],
        [
            "balanced accuracy",
            f"{100 * values['balanced_accuracy']:.2f} %",
            f"mean over classes; the largest class is {100 * values['largest_class']:.2f} %"
            f" of the {things}",
        ],
        ["macro F1", f"{100 * values['macro_f1']:.2f} %", f"mean over classes that have {things}"],
        [
            "params",
            f"{values['params']:,}",
            f"{values['deployed_params']:,} deployed, batch norm folded",
        ],
        ["MACs", f"{values['macs']:,}", f"per {things[:-1]}"],
        [
            "bytes",
            f"{values['bytes_float32']:,}",
            f"float32; {values['bytes_int8']:,} as int8; {values['bytes_on_disk']:,} on disk",
        ],
        ["latency, kernel", f"{latency['kernel_ms']:.3f} ms", where],
        ["latency, end to end", f"{latency['end_to_end_ms']:.3f} ms", where + busy],
        ["10,000, kernel", f"{latency['kernel_s_10000']:.3f} s", best],
        ["10,000, end to end", f"{latency['end_to_end_s_10000']:.3f} s", best + busy_for_many],
        ["NLL", f"{values['nll']:.4f}", "nats"],
        ["ECE", f"{100 * values['ece']:.2f} %", "15 bins"],
        [
            "shift consistency",
            f"{100 * values['shift_consistency']:.2f} %",
            f"one {'moment' if things == 'windows' else 'pixel'}, border repeated",
        ],
    ]
    table(["", "value", "of"], rows, title=f"{values['net']} on {data}")


def _busy(kernel: float, end_to_end: float) -> str:
    """Return why the net alone took longer than all of it, which it is a part of, if it did."""
    return "; less than its kernel: the machine was busy" if end_to_end < kernel else ""


def _show_classes(found: "Evaluation", things: str) -> None:
    """Print precision, recall and F1 a class, and what it is taken for most often."""

    def percent(share: float | None) -> str:
        return "-" if share is None else f"{100 * share:.1f}"

    rows: list[list[object]] = []
    lines = found.confusion or ((),) * len(found.classes)  # of very many classes none is kept
    for of, line in zip(found.by_class, lines, strict=True):
        pairs = zip(line, found.classes, strict=bool(line))
        others = [(n, name) for n, name in pairs if name != of.name]
        most, other = max(others, default=(0, ""), key=lambda pair: pair[0])
        figures = [percent(share) for share in (of.precision, of.recall, of.f1)]
        taken = f"{other} ({counted(most, 'time', 'times')})" if most else ""
        rows.append([of.name, of.images, of.answered, *figures, taken])
    tell("")
    figures = ["precision %", "recall %", "F1 %"]
    table(["class", things, "answered", *figures, "most taken for"], rows)


def _show_wrong(answers: Sequence[dict[str, Any]], classes: Sequence[str]) -> None:
    """Print wrong answers with the place of their pictures."""
    if not answers:
        return
    rows: list[list[object]] = [
        [
            of.get("file", f"image {of['image']:,}"),
            classes[of["label"]],
            classes[of["answer"]],
            f"{100 * of['probability']:.1f}",
        ]
        for of in answers
    ]
    tell("")
    table(["surest wrong answers", "labelled", "answered", "sure %"], rows)


def _never(silent: Sequence[str], classes: Sequence[str], learned: Sequence[int]) -> str:
    """Return the warning that some classes are never answered.

    Args:
        silent: Those.
        classes: All.
        learned: Training images of each; empty if that is not known.
    """
    names = listed(list(map(repr, silent)))  # one may be called none
    many = len(silent) > 1
    some = f"{len(silent):,} of {len(classes):,} classes are never answered: {names}; "
    images = dict(zip(classes, learned, strict=False))
    rare = [name for name in silent if len(classes) * images.get(name, 0) < sum(learned)]
    if rare:
        which = "them" if len(rare) > 1 else "it" if not many else repr(rare[0])
        advice = f"more pictures of {which}, or classes of even weight, may help"
    else:  # of a class that has its share, more would not
        advice = "longer training may help, or a look at what it is taken for"
    return f"warning: {some if many else f'{names} is never answered: '}{advice}"

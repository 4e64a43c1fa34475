"""``smidgen train --from``: what going on with a run asks, refuses and tells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from smidgen.cli.advice import told_of_weights
from smidgen.cli.options import NO_DATA
from smidgen.cli.terminal import LoadingProgress, say
from smidgen.show import percent
from smidgen.sizes import counted

if TYPE_CHECKING:
    from smidgen.fine_tune import Begun, Places
    from smidgen.run import Run


def require_of_run(start: str, said: Mapping[str, object]) -> None:
    """Refuse what a run that is gone on with has decided.

    Args:
        start: The run.
        said: By what is said on the command line, what is asked; nothing if it is not.

    Raises:
        ValueError: Naming the first of them.
    """
    for name, value in said.items():
        if value:
            raise ValueError(f"{name} is that of {start} with --from: leave it out")


def go_on(
    start: str,
    data: str | None,
    places: "Places",
    with_: str | None,
    epochs: int | None,
    settings: Sequence[str],
    *,
    full: bool,
) -> "Begun":
    """Return what going on with a run trains, told.

    Args:
        start: The run.
        data: As asked for.
        places: Likewise.
        with_: Methods; the run's if none are asked for.
        epochs: As asked for.
        settings: Likewise.
        full: Whether nothing is held out.

    Raises:
        ValueError: As of :func:`smidgen.fine_tune.begin`, or no data are named.
    """
    from smidgen.config import with_settings
    from smidgen.fine_tune import begin, gentler
    from smidgen.methods import parse
    from smidgen.run import load_run

    if data is None:
        raise ValueError(NO_DATA)
    numbers = with_settings(gentler(load_run(start)), settings)
    numbers = numbers if epochs is None else replace(numbers, epochs=epochs)
    methods = None if with_ is None else parse(with_)
    with LoadingProgress() as loading, told_of_weights(balanced=numbers.balance):
        begun = begin(
            start,
            data,
            methods=methods,
            recipe=numbers,
            full=full,
            places=places,
            progress=loading.observe,
        )
    say(
        *begun.lines,
        f"{begun.spec.name} goes on from {start}: {begun.spec.params:,} params,"
        f" {counted(numbers.epochs, 'epoch', 'epochs')} at a peak rate of {numbers.peak_lr:.2g}",
    )
    return begun


def gained(run: "Run", begun: "Begun | None") -> dict[str, Any]:
    """Return what a run that went on has gained, both judged on the same pictures; or nothing."""
    if begun is None:
        return {}
    of = begun.sided
    return {
        "known": of.known,
        "new": dict(zip(of.data.classes, of.new, strict=True)),
        "held_out": of.judged + of.judged_new,
        "held_out_new": of.judged_new,
        "unknown": begun.unknown,
        "other_form": begun.other_form,
        "before": begun.held_out_before(),
        "after": run.history[-1].held_out_accuracy,
    }


def told(found: Mapping[str, Any]) -> str:
    """Return what :func:`gained` gave of a run that went on, in a line."""
    before, after = (found[name] for name in ("before", "after"))
    if after is None:
        return "none is held out: evaluate judges it on the test images"
    earlier = "before it knew other classes" if before is None else f"before {percent(before)}"
    images = counted(found["held_out"], "picture", "pictures")
    learned = "which neither learned"
    if found["unknown"]:
        learned = "of which it is not known what the first one learned"
    elif found["other_form"]:
        learned = "none of which the first one learned in this form"
    return f"held out: {earlier}, after {percent(after)} on these {images}, {learned}"

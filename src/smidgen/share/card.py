"""The model card: what someone who finds the model must know, as Markdown for the hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smidgen.chance import of_groups
from smidgen.data.remembered import place_of
from smidgen.data.sources import HUB_ID, KNOWN, NAMED
from smidgen.escape import json_as_yaml, shell, terminal
from smidgen.escape import markdown as escaped
from smidgen.extras import install
from smidgen.files import require_own, write_atomically
from smidgen.hub import PREFIX, is_hub
from smidgen.names import require_path
from smidgen.release import release
from smidgen.share.facts import Artefact, Facts, facts_of
from smidgen.share.licences import OTHER, fields, require_licence
from smidgen.sizes import counted

_CLASSES = 50  # that are named
_RULE = "---\n"  # above and below what the hub reads


def write_card(
    place: Path | str,
    out: Path | str,
    *,
    licence: str | None = None,
    about: str = "",
    data: Path | str | None = None,
    data_dir: Path | str | None = None,
) -> Path:
    """Write the card of a finished run or design to a file.

    Args:
        place: The folder of a run or of a design.
        out: The file; a card that is there is replaced.
        licence: Of the model, as the hub spells it, such as ``apache-2.0``; ``other:NAME`` where
            it has none for it.
        about: What the model is for, in its author's words.
        data: Where the data are now, if they were moved.
        data_dir: Folder of local copies of data sets.

    Raises:
        ValueError: If there is no finished run, or the file cannot be written, or holds something
            else than a card.
    """
    require_licence(licence)
    path = require_path(out, "out")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path}: cannot be written: there is no folder {path.parent}")
    require_own(path, "card", _RULE.encode(), b"library_name: ")
    facts = facts_of(place, data=data, data_dir=data_dir)
    text = card_of(facts, licence=licence, about=about)
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise ValueError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def card_of(
    facts: Facts, *, repository: str | None = None, licence: str | None = None, about: str = ""
) -> str:
    """Return the card as text.

    Args:
        facts: Of the model.
        repository: ``USER/NAME``, where it will be on the hub.
        licence: Of the model.
        about: What it is for, in its author's words.
    """
    sections = (
        ("Intended use", _use(facts, about)),
        ("How to use it", _how(facts, repository)),
        ("Data", _data(facts)),
        ("Figures", _figures(facts)),
        ("Robustness", _robustness(facts)),
        ("Sizes", _sizes(facts)),
        ("On a board", _board(facts, repository)),
        ("Training", _training(facts)),
        ("Licence", _licence(licence)),
    )
    name = escaped((repository or facts.run.trial.net.name).split("/")[-1])
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)
    return f"{_metadata(facts, licence)}\n# {name}\n\n{body}\n"


def _metadata(facts: Facts, licence: str | None) -> str:
    """Return the block that the hub reads."""
    trial, accuracy = facts.run.trial, facts.accuracy
    place = place_of(facts.run.origin).removeprefix(KNOWN)  # a folder may be called as a data set
    known, named = NAMED.get(place), HUB_ID.fullmatch(place)
    repository = getattr(known, "repository", named[1] if named else "")
    values: dict[str, Any] = {
        **fields(licence),
        "library_name": "smidgen",
        "pipeline_tag": "image-classification",
        "tags": ["smidgen", "tinyml", "image-classification"],
    }
    if repository:
        values["datasets"] = [repository]
    if accuracy is not None:
        metric = {
            "type": "accuracy",
            "name": "test accuracy",
            "value": round(accuracy.mean / 100, 6),
        }
        dataset = {"name": trial.data, "type": repository or "images", "split": "test"}
        task = {"type": "image-classification", "name": "image classification"}
        values["metrics"] = ["accuracy"]
        values["model-index"] = [
            {
                "name": trial.net.name,
                "results": [{"task": task, "dataset": dataset, "metrics": [metric]}],
            }
        ]
    return front_matter(values)


def front_matter(values: Mapping[str, Any]) -> str:
    """Return values as the block of YAML above a page of the hub."""
    lines = "\n".join(f"{name}: {json_as_yaml(value)}" for name, value in values.items())
    return f"{_RULE}{lines}\n{_RULE}"


def _use(facts: Facts, about: str) -> str:
    run = facts.run
    named = [escaped(name) for name in run.classes[:_CLASSES]]
    more = len(run.classes) - len(named)
    classes = ", ".join(named) + (f" and {more} more" if more else "")
    said = [escaped(" ".join(about.split()), links=True)] if about.strip() else []
    said.append(
        f"It says which of {len(run.classes)} classes a picture shows: {classes}. It has one answer"
        " for every picture, also for one that shows none of them, and no answer for two at once."
    )
    said.append(
        "What it was not tested on it may get wrong, and sure of itself: pictures of another"
        " camera, light, place or people than the data's. Nothing that can harm should hang on its"
        " answer alone."
    )
    if facts.doubts:
        said.append("The design that found it warns:")
        said.append("\n".join(f"- {escaped(line)}" for line in facts.doubts))
    return "\n\n".join(said)


def _how(facts: Facts, repository: str | None) -> str:
    place = _named(facts, repository)
    command = shell(["smidgen", "predict", place, "picture.jpg"])
    packages = f"{install('hub')}  # beside smidgen\n" if repository else ""
    return (
        "smidgen is on no package index yet: install its wheel, or a folder of its sources.\n\n"
        f"```sh\n{packages}{command}\n```\n\n"
        f"```python\nimport smidgen as sm\n\nmodel = sm.load({json_as_yaml(place)})\n"
        'model.predict("picture.jpg")\n```\n\n'
        f"A picture goes through: {escaped(facts.run.preprocessing.text)}; smidgen does that"
        " itself."
    )


def _named(facts: Facts, repository: str | None) -> str:
    """Return what commands call the model: its place on the hub, or its folder without others."""
    if repository:
        return f"{PREFIX}{repository}"
    if is_hub(facts.place):
        return facts.place.as_posix()
    folder = facts.place if facts.place.name not in ("", "..") else facts.place.resolve()
    return folder.name or str(folder)


def _data(facts: Facts) -> str:
    trial = facts.run.trial
    lines = [
        f"{escaped(trial.data)}, fingerprint {_code(trial.fingerprint)} (of pixels, labels and"
        " classes)."
    ]
    if facts.run.learned_from:
        lines.append(f"The model {facts.run.learned_from}.")
    if facts.rows:
        first = facts.rows[0]
        what = "all training images" if trial.split == "full" else f"the split {trial.split}"
        unseen = "no choice was made on" if facts.is_choice_blind else "training did not see"
        lines.append(f"Trained on {what}; judged on {first['images']:,} test images that {unseen}.")
        if first.get("largest_class") is not None:
            lines.append(f"The largest class is {100 * first['largest_class']:.2f} % of them.")
        groups = first.get("groups")
        if groups and groups < first["images"]:
            lines.append(f"{of_groups(first['images'], groups)}.")
    return " ".join(lines)


def _figures(facts: Facts) -> str:
    accuracy = facts.accuracy
    if accuracy is None:
        return f"Not measured: {facts.unmeasured}."
    seeds = len(facts.rows)
    of = f"mean of {seeds} seeds" if seeds > 1 else "one seed"
    interval = f"{accuracy.mean:.2f} % [{accuracy.low:.2f}, {accuracy.high:.2f}]"
    rows: list[Sequence[object]] = [["accuracy", interval, f"{of}; 95 %, {_kind(seeds)}"]]
    mine = next((one for one in facts.rows if one["seed"] == facts.run.trial.seed), facts.rows[0])
    if seeds > 1:
        rows.append(
            ["accuracy of this model", f"{100 * mine['accuracy']:.2f} %", f"seed {mine['seed']}"]
        )
    for name, title, form, of in (
        ("balanced_accuracy", "balanced accuracy", "{:.2%}", "mean over classes"),
        ("nll", "NLL", "{:.4f}", "nats"),
        ("ece", "calibration error (ECE)", "{:.2%}", "15 bins"),
    ):
        if mine.get(name) is not None:
            whose = of if seeds == 1 else f"{of}; of this model, seed {mine['seed']}"
            rows.append([title, form.format(mine[name]).replace("%", " %"), whose])
    return _table(("figure", "value", "of"), rows)


def _kind(seeds: int) -> str:
    return "for other seeds and other pictures" if seeds > 1 else "Wilson's, for other pictures"


def _robustness(facts: Facts) -> str:
    shift = facts.rows[0].get("shift_consistency") if facts.rows else None
    card = next((row["robust"] for row in facts.rows if row.get("robust")), None)
    if card is not None:
        return _measured(card)
    told = "Noise, blur, light, weather and adversarial changes were not measured."
    if shift is None:
        return f"Not measured. {told}"
    return (
        f"{100 * shift:.2f} % of the answers stay as they are when a picture is shifted by one"
        f" pixel. {told}"
    )


def _measured(card: Mapping[str, Any]) -> str:
    """Return the card of robustness of one run."""
    rows: list[Sequence[object]] = [
        ["accuracy, clean", f"{100 * card['clean']:.2f} %", f"{card['images']:,} test images"],
        [
            "accuracy, corrupted",
            f"{100 * card['accuracy']:.2f} %",
            f"mean over {len(card['corruptions'])} corruptions",
        ],
        ["calibration error (ECE), corrupted", f"{100 * card['corrupted_ece']:.2f} %", "15 bins"],
    ]
    worst = min(card["corruptions"], key=lambda one: one["accuracy"])
    name = escaped(worst["name"].replace("_", " "))
    rows.append(["worst corruption", f"{100 * worst['accuracy']:.2f} %", name])
    for one in card["seen"]:
        if (one["kind"], one["amount"]) in (("shift", 2), ("rotation", 15)):
            amount = f"{one['amount']:g} {escaped(one['unit'])}"
            what = f"same answer after a {one['kind']} of {amount}"
            rows.append([what, f"{100 * one['consistency']:.2f} %", "border repeated"])
    ours = any(one["kind"] == "tempo" for one in card["seen"])  # of windows of a sensor
    made = "smidgen's own" if ours else "made anew from their published definitions"
    rows += [
        [
            f"sure of {escaped(one['name'])}",
            f"{100 * one['certain']:.2f} %",
            "90 % and more, no class",
        ]
        for one in card["strangers"]
    ]
    return (
        f"{_table(('figure', 'value', 'of'), rows)}\n\nCorruptions are {made}. Adversarial changes"
        " were not measured."
    )


def _sizes(facts: Facts) -> str:
    spec = facts.run.trial.spec
    rows: list[Sequence[object]] = [
        ["parameters", f"{spec.params:,}", f"{spec.deployed_params:,} with batch norm folded"],
        ["multiply-accumulates", f"{spec.macs:,}", "a picture"],
        ["peak activation", f"{spec.peak_activation:,}", "elements"],
        ["bytes", f"{4 * spec.deployed_params:,}", f"float32; {spec.deployed_params:,} as int8"],
    ]
    for one in facts.artefacts:
        size = one.proof.get("bytes")
        shown = f"{size:,}" if isinstance(size, int) else ""
        rows += [[_code(one.name), shown, _artefact(one)]]
    return _table(("what", "amount", "of"), rows)


def _artefact(one: Artefact) -> str:
    proof = one.proof
    said = [f"bytes, {escaped(str(proof.get('numbers')))}"]
    if isinstance(proof.get("accuracy"), float):
        said.append(f"{100 * proof['accuracy']:.2f} % of the test images")
    for name, word in (("flash", "flash"), ("ram", "RAM")):
        if isinstance(proof.get(name), int):
            said += [f"{proof[name]:,} bytes of {word}"]
    return ", ".join(said)


def _board(facts: Facts, repository: str | None) -> str:
    place = _named(facts, repository)
    said: list[str] = []
    if facts.footprint is not None:
        flash, ram = facts.footprint
        said.append(
            f"As int8 C on a Cortex-M4 it takes {flash:,} bytes of flash and {ram:,} of RAM,"
            f" predicted, for most nets to within 5 %; half of the memory of these boards holds it,"
            f" as C for their cores: {', '.join(facts.fitting) or 'none that smidgen knows'}."
        )
    made = [one for one in facts.artefacts if one.target == "c"]
    if made and repository:
        said.append(
            "Its C is in `artefacts/c`: add the `.c` and the two `.h` files to a project, and call"
            " what the header declares. `artefact.json` there says what was proved of it."
        )
    moved = ["--data", "FOLDER"] if Path(facts.run.origin.partition("::")[0]).is_absolute() else []
    command = shell(["smidgen", "export", place, "--to", "c", *moved])
    said.append(
        f"{_code(command)} writes it and proves that it computes what was trained; it needs the"
        " data."
    )
    return "\n\n".join(said)


def _training(facts: Facts) -> str:
    run = facts.run
    methods = ", ".join(map(_code, run.trial.method_texts)) or "none"
    epochs = counted(len(run.history), "epoch", "epochs")
    length = f"{epochs}, seed {run.trial.seed}, {run.seconds:.0f} s"
    packages = "; ".join(f"{_code(name)} is of {package}" for name, package in run.trial.packages)
    lines = [
        f"- Net: {_code(run.trial.net.name)}; methods: {methods}"
        + (f" ({packages})" if packages else ""),
        f"- {length} on {escaped(str(run.machine.get('device', 'an unknown device')))}",
        f"- Key of the run: `{run.trial.key}`; trained by smidgen"
        f" {escaped(run.versions.get('smidgen', 'of an unknown version'))}, card by {release()}",
        f"- Again: {_code(facts.command(run.trial.seed))}",
    ]
    return "\n".join(lines)


def _licence(licence: str | None) -> str:
    generated = "Generated C and pages say their own terms."
    if licence is None:
        return f"Not stated: ask its author before using it. {generated}"
    return f"`{licence.removeprefix(OTHER)}`, for the weights and this card. {generated}"


def _code(text: str) -> str:
    """Return text as code on a line of Markdown, whatever is in it."""
    return "`" + terminal(text).replace("`", "'") + "`"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)

"""From a run folder to the hub: the model with its card, and its page as a Space."""

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from smidgen.data.remembered import place_of as place_of_data
from smidgen.data.sources import unplaced
from smidgen.design import REPORT
from smidgen.escape import html, shell, shell_lines
from smidgen.escape import markdown as escaped
from smidgen.export.ship import PROOF
from smidgen.export.targets import PACKAGES
from smidgen.hub import Place, place_of, require_extra, told, without_bars
from smidgen.limits import TENSOR_BYTES, WEIGHT_BYTES, content
from smidgen.names import said_by
from smidgen.run_folder import PLAN, WEIGHTS, run_folder, shared_plan
from smidgen.share.card import card_of, front_matter
from smidgen.share.facts import Artefact, Facts, facts_of
from smidgen.share.licences import fields, require_licence
from smidgen.study.design.design import ROWS

ARTEFACTS = "artefacts"
BESIDE = "report.html"  # beside the page that recognises
_OF_ONE_MODEL = {"model": ROWS, "space": BESIDE}  # left by an older push they tell of another
_COMMANDS = re.compile(r"(?<=<pre>)[^<]*(?=</pre>)")  # of a report; one with $'...' is left out
# Of trials of a report: their errors name places of this machine.
_FAILURES = re.compile(r"<h3>Trials that failed</h3><ul>.*?</ul>", re.DOTALL)
NO_TOKEN = "pushing needs a token that may write: HF_TOKEN holds it, or `hf auth login` keeps it"


class Pushed(NamedTuple):
    """What is on the hub now."""

    url: str  # of the model
    files: tuple[str, ...]
    space: str | None  # of the page


def push(  # noqa: PLR0913 - a door; all but two arguments by keyword
    place: Path | str,
    repository: str,
    *,
    space: bool = False,
    private: bool = False,
    licence: str | None = None,
    about: str = "",
    data: Path | str | None = None,
    data_dir: Path | str | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Pushed:
    """Put a finished run or design on the hub, with its card, rows and artefacts.

    Pictures stay here, and so do places on this machine; a page for a Space may show pictures, and
    that is told.

    Args:
        place: The folder of a run or of a design.
        repository: ``USER/NAME``.
        space: Whether to make its page a static Space of that name as well.
        private: Whether a new repository is.
        licence: Of the model, as the hub spells it, or ``other:NAME``.
        about: What it is for, for the card.
        data: Where the data are now, if they were moved.
        data_dir: Folder of local copies of data sets.
        tell: Is told of what takes long.

    Raises:
        ValueError: In one line, before anything is sent: no extra, no token, no such run, no page
            for a Space, a public repository where a private one was asked for; or if the hub
            refuses or cannot be reached.
    """
    library, there = require_extra(), place_of(repository)
    if there.revision is not None:
        raise ValueError(f"a model is pushed to USER/NAME, without a revision, got {repository!r}")
    require_licence(licence)
    run_folder(place)
    if library.get_token() is None:
        raise ValueError(NO_TOKEN)
    if private:
        for kind in ("model", "space")[: 1 + space]:
            _require_hidden(library, there, kind)
    facts = facts_of(place, data=data, data_dir=data_dir)
    pages = _pages(facts) if space else {}
    files = _files(facts, there, licence, about)
    for one in facts.artefacts:
        if one.target in PACKAGES:
            tell(f"{one.folder} stays here: pictures of the data are in it")
    for name, held in files.items():
        tell(f"{name}: {len(held):,} bytes")
    url = _sent(library, there, "model", files, private=private)
    space_url = None
    if space:
        tell("the page shows what the data look like: pictures of theirs are in it")
        if _is_shared(facts.place / REPORT):
            tell("its report names the files of some of these pictures")
        page_files = {**pages, "README.md": _space_card(facts, there, licence, pages)}
        space_url = _sent(library, there, "space", page_files, private=private)
    return Pushed(url, tuple(files), space_url)


def _files(facts: Facts, there: Place, licence: str | None, about: str) -> dict[str, bytes]:
    card = card_of(facts, repository=there.repository, licence=licence, about=about)
    files = {
        "README.md": card.encode(),
        PLAN: shared_plan(facts.folder),
        WEIGHTS: content(facts.folder / WEIGHTS, WEIGHT_BYTES),
    }
    if facts.rows:
        files[ROWS] = "".join(f"{json.dumps(one)}\n" for one in facts.shared_rows).encode()
    for one in facts.artefacts:
        if one.target not in PACKAGES:
            for name, path in _made(one):
                files[f"{ARTEFACTS}/{one.name}/{name}"] = content(path, TENSOR_BYTES)
    return files


def _made(artefact: Artefact, *, pages: bool = False) -> Iterator[tuple[str, Path]]:
    """Yield what export wrote, by name, and nothing of others.

    Pages show pictures: they come alone, and only where they are asked for.
    """
    files = artefact.proof.get("files")
    named = files if isinstance(files, dict) else {}
    for path in sorted(artefact.folder.rglob("*")):
        name = path.relative_to(artefact.folder).as_posix()
        plain = path.is_file() and not path.is_symlink() and (path.suffix == ".html") == pages
        if plain and (name == PROOF or name in named):
            yield name, path


def _pages(facts: Facts) -> dict[str, bytes]:
    """Return what a Space shows: the page that recognises, the report, or both.

    Raises:
        ValueError: If there is none.
    """
    found: dict[str, bytes] = {}
    for one in facts.artefacts:
        for _, path in _made(one, pages=True):
            found.setdefault("index.html", content(path, TENSOR_BYTES))
    report = facts.place / REPORT
    if _is_shared(report):
        held = content(report, TENSOR_BYTES).decode()
        shared = _COMMANDS.sub(_unplaced, _FAILURES.sub("", held)).encode()
        found[BESIDE if found else "index.html"] = shared
    if not found:
        raise ValueError(
            f"--space needs a page:"
            f" `{shell(['smidgen', 'export', str(facts.place), '--to', 'wasm'])}` writes one"
        )
    return found


def _is_shared(report: Path) -> bool:
    """Tell whether a design has a report of its own: what a link leads to is not sent."""
    return report.exists() and not report.is_symlink()


def _unplaced(commands: re.Match[str]) -> str:
    """Return a report's commands, in which folders of this machine are named and not placed."""
    lines = shell_lines(commands[0])
    return html("\n".join(shell([_name_of(word) for word in words]) for words in lines))


def _name_of(word: str) -> str:
    """Return a word of a command; of data, what was asked of them stays behind their name."""
    return unplaced(word, Path(place_of_data(word)).name)


def _space_card(
    facts: Facts, there: Place, licence: str | None, pages: Mapping[str, bytes]
) -> bytes:
    recognises = BESIDE in pages or not _is_shared(facts.place / REPORT)
    does = "It computes in the browser" if recognises else "It tells how the net was found"
    values = {
        "title": there.name,
        "sdk": "static",
        **fields(licence),
        "models": [there.repository],
        "tags": ["smidgen"],
    }
    return (
        f"{front_matter(values)}\n# {there.name}\n\nThe page of"
        f" {escaped(facts.run.trial.net.name)}, a net for {escaped(facts.run.trial.data)}."
        f" {does} and sends nothing.\n"
    ).encode()


@contextmanager
def _telling(there: Place) -> Generator[None]:
    """Tell in one line what the hub refuses inside this block, or that it cannot be reached."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as error:
        raise ValueError(told(error, there)) from None
    except ValueError as error:
        refused = f"the hub refuses what is sent to {there.repository}"
        raise ValueError(f"{refused}: {said_by(error)}") from None
    except Exception as error:  # no network; the kind depends on the library beneath the hub's
        unreached = f"the hub cannot be reached for {there.repository}"
        raise ValueError(f"{unreached}: {said_by(error)}") from error


def _require_hidden(library: Any, there: Place, kind: str) -> None:
    """Refuse a public repository that is there, which would show what was meant to be private."""
    api = library.HfApi()
    with _telling(there):
        held = api.repo_exists(there.repository, repo_type=kind)
        public = held and not api.repo_info(there.repository, repo_type=kind).private
    if public:
        raise ValueError(
            f"{there.repository} is there already, a public {kind}: --private is of a new one"
        )


@without_bars()
def _sent(
    library: Any, there: Place, kind: str, files: Mapping[str, bytes], *, private: bool
) -> str:
    """Make a repository hold these files, and of artefacts, rows and reports no others."""
    api = library.HfApi()
    extra = {"space_sdk": "static"} if kind == "space" else {}
    hidden = private or None  # an organisation may have its own default
    with _telling(there):
        url = api.create_repo(
            there.repository, repo_type=kind, private=hidden, exist_ok=True, **extra
        )
        held = api.list_repo_files(there.repository, repo_type=kind)
        ours = [
            name for name in held if name.startswith(f"{ARTEFACTS}/") or name == _OF_ONE_MODEL[kind]
        ]
        stale = [name for name in ours if name not in files]
        api.create_commit(
            there.repository,
            [
                *(library.CommitOperationAdd(name, content) for name, content in files.items()),
                *(library.CommitOperationDelete(name) for name in stale),
            ],
            commit_message="The model with its card" if kind == "model" else "The page",
            repo_type=kind,
        )
    return str(url)

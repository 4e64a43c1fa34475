"""Runs of the Hugging Face hub, fetched into its cache; what comes is from a stranger."""

import logging
import re
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from smidgen.extras import install
from smidgen.limits import require_at_most
from smidgen.names import said_by, shown

_LOG = logging.getLogger(__name__)
PREFIX = "hub:"
PATIENCE = 20.0  # seconds to wait for the hub's first answer
UNPINNED = "main"
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_]|[.-](?![.-])){0,95}"
_PLACE = re.compile(rf"({_PART}/{_PART})(?:@([A-Za-z0-9](?:[\w/-]|\.(?!\.)){{0,99}}))?", re.ASCII)


class Place(NamedTuple):
    """Where a model is on the hub."""

    repository: str
    revision: str | None

    @property
    def name(self) -> str:
        """The repository's name without its owner."""
        return self.repository.split("/")[1]


def is_hub(place: object) -> bool:
    """Tell whether a place is one on the hub."""
    return str(place).startswith(PREFIX)


def place_of(text: object) -> Place:
    """Return what ``hub:USER/NAME`` or ``USER/NAME`` names, with ``@REVISION`` to pin it.

    Raises:
        ValueError: If it is no such name.
    """
    found = _PLACE.fullmatch(str(text).removeprefix(PREFIX))
    if found is None:
        raise ValueError(f"a model of the hub must be USER/NAME, got {shown(str(text))}")
    return Place(found[1], found[2])


def require_extra() -> Any:
    """Return the hub's library.

    Raises:
        ValueError: If it is not installed, naming what installs it.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise ValueError(
            f"models of the hub need the package huggingface_hub: {install('hub')}"
        ) from None
    return huggingface_hub


def fetched(text: object, files: Mapping[str, int]) -> Path:
    """Return the folder of the cache that holds the named files of a model, of one commit.

    Args:
        text: ``hub:USER/NAME`` or ``hub:USER/NAME@REVISION``.
        files: Names, and how many bytes each may have at most; they are asked for in order.

    Raises:
        ValueError: In one line, if there is no such model, it lacks a file or one is too large,
            or the hub cannot be reached and the cache does not hold it.

    Warns:
        UserWarning: If the hub cannot be reached and the cache's copy is taken.
    """
    place, library = place_of(text), require_extra()
    from huggingface_hub import constants

    commit = None if constants.HF_HUB_OFFLINE else _asked(library, place, files)
    reached = commit is not None
    revision, folder = place.revision or UNPINNED, Path()
    for name in files:
        held = _download(library, place, name, revision, local=not reached)
        _LOG.info("%s of %s: %s", name, place.repository, held)
        folder, revision = held.parent, held.parent.name  # the first one's commit for all
        if reached and commit != revision:
            raise ValueError(f"{place.repository} was changed while it was fetched: ask again")
    if not reached:
        warnings.warn(
            f"the hub is not asked: {place.repository} is taken from the cache", stacklevel=3
        )
    return folder


def _asked(library: Any, place: Place, files: Mapping[str, int]) -> str | None:
    """Return the commit of a model that has the files in their sizes; none if no hub answers."""
    from huggingface_hub import errors

    try:
        found = library.HfApi().model_info(
            place.repository, revision=place.revision, files_metadata=True, timeout=PATIENCE
        )
    except errors.HfHubHTTPError as error:
        if error.response.status_code >= 500:  # noqa: PLR2004
            return None
        raise ValueError(told(error, place)) from None
    except Exception:  # no network; the kind depends on the library beneath the hub's
        return None
    sizes = {one.rfilename: one.size for one in found.siblings or ()}
    for name, most in files.items():
        if name not in sizes:
            raise ValueError(f"{place.repository} on the hub holds no run of smidgen: no {name}")
        require_at_most(f"bytes of {name} of {place.repository}", sizes[name] or 0, most)
    return str(found.sha)


@contextmanager
def without_bars() -> Generator[None]:
    """Keep the hub's library from showing bars inside the block; they are back after it."""
    from huggingface_hub import utils

    shown = not utils.are_progress_bars_disabled()
    utils.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            utils.enable_progress_bars()


@without_bars()
def _download(library: Any, place: Place, name: str, revision: str, *, local: bool) -> Path:
    from huggingface_hub import errors

    try:
        held = library.hf_hub_download(
            place.repository, name, revision=revision, local_files_only=local
        )
    except errors.LocalEntryNotFoundError:
        raise ValueError(
            f"the hub cannot be reached, and {place.repository} is not in its cache on this machine"
        ) from None
    except errors.HfHubHTTPError as error:
        raise ValueError(told(error, place)) from None
    except OSError:  # of this machine, such as a full disk
        raise
    except Exception as error:  # no network any more; see above
        what = f"{name} of {place.repository} could not be fetched"
        raise ValueError(f"{what}: {said_by(error)}") from None
    return Path(held)


def told(error: Any, place: Place) -> str:
    """Return what the hub refused, in one line."""
    from huggingface_hub import errors

    status = error.response.status_code
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the hub has no revision {shown(place.revision)} of {place.repository}"
    if isinstance(error, errors.GatedRepoError):
        return f"{place.repository} asks on the hub for consent first, and for a token (HF_TOKEN)"
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"the hub has no model {place.repository}; if it is private, HF_TOKEN must hold a"
            " token that may read it"
        )
    if status in (401, 403):
        return (
            f"the hub refuses this for {place.repository}: the token (HF_TOKEN) is wrong or may not"
        )
    return f"the hub refuses this for {place.repository}: {said_by(error)}"

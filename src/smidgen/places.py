"""Where smidgen keeps what it can make again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return ``smidgen`` below XDG_CACHE_HOME, or else below ~/.cache.

    A relative one would be another folder in every working folder, and counts for nothing.
    Source: the XDG Base Directory Specification, Basics.
    """
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if caches.is_absolute():
        return caches / "smidgen"
    try:
        home = Path.home()
    except RuntimeError:  # a number that is no user's, as containers have: theirs is the root
        home = Path("/")
    return home / ".cache" / "smidgen"

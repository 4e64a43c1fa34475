"""What decoded data depend on beside their files: the release, and the sources of the door."""

import hashlib
from functools import cache
from pathlib import Path

from smidgen.release import release


@cache
def rules() -> str:
    """Return a name for what decoding does here: a newer smidgen has another one."""
    return rules_of(Path(__file__).parent, release())


def rules_of(folder: Path, version: str) -> str:
    """Return a name for the modules in ``folder``, of that version; their content decides."""
    digest = hashlib.sha256(version.encode())
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"\0{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]

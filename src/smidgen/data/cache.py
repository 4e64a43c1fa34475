"""Decoded data as one safetensors file each, written whole or not at all."""

import json
import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from stat import S_IMODE
from tempfile import TemporaryFile

from smidgen.data.base import Data, Split, fingerprint
from smidgen.data.catalogue import PARTS
from smidgen.data.errors import DataError, DataWarning
from smidgen.data.preprocessing import Preprocessing
from smidgen.names import require_path
from smidgen.places import cache_folder

LEFT = 1 << 26  # bytes that the cache leaves free on its disk
VERSION = 3  # of the layout below; another one makes old files unread


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of decoded data.

    Pixels are stored as n h w c, the order in which batches are gathered.
    """

    folder: Path
    chosen: bool  # by the user, who is then told that it cannot be written, or else by default
    otherwise: str = "the data are decoded every time"  # if it cannot

    def path(self, name: str, key: str) -> Path:
        """Return where the data are, or would be, that ``Source.key`` gave ``key``."""
        plain = "".join(letter if letter.isalnum() else "-" for letter in name)[:50]
        return self.folder / f"{plain}-{key}-{VERSION}.safetensors"

    def read(self, path: Path, name: str = "") -> Data | None:
        """Return what ``path`` holds, or None if it is not there, or not as it was written.

        Args:
            path: As :meth:`path` gave it.
            name: Of the data; by default the one they were written with.
        """
        from safetensors import SafetensorError, safe_open

        if not os.path.isfile(path):  # noqa: PTH113 - Path's own fails in a folder of another user
            return None
        try:
            with safe_open(path, "pt") as stored:
                said = json.loads(stored.metadata()["smidgen"])
                held = set(stored.keys())
                splits = {
                    split: Split(
                        stored.get_tensor(f"{split}_images").permute(0, 3, 1, 2),
                        stored.get_tensor(f"{split}_labels"),
                        tuple(said["files"][split]),
                        stored.get_tensor(f"{split}_groups") if f"{split}_groups" in held else None,
                    )
                    for split in PARTS
                    if f"{split}_images" in held
                }
            classes, notes = tuple(said["classes"]), tuple(said["notes"])
            train, test, validation = splits["train"], splits["test"], splits.get("validation")
            if fingerprint(train, test, classes, validation) != said["fingerprint"]:
                raise ValueError("its fingerprint differs")
            how = Preprocessing.from_dict(said["preprocessing"])
            return Data(
                *(
                    name or said["name"],
                    train,
                    test,
                    classes,
                    notes,
                    said["fingerprint"],
                    validation,
                    how,
                ),
                to_judge=bool(said["to_judge"]),
            )
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            warnings.warn(
                f"the cache {path} is damaged ({error}) and is made again",
                DataWarning,
                stacklevel=3,
            )
            return None

    def require_writable(self) -> bool:
        """Return whether files can be made, before hours of decoding are spent.

        Raises:
            DataError: If not, and the user chose the folder.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.folder):
                return True
        except OSError as error:
            self._refused(error)
            return False

    def has_room(self, size: int) -> bool:
        """Return whether decoded data of so many bytes fit, before they are decoded.

        Raises:
            DataError: If not, and the user chose the folder.
        """
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError:  # then writing tells
            return True
        if size + LEFT <= free:
            return True
        said = (
            f"the cache folder {self.folder} has {free / 1e6:,.0f} MB free, and the decoded data"
            f" take {size / 1e6:,.0f} MB"
        )
        if self.chosen:
            raise DataError(said)
        warnings.warn(f"{said}; they are decoded every time", DataWarning, stacklevel=4)
        return False

    def write(self, path: Path, data: Data, source: str) -> None:
        """Store ``data`` at ``path``, in one step as seen by every other process."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        said = {
            "name": data.name,
            "classes": data.classes,
            "notes": data.notes,
            "source": source,
            "fingerprint": data.fingerprint,
            "preprocessing": data.preprocessing.to_dict(),
            "to_judge": data.to_judge,
            "files": {part: split.files for part, split in data.parts.items()},
        }
        tensors = {
            f"{part}_{what}": tensor.contiguous()
            for part, split in data.parts.items()
            for what, tensor in (
                ("images", split.images.permute(0, 2, 3, 1)),
                ("labels", split.labels),
                ("groups", split.groups),
            )
            if tensor is not None
        }
        if data.train is data.test:  # one tensor cannot be stored twice
            tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        partial = path.with_name(
            f"{path.name}.{token_hex(4)}.partial"
        )  # numbers repeat in containers
        try:
            try:
                partial.touch()
                mode = S_IMODE(partial.stat().st_mode)
                save_file(tensors, partial, metadata={"smidgen": json.dumps(said)})
                partial.chmod(mode)  # safetensors closes it to others, whatever the umask
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        except (OSError, SafetensorError) as error:  # the latter of a full disk, too
            self._refused(error)

    def _refused(self, error: Exception) -> None:
        why = getattr(error, "strerror", None) or error
        said = f"the cache folder {self.folder} cannot be written: {why}"
        if self.chosen:
            raise DataError(said) from error
        warnings.warn(f"{said}; {self.otherwise}", DataWarning, stacklevel=4)


def cache_at(folder: str | os.PathLike[str] | None) -> Cache:
    """Return the cache in ``folder``, by default below XDG_CACHE_HOME or ~/.cache."""
    if folder is not None:
        return Cache(require_path(folder, "the cache folder"), chosen=True)
    return Cache(cache_folder(), chosen=False)

"""Data sets of the Hugging Face hub."""

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

from smidgen.data import columns
from smidgen.data.base import Source, file_identity
from smidgen.data.catalogue import TRAIN, Catalogue, Encoded, Part, Wish
from smidgen.data.errors import DataError
from smidgen.data.layouts.parquet import lacking, parquet_files
from smidgen.data.names import part_of
from smidgen.data.quiet import quiet
from smidgen.data.values import labels_of
from smidgen.extras import install
from smidgen.names import said_by

PATIENCE = 20.0  # seconds to wait for the hub's first answer
IMPATIENCE = 5.0  # likewise, where what was fetched before may do
OFFLINE = "HF_HUB_OFFLINE is set"
_README = "README.md"
_COMMIT = re.compile(r"[0-9a-f]{40}")
# What its library says where a configuration has to be named, or is not there.
_SEVERAL = re.compile(r"(?:available configs|not found\. Available): (\[(?:'([\w.-]+)')?[^]]*\])")
_WITHOUT_PROGRAMS = 4  # version of it from which no program in a repository is run


@final
@dataclass(frozen=True, slots=True)
class Hub(Source):
    """The data set ``repository`` as it was at ``revision``, a commit, tag or branch.

    Of several configurations it is the one that is named, or the hub's default.

    Args:
        repository: ``owner/name``.
        revision: Of it.
        configuration: Of it, or None.
        silence: Why the hub does not answer, nothing if it does, None as long as it is not asked.
        files: That were fetched, where they are read without an answer of the hub.
    """

    repository: str
    revision: str
    configuration: str | None = None
    silence: str | None = field(default=None, compare=False, repr=False)
    files: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def name(self) -> str:
        """As it is asked for, without its revision."""
        return ":".join(part for part in (self.repository, self.configuration) if part)

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, which never changes."""
        return _COMMIT.fullmatch(self.revision) is not None

    def pinned(self) -> "Hub":
        """Return the data set at the commit that its revision names now.

        Where the hub does not answer it is the one that was fetched last; itself if there is none.
        """
        try:
            import huggingface_hub
            from huggingface_hub.constants import HF_HUB_OFFLINE
            from huggingface_hub.errors import HfHubHTTPError
        except ImportError:
            return self
        held, silence = self._held, OFFLINE
        if not HF_HUB_OFFLINE:
            try:
                commit = self._asked(IMPATIENCE if held else PATIENCE)
            except HfHubHTTPError:
                silence = None  # `catalogue` asks again, and tells
            except Exception as error:  # the kind depends on the library beneath the hub's
                silence = said_by(error)
            else:
                if commit != held:
                    with suppress(Exception):  # there or not, the cache then knows the commit
                        huggingface_hub.hf_hub_download(
                            self.repository, _README, repo_type="dataset", revision=self.revision
                        )
                return replace(self, revision=commit or self.revision, silence="")
        return replace(self, revision=held or self.revision, silence=silence)

    @property
    def _held(self) -> str | None:
        """The commit that the revision named when it was last asked for."""
        with suppress(OSError, ValueError):  # it never was; no text
            held = (self._cache / "refs" / self.revision).read_text(encoding="utf-8")
            return held if _COMMIT.fullmatch(held) else None
        return None

    @property
    def _cache(self) -> Path:
        """What the hub's library keeps of the repository."""
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name

        there = repo_folder_name(repo_id=self.repository, repo_type="dataset")
        return Path(constants.HF_HUB_CACHE, there)

    def _asked(self, patience: float) -> str | None:
        """Ask the hub for the commit of the revision; its library would retry for long."""
        import huggingface_hub

        found = huggingface_hub.HfApi().dataset_info(
            self.repository, revision=self.revision, timeout=patience
        )
        return found.sha

    def size(self) -> int | None:
        """Ask the hub for the bytes of all its files; None where it does not say."""
        with suppress(Exception):  # `settled` asks again, and tells why it is silent
            import huggingface_hub

            found = huggingface_hub.HfApi().dataset_info(
                self.repository, revision=self.revision, timeout=IMPATIENCE, files_metadata=True
            )
            files = found.siblings or ()
            sizes = [one.size for one in files if one.size is not None]
            return sum(sizes) if len(sizes) == len(files) > 0 else None
        return None

    def identity(self) -> tuple[str, ...]:
        named = (self.repository, self.revision, self.configuration)
        return (*(part for part in named if part), *self.files)

    def catalogue(self, wish: Wish) -> Catalogue:
        place, notes = self._place()
        # The library shows a bar as it downloads; the table it then builds is not needed twice.
        with TemporaryDirectory() as scratch, quiet():
            loaded: Any = self._loaded(place, scratch)
            parts: dict[str, Part] = {}
            classes: tuple[str, ...] = ()
            unread: list[str] = []
            for split, rows in loaded.items():
                part = part_of(str(split))
                if part is None or part in parts:
                    unread.append(str(split))
                    continue
                parts[part], names = self._part(str(split), rows, wish, Path(scratch))
                if part == TRAIN or not classes:
                    classes = names
        if not parts:
            held = ", ".join(map(str, loaded)) or "none"
            raise DataError(f"{self.name} must have a split 'train' or 'test', got {held}")
        if unread:
            notes = (*notes, f"splits not read: {', '.join(unread)}")
        return Catalogue(parts, classes, notes)

    def _part(
        self, split: str, rows: Any, wish: Wish, scratch: Path
    ) -> tuple[Part, tuple[str, ...]]:
        import datasets

        where = f"{self.repository} {split}"
        image, label, group = _columns(where, rows.features, wish)
        kind = rows.features[label]
        names = tuple(kind.names) if isinstance(kind, datasets.ClassLabel) else ()
        asked = [image, label, *([group] if group else ())]
        rows = rows.select_columns(asked).cast_column(image, datasets.Image(decode=False))
        contents: list[bytes | None] = []
        labels: list[Any] = []
        groups: list[Any] = []
        for row in rows:
            contents.append(_content(row[image], scratch))
            labels.append(row[label])
            groups.append(row[group] if group else None)
        found = labels_of(labels, len(labels), names, where) if labels else []
        pictures = Encoded(contents, _Rows(self.repository, split))
        return Part(pictures, found, columns.group_texts(groups)), names

    def settled(self) -> "Hub":
        """Return the data set as it is read: from the hub, or else as the files that were fetched.

        Those may be a part of it: their names, sizes and times are of its identity, so that what is
        kept of them is never taken for the whole.

        Raises:
            DataError: If the hub has no such data, or it is silent and they were not fetched.
        """
        try:
            import datasets  # before anything is asked for
            from huggingface_hub import constants
            from huggingface_hub.errors import HfHubHTTPError
        except ImportError:
            raise DataError(f"the hub needs the package datasets: {install('hub')}") from None
        if int(datasets.__version__.partition(".")[0]) < _WITHOUT_PROGRAMS:
            raise DataError(
                f"the hub needs datasets {_WITHOUT_PROGRAMS} or newer, got {datasets.__version__},"
                " which runs programs that a repository holds: pip install -U datasets"
            )

        held = self._fetched()
        silence = OFFLINE if constants.HF_HUB_OFFLINE else self.silence
        try:
            if silence is None:
                self._asked(IMPATIENCE if held else PATIENCE)
        except HfHubHTTPError as error:
            raise DataError(
                f"the hub does not give {self.repository!r} at revision {self.revision!r}: "
                f"{said_by(error)}"
            ) from error
        except Exception as error:  # the kind depends on the library beneath the hub's
            silence = said_by(error)
        if not silence:
            return replace(self, silence="")
        if held is None:
            raise self._unreachable(silence)
        files = sorted(path for path in held.rglob("*") if path.is_file())
        return replace(
            self, silence=silence, files=tuple(file_identity(path, held) for path in files)
        )

    def _place(self) -> tuple[str, tuple[str, ...]]:
        """Return what is read: the repository, or the files that were fetched, and a note of it.

        Raises:
            DataError: See :meth:`settled`, and if a file of those is missing.
        """
        silence, held = self.settled().silence, self._fetched()
        if not silence or held is None:
            return self.repository, ()
        how = f"without an answer of the hub ({silence})"
        if missing := list(lacking(parquet_files(held))):
            raise DataError(f"{held} is not the whole of {self.name}: {missing[0]}, {how}")
        note = (
            f"read as it was fetched before, {held}, {how}; whether that is all of it is not known"
        )
        return str(held), (note,)

    @property
    def is_fetched(self) -> bool:
        """Whether files of it are here, as far as that is known without the hub."""
        try:
            return self._fetched() is not None
        except ImportError:  # without its library nothing can be fetched
            return True

    def _fetched(self) -> Path | None:
        """Return the folder of the files that were fetched, unless there is but the README."""
        commit = self.revision if self.is_pinned else self._held
        if commit is None:
            return None
        folder = self._cache / "snapshots" / commit
        names = (path.name for path in folder.rglob("*") if path.is_file())
        return folder if any(name != _README for name in names) else None

    def _loaded(self, place: str, scratch: str) -> Any:
        import datasets
        from datasets.exceptions import DatasetGenerationError

        # Files of this machine have no revision.
        revision = self.revision if place == self.repository else None
        try:
            return datasets.load_dataset(
                place, self.configuration, revision=revision, cache_dir=scratch
            )
        except ConnectionError as error:
            raise self._unreachable(said_by(error)) from error
        except Exception as error:  # whatever a strange repository leads the library to
            made = isinstance(error, DatasetGenerationError)
            why = error.__cause__ if made and error.__cause__ else error  # it says no more itself
            if several := _SEVERAL.search(str(why)):
                example = f"{self.repository}:{several[2] or 'NAME'}"
                held = f"{self.repository} has the configurations {several[1]}"
                raise DataError(f"{held}: name one of them, as in {example}") from error
            raise DataError(f"{self.name} cannot be read: {said_by(why)}") from error

    def _unreachable(self, why: str) -> DataError:
        return DataError(
            f"the hub cannot be reached for {self.repository} ({why}); a folder of "
            f"local copies is named with --data-dir, data_dir= or the variable SMIDGEN_DATA"
        )


def _columns(where: str, features: Any, wish: Wish) -> tuple[str, str, str | None]:
    import datasets

    images = [
        name
        for name, kind in features.items()
        if isinstance(kind, datasets.Image)
        or (isinstance(kind, dict) and set(kind) == {"bytes", "path"})
    ]
    preferred = [name for name in columns.IMAGES if name in images]
    image = columns.chosen(where, "image", list(features), preferred, wish.image_column, images)
    group = columns.group_column(wish.group_by, features)
    others = [name for name in features if name not in (image, group)]
    named = [name for name in others if isinstance(features[name], datasets.ClassLabel)]
    label = columns.chosen(where, "label", others, columns.LABELS, wish.label_column, named)
    return image, label, group


def _content(value: Any, scratch: Path) -> bytes | None:
    """Return an encoded picture; one that is named is read from what was downloaded alone."""
    from huggingface_hub.constants import HF_HOME, HF_HUB_CACHE

    if value is None or value["bytes"] is not None or not value["path"]:
        return None if value is None else value["bytes"]
    path = Path(value["path"]).resolve()
    homes = (scratch, Path(HF_HOME), Path(HF_HUB_CACHE))
    if not any(path.is_relative_to(home.resolve()) for home in homes):
        raise DataError(f"a table of the hub names the file {path}, which is not of the hub")
    return path.read_bytes()


@final
@dataclass(frozen=True, slots=True)
class _Rows:
    repository: str
    split: str

    def __call__(self, row: int) -> str:
        return f"{self.repository} {self.split} row {row}"

"""Data sets of the Hugging Face hub."""

from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from smidgen.data.base import Data, Progress, Source
from smidgen.data.errors import DataError
from smidgen.data.parquet import one_line
from smidgen.data.quiet import quiet
from smidgen.data.tables import Table, data_of

PATIENCE = 20.0  # seconds to wait for the hub's first answer


@dataclass(frozen=True, slots=True)
class Hub(Source):
    """The data set ``repository`` as it was at ``revision``, a commit, tag or branch."""

    repository: str
    revision: str

    def identity(self) -> tuple[str, ...]:
        return (self.repository, self.revision)

    def read(self, name: str, image_size: tuple[int, int] | None, progress: Progress) -> Data:
        self._require_answer()
        # The library shows a bar as it downloads; the table it then builds is not needed twice.
        with TemporaryDirectory() as scratch, quiet():
            loaded: Any = self._loaded(scratch)
            tables = {
                str(split): Table(rows, len(rows), _Rows(self.repository, str(split)))
                for split, rows in loaded.items()
            }
            return data_of(name, tables, image_size, progress)

    def _require_answer(self) -> None:
        """Ask once whether hub and data set are there: the library would retry for long."""
        import huggingface_hub.constants
        from huggingface_hub.errors import HfHubHTTPError

        if huggingface_hub.constants.HF_HUB_OFFLINE:
            return  # what was downloaded before may do
        try:
            huggingface_hub.HfApi().dataset_info(
                self.repository, revision=self.revision, timeout=PATIENCE
            )
        except HfHubHTTPError as error:
            raise DataError(
                f"the hub does not give {self.repository!r} at revision {self.revision!r}: "
                f"{one_line(error)}"
            ) from error
        except Exception as error:  # the kind depends on the library beneath the hub's
            raise self._unreachable(error) from error

    def _loaded(self, scratch: str) -> Any:
        import datasets

        try:
            return datasets.load_dataset(self.repository, revision=self.revision, cache_dir=scratch)
        except ConnectionError as error:
            raise self._unreachable(error) from error
        except Exception as error:  # whatever a strange repository leads the library to
            raise DataError(f"{self.repository} cannot be read: {one_line(error)}") from error

    def _unreachable(self, error: Exception) -> DataError:
        return DataError(
            f"the hub cannot be reached for {self.repository} ({one_line(error)}); a folder of "
            f"local copies is named with --data-dir or the variable SMIDGEN_DATA"
        )


@dataclass(frozen=True, slots=True)
class _Rows:
    repository: str
    split: str

    def __call__(self, row: int) -> str:
        return f"{self.repository} {self.split} row {row}"

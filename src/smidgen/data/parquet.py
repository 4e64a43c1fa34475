"""A folder of Parquet files, laid out as on the hub."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from smidgen.data.base import Data, Progress, Source
from smidgen.data.errors import DataError
from smidgen.data.quiet import quiet
from smidgen.data.tables import Table, data_of


@dataclass(frozen=True, slots=True)
class ParquetFolder(Source):
    """Parquet below ``folder``, with the README.md of the hub if there is one."""

    folder: Path

    def identity(self) -> tuple[str, ...]:
        found = [*parquet_files(self.folder), *self.folder.glob("README.md")]
        return (str(self.folder.resolve()), *(file_identity(path, self.folder) for path in found))

    def read(self, name: str, image_size: tuple[int, int] | None, progress: Progress) -> Data:
        import pyarrow as pa

        lengths = {str(path.resolve()): _length(path) for path in parquet_files(self.folder)}
        with TemporaryDirectory() as scratch, quiet():  # what datasets caches is not needed twice
            builder: Any = _builder(self.folder.resolve(), scratch)
            tables: dict[str, Table] = {}
            for split, paths in builder.config.data_files.items():
                strange = [path for path in paths if path not in lengths]
                if strange:
                    raise DataError(f"{self.folder} must hold Parquet alone, got {strange[0]}")
                places = sorted({str(Path(path).parent) for path in paths})
                if len(places) > 1:  # the library would mix them, whatever they are
                    raise DataError(
                        f"{self.folder} must hold one data set, got {places[0]} and {places[1]}"
                    )
                files = [(path, lengths[path]) for path in paths]
                rows = builder.as_streaming_dataset(split=split)
                tables[str(split)] = Table(rows, sum(n for _, n in files), _Rows(files))
            try:
                return data_of(name, tables, image_size, progress)
            except (pa.ArrowException, OSError) as error:
                raise DataError(self._damage(error)) from error

    def _damage(self, error: Exception) -> str:
        """Return which file led to ``error``, found by reading each to its end."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for path in parquet_files(self.folder):
            try:
                for _ in pq.ParquetFile(path).iter_batches():
                    pass
            except (pa.ArrowException, OSError) as damage:
                return f"{path} is damaged: {one_line(damage)}"
        return f"{self.folder} cannot be read: {one_line(error)}"


def parquet_files(folder: Path) -> list[Path]:
    """Return the Parquet files below ``folder``, in order, hidden ones left out."""
    found = (path for path in folder.rglob("*.parquet") if path.is_file())
    hidden = (path for path in found if not _is_hidden(path.relative_to(folder)))
    return sorted(hidden)


def file_identity(path: Path, folder: Path) -> str:
    """Return the name, size and time of a file, which change when its content does."""
    status = path.stat()
    return f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}"


def one_line(error: BaseException) -> str:
    """Return what ``error`` says, without line breaks."""
    return " ".join(str(error).split())


@dataclass(frozen=True, slots=True)
class _Rows:
    """Names rows by file and place, for a table that is made of several files."""

    files: list[tuple[str, int]]

    def __call__(self, row: int) -> str:
        ends = list(accumulate(length for _, length in self.files))
        number = bisect_right(ends, row)
        path, length = self.files[number]
        return f"{path} row {row - (ends[number] - length)}"


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _length(path: Path) -> int:
    """Return the rows of a Parquet file, which its last bytes hold."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(path).num_rows
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is truncated or no Parquet: {one_line(error)}") from error


def _builder(folder: Path, scratch: str) -> Any:
    import datasets

    try:
        return datasets.load_dataset_builder(str(folder), cache_dir=scratch)
    except Exception as error:  # whatever a strange README.md or layout leads the library to
        raise DataError(f"{folder} is not laid out as on the hub: {one_line(error)}") from error

"""The lake: Parquet frames and text files in a folder or any fsspec address, written whole or not at all."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.errors import AudoticsError

# Days for which what a night was made of (candidates, features) stays, to be looked into. Training data stays longer.
KEPT_DAYS = 3


class Lake:
    """Files by path relative to the lake's root, such as `training/as_of=2015-01-01/for_you.parquet`."""

    def __init__(self, root: str) -> None:
        try:
            self._filesystem, self._root = fsspec.core.url_to_fs(root)
        except (ImportError, ValueError) as error:
            raise AudoticsError(
                f"AUDOTICS_LAKE={root} cannot be used: {error}; install its fsspec driver or use a folder"
            ) from error

    def exists(self, path: str) -> bool:
        return bool(self._filesystem.exists(self._full(path)))

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder, sorted; empty when there is no such folder."""
        if not self._filesystem.exists(self._full(folder)):
            return []
        return sorted(str(name).rsplit("/", 1)[-1] for name in self._filesystem.ls(self._full(folder), detail=False))

    def remove(self, path: str) -> None:
        self._filesystem.rm(self._full(path))

    def expire(self, folder: str, require: Callable[[], object] | None = None) -> list[str]:
        """Remove the files below a folder that were written more than KEPT_DAYS ago, and return their paths.

        require: called before each of them goes; when it raises, that one and the rest stay.
        """
        limit = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
        full = self._full(folder)
        found = self._filesystem.find(full) if self._filesystem.exists(full) else []
        expired = [path for path in found if self._filesystem.modified(path) < limit]
        for path in expired:
            if require is not None:
                require()
            self._filesystem.rm(path)
        return [str(path).removeprefix(f"{self._root}/") for path in expired]

    def write_text(self, path: str, text: str) -> None:
        with self._replacing(path) as stream:
            stream.write(text.encode())

    def read_text(self, path: str, *, made_by: str) -> str:
        """A text file.

        Raises:
            AudoticsError: as `read_parquet`.
        """
        with self._reading(path, made_by) as stream:
            return str(stream.read().decode())

    def write_parquet(self, path: str, tables: Iterable[pa.Table], require: Callable[[], object] | None = None) -> int:
        """Write tables of one schema as row groups of one file; return the number of rows.

        require: called when all is written, before the file takes its place; when it raises, none does.

        Raises ValueError when there is no table at all: a file needs a schema.
        """
        with self.parquet_writer(path, require) as write:
            return sum(write(table) for table in tables)

    @contextmanager
    def parquet_writer(
        self, path: str, require: Callable[[], object] | None = None
    ) -> Iterator[Callable[[pa.Table], int]]:
        """A function that writes a table as the next row group of a file and returns its rows; see write_parquet."""
        writer: pq.ParquetWriter | None = None

        def write(table: pa.Table) -> int:
            nonlocal writer
            if writer is None:
                writer = pq.ParquetWriter(stream, table.schema, compression="zstd", compression_level=1)
            writer.write_table(table, row_group_size=max(1, table.num_rows))
            return int(table.num_rows)

        with self._replacing(path, require) as stream:
            yield write
            if writer is None:
                raise ValueError(f"nothing to write to {path}")
            writer.close()

    def read_parquet(self, path: str, *, made_by: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The row groups of a file, one table each; all columns, or those named.

        Args:
            made_by: the asset that writes the file, for whoever misses it.

        Raises:
            AudoticsError: there is no such file, or it is damaged.
        """
        with self._reading(path, made_by) as stream:
            file = pq.ParquetFile(stream)
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns)

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _reading(self, path: str, made_by: str) -> Iterator[IO[Any]]:
        again = f"materialise `{made_by}` for the same date again"
        try:
            with self._filesystem.open(self._full(path), "rb") as stream:
                yield stream
        except FileNotFoundError as error:
            raise AudoticsError(
                f"{path} is not in the lake at {self._root}, from where old files are removed: {again}"
            ) from error
        except (pa.ArrowInvalid, UnicodeDecodeError, OSError) as error:
            # What Arrow finds wrong in a file is an OSError too, without the number that those of a disk have.
            if isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None):
                raise
            # A file that is there may be kept, whatever is in it.
            raise AudoticsError(
                f"{path} in the lake at {self._root} is damaged ({error}): remove it, and {again}"
            ) from error

    @contextmanager
    def _replacing(self, path: str, require: Callable[[], object] | None = None) -> Iterator[IO[Any]]:
        """A stream whose content takes the file's place when it closes without an error, and `require` has none."""
        full = self._full(path)
        partial = f"{full}.{uuid.uuid4().hex}.partial"
        self._filesystem.makedirs(full.rsplit("/", 1)[0], exist_ok=True)
        try:
            with self._filesystem.open(partial, "wb") as stream:
                yield stream
            if require is not None:
                require()
            self._filesystem.mv(partial, full)
        finally:
            if self._filesystem.exists(partial):
                self._filesystem.rm(partial)

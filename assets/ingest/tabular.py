"""CSV, TSV, JSON, Parquet and Excel files, read as a mapping says."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from urllib.parse import unquote

from assets.ingest.delimited import DELIMITER, Layout, read_delimited
from assets.ingest.files import InputFile
from assets.ingest.json_rows import JsonRules, read_json
from assets.ingest.listing import Listing
from assets.ingest.mapping import FormatName, Mapping
from assets.ingest.missing import MissingColumnError
from assets.ingest.parquet import read_parquet
from assets.ingest.pick import Picker
from assets.ingest.records import ParseRules, RawBatch
from assets.ingest.spreadsheets import read_spreadsheet
from warehouse.errors import AudoticsError

_FORMATS: dict[str, FormatName] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}


@dataclass(frozen=True)
class Tabular:
    """Files of one row per listen.

    Attributes:
        mapping: what is read of them.
        origin: where the mapping was read from, for messages; empty where nobody can correct it.
        name: of the format, where it has one.
        holds_listens: whether a file is one of the format's, where the name of a format is given; by
            default the extension tells.
        json: what the format says of rows of JSON beside the mapping.
        earliest: before when the format's service takes no listen.
        source_of: the source of a file's listens, where it is not the mapping's.
    """

    mapping: Mapping
    origin: str = "the mapping"
    name: str | None = None
    holds_listens: Callable[[InputFile], bool] | None = None
    json: JsonRules | None = None
    earliest: datetime | None = None
    source_of: Callable[[InputFile], str | None] | None = None

    @property
    def format(self) -> str:
        """The name; else `tabular` and a digest of the mapping: read under another mapping, a file is another file."""
        return self.name or f"tabular/{self.mapping.digest}"

    @property
    def rules(self) -> ParseRules:
        """What the parser must know, as the mapping says."""
        return replace(self.mapping.rules(self.origin), earliest=self.earliest)

    def for_file(self, file: InputFile) -> "Tabular":
        """Return the reader with the source of the file's listens."""
        source = self.source_of(file) if self.source_of else None
        return replace(self, mapping=self.mapping.model_copy(update={"source": source})) if source else self

    def told_user(self, file: InputFile) -> str | None:
        """Return the user of the mapping's constants, or whom the file's path names where the mapping looks there.

        Raises:
            AudoticsError: the path names nobody.
        """
        if self.mapping.user_pattern is None:
            return self.mapping.constants.get("user_id")
        found = re.search(self.mapping.user_pattern, file.address)
        if found is None or not found[1]:
            raise AudoticsError(
                f"{file}: its path has no part that user_pattern = '{self.mapping.user_pattern}' of {self.origin} finds"
                " the user in; rename it, or correct the pattern"
            )
        # Hive and Spark write what is not plain in a path as %C3%B6.
        return unquote(found[1])

    @property
    def assumed_user(self) -> str | None:
        """The default of the column of users."""
        column = self.mapping.columns.get("user_id")
        return column.default if column else None

    def find(self, listing: Listing) -> list[InputFile]:
        """Return the files that were given themselves, and those of a known extension in folders and archives.

        Raises:
            AudoticsError: there is no such file.
        """
        files = [file for file in listing.files if file.is_named or self._holds_listens(file)]
        if not files and not listing.damaged:
            wanted = self.name or self.mapping.format or ", ".join(sorted(set(_FORMATS.values())))
            raise AudoticsError(f"{listing.given} has no {wanted} file; give the file itself, or another folder")
        return files

    def read(self, file: InputFile) -> Iterator[RawBatch]:
        """Yield the file's rows in batches, as records.Source says.

        Raises:
            AudoticsError: the format cannot be told, or as the format's reader says.
        """
        format_name = self.mapping.format or _extension(file.plain_name)
        if format_name is None:
            raise AudoticsError(
                f"cannot tell the format of {file} by its name; "
                f'add format = "csv", "tsv", "json", "jsonl", "parquet" or "xlsx" to {self.origin}'
            )
        picker = Picker(self.mapping, file, self.told_user(file) if self.mapping.user_pattern else None)
        return self._picked(picker, self._columns(file, format_name, picker.columns, picker.optional, picker.lists))

    def _picked(self, picker: Picker, batches: Iterator[RawBatch]) -> Iterator[RawBatch]:
        try:
            yield from map(picker.pick, batches)
        except MissingColumnError as error:
            raise error if self.name is None else error.of_format(self.name) from error

    def _columns(
        self,
        file: InputFile,
        format_name: FormatName,
        columns: dict[str, str],
        optional: Sequence[str],
        lists: Sequence[str],
    ) -> Iterator[RawBatch]:
        if format_name == "parquet":
            return read_parquet(file, columns, optional, lists)
        if format_name in ("json", "jsonl"):
            return read_json(file, columns, optional, self.mapping.rows, self.mapping.encoding, self.json, lists)
        if lists:
            raise AudoticsError(
                f"{file}: {format_name} has no lists; say with split under [credits] of {self.origin} what stands"
                " between the artists"
            )
        if format_name == "xlsx":
            return read_spreadsheet(file, columns, optional, self.mapping.sheet)
        return read_delimited(file, self._layout(format_name), columns, optional)

    def profiles(self, file: InputFile) -> None:
        """Tabular files have no profiles."""

    def _layout(self, format_name: FormatName) -> Layout:
        mapping, is_csv = self.mapping, format_name == "csv"
        return Layout(
            delimiter=mapping.delimiter or DELIMITER[format_name],
            quoted=True if is_csv and mapping.quoted is None else mapping.quoted,
            header=mapping.header,
            encoding=mapping.encoding,
            quote=mapping.quote,
            escape=mapping.escape,
            skip_lines=mapping.skip_lines,
            comment=mapping.comment,
            is_assumed=mapping.delimiter is None,
        )

    def _holds_listens(self, file: InputFile) -> bool:
        if self.holds_listens is not None:
            return self.holds_listens(file)
        return self.is_wanted(file.plain_name)

    def is_wanted(self, name: str) -> bool:
        """Whether a file of this name, without the suffix of a compression, is read where its folder is given."""
        found = _extension(name)
        return found is not None and found == (self.mapping.format or found)


def _extension(name: str) -> FormatName | None:
    return _FORMATS.get(PurePosixPath(name).suffix.lower())

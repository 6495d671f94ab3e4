"""CSV, TSV, JSON, Parquet and Excel files, read as a mapping says."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from assets.ingest.delimited import Layout, read_delimited
from assets.ingest.files import InputFile
from assets.ingest.json_rows import read_json
from assets.ingest.listing import Listing
from assets.ingest.mapping import FormatName, Mapping
from assets.ingest.parquet import read_parquet
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
    """Any file of one row per listen; `origin` says where the mapping was read from, for messages."""

    mapping: Mapping
    origin: str = "the mapping"

    @property
    def format(self) -> str:
        """`tabular` and a digest of the mapping: read under another mapping, a file is another file."""
        return f"tabular/{self.mapping.digest}"

    @property
    def rules(self) -> ParseRules:
        """What the parser must know, as the mapping says."""
        return self.mapping.rules(self.origin)

    def find(self, listing: Listing) -> list[InputFile]:
        """Return the files that were given themselves, and those of a known extension in folders and archives.

        Raises:
            AudoticsError: there is no such file.
        """
        files = [file for file in listing.files if file.is_named or self._is_wanted(file)]
        if not files and not listing.damaged:
            wanted = self.mapping.format or ", ".join(sorted(set(_FORMATS.values())))
            raise AudoticsError(f"{listing.given} has no {wanted} file; give the file itself, or another folder")
        return files

    def read(self, file: InputFile) -> Iterator[RawBatch]:
        """Yield the file's rows in batches, as records.Source says.

        Raises:
            AudoticsError: the format cannot be told, or as the format's reader says.
        """
        format_name = self.mapping.format or _extension(file)
        if format_name is None:
            raise AudoticsError(
                f"cannot tell the format of {file} by its name; "
                f'add format = "csv", "tsv", "json", "jsonl", "parquet" or "xlsx" to {self.origin}'
            )
        columns, optional = dict[str, str](self.mapping.columns.items()), self.mapping.optional
        if format_name == "parquet":
            return read_parquet(file, columns, optional)
        if format_name in ("json", "jsonl"):
            return read_json(file, columns, optional, self.mapping.rows, self.mapping.encoding)
        if format_name == "xlsx":
            return read_spreadsheet(file, columns, optional, self.mapping.sheet)
        return read_delimited(file, self._layout(format_name), columns, optional)

    def profiles(self, file: InputFile) -> None:
        """Tabular files have no profiles."""

    def _layout(self, format_name: FormatName) -> Layout:
        mapping, is_csv = self.mapping, format_name == "csv"
        return Layout(
            delimiter=mapping.delimiter or ("," if is_csv else "\t"),
            quoted=True if is_csv and mapping.quoted is None else mapping.quoted,
            header=mapping.header,
            encoding=mapping.encoding,
            quote=mapping.quote,
            escape=mapping.escape,
            skip_lines=mapping.skip_lines,
            comment=mapping.comment,
            is_assumed=mapping.delimiter is None,
        )

    def _is_wanted(self, file: InputFile) -> bool:
        found = _extension(file)
        return found is not None and found == (self.mapping.format or found)


def _extension(file: InputFile) -> FormatName | None:
    return _FORMATS.get(PurePosixPath(file.plain_name).suffix.lower())

"""Mapping files: which column of a tabular file is which field of a listen."""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails

from assets.ingest.encodings import is_encoding
from assets.ingest.records import PER_SECOND, ParseRules, TimeRule
from warehouse.errors import AudoticsError

FormatName = Literal["csv", "tsv", "json", "jsonl", "parquet", "xlsx"]
FieldName = Literal[
    "user_id",
    "listened_at",
    "track_id",
    "title",
    "artist_id",
    "artist_name",
    "recording_mbid",
    "artist_mbid",
    "ms_played",
    "skipped",
]
ConstantName = Literal["user_id", "title", "artist_id", "artist_name", "artist_mbid"]
Text = Annotated[str, StringConstraints(min_length=1)]
Character = Annotated[str, StringConstraints(min_length=1, max_length=1)]
SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
# These begin the natural keys of tracks and artists that belong to no source.
_RESERVED_SOURCES = ("mbid", "name")


def _known_encoding(name: str) -> str:
    if not is_encoding(name):
        raise ValueError("is not an encoding that Python knows; common ones are utf-8, utf-16, cp1252, latin-1, cp1251")
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Time(_Strict):
    """How the file writes times.

    `unit` is s, ms, us or ns since 1970 UTC, iso8601, or a strptime format such as `%d %b %Y, %H:%M`. `zone` is the
    IANA zone of times that carry none. `event` says whether playback started or ended then; from an end,
    `ms_played` is subtracted (nothing where it is unknown).
    """

    unit: Text
    zone: Text = "UTC"
    event: Literal["start", "end"] = "start"

    @model_validator(mode="after")
    def _unit_is_known(self) -> Self:
        if self.unit not in (*PER_SECOND, "iso8601") and "%" not in self.unit:
            raise ValueError("unit is one of s, ms, us, ns, iso8601, or a strptime format such as '%d %b %Y, %H:%M'")
        return self


class Mapping(_Strict):
    """A mapping file.

    Attributes:
        format: csv, tsv, json, jsonl, parquet or xlsx; by default what the file's extension says.
        source: name of the service or data set: the namespace of its track and artist ids.
        columns: the column, or dotted path, of each field.
        constants: fields with one value in every row.
        time: how times are written.
        played_unit: unit of `ms_played` in the file.
        optional: fields whose column some files lack; they are null there.
        delimiter, quoted: for csv (`,` and true by default) and tsv (tab, and quoted if the first rows show it). A
            first line such as `sep=;` says the delimiter where the mapping does not.
        quote, escape: of quoted fields: the mark around them (`"`), and the character before one that is part of the
            text (by default a backslash if the first rows show it, else none: a mark within is doubled).
        skip_lines: how many lines stand before the header or the first row of a csv or tsv file.
        comment: what lines of a csv or tsv file begin with that are not rows.
        header: the column names of a csv or tsv file whose first row is not a header.
        rows: the keys that lead to the rows of a JSON document (`data.items`), if it is not a list of them.
        sheet: the sheet of an Excel workbook; by default the first that has the columns.
        encoding: of csv, tsv and JSON, any that Python knows (`cp1252`); by default UTF-8, or what the file shows.
    """

    source: SourceName
    columns: dict[FieldName, Text]
    time: Time
    constants: dict[ConstantName, Text] = Field(default_factory=dict)
    format: FormatName | None = None
    played_unit: Literal["s", "ms"] = "ms"
    optional: tuple[FieldName, ...] = ()
    delimiter: Character | None = None
    quoted: bool | None = None
    quote: Character = '"'
    escape: Character | None = None
    skip_lines: Annotated[int, Field(ge=0)] = 0
    comment: Text | None = None
    header: tuple[Text, ...] | None = None
    rows: Text | None = None
    sheet: Text | None = None
    encoding: Annotated[Text, AfterValidator(_known_encoding)] | None = None

    @model_validator(mode="after")
    def _fields_make_a_listen(self) -> Self:
        if self.source in _RESERVED_SOURCES:
            raise ValueError(f"source cannot be {self.source!r}, which the warehouse keeps for itself")
        known = {*self.columns, *self.constants}
        if "listened_at" not in self.columns:
            raise ValueError("columns names no column for listened_at")
        if "user_id" not in known:
            raise ValueError("neither columns nor constants names user_id")
        if not known & {"track_id", "recording_mbid"} and not {"title", "artist_name"} <= known:
            raise ValueError("columns must name track_id or recording_mbid, or both title and artist_name")
        if twice := sorted(set(self.columns) & set(self.constants)):
            raise ValueError(f"{twice[0]} is in columns and in constants; keep one")
        if unmapped := sorted(set(self.optional) - set(self.columns)):
            raise ValueError(f"optional lists {unmapped[0]}, which columns does not map")
        if self.time.event == "end" and "ms_played" not in self.columns:
            raise ValueError("time.event = 'end' needs a column for ms_played, to know when playback started")
        return self

    @property
    def digest(self) -> str:
        """Twelve hex digits that change when the meaning of the mapping changes, not when its comments do.

        Keys that have their default count as absent, so that a new key changes no digest of a file that was loaded.
        """
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:12]

    def rules(self, origin: str) -> ParseRules:
        """Return what the parser must know; `origin` says where the mapping was read from."""
        return ParseRules(
            source=self.source,
            time=TimeRule(self.time.unit, self.time.zone, self.time.event),
            constants=dict(self.constants.items()),
            played_unit=self.played_unit,
            times_are_from=origin,
        )


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        AudoticsError: the file is missing, is not TOML, or does not say what a mapping must; names the key.
    """
    try:
        return Mapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise AudoticsError(
            f"cannot read the mapping {path}: {error.strerror}; examples are in examples/mappings"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AudoticsError(f"the mapping {path} is not TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(_fault(fault) for fault in error.errors())
        raise AudoticsError(f"the mapping {path} is not usable: {faults}") from error


def _fault(fault: ErrorDetails) -> str:
    where = ".".join(str(step) for step in fault["loc"] if step != "[key]")
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        message = "no such key; keys are " + ", ".join(_keys_beside(fault["loc"]))
    return f"{where}: {message}" if where else message


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    return list((Time if location[0] == "time" else Mapping).model_fields)

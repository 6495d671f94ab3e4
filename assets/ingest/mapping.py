"""Mapping files: which column of a tabular file is which field of a listen."""

import hashlib
import json
import re
import tomllib
from collections.abc import Set
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from assets.ingest.delimited import DELIMITER
from assets.ingest.encodings import is_encoding
from assets.ingest.listing import filesystem_of
from assets.ingest.mapping_parts import (
    CreditList,
    Credits,
    LeaveOut,
    Lookup,
    Pick,
    Strict,
    Text,
    Time,
    Unordered,
    UnorderedTexts,
    in_any_order,
)
from assets.ingest.records import FIELDS_OF, Kind, ParseRules, TimeRule
from assets.ingest.streams import driver_named
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
    "isrc",
    "duration_ms",
    "ms_played",
    "skipped",
    "tag",
    "weight",
    "gender",
    "age",
    "country",
    "registered_on",
    "item_kind",
]
ConstantName = Literal["user_id", "title", "artist_id", "artist_name", "artist_mbid", "tag"]
Character = Annotated[str, StringConstraints(min_length=1, max_length=1)]
SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
# These begin the natural keys of tracks and artists that belong to no source.
_RESERVED_SOURCES = ("mbid", "name")
_DELIMITED, _TEXT = ("csv", "tsv"), ("csv", "tsv", "json", "jsonl")
# Formats whose columns are texts.
_NO_LISTS = ("csv", "tsv", "xlsx")
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("delimiter", "quoted", "quote", "escape", "skip_lines", "comment", "header"), _DELIMITED),
    "rows": ("json", "jsonl"),
    "sheet": ("xlsx",),
    "encoding": _TEXT,
}


def _known_encoding(name: str) -> str:
    if not is_encoding(name):
        raise ValueError("is not an encoding that Python knows; common ones are utf-8, utf-16, cp1252, latin-1, cp1251")
    return name


class Mapping(Strict):
    """A mapping file.

    Attributes:
        format: csv, tsv, json, jsonl, parquet or xlsx; by default what the file's extension says.
        kind: what a row is: a listen, a track or artist of a catalogue, a tag of one, a profile of a user, or what a
            user blocks.
        source: name of the service or data set: the namespace of its track and artist ids.
        columns: where each field comes from: a column or dotted path, a list of them, or a table as `Pick` says.
        constants: fields with one value in every row.
        credits: where all the artists of a track are listed, if there can be several.
        user_pattern: a regular expression with one group that finds the user in the file's path.
        time: how times are written.
        played_unit, duration_unit: units of `ms_played` and `duration_ms` in the file, ms by default.
        optional: fields whose columns some files lack; they are null there.
        nulls: texts that mean that there is no value, besides the empty one; by default NULLS for every field but
            title and artist_name, which may be words like these.
        leave_out: rows that are counted but neither loaded nor rejected; the first rule that fits counts.
        delimiter, quoted: for csv (`,` and true by default) and tsv (tab, and quoted if the first rows show it). A
            first line such as `sep=;` says the delimiter where the mapping does not.
        quote, escape: of quoted fields: the mark around them (`"`), and the character before one that is part of the
            text (by default a backslash if the first rows show it, else none: a mark within is doubled).
        skip_lines: how many lines stand before the header or the first row of a csv or tsv file.
        comment: what lines of a csv or tsv file begin with that are not rows, one text or several.
        header: the column names of a csv or tsv file whose first row is not a header.
        rows: the keys that lead to the rows of a JSON document (`data.items`), if it is not a list of them.
        sheet: the sheet of an Excel workbook; by default the first that has the columns.
        encoding: of csv, tsv and JSON, any that Python knows (`cp1252`); by default UTF-8, or what the file shows.
    """

    kind: Kind = "listens"
    source: SourceName
    columns: dict[FieldName, Pick]
    time: Time | None = None
    constants: dict[ConstantName, Text] = Field(default_factory=dict)
    credits: Credits | None = None
    user_pattern: Text | None = None
    format: FormatName | None = None
    played_unit: Literal["s", "ms"] = "ms"
    duration_unit: Literal["s", "ms"] = "ms"
    optional: Annotated[tuple[FieldName, ...], AfterValidator(in_any_order)] = ()
    nulls: Unordered | None = None
    leave_out: tuple[LeaveOut, ...] = ()
    delimiter: Character | None = None
    quoted: bool | None = None
    quote: Character = '"'
    escape: Character | None = None
    skip_lines: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    comment: UnorderedTexts = ()
    header: tuple[Text, ...] | None = None
    rows: Text | None = None
    sheet: Text | None = None
    encoding: Annotated[Text, AfterValidator(_known_encoding)] | None = None

    @field_validator("comment", mode="before")
    @classmethod
    def _one_or_several(cls, comment: object) -> object:
        return (comment,) if isinstance(comment, str) else comment

    @model_validator(mode="after")
    def _fields_make_a_listen(self) -> Self:
        if self.source in _RESERVED_SOURCES:
            raise ValueError(f"source cannot be {self.source!r}, which the warehouse keeps for itself")
        known = {*self.columns, *self.constants, *(self.credits.artists() if self.credits else ())}
        if self.kind != "listens":
            return self._fields_make_an_item(known)
        if self.time is None:
            raise ValueError("time is missing, which says how times are written: [time] with a unit")
        if "listened_at" not in self.columns:
            raise ValueError("columns names no column for listened_at")
        if "user_id" not in known and self.user_pattern is None:
            raise ValueError("neither columns nor constants names user_id, and there is no user_pattern")
        if not known & {"track_id", "recording_mbid"} and not {"title", "artist_name"} <= known:
            raise ValueError("columns must name track_id or recording_mbid, or both title and artist_name")
        from_end = "event = 'end'" if self.time.event == "end" else "end" if self.time.end is not None else None
        if from_end and "ms_played" not in self.columns:
            raise ValueError(f"time.{from_end} needs a column for ms_played, to know when playback started")
        return self

    def _fields_make_an_item(self, known: Set[str]) -> Self:
        """Check a mapping of another kind than listens."""
        if self.time is not None or (self.user_pattern is not None and self.kind != "blocks"):
            raise ValueError(f"time and user_pattern have no effect on kind = {self.kind!r}")
        if self.kind == "blocks" and "user_id" not in known and self.user_pattern is None:
            raise ValueError("neither columns nor constants names user_id, and there is no user_pattern")
        if self.kind == "profiles":
            if "user_id" not in self.columns:
                raise ValueError("columns names no column for user_id")
            return self
        if self.kind == "tags" and "tag" not in known:
            raise ValueError("neither columns nor constants names tag")
        has_id = known & ({"track_id", "recording_mbid"} if self.of_tracks else {"artist_id", "artist_mbid"})
        if not has_id and not known >= ({"title", "artist_name"} if self.of_tracks else {"artist_name"}):
            raise ValueError(
                "columns must name track_id, recording_mbid, or both title and artist_name; for artists, artist_id,"
                " artist_mbid or artist_name"
            )
        if not self.of_tracks and (idle := sorted(known & {"isrc", "duration_ms"})):
            raise ValueError(f"{idle[0]} has no effect in a catalogue of artists")
        return self

    @property
    def of_tracks(self) -> bool:
        """Whether rows are about tracks, not about artists."""
        return bool({*self.columns, *self.constants} & {"track_id", "recording_mbid", "title"})

    def _check_credits(self, credits: Credits) -> None:
        if self.kind not in ("listens", "catalogue") or not self.of_tracks:
            raise ValueError(f"credits are of tracks, and have no effect on kind = {self.kind!r} without them")
        if constant := sorted(set(credits.artists()) & set(self.constants)):
            raise ValueError(f"{constant[0]} is in credits and in constants; keep one")
        if self.format in _NO_LISTS and (whole := [name for name, each in credits.lists().items() if not each.split]):
            raise ValueError(f"{self.format} has no lists: say with split what stands between them in {whole[0]}")

    @model_validator(mode="after")
    def _keys_have_an_effect(self) -> Self:
        if idle := sorted({*self.columns, *self.constants}.difference(FIELDS_OF[self.kind])):
            raise ValueError(f"{idle[0]} has no effect on kind = {self.kind!r}")
        if twice := sorted(set(self.columns) & set(self.constants)):
            raise ValueError(f"{twice[0]} is in columns and in constants; keep one, or give the column a `default`")
        if self.credits is not None:
            self._check_credits(self.credits)
        if self.user_pattern is not None:
            if "user_id" in {*self.columns, *self.constants}:
                raise ValueError("user_id is in columns or constants, so user_pattern has no effect; keep one")
            _check_pattern(self.user_pattern)
        if unmapped := sorted(set(self.optional) - set(self.columns)):
            raise ValueError(f"optional lists {unmapped[0]}, which columns does not map")
        for unit, field in (("played_unit", "ms_played"), ("duration_unit", "duration_ms")):
            if unit in self.model_fields_set and field not in self.columns:
                raise ValueError(f"{unit} has no effect without a column for {field}")
        delimiter = self.delimiter or DELIMITER.get(self.format or "")
        marks = [mark for mark in (delimiter, self.quote, self.escape) if mark is not None]
        if len(set(marks)) < len(marks):
            raise ValueError("delimiter, quote and escape must be different characters")
        if self.format is not None:
            for name in sorted(self.model_fields_set):
                if name in _ONLY_FOR and self.format not in _ONLY_FOR[name]:
                    raise ValueError(f"{name} has no effect on {self.format}")
        return self

    @property
    def digest(self) -> str:
        """Twelve hex digits that change when the meaning of the mapping changes, not when its comments do.

        Keys that have their default count as absent, so that a new key changes no digest of a file that was loaded.
        """
        meaning = json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
        return hashlib.sha256(meaning.encode()).hexdigest()[:12]

    def rules(self, origin: str) -> ParseRules:
        """Return what the parser must know; `origin` says where the mapping was read from."""
        return ParseRules(
            source=self.source,
            time=self._time_rule(),
            constants=dict(self.constants.items()),
            played_unit=self.played_unit,
            duration_unit=self.duration_unit,
            kind=self.kind,
            has_credits=self.credits is not None,
            of_tracks=self.of_tracks,
            times_are_from=origin,
        )

    def _time_rule(self) -> TimeRule:
        if self.time is None:
            return TimeRule(())
        time = self.time
        return TimeRule(time.unit, time.zone, time.event, time.offset is not None, time.end is not None)


def _check_pattern(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"user_pattern is not a regular expression: {error}") from error
    if groups != 1:
        raise ValueError(f"user_pattern has {groups} groups; put the part that names the user into one: user=([^/]+)/")


def read_mapping(path: Path | str) -> Mapping:
    """Read a mapping file at a path or address.

    Raises:
        AudoticsError: the file is missing, is not TOML, or does not say what a mapping must; names the key.
    """
    filesystem, place = filesystem_of(str(path))
    try:
        with driver_named(str(path)):
            text = filesystem.cat_file(place).decode("utf-8")
        return Mapping.model_validate(tomllib.loads(text))
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
    models: dict[str, type[Strict]] = {"time": Time, "columns": Pick, "leave_out": LeaveOut, "credits": Credits}
    beside = Lookup if "lookup" in location[:-1] else models.get(str(location[0]), Mapping)
    if beside is Credits and len(location) > 2:
        beside = CreditList
    return [field.alias or name for name, field in beside.model_fields.items()]

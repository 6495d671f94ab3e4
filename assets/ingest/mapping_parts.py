"""The parts of a mapping: where a field comes from, how times are written, which rows are left out."""

import re
from typing import Annotated, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from assets.ingest.encodings import is_encoding
from assets.ingest.records import PER_SECOND, REASONS

Text = Annotated[str, StringConstraints(min_length=1)]
# What tools write where there is no value.
NULLS = ("nan", "NaN", "None", "NULL", "null", "\\N", "N/A", "#N/A", "<NA>")


def _one_group(pattern: str) -> str:
    """Make sure that a text is a regular expression of RE2 with one group, which is what is taken."""
    try:
        pc.match_substring_regex("", pattern)
        groups = re.compile(pattern).groups
    except (pa.ArrowInvalid, re.error) as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if groups != 1:
        raise ValueError(f"has {groups} groups; put the part that is the value into one: v=([^&]+)")
    return pattern


def in_any_order(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(texts)))


# Texts whose order says nothing: in any order they are the same mapping.
Unordered = Annotated[tuple[str, ...], AfterValidator(in_any_order)]
UnorderedTexts = Annotated[tuple[Text, ...], AfterValidator(in_any_order)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Time(Strict):
    """How the file writes times.

    Attributes:
        unit: s, ms, us or ns since 1970 UTC, iso8601, or a strptime format such as `%d %b %Y, %H:%M`; of a list, the
            first that fits the value.
        zone: the IANA zone of times that carry none, UTC by default. With it, numbers count from 1970 in that zone,
            as players without a clock of their own write them.
        offset: a column of how many seconds local time is ahead of UTC, for times that carry no zone.
        event: whether playback started or ended then; from an end, `ms_played` is subtracted (nothing where it is
            unknown).
        end: a column of when playback ended, for rows without `listened_at`: `ms_played` before it playback started;
            where that is unknown, they have no time.
    """

    unit: tuple[Text, ...]
    zone: Text | None = None
    offset: Text | None = None
    event: Literal["start", "end"] = "start"
    end: Text | None = None

    @field_validator("unit", mode="before")
    @classmethod
    def _one_or_several(cls, unit: object) -> object:
        return (unit,) if isinstance(unit, str) else unit

    @field_validator("zone")
    @classmethod
    def _utc_is_the_default(cls, zone: str | None) -> str | None:
        return None if zone == "UTC" else zone

    @model_validator(mode="after")
    def _keys_have_an_effect(self) -> Self:
        if self.offset is not None and self.zone is not None:
            raise ValueError("zone and offset say the same; keep one")
        if self.end is not None and self.event == "end":
            raise ValueError("end has no effect beside event = 'end'; name its column for listened_at as well")
        return self

    @field_validator("unit")
    @classmethod
    def _units_are_known(cls, units: tuple[str, ...]) -> tuple[str, ...]:
        if not units or any(unit not in (*PER_SECOND, "iso8601") and "%" not in unit for unit in units):
            raise ValueError("unit is one of s, ms, us, ns, iso8601, or a strptime format such as '%d %b %Y, %H:%M'")
        return units


class Lookup(Strict):
    """A csv or tsv file beside the file that is read, in which a value stands for another.

    Attributes:
        file: its name, such as `tags.dat`.
        key: its column of the values that the rows have.
        value: its column of what they stand for.
        delimiter: what stands between its columns: a comma where the name ends in .csv, else a tab.
        encoding: as of the file itself.
    """

    file: Annotated[str, StringConstraints(pattern=r"^[^/]+$")]
    key: Text
    value: Text
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    encoding: Text | None = None

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, name: str | None) -> str | None:
        if name is not None and not is_encoding(name):
            raise ValueError("is not an encoding that Python knows; common ones are utf-8, utf-16, cp1252, latin-1")
        return name


def _with_columns(given: object, listed: tuple[str, ...]) -> object:
    """Return what a mapping says of columns as a table of keys: it may name one column, or several in a list, and one
    text where the keys `listed` take several.
    """
    if isinstance(given, str):
        return {"column": (given,)}
    if isinstance(given, list | tuple):
        return {"column": tuple(given)}
    if isinstance(given, dict):
        return {key: (value,) if key in listed and isinstance(value, str) else value for key, value in given.items()}
    return given


class Pick(Strict):
    """Where a field's value comes from, in the order in which this is applied.

    Attributes:
        columns: columns or dotted paths; the first that has a value gives it.
        join: the values of all the columns are joined by this text instead, such as a date and a time by a space.
        split, part: what stands before or after the first place where this text occurs; a value without it stays whole.
        match: the group of this regular expression, where it is first found; a value without it is none.
        strip_prefix, strip_suffix: what is taken off, of several that fit the longest.
        values: what whole texts become, such as `S` for a skip: {S = "true", L = "false"}; others stay.
        lookup: the value is what it stands for in a file beside this one; none where that file lacks it.
        default: the value where there is none.
    """

    columns: Annotated[tuple[str, ...], Field(alias="column")]
    join: str | None = None
    split: Text | None = None
    part: Literal["before", "after"] | None = None
    match: Annotated[Text, AfterValidator(_one_group)] | None = None
    strip_prefix: UnorderedTexts = ()
    strip_suffix: UnorderedTexts = ()
    values: dict[str, Text] = Field(default_factory=dict)
    lookup: Lookup | None = None
    default: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: object) -> object:
        return _with_columns(given, ("column", "strip_prefix", "strip_suffix"))

    @model_validator(mode="after")
    def _keys_have_an_effect(self) -> Self:
        if not self.columns or not all(self.columns):
            raise ValueError("names no column")
        if (self.split is None) != (self.part is None):
            raise ValueError("split and part belong together: part = 'before' or 'after'")
        if self.join is not None and len(self.columns) == 1:
            raise ValueError("join has no effect on one column")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether the value is that of one column as it stands."""
        return self == Pick.model_validate(self.columns[:1])


class CreditList(Strict):
    """Where the artists of a row are listed.

    Attributes:
        columns: lists, or `artists.*.name` for a part of each item of a list of objects; of several, the first that
            has values gives them.
        split: the columns are texts, and any of these stands between their parts.
    """

    columns: Annotated[tuple[Text, ...], Field(alias="column")]
    split: UnorderedTexts = ()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: object) -> object:
        return _with_columns(given, ("column", "split"))

    @model_validator(mode="after")
    def _names_a_column(self) -> Self:
        if not self.columns:
            raise ValueError("names no column")
        return self


class Credits(Strict):
    """All the artists of a track, in order: the first is the track's own.

    Attributes:
        artist_id, artist_mbid, artist_name: lists of what is known of them, one artist at the same place in each.
        join_phrase: the list of what stands after each artist where all are named, such as ` feat. `.
        may_lack: whether a file may have none of the columns.
    """

    artist_id: CreditList | None = None
    artist_mbid: CreditList | None = None
    artist_name: CreditList | None = None
    join_phrase: CreditList | None = None
    may_lack: bool = False

    @model_validator(mode="after")
    def _keys_have_an_effect(self) -> Self:
        if not self.artists():
            raise ValueError("names no list of artist_id, artist_mbid or artist_name")
        if self.join_phrase is not None and self.join_phrase.split:
            raise ValueError("join_phrase cannot be split out of a text, which has them between its parts")
        return self

    def lists(self) -> dict[str, CreditList]:
        """Return the lists that are mapped, by field."""
        named = {field: getattr(self, field) for field in ("artist_id", "artist_mbid", "artist_name", "join_phrase")}
        return {field: given for field, given in named.items() if given is not None}

    def artists(self) -> dict[str, CreditList]:
        """Return those of them that say who an artist is."""
        return {field: given for field, given in self.lists().items() if field != "join_phrase"}


class LeaveOut(Strict):
    """Rows that are not listens of music, counted under the name of the rule: neither loaded nor rejected.

    Exactly one of the conditions, each on the text of the column; letter case does not matter.
    """

    rule: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    column: Text
    given: Literal[True] | None = None
    missing: Literal[True] | None = None
    equals: Unordered = ()
    differs_from: Unordered = ()
    starts_with: UnorderedTexts = ()
    contains: UnorderedTexts = ()
    below: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @field_validator("rule")
    @classmethod
    def _is_not_a_reason(cls, rule: str) -> str:
        if rule in REASONS:
            raise ValueError(f"{rule} is why rows are rejected; call the rule otherwise")
        return rule

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        conditions = ("given", "missing", "equals", "differs_from", "starts_with", "contains", "below")
        if sum(getattr(self, name) not in (None, ()) for name in conditions) != 1:
            raise ValueError(f"needs exactly one of {', '.join(conditions)}")
        return self

"""What passes between the readers, the parser and the load, and what a load reports."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

import pyarrow as pa

from assets.ingest.files import InputFile
from assets.ingest.listing import Listing
from warehouse.history import EARLIEST_DAY

# `fields` is a JSON object of the mapped fields' texts, null where a row could not be split into fields: what the
# mapping leaves out, an IP address or a user agent, is nowhere in it.
REJECT_SCHEMA = pa.schema([("line", pa.int64()), ("reason", pa.string()), ("fields", pa.string())])
PROFILE_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("gender", pa.string()),
        ("age", pa.int16()),
        ("country", pa.string()),
        ("registered_on", pa.date32()),
    ]
)
# Units of times that are numbers, counted from 1970 UTC.
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
TOO_OLD = f"before_{EARLIEST_DAY.year}"
BEFORE_SERVICE = "before_the_service"
TIME_REASONS = ("bad_timestamp", TOO_OLD, BEFORE_SERVICE, "in_the_future")
# Why rows of any format are rejected.
REASONS = (
    *("invalid_utf8", "malformed_json", "wrong_column_count", "nul_byte", "too_long", "bad_mbid", *TIME_REASONS),
    *("empty_user", "empty_artist_name", "empty_track_name", "empty_artist", "empty_track", "empty_tag"),
    *("bad_item_kind", "unknown_artist", "unknown_track", "unknown_user"),
)


class Field(NamedTuple):
    """A field of a listen, and whether its value is text."""

    name: str
    is_text: bool


FIELDS = (
    Field("user_id", True),
    Field("listened_at", False),
    Field("track_id", True),
    Field("title", True),
    Field("artist_id", True),
    Field("artist_name", True),
    Field("recording_mbid", True),
    Field("artist_mbid", True),
    Field("isrc", True),
    Field("duration_ms", False),
    Field("ms_played", False),
    Field("skipped", False),
    Field("tag", True),
    Field("weight", False),
    Field("gender", True),
    Field("age", False),
    Field("country", True),
    Field("registered_on", False),
    Field("item_kind", True),
)
Kind = Literal["listens", "catalogue", "tags", "profiles", "blocks"]
_OF_ITEMS = ("track_id", "title", "artist_id", "artist_name", "recording_mbid", "artist_mbid")
# Kinds whose rows are about what other files name.
ABOUT_KNOWN: tuple[Kind, ...] = ("tags", "blocks")
# The fields that rows of each kind have.
FIELDS_OF: dict[Kind, tuple[str, ...]] = {
    "listens": ("user_id", "listened_at", *_OF_ITEMS, "isrc", "duration_ms", "ms_played", "skipped"),
    "catalogue": (*_OF_ITEMS, "isrc", "duration_ms"),
    "tags": ("user_id", *_OF_ITEMS, "tag", "weight"),
    "profiles": ("user_id", "gender", "age", "country", "registered_on"),
    "blocks": ("user_id", *_OF_ITEMS, "item_kind"),
}


@dataclass(frozen=True)
class RawBatch:
    """Some rows of a file, split into fields but not yet understood.

    Attributes:
        rows: `line` (int64, from 1, no two of a file the same) and one column per field that the source has, in the
            type the file gave it; `refused` is why the source itself refuses a row, null where it does not.
        rejects: rows that could not be split into fields, or whose texts are not text, in REJECT_SCHEMA.
        done: how much of the file has been read, 0 to 1.
        left_out: rows that a rule of the source leaves out, counted by the name of the rule.
        ends_whole: of the last batch, whether the file ends in a line end; None for a file that is not lines.
    """

    rows: pa.Table
    rejects: pa.Table
    done: float
    left_out: Mapping[str, int] = field(default_factory=dict)
    ends_whole: bool | None = None

    @property
    def rows_read(self) -> int:
        """Rows of the file in this batch, whether or not they could be split or are left out."""
        rows: int = self.rows.num_rows + self.rejects.num_rows + sum(self.left_out.values())
        return rows


def unsplit(lines: pa.ChunkedArray, reason: str) -> pa.Table:
    """Return the rejects for lines that could not be split into fields: nothing of their text is kept."""
    reasons = pa.array([reason] * len(lines), pa.string())
    return pa.table([lines, reasons, pa.nulls(len(lines), pa.string())], schema=REJECT_SCHEMA)


@dataclass(frozen=True)
class TimeRule:
    """How a source writes the time of a listen.

    Attributes:
        units: s, ms, us or ns since 1970, iso8601, or strptime formats; the first that fits a value is its own.
        zone: IANA zone of times that carry none themselves; with it, numbers count from 1970 in that zone, not in UTC.
        event: whether the time is the start or the end of playback.
        has_offset: whether the column `utc_offset` of the rows says by how many seconds those that carry no zone are
            ahead of UTC.
        has_end: whether the column `is_end` says for each row if its time is the end of playback.
    """

    units: tuple[str, ...]
    zone: str | None = None
    event: Literal["start", "end"] = "start"
    has_offset: bool = False
    has_end: bool = False


@dataclass(frozen=True)
class ParseRules:
    """What the parser must know about a source.

    Attributes:
        source: name of the service or data set; the namespace of its track and artist ids.
        time: how times are written.
        constants: fields that have one value in every row.
        played_unit: unit of `ms_played` in the file.
        duration_unit: unit of `duration_ms` in the file.
        names_required: whether every row needs an artist name and a title, ids or not.
        kind: what a row is.
        of_tracks: whether rows of a catalogue, tags or blocks are about tracks, not about artists; of blocks, some may
            then be about artists all the same.
        earliest: before when the service takes no listen, where it says so.
        has_credits: whether rows list all the artists of their track, in the column `credits`.
        times_are_from: where a person can correct the time unit; ends the message that refuses a file.
    """

    source: str
    time: TimeRule
    constants: dict[str, str] = field(default_factory=dict)
    played_unit: Literal["s", "ms"] = "ms"
    duration_unit: Literal["s", "ms"] = "ms"
    names_required: bool = False
    kind: Kind = "listens"
    of_tracks: bool = True
    earliest: datetime | None = None
    has_credits: bool = False
    times_are_from: str = ""


class Source(Protocol):
    """A file format together with what its columns mean.

    `format` names both in raw.ingest_files: the same bytes in the same format are loaded once.
    """

    @property
    def format(self) -> str: ...

    @property
    def rules(self) -> ParseRules: ...

    def told_user(self, file: "InputFile") -> str | None:
        """Return whose listens all of the file's are, whatever its rows say; None where they say it.

        The same bytes of another user are another file.
        """

    @property
    def assumed_user(self) -> str | None:
        """Whose listens those rows are that name nobody; None where these are rejected, or where a user is told."""

    def for_file(self, file: "InputFile") -> "Source":
        """Return the reader of one file, whose listens may go by the name of a source of their own."""

    def find(self, listing: Listing) -> list[InputFile]:
        """Return the files of listens among those listed, in the order in which to load them."""

    def read(self, file: InputFile) -> Iterator[RawBatch]:
        """Yield the file in batches of bounded size."""

    def profiles(self, file: InputFile) -> pa.Table | None:
        """Return the user profiles that lie beside a file of listens, in PROFILE_SCHEMA."""


@dataclass(frozen=True)
class LoadReport:
    """What became of one file; rows_read = rows_loaded + rows_rejected + rows_duplicate + rows_left_out.

    Attributes:
        file_id: the key of the load in raw.ingest_files, by which it can be undone.
        rejected_by_reason: rejected rows per reason, most frequent first.
        left_out_by_rule: rows per rule of the source that leaves them out, such as podcasts.
        nulled: rows per field whose value was not usable and was replaced by null; the listen itself stays. Empty
            for a file that was loaded before.
        first_listened_at, last_listened_at: earliest and latest start of playback in its valid rows.
        already_loaded: the same bytes are in the warehouse in this format; the counts are those of that load.
    """

    file_id: int
    file: str
    format: str
    sha256: str
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_duplicate: int
    rows_left_out: int
    rejected_by_reason: dict[str, int]
    left_out_by_rule: dict[str, int]
    nulled: dict[str, int]
    first_listened_at: datetime | None
    last_listened_at: datetime | None
    already_loaded: bool
    seconds: float

    @property
    def outcome(self) -> str:
        """What became of the rows that are not rejected, and the way back, for messages."""
        return f"the others are loaded. `audotics ingest forget {self.file_id}` undoes the load"

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `--json`. reasons: rows by why they are rejected or left out."""
        told = asdict(self)
        reasons = told.pop("rejected_by_reason") | told.pop("left_out_by_rule")
        times = {name: told[name] and told[name].isoformat() for name in ("first_listened_at", "last_listened_at")}
        return {**told, **times, "reasons": reasons}


class Progress(NamedTuple):
    """How far a load is: `done` from 0 to 1 within the stage."""

    file: InputFile
    stage: Literal["reading", "writing"]
    done: float
    rows_read: int


ProgressCallback = Callable[[Progress], None]

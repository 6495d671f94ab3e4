"""Defects planted into the listening file: what they are, how many, and the spoiled lines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from assets.ingest.records import TOO_OLD
from assets.ingest.sample_world.config import SampleWorld

# Planted per 400,000 clean listens, in the order in which a reader tests a row for faults.
REJECTED_PER_400K = {
    "invalid_utf8": 20,
    "nul_byte": 10,
    "wrong_column_count": 300,
    "empty_user": 30,
    "bad_timestamp": 150,
    TOO_OLD: 90,
    "in_the_future": 60,
    "empty_artist_name": 120,
    "empty_track_name": 180,
    "too_long": 20,
}
DUPLICATES_PER_400K = 1_200
# Years after `until`, so that a file stays dated in the future whenever it is read.
FUTURE_YEARS = 20

# Columns of a line: user, time, artist MBID, artist, track MBID, track.
Fields = list[bytes]


def planned(config: SampleWorld) -> tuple[dict[str, int], int]:
    """Rejected rows per reason, and exact duplicates, for a world of this size; at least one of each."""
    scale = config.listens / 400_000
    rejected = {reason: max(1, round(count * scale)) for reason, count in REJECTED_PER_400K.items()}
    return rejected, max(1, round(DUPLICATES_PER_400K * scale))


def spoil(reason: str, line: bytes, turn: int, until: date) -> bytes:
    """A clean line (with its line feed) turned into one that is rejected for `reason`.

    `turn` numbers the rows of one reason and picks a variant. Some rows carry a second fault, one that
    comes later in the order of `REJECTED_PER_400K`.
    """
    fields = line.rstrip(b"\n").split(b"\t")
    return b"\t".join(_SPOILERS[reason](fields, turn, until)) + b"\n"


def _invalid_utf8(fields: Fields, turn: int, until: date) -> Fields:
    column = (3, 5)[turn % 2]
    # A lone continuation byte, Latin-1 text, a character cut in half.
    fields[column] += (b" \x80", b" caf\xe9", b" \xc3")[turn % 3]
    return fields


def _nul_byte(fields: Fields, turn: int, until: date) -> Fields:
    column = (5, 3)[turn % 2]
    # Between two characters, never inside one: the line must stay UTF-8.
    name = fields[column].decode()
    fields[column] = f"{name[:2]}\0{name[2:]}".encode()
    return fields


def _wrong_column_count(fields: Fields, turn: int, until: date) -> Fields:
    # Cut off, a tab inside a title, cut off early, nothing but a user.
    return (fields[:5], [*fields, b"Live"], fields[:3], fields[:1])[turn % 4]


def _empty_user(fields: Fields, turn: int, until: date) -> Fields:
    fields[0] = b""
    if turn % 4 == 3:
        fields[1] = b""
    return fields


def _bad_timestamp(fields: Fields, turn: int, until: date) -> Fields:
    day = fields[1][:10]
    variants = (b"", b"yesterday", b"2021-02-30T10:00:00Z", b"2021-13-05T08:15:00Z", day + b"T25:61:00Z")
    fields[1] = variants[turn % len(variants)]
    return fields


def _too_old(fields: Fields, turn: int, until: date) -> Fields:
    # A player whose clock starts at the epoch.
    fields[1] = f"1970-01-01T{turn % 24:02d}:{turn // 24 % 60:02d}:07Z".encode()
    return fields


def _in_the_future(fields: Fields, turn: int, until: date) -> Fields:
    year = until.year + FUTURE_YEARS + turn % 40
    fields[1] = f"{year}-{turn % 12 + 1:02d}-15T{turn % 24:02d}:30:00Z".encode()
    return fields


def _empty_artist_name(fields: Fields, turn: int, until: date) -> Fields:
    fields[3] = b""
    if turn % 4 == 3:
        fields[5] = b""
    return fields


def _empty_track_name(fields: Fields, turn: int, until: date) -> Fields:
    fields[5] = b""
    return fields


def _too_long(fields: Fields, turn: int, until: date) -> Fields:
    column = (5, 3)[turn % 2]
    repetitions = 1_001 // len(fields[column].decode()) + 1
    fields[column] = fields[column] * repetitions + b"!"
    return fields


_SPOILERS: dict[str, Callable[[Fields, int, date], Fields]] = {
    "invalid_utf8": _invalid_utf8,
    "nul_byte": _nul_byte,
    "wrong_column_count": _wrong_column_count,
    "empty_user": _empty_user,
    "bad_timestamp": _bad_timestamp,
    TOO_OLD: _too_old,
    "in_the_future": _in_the_future,
    "empty_artist_name": _empty_artist_name,
    "empty_track_name": _empty_track_name,
    "too_long": _too_long,
}

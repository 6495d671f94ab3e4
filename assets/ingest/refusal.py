"""When to refuse a whole file, and how to say so."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.encodings import encoding_advice
from assets.ingest.files import InputFile
from assets.ingest.lines import NOT_UTF8
from assets.ingest.parse import ParsedBatch
from assets.ingest.records import BEFORE_SERVICE, PER_SECOND, TIME_REASONS, TOO_OLD, ParseRules, RawBatch
from assets.ingest.time_sql import EARLIEST
from warehouse.errors import AudoticsError
from warehouse.wording import shortened

# From this many refused times on, a file in which they are the greater part is taken for misread.
_FEWEST_ODD_TIMES = 10


@dataclass
class Tally:
    """What has been read of one file so far."""

    rows_read: int = 0
    listens: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    nulled: Counter[str] = field(default_factory=Counter)
    odd_times: list[str] = field(default_factory=list)
    first_reject: tuple[int, str | None] | None = None
    first_listened_at: datetime | None = None
    last_listened_at: datetime | None = None
    ends_whole: bool | None = None

    def add(self, batch: RawBatch, parsed: ParsedBatch) -> None:
        """Count one more batch."""
        self.rows_read += batch.rows_read
        self.ends_whole = batch.ends_whole
        self.listens += parsed.listens.num_rows
        if parsed.listens["listened_at"].null_count < parsed.listens.num_rows:
            self._extend(parsed.listens["listened_at"])
        self.left_out.update(batch.left_out)
        for entry in pc.value_counts(parsed.rejects["reason"]):
            self.rejected[entry["values"].as_py()] += entry["counts"].as_py()
        self.nulled.update(parsed.nulled)
        self.odd_times = (self.odd_times + parsed.odd_times)[:5]
        if self.first_reject is None and parsed.rejects.num_rows:
            self.first_reject = _first(parsed.rejects)

    def _extend(self, times: pa.ChunkedArray) -> None:
        of_batch = pc.min_max(times).as_py()
        first, last = (of_batch[name].replace(tzinfo=UTC) for name in ("min", "max"))
        self.first_listened_at = min(first, self.first_listened_at or first)
        self.last_listened_at = max(last, self.last_listened_at or last)

    @property
    def rows_rejected(self) -> int:
        """Rows refused so far."""
        return self.rejected.total()

    @property
    def rows_left_out(self) -> int:
        """Rows that a rule of the source has left out so far."""
        return self.left_out.total()

    def by_reason(self) -> dict[str, int]:
        """Return rejected rows per reason, most frequent first."""
        return most_frequent_first(self.rejected)


class Outcome(Protocol):
    """What became of the rows of a file, or would become of them."""

    @property
    def file(self) -> str: ...

    @property
    def rows_read(self) -> int: ...

    @property
    def rows_rejected(self) -> int: ...

    @property
    def rejected_by_reason(self) -> Mapping[str, int]: ...

    @property
    def outcome(self) -> str: ...


def mostly_rejected(told: Outcome) -> str | None:
    """Return what to say of a file if most of its rows are rejected."""
    if 2 * told.rows_rejected <= told.rows_read:
        return None
    (reason, count), *_ = told.rejected_by_reason.items()
    others = f"; {told.outcome}" if told.rows_rejected < told.rows_read else ""
    return (
        f"{told.file}: {told.rows_rejected:,} of its {told.rows_read:,} rows are rejected, {count:,} of them as"
        f" {reason}{others}"
    )


@contextmanager
def faults_named(file: InputFile) -> Iterator[None]:
    """Turn what reading a file raises into an error that names it.

    Raises:
        AudoticsError: it cannot be read, or not be understood.
    """
    try:
        yield
    except OSError as error:
        raise AudoticsError(f"cannot read {file}: {error.strerror or error}; check the file") from error
    except (csv.Error, duckdb.Error, OverflowError, UnicodeError) as error:
        raise AudoticsError(f"cannot understand {file}: {error}; check that the file is of this format") from error


def most_frequent_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts by falling number, then by name."""
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def refusal(file: InputFile, tally: Tally, rules: ParseRules, now: datetime) -> str | None:
    """Return why the file must not be loaded at all, with a way forward; None when it may be, or has no rows."""
    if tally.rows_read == 0:
        return None
    # What a rule leaves out says nothing of how the rest is read.
    judged = tally.rows_read - tally.rows_left_out
    odd = sum(tally.rejected[reason] for reason in TIME_REASONS)
    nothing_left = tally.rows_rejected > 0 and tally.listens == 0
    mostly_odd = odd >= _FEWEST_ODD_TIMES and 2 * odd > judged
    if mostly_odd or (nothing_left and 2 * odd > judged):
        return f"{file}: {_odd_times(odd, tally, rules, now)}; nothing of it was loaded"
    undecoded = tally.rejected[NOT_UTF8]
    if 2 * undecoded > tally.rows_read:
        return (
            f"{file}: {undecoded:,} of its {tally.rows_read:,} rows are not UTF-8;"
            f" {encoding_advice(file, rules.times_are_from or 'a mapping')}; nothing of it was loaded"
        )
    if nothing_left:
        reason, count = next(iter(tally.by_reason().items()))
        nameless = reason == "empty_user" and not rules.times_are_from
        advice = "say whose they are with --user NAME" if nameless else "check that the file is of this format"
        return (
            f"{file}: none of its {tally.rows_read:,} rows can be loaded; {count:,} are refused as {reason}"
            f"{_where(tally.first_reject)}; {advice}"
        )
    return None


def units_that_fit(texts: list[str], now: datetime) -> list[str]:
    """Return the time units under which all the texts are times from the earliest possible to now, likeliest first."""
    fitting = []
    for unit, per_second in PER_SECOND.items():
        moments = [_moment(text, per_second) for text in texts]
        if moments and all(moment is not None and EARLIEST <= moment <= now for moment in moments):
            fitting.append(unit)
    if texts and not fitting and all(_is_iso_8601(text) for text in texts):
        fitting.append("iso8601")
    return fitting


def _odd_times(odd: int, tally: Tally, rules: ParseRules, now: datetime) -> str:
    most = max(TIME_REASONS, key=lambda reason: tally.rejected[reason])
    what = {
        "bad_timestamp": "not times",
        TOO_OLD: f"before {EARLIEST.year}",
        BEFORE_SERVICE: f"before {rules.earliest:%B %Y}" if rules.earliest else "too old",
        "in_the_future": "in the future",
    }[most]
    sample = tally.odd_times[0] if tally.odd_times else ""
    message = (
        f"{odd:,} of its {tally.rows_read:,} times are refused, as {what} when read as {' or '.join(rules.time.units)} "
        f"(the first is {_shortened(sample)})"
    )
    fitting = [unit for unit in units_that_fit(tally.odd_times, now) if unit not in rules.time.units]
    if rules.times_are_from and fitting:
        return (
            f'{message}; they look like {fitting[0]}: set unit = "{fitting[0]}" under [time] in {rules.times_are_from}'
        )
    if rules.times_are_from:
        return f"{message}; correct [time] in {rules.times_are_from}"
    example = "this format writes them like 2009-05-04T23:08:57Z, so " if rules.time.units == ("iso8601",) else ""
    return f"{message}; {example}check that the file is of this format"


def _moment(text: str, per_second: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(text) / per_second, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _is_iso_8601(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return not text.isdigit()


def _first(rejects: pa.Table) -> tuple[int, str | None]:
    row = rejects.sort_by("line").slice(0, 1).to_pylist()[0]
    return row["line"], row["fields"]


def _where(first_reject: tuple[int, str | None] | None) -> str:
    if first_reject is None:
        return ""
    line, fields = first_reject
    return f", the first is line {line}" + (f" with {_shortened(fields)}" if fields else "")


def _shortened(text: str) -> str:
    return repr(shortened(text, 80))

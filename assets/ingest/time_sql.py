"""The expressions that turn what a file says of a time into an instant: pure text, part of the query of `parse_sql`."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from assets.ingest.literals import quoted
from assets.ingest.records import PER_SECOND, TimeRule
from warehouse.history import EARLIEST_DAY

EARLIEST = datetime(EARLIEST_DAY.year, EARLIEST_DAY.month, EARLIEST_DAY.day, tzinfo=UTC)

_ISO_8601 = r"'\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?))?'"
# As most files spell a time: it is read as it is. Its end is read first, which other spellings do not have.
_PLAIN_UTC = r"'\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z'"
_HAS_ZONE = r"':\d{2}(\.\d+)? ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)$'"
_FARTHEST_OFFSET = 18 * 60 * 60
# A narrow or non-breaking space, as recent tools put before AM and PM, is a space.
_TIDY_TIME = "translate(listened_at::VARCHAR, chr(8239) || chr(160), '  ')"
_INTEGER = r"'[+-]?\d{1,19}'"
_REAL = r"'[+-]?\d{1,19}(\.\d*)?([eE][+-]?\d{1,2})?'"
# Numbers are clamped to the years 1900 to 2200 before they are multiplied, so that no multiplication overflows.
_CLAMP_SECONDS = (-2_208_988_800, 7_258_118_400)


def time_of(kind: str, rule: TimeRule, latest: datetime) -> str:
    """Return microseconds since 1970 UTC, null when the value is not a time; the session's zone is the rule's."""
    if kind == "instant":
        return "epoch_us(listened_at::TIMESTAMPTZ)"
    times = [_time_in(unit, kind, rule) for unit in rule.units]
    if len(times) > 1:
        # Any number is a time in every unit that counts: the first in which it is a possible one is its own.
        bounds = f"BETWEEN {microseconds(EARLIEST)} AND {microseconds(latest)}"
        possible = [
            f"CASE WHEN {time} {bounds} THEN {time} END"
            for unit, time in zip(rule.units, times, strict=True)
            if unit in PER_SECOND
        ]
        times = [*possible, *times]
    time = times[0] if len(times) == 1 else f"coalesce({', '.join(times)})"
    if not rule.has_offset:
        return time
    seconds = "try_cast(utc_offset AS DOUBLE)"
    offset = f"CASE WHEN abs({seconds}) <= {_FARTHEST_OFFSET} THEN {seconds}::BIGINT * 1000000 ELSE 0 END"
    return f"{time} - CASE WHEN regexp_matches({_TIDY_TIME}, {_HAS_ZONE}) THEN 0 ELSE {offset} END"


def _time_in(unit: str, kind: str, rule: TimeRule) -> str:
    if unit in PER_SECOND:
        since_1970 = _number_of(unit, kind)
        # A timestamp without zone becomes an instant by the session's zone.
        return f"epoch_us(make_timestamp({since_1970})::TIMESTAMPTZ)" if rule.zone else since_1970
    text = _TIDY_TIME
    if unit == "iso8601":
        return f"""CASE
            WHEN ends_with(listened_at::VARCHAR, 'Z') AND regexp_full_match(listened_at::VARCHAR, {_PLAIN_UTC})
            THEN epoch_us(try_cast(listened_at::VARCHAR AS TIMESTAMP))
            WHEN regexp_full_match({text}, {_ISO_8601})
            THEN epoch_us(try_cast(regexp_replace({text}, ' ?(UTC|GMT|Z)$', '+00') AS TIMESTAMPTZ))
        END"""
    if "%p" in unit:
        # `4:45pm`, `4:45 p.m.` and `4:45 PM` are one spelling.
        text = f"regexp_replace({text}, '(?i)([0-9])[[:space:]]*([ap])\\.?m\\b\\.?', '\\1 \\2M')"
        unit = re.sub(r"\s*%p", " %p", unit)
    return f"epoch_us(try_strptime({text}, {quoted(unit)})::TIMESTAMPTZ)"


def _number_of(unit: str, kind: str) -> str:
    if kind == "integer":
        return _whole("listened_at", unit)
    if kind == "real":
        return _fractional("listened_at", unit)
    return f"""CASE
            WHEN regexp_full_match(listened_at::VARCHAR, {_INTEGER}) THEN {_whole("listened_at", unit)}
            WHEN regexp_full_match(listened_at::VARCHAR, {_REAL}) THEN {_fractional("listened_at", unit)}
        END"""


def _whole(value: str, unit: str) -> str:
    low, high = (second * PER_SECOND[unit] for second in _CLAMP_SECONDS)
    clamped = f"greatest(least(try_cast({value} AS BIGINT), {high}), {low})"
    if unit == "ns":
        return f"CASE WHEN try_cast({value} AS BIGINT) IS NOT NULL THEN {clamped} // 1000 END"
    return f"CASE WHEN try_cast({value} AS BIGINT) IS NOT NULL THEN {clamped} * {1_000_000 // PER_SECOND[unit]} END"


def _fractional(value: str, unit: str) -> str:
    low, high = (second * PER_SECOND[unit] for second in _CLAMP_SECONDS)
    number = f"try_cast({value} AS DOUBLE)"
    scaled = f"round(greatest(least({number}, {high}), {low}) * {1_000_000 / PER_SECOND[unit]})::BIGINT"
    return f"CASE WHEN isfinite({number}) THEN {scaled} END"


def units_query(units: Sequence[str], latest: datetime) -> str:
    """Return the query over the texts `listened_at` of the table `batch` that says whether they are times:
    in the first unit in the column u0, in the second in u1 and so on.
    """
    rule = TimeRule(tuple(units))
    bounds = f"BETWEEN {microseconds(EARLIEST)} AND {microseconds(latest)}"
    fits = (f"coalesce({_time_in(unit, 'text', rule)} {bounds}, false) AS u{at}" for at, unit in enumerate(units))
    return f"SELECT {', '.join(fits)} FROM batch"


def microseconds(moment: datetime) -> int:
    """Return how many there are since 1970 UTC."""
    return round(moment.timestamp() * 1_000_000)

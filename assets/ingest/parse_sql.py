"""The one query that turns raw fields into a listen or a reason: pure text, run by parse.Parser on each batch."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from assets.ingest.records import FIELDS, PER_SECOND, TOO_OLD, ParseRules, TimeRule
from warehouse.history import EARLIEST_DAY

LONGEST_FIELD_CHARACTERS = 1000
# PostgreSQL refuses index entries above 2,704 bytes.
LONGEST_INDEXED_BYTES = 2600
_INDEXED = ("user_id", "track_id", "artist_id", "tag", "track_natural_key", "artist_natural_key")
LONGEST_PLAY_MS = 24 * 60 * 60 * 1000
EARLIEST = datetime(EARLIEST_DAY.year, EARLIEST_DAY.month, EARLIEST_DAY.day, tzinfo=UTC)

# Hyphens and spaces left out: country, registrant, year and number.
_ISRC = "'[A-Z]{2}[A-Z0-9]{3}[0-9]{7}'"
_MBID = "'[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}'"
_ISO_8601 = r"'\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?))?'"
_HAS_ZONE = r"':\d{2}(\.\d+)? ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)$'"
_FARTHEST_OFFSET = 18 * 60 * 60
# A narrow or non-breaking space, as recent tools put before AM and PM, is a space.
_TIDY_TIME = "translate(listened_at::VARCHAR, chr(8239) || chr(160), '  ')"
_INTEGER = r"'[+-]?\d{1,19}'"
_REAL = r"'[+-]?\d{1,19}(\.\d*)?([eE][+-]?\d{1,2})?'"
# Numbers are clamped to the years 1900 to 2200 before they are multiplied, so that no multiplication overflows.
_CLAMP_SECONDS = (-2_208_988_800, 7_258_118_400)


def listens_query(kinds: Mapping[str, str], rules: ParseRules, latest: datetime, is_checked: bool = False) -> str:
    """Return the query over the table `batch`, whose texts have no white space around them.

    Args:
        kinds: for each field that the batch has as a column: text, integer, real or instant.
        rules: the source's rules.
        latest: the latest acceptable start of playback.
        is_checked: whether the batch has a column `refused`: why the source itself refuses a row.

    Returns:
        A query for the columns line, user_id, listened_at (timestamp, UTC), track_natural_key, track_source_id,
        recording_mbid, title, artist_natural_key (null without any artist), artist_source_id, artist_mbid,
        artist_name, isrc, isrc_nulled, duration_ms, duration_ms_nulled,
        ms_played, ms_played_nulled, skipped, skipped_nulled, tag, weight, weight_nulled, gender, country,
        age, age_nulled, registered_on, registered_on_nulled and reason (null
        for a listen, or whatever a row is).
    """
    return f"""
WITH fields AS (
    SELECT line, {", ".join(f"{_text(field.name, kinds, rules)} AS {field.name}" for field in FIELDS if field.is_text)},
        {_values(kinds, rules)},
        {"refused" if is_checked else "NULL"} AS refused,
        {_time(kinds["listened_at"], rules, latest) if "listened_at" in kinds else "NULL::BIGINT"} AS time_us
    FROM batch
), timed AS (
    SELECT * REPLACE (lower(recording_mbid) AS recording_mbid, lower(artist_mbid) AS artist_mbid,
            {_isrc("isrc")} AS isrc),
        isrc IS NOT NULL AS isrc_given,
        time_us{" - 1000 * coalesce(ms_played, 0)" if rules.time.event == "end" else ""} AS listened_us,
        recording_mbid IS NOT NULL OR track_id IS NOT NULL AS track_has_id
    FROM fields
), keyed AS (
    SELECT *, {_natural_keys(rules)}
    FROM timed
)
SELECT line, user_id, make_timestamp(listened_us) AS listened_at,
    track_natural_key, track_id AS track_source_id, recording_mbid, title,
    artist_natural_key, artist_id AS artist_source_id, artist_mbid, artist_name,
    isrc, isrc_given AND isrc IS NULL AS isrc_nulled,
    duration_ms, duration_ms_given AND duration_ms IS NULL AS duration_ms_nulled,
    ms_played, ms_played_given AND ms_played IS NULL AS ms_played_nulled,
    skipped, skipped_given AND skipped IS NULL AS skipped_nulled,
    gender, country, age, age_given AND age IS NULL AS age_nulled,
    registered_on, registered_on_given AND registered_on IS NULL AS registered_on_nulled,
    tag, weight, weight_given AND weight IS NULL AS weight_nulled,
    {_reason(kinds, rules, latest) if rules.kind == "listens" else _reason_of_item(kinds, rules)} AS reason
FROM keyed
"""


def _values(kinds: Mapping[str, str], rules: ParseRules) -> str:
    """Return the expressions of the fields that are not text, each with whether the row has one; times apart."""
    values = {
        "duration_ms": _milliseconds("duration_ms", 1, kinds, rules.duration_unit),
        "ms_played": _milliseconds("ms_played", 0, kinds, rules.played_unit),
        "skipped": _boolean(kinds),
        "weight": _number("weight", kinds),
        "age": _age(kinds),
        "registered_on": _day(kinds),
    }
    return ", ".join(f"{value} AS {name}, {_is_given(name, kinds)} AS {name}_given" for name, value in values.items())


def units_query(units: Sequence[str], latest: datetime) -> str:
    """Return the query over the texts `listened_at` of the table `batch` that says whether they are times:
    in the first unit in the column u0, in the second in u1 and so on.
    """
    rules = ParseRules("", TimeRule(tuple(units)))
    bounds = f"BETWEEN {_microseconds(EARLIEST)} AND {_microseconds(latest)}"
    fits = (f"coalesce({_time_in(unit, 'text', rules)} {bounds}, false) AS u{at}" for at, unit in enumerate(units))
    return f"SELECT {', '.join(fits)} FROM batch"


def _natural_keys(rules: ParseRules) -> str:
    return f"""
        CASE
            WHEN recording_mbid IS NOT NULL THEN 'mbid:' || recording_mbid
            WHEN track_id IS NOT NULL THEN {quoted(rules.source + ":")} || track_id
            WHEN title IS NOT NULL AND artist_name IS NOT NULL
            THEN 'name:' || {_normalised("artist_name")} || chr(31) || {_normalised("title")}
        END AS track_natural_key,
        CASE
            WHEN artist_mbid IS NOT NULL THEN 'mbid:' || artist_mbid
            WHEN artist_id IS NOT NULL THEN {quoted(rules.source + ":")} || artist_id
            WHEN artist_name IS NOT NULL THEN 'name:' || {_normalised("artist_name")}
        END AS artist_natural_key"""


def _reason(kinds: Mapping[str, str], rules: ParseRules, latest: datetime) -> str:
    has = {*kinds, *rules.constants}
    texts = [field.name for field in FIELDS if field.is_text and field.name in has]
    names = "true" if rules.names_required else "NOT track_has_id"
    no_artist = f"{names} AND artist_name IS NULL" if "artist_name" in has or rules.names_required else "false"
    return f"""CASE
        WHEN refused IS NOT NULL THEN refused
        {_nul_bytes(texts)}
        WHEN user_id IS NULL THEN 'empty_user'
        WHEN listened_us IS NULL THEN 'bad_timestamp'
        WHEN listened_us < {_microseconds(EARLIEST)} THEN '{TOO_OLD}'
        WHEN listened_us > {_microseconds(latest)} THEN 'in_the_future'
        WHEN {no_artist} THEN 'empty_artist_name'
        WHEN {names} AND title IS NULL OR track_natural_key IS NULL THEN 'empty_track_name'
        {_unusable(texts)}
    END"""


def _reason_of_item(kinds: Mapping[str, str], rules: ParseRules) -> str:
    has = {*kinds, *rules.constants}
    texts = [field.name for field in FIELDS if field.is_text and field.name in has]
    if rules.kind == "profiles":
        return f"CASE {_nul_bytes(texts)} WHEN user_id IS NULL THEN 'empty_user' {_unusable(texts)} END"
    item = "track" if rules.of_tracks else "artist"
    return f"""CASE
        {_nul_bytes(texts)}
        WHEN {item}_natural_key IS NULL THEN 'empty_{item}'
        WHEN {"tag IS NULL" if rules.kind == "tags" else "false"} THEN 'empty_tag'
        {_unusable(texts)}
    END"""


def _nul_bytes(texts: Sequence[str]) -> str:
    return f"""WHEN {" OR ".join(f"contains({name}, chr(0))" for name in texts)} THEN 'nul_byte'"""


def _unusable(texts: Sequence[str]) -> str:
    return f"""WHEN {" OR ".join(f"length({name}) > {LONGEST_FIELD_CHARACTERS}" for name in texts)}
            OR {" OR ".join(f"strlen({name}) > {LONGEST_INDEXED_BYTES}" for name in _INDEXED)}
        THEN 'too_long'
        WHEN NOT regexp_full_match(recording_mbid, {_MBID}) OR NOT regexp_full_match(artist_mbid, {_MBID})
        THEN 'bad_mbid'"""


def _age(kinds: Mapping[str, str]) -> str:
    number = "try_cast(age AS DOUBLE)"
    return f"CASE WHEN {number} BETWEEN 0 AND 999 THEN {number}::SMALLINT END" if "age" in kinds else "NULL::SMALLINT"


def _day(kinds: Mapping[str, str]) -> str:
    """Return the date of a text such as 2006-08-13 or `Aug 13, 2006`."""
    if "registered_on" not in kinds:
        return "NULL::DATE"
    text = "registered_on::VARCHAR"
    return f"coalesce(try_cast({text} AS DATE), try_strptime({text}, '%b %d, %Y')::DATE)"


def _number(name: str, kinds: Mapping[str, str]) -> str:
    number = f"try_cast({name} AS REAL)"
    return f"CASE WHEN isfinite({number}) THEN {number} END" if name in kinds else "NULL::REAL"


def _text(name: str, kinds: Mapping[str, str], rules: ParseRules) -> str:
    if name in rules.constants:
        return quoted(rules.constants[name])
    if kinds.get(name) == "real":
        # Whole numbers become real ones when a tool that knows no missing integers writes them: 7.0 is the id 7.
        return f"CASE WHEN isfinite({name}::DOUBLE) THEN regexp_replace({name}::VARCHAR, '\\.0+$', '') END"
    return f"nullif({name}::VARCHAR, '')" if name in kinds else "NULL::VARCHAR"


def _is_given(name: str, kinds: Mapping[str, str]) -> str:
    return f"coalesce({name}::VARCHAR <> '', false)" if name in kinds else "false"


def _isrc(value: str) -> str:
    """Return an ISRC as it is compared, null where it is none."""
    plain = f"upper(regexp_replace({value}, '[-\\s]', '', 'g'))"
    return f"CASE WHEN regexp_full_match({plain}, {_ISRC}) THEN {plain} END"


def _milliseconds(name: str, least: int, kinds: Mapping[str, str], unit: str) -> str:
    """Return a field's milliseconds, null unless `least` to LONGEST_PLAY_MS."""
    if name not in kinds:
        return "NULL::INTEGER"
    number = f"try_cast({name} AS DOUBLE)"
    milliseconds = f"{number} * 1000" if unit == "s" else number
    return f"CASE WHEN {milliseconds} BETWEEN {least} AND {LONGEST_PLAY_MS} THEN round({milliseconds})::INTEGER END"


def _boolean(kinds: Mapping[str, str]) -> str:
    if "skipped" not in kinds:
        return "NULL::BOOLEAN"
    return """CASE
            WHEN lower(skipped::VARCHAR) IN ('true', 't', 'yes', 'y', '1', '1.0') THEN true
            WHEN lower(skipped::VARCHAR) IN ('false', 'f', 'no', 'n', '0', '0.0') THEN false
        END"""


def _time(kind: str, rules: ParseRules, latest: datetime) -> str:
    """Return microseconds since 1970 UTC, null when the value is not a time; the session's zone is the rules'."""
    if kind == "instant":
        return "epoch_us(listened_at::TIMESTAMPTZ)"
    times = [_time_in(unit, kind, rules) for unit in rules.time.units]
    if len(times) > 1:
        # Any number is a time in every unit that counts: the first in which it is a possible one is its own.
        bounds = f"BETWEEN {_microseconds(EARLIEST)} AND {_microseconds(latest)}"
        possible = [
            f"CASE WHEN {time} {bounds} THEN {time} END"
            for unit, time in zip(rules.time.units, times, strict=True)
            if unit in PER_SECOND
        ]
        times = [*possible, *times]
    time = times[0] if len(times) == 1 else f"coalesce({', '.join(times)})"
    if not rules.time.has_offset:
        return time
    seconds = "try_cast(utc_offset AS DOUBLE)"
    offset = f"CASE WHEN abs({seconds}) <= {_FARTHEST_OFFSET} THEN {seconds}::BIGINT * 1000000 ELSE 0 END"
    return f"{time} - CASE WHEN regexp_matches({_TIDY_TIME}, {_HAS_ZONE}) THEN 0 ELSE {offset} END"


def _time_in(unit: str, kind: str, rules: ParseRules) -> str:
    if unit in PER_SECOND:
        since_1970 = _number_of(unit, kind)
        # A timestamp without zone becomes an instant by the session's zone.
        return f"epoch_us(make_timestamp({since_1970})::TIMESTAMPTZ)" if rules.time.zone else since_1970
    text = _TIDY_TIME
    if unit == "iso8601":
        return f"""CASE
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


def _normalised(name: str) -> str:
    return f"regexp_replace(lower(nfc_normalize({name})), '[\\s\\p{{Z}}]+', ' ', 'g')"


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"

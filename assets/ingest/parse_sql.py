"""The one query that turns raw fields into a listen or a reason: pure text, run by parse.Parser on each batch."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from assets.ingest.blocks_sql import blocked_item, reasons_of_block
from assets.ingest.literals import quoted
from assets.ingest.records import BEFORE_SERVICE, FIELDS, TOO_OLD, ParseRules, TimeRule
from assets.ingest.time_sql import EARLIEST, microseconds, time_of

LONGEST_FIELD_CHARACTERS = 1000
# PostgreSQL refuses index entries above 2,704 bytes.
LONGEST_INDEXED_BYTES = 2600
_INDEXED = ("user_id", "track_id", "artist_id", "tag", "track_natural_key", "artist_natural_key")
# What names a recording or an artist wherever it is; a text that is none names nothing, and is dropped.
_CODES = ("recording_mbid", "artist_mbid", "isrc")
LONGEST_PLAY_MS = 24 * 60 * 60 * 1000

# Hyphens and spaces left out: country, registrant, year and number.
_ISRC = "'[A-Z]{2}[A-Z0-9]{3}[0-9]{7}'"
_MBID = "'[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}'"


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
        artist_name, isrc, isrc_nulled, recording_mbid_nulled, artist_mbid_nulled, duration_ms, duration_ms_nulled,
        ms_played, ms_played_nulled, skipped, skipped_nulled, tag, weight, weight_nulled, gender, country,
        age, age_nulled, registered_on, registered_on_nulled, item_kind (of blocks only: track or artist)
        and reason (null for a listen, or whatever a row is).
    """
    return f"""
WITH fields AS (
    SELECT line, {", ".join(f"{_text(field.name, kinds, rules)} AS {field.name}" for field in FIELDS if field.is_text)},
        {_values(kinds, rules)},
        {"refused" if is_checked else "NULL"} AS refused, {"is_end" if rules.time.has_end else "false"} AS is_end,
        {time_of(kinds["listened_at"], rules.time, latest) if "listened_at" in kinds else "NULL::BIGINT"} AS time_us
    FROM batch
), timed AS (
    SELECT * REPLACE ({usable_mbid("recording_mbid")} AS recording_mbid, {usable_mbid("artist_mbid")} AS artist_mbid,
            {_isrc("isrc")} AS isrc),
        {", ".join(f"{name} IS NOT NULL AS {name}_given" for name in _CODES)},
        time_us{_since_start(rules.time)} AS listened_us
    FROM fields
), keyed AS (
    SELECT *, recording_mbid IS NOT NULL OR track_id IS NOT NULL AS track_has_id, {_natural_keys(rules)}
    FROM timed
)
SELECT line, user_id, make_timestamp(listened_us) AS listened_at,
    track_natural_key, track_id AS track_source_id, recording_mbid, title,
    artist_natural_key, artist_id AS artist_source_id, artist_mbid, artist_name,
    isrc, {", ".join(f"{name}_given AND {name} IS NULL AS {name}_nulled" for name in _CODES)},
    duration_ms, duration_ms_given AND duration_ms IS NULL AS duration_ms_nulled,
    ms_played, ms_played_given AND ms_played IS NULL AS ms_played_nulled,
    skipped, skipped_given AND skipped IS NULL AS skipped_nulled,
    gender, country, age, age_given AND age IS NULL AS age_nulled,
    registered_on, registered_on_given AND registered_on IS NULL AS registered_on_nulled,
    tag, weight, weight_given AND weight IS NULL AS weight_nulled,
    {f"{blocked_item(rules.of_tracks)} AS item_kind," if rules.kind == "blocks" else ""}
    {_reason(kinds, rules, latest) if rules.kind == "listens" else _reason_of_item(kinds, rules)} AS reason
FROM keyed
"""


def _since_start(time: TimeRule) -> str:
    """Return what is taken off times that are of the end of playback."""
    if time.event == "end":
        return " - 1000 * coalesce(ms_played, 0)"
    # Where only some rows tell the end, they tell no time unless they tell how long it was.
    return " - CASE WHEN is_end THEN 1000 * ms_played ELSE 0 END" if time.has_end else ""


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


def _natural_keys(rules: ParseRules) -> str:
    return f"""
        CASE
            WHEN recording_mbid IS NOT NULL THEN 'mbid:' || recording_mbid
            WHEN track_id IS NOT NULL THEN {quoted(rules.source + ":")} || track_id
            WHEN title IS NOT NULL AND artist_name IS NOT NULL
            THEN 'name:' || {_normalised("artist_name")} || chr(31) || {_normalised("title")}
        END AS track_natural_key,
        {artist_natural_key(rules.source)} AS artist_natural_key"""


def artist_natural_key(source: str) -> str:
    """Return the expression for what makes two mentions one artist, by artist_mbid, artist_id and artist_name."""
    return f"""CASE
            WHEN artist_mbid IS NOT NULL THEN 'mbid:' || artist_mbid
            WHEN artist_id IS NOT NULL THEN {quoted(source + ":")} || artist_id
            WHEN artist_name IS NOT NULL THEN 'name:' || {_normalised("artist_name")}
        END"""


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
        WHEN listened_us < {microseconds(EARLIEST)} THEN '{TOO_OLD}'
        {f"WHEN listened_us < {microseconds(rules.earliest)} THEN '{BEFORE_SERVICE}'" if rules.earliest else ""}
        WHEN listened_us > {microseconds(latest)} THEN 'in_the_future'
        WHEN {_nameless("track")} THEN 'bad_mbid'
        WHEN {no_artist} THEN 'empty_artist_name'
        WHEN {names} AND title IS NULL OR track_natural_key IS NULL THEN 'empty_track_name'
        {_unusable(texts)}
    END"""


def _reason_of_item(kinds: Mapping[str, str], rules: ParseRules) -> str:
    has = {*kinds, *rules.constants}
    texts = [field.name for field in FIELDS if field.is_text and field.name in has]
    if rules.kind == "profiles":
        return f"CASE {_nul_bytes(texts)} WHEN user_id IS NULL THEN 'empty_user' {_unusable(texts)} END"
    if rules.kind == "blocks":
        return f"CASE {_nul_bytes(texts)} {reasons_of_block(rules.of_tracks)} {_unusable(texts)} END"
    item = "track" if rules.of_tracks else "artist"
    return f"""CASE
        {_nul_bytes(texts)}
        WHEN {_nameless(item)} THEN 'bad_mbid'
        WHEN {item}_natural_key IS NULL THEN 'empty_{item}'
        WHEN {"tag IS NULL" if rules.kind == "tags" else "false"} THEN 'empty_tag'
        {_unusable(texts)}
    END"""


def _nameless(item: str) -> str:
    """Return whether a row has nothing to know its track or artist by but an MBID, which is none."""
    mbid = {"track": "recording_mbid", "artist": "artist_mbid"}[item]
    return f"{item}_natural_key IS NULL AND {mbid}_given AND {mbid} IS NULL"


def _nul_bytes(texts: Sequence[str]) -> str:
    return f"""WHEN {" OR ".join(f"contains({name}, chr(0))" for name in texts)} THEN 'nul_byte'"""


def _unusable(texts: Sequence[str]) -> str:
    return f"""WHEN {" OR ".join(f"length({name}) > {LONGEST_FIELD_CHARACTERS}" for name in texts)}
            OR {" OR ".join(f"strlen({name}) > {LONGEST_INDEXED_BYTES}" for name in _INDEXED)}
        THEN 'too_long'"""


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


def usable_mbid(value: str) -> str:
    """Return an MBID in lower case, null where it is none."""
    return f"CASE WHEN regexp_full_match({value}, {_MBID}) THEN lower({value}) END"


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


def _normalised(name: str) -> str:
    return f"regexp_replace(lower(nfc_normalize({name})), '[\\s\\p{{Z}}]+', ' ', 'g')"

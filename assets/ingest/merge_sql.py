"""The statements of a load: stage in temporary tables, then merge set by set. Pure text."""

from assets.ingest.credits_sql import merge_credits
from assets.ingest.describe_sql import NOTE_DESCRIBED, adopt, describe
from assets.ingest.literals import quoted
from warehouse.locks import Lock

SESSION_SETTINGS = (
    # Temporary tables are written and read once. A session can change this only before it touches the first of them.
    "SET temp_buffers = '64MB'",
    # Where the process that loads was killed, the server ends its statement, and with it the lock of loads.
    "SET client_connection_check_interval = '5s'",
)
# Room for the sorts and hash tables of one merge.
TRANSACTION_SETTING = "SET LOCAL work_mem = '128MB'"

# The key is also in the triggers of warehouse/migrations/baseline/builds.py.
LOCK = Lock("168624130", "loading")

STAGING = (
    """CREATE TEMPORARY TABLE staged_users (mention integer, line bigint, user_id text) ON COMMIT DROP""",
    """CREATE TEMPORARY TABLE staged_artists (
        mention integer, line bigint, natural_key text, source_id text, mbid text, name text
    ) ON COMMIT DROP""",
    """CREATE TEMPORARY TABLE staged_tracks (
        mention integer, line bigint, natural_key text, source_id text, mbid text, title text, isrc text,
        duration_ms integer, artist_mention integer
    ) ON COMMIT DROP""",
    """CREATE TEMPORARY TABLE staged_listens (
        line bigint, user_mention integer, track_mention integer, listened_at timestamptz, ms_played integer,
        skipped boolean
    ) ON COMMIT DROP""",
    """CREATE TEMPORARY TABLE staged_rejects (line bigint, reason text, fields text) ON COMMIT DROP""",
)

STAGED_PROFILES = """
CREATE TEMPORARY TABLE staged_profiles (
    user_id text, gender text, age smallint, country text, registered_on date
) ON COMMIT DROP
"""


def _highest_key(kind: str, in_use: str) -> str:
    """Return the expression for the highest key ever given, those of undone loads included; null when none was."""
    return f"greatest({in_use}, (SELECT highest FROM raw.given_keys WHERE kind = '{kind}'))"


# The lock is held, so the highest id is final.
NEXT_FILE_ID = f"SELECT coalesce({_highest_key('file', 'max(file_id)')}, 0) + 1 FROM raw.ingest_files"

RECORD_FILE = """
INSERT INTO raw.ingest_files (
    file_id, sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_left_out,
    left_out, rejected, first_listened_at, last_listened_at, started_at, told_user, loaded_by, kind, assumed_user,
    ends_whole, finished_at
)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::jsonb, $12::text::jsonb, $13::timestamptz, $14::timestamptz,
    $15, $16::text, $17, $18, $19::text, $20::boolean, clock_timestamp()
)
"""

USERS_OF_PROFILES = "SELECT user_id FROM staged_profiles"


def profiles_differ(file_id: int) -> str:
    """Return the query for whether the profiles beside a file say what they have not said yet."""
    return f"""
SELECT EXISTS (
    SELECT user_id, gender, age, country, registered_on FROM staged_profiles
    EXCEPT
    SELECT user_id, gender, age, country, registered_on FROM raw.user_profiles WHERE file_id = {file_id}
)
"""


def keep_profiles(file_id: int) -> str:
    """Return the statement for the profiles beside a file: only what changed is newer than what other loads say."""
    return f"""
INSERT INTO raw.user_profiles (file_id, user_id, gender, age, country, registered_on, stated_at)
SELECT {file_id}, user_id, gender, age, country, registered_on, clock_timestamp() FROM staged_profiles
ON CONFLICT (file_id, user_id) DO UPDATE
SET
    gender = excluded.gender, age = excluded.age, country = excluded.country, registered_on = excluded.registered_on,
    stated_at = excluded.stated_at
WHERE
    (user_profiles.gender, user_profiles.age, user_profiles.country, user_profiles.registered_on)
    IS DISTINCT FROM (excluded.gender, excluded.age, excluded.country, excluded.registered_on)
"""


def describe_users(described: str) -> str:
    """Return the statement that gives users the newest profile that any load has of them, or none.

    Args:
        described: a query for the user_id of those whose profile may have changed.
    """
    return f"""
WITH described AS (SELECT user_id FROM ({described}) AS users),
newest AS (
    SELECT DISTINCT ON (user_id) profiles.*
    FROM described INNER JOIN raw.user_profiles AS profiles USING (user_id)
    ORDER BY user_id, stated_at DESC, file_id DESC
)
UPDATE raw.users AS known
SET gender = newest.gender, age = newest.age, country = newest.country, registered_on = newest.registered_on
FROM described LEFT JOIN newest USING (user_id)
WHERE
    known.user_id = described.user_id
    AND (known.gender, known.age, known.country, known.registered_on)
    IS DISTINCT FROM (newest.gender, newest.age, newest.country, newest.registered_on)
"""


_ANALYSE_STAGED = "ANALYZE staged_users, staged_artists, staged_tracks, staged_listens"
_ANALYSE_KEYS = "ANALYZE user_keys, track_keys"
_STAGED_LISTENS = """FROM staged_listens AS staged
INNER JOIN user_keys ON user_keys.mention = staged.user_mention
INNER JOIN track_keys ON track_keys.mention = staged.track_mention"""


def merge_statements(file_id: int, source: str, has_credits: bool = False) -> dict[str, str]:
    """Return the statements that move the staged rows into raw.*, by name, in the order in which they must run.

    New users, artists and tracks get the next dense keys in the order of the first line that mentions them, so the
    same files in the same order give the same keys. Needs LOCK. `has_credits`: a line may mention several artists.
    """
    return {
        "analyse staged": _ANALYSE_STAGED,
        "users": _insert_users(file_id),
        "user keys": _keys("user", "user_id"),
        "user mentions": f"""
INSERT INTO raw.user_mentions (file_id, user_key) SELECT DISTINCT {file_id}, user_key FROM user_keys
ON CONFLICT DO NOTHING
""",
        "users of blocks": f"""
UPDATE raw.users AS known SET file_id = {file_id} FROM user_keys
WHERE known.user_key = user_keys.user_key AND known.file_id IS NULL
""",
        "profiles": describe_users(f"SELECT user_id FROM raw.users WHERE file_id = {file_id}"),
        "artists": _insert_named("artist", "name", file_id, has_credits),
        "artist keys": _keys("artist", "natural_key"),
        "artist mentions": _insert_mentions("artist", "name", file_id),
        "artists of blocks": adopt("artist", file_id),
        **describe("artist", file_id),
        "tracks": _insert_named("track", "title", file_id),
        "track keys": _keys("track", "natural_key"),
        "track mentions": _insert_mentions("track", "title", file_id),
        "tracks of blocks": adopt("track", file_id),
        **describe("track", file_id),
        "days of described tracks": NOTE_DESCRIBED,
        **({"credits": merge_credits(file_id)} if has_credits else {}),
        "analyse keys": _ANALYSE_KEYS,
        "listens": _insert_listens(file_id, source),
        "duplicates": _insert_duplicates(file_id, source),
        "rejects": f"""
INSERT INTO raw.rejected_listens (file_id, line, reason, fields)
SELECT {file_id}, line, reason, fields::jsonb FROM staged_rejects ORDER BY line
""",
    }


def _insert_users(file_id: int) -> str:
    return f"""
INSERT INTO raw.users (user_key, user_id, listener_key, file_id)
SELECT
    {_first_key("user")} + row_number() OVER (ORDER BY min(staged.line)) - 1,
    staged.user_id,
    raw.listener_key(staged.user_id),
    {file_id}
FROM staged_users AS staged
WHERE NOT EXISTS (SELECT FROM raw.users AS known WHERE known.user_id = staged.user_id)
GROUP BY staged.user_id
"""


def _first_key(kind: str) -> str:
    """Return the expression for the next dense key."""
    return f"(SELECT coalesce({_highest_key(kind, f'max({kind}_key)')} + 1, 0) FROM raw.{kind}s)"


def _keys(kind: str, identity: str) -> str:
    """Return the statement for the table that leads from a mention to its key."""
    return f"""
CREATE TEMPORARY TABLE {kind}_keys ON COMMIT DROP AS
SELECT staged.mention, known.{kind}_key
FROM staged_{kind}s AS staged INNER JOIN raw.{kind}s AS known USING ({identity})
"""


def _insert_mentions(kind: str, name: str, file_id: int) -> str:
    """Return the statement for what the file says first of each artist or track; a retry adds what it names more."""
    column, value, artist_join = (
        (
            ", isrc, duration_ms, artist_key",
            ", staged.isrc, staged.duration_ms, artist_keys.artist_key",
            "LEFT JOIN artist_keys ON artist_keys.mention = staged.artist_mention",
        )
        if kind == "track"
        else ("", "", "")
    )
    return f"""
INSERT INTO raw.{kind}_mentions (file_id, {kind}_key, line, source_id, {name}{column})
SELECT DISTINCT ON ({kind}_keys.{kind}_key)
    {file_id}, {kind}_keys.{kind}_key, staged.line, staged.source_id, staged.{name}{value}
FROM staged_{kind}s AS staged INNER JOIN {kind}_keys USING (mention) {artist_join}
ORDER BY {kind}_keys.{kind}_key, staged.line
ON CONFLICT DO NOTHING
"""


def _insert_listens(file_id: int, source: str) -> str:
    """Return the statement for the listens; of rows that are the same listen, the first line wins.

    In the order of the primary key, its index grows in one direction instead of all over. LOCK is held, so what is not
    there yet cannot come in between: looking for it beforehand costs less than ON CONFLICT, row by row.
    """
    return f"""
INSERT INTO raw.listens (user_key, track_key, listened_at, ms_played, skipped, source, file_id)
SELECT DISTINCT ON (staged.listened_at, user_keys.user_key, track_keys.track_key)
    user_keys.user_key, track_keys.track_key, staged.listened_at, staged.ms_played, staged.skipped, {quoted(source)},
    {file_id}
{_STAGED_LISTENS}
WHERE NOT EXISTS (
    SELECT FROM raw.listens AS known
    WHERE
        known.listened_at = staged.listened_at
        AND known.user_key = user_keys.user_key
        AND known.track_key = track_keys.track_key
)
ORDER BY staged.listened_at, user_keys.user_key, track_keys.track_key, staged.line
"""


def _insert_duplicates(file_id: int, source: str) -> str:
    """Return the statement for the listens that an earlier file has brought, as the first line has them here."""
    return f"""
INSERT INTO raw.duplicate_listens (user_key, track_key, listened_at, ms_played, skipped, source, file_id)
SELECT DISTINCT ON (staged.listened_at, user_keys.user_key, track_keys.track_key)
    user_keys.user_key, track_keys.track_key, staged.listened_at, staged.ms_played, staged.skipped, {quoted(source)},
    {file_id}
{_STAGED_LISTENS}
INNER JOIN raw.listens AS known
    ON known.listened_at = staged.listened_at
    AND known.user_key = user_keys.user_key
    AND known.track_key = track_keys.track_key
    AND known.file_id <> {file_id}
ORDER BY staged.listened_at, user_keys.user_key, track_keys.track_key, staged.line
ON CONFLICT DO NOTHING
"""


def _insert_named(kind: str, name: str, file_id: int, several: bool = False) -> str:
    """Return the statement for artists or tracks: natural key, public id and what the first mention says.

    `several`: a line may mention more than one of them.
    """
    named, order = ("natural_key, ", "line, natural_key") if several else ("", "line")
    mbid = "recording_mbid" if kind == "track" else "artist_mbid"
    artist_column, artist_value, artist_join = (
        (
            ", isrc, duration_ms, artist_key",
            ", new.isrc, new.duration_ms, artist_keys.artist_key",
            "LEFT JOIN artist_keys ON artist_keys.mention = new.artist_mention",
        )
        if kind == "track"
        else ("", "", "")
    )
    return f"""
INSERT INTO raw.{kind}s ({kind}_key, natural_key, {kind}_id, {mbid}, {name}, file_id{artist_column})
WITH first_mentions AS (
    SELECT staged.*, coalesce(staged.source_id, staged.mbid, 'nm-' || md5(staged.natural_key)) AS wanted_id
    FROM staged_{kind}s AS staged
    INNER JOIN (SELECT {named}min(line) AS line FROM staged_{kind}s GROUP BY natural_key) AS first USING ({named}line)
),
new AS (
    SELECT
        first_mentions.*,
        row_number() OVER (PARTITION BY wanted_id ORDER BY {order}) = 1
        AND NOT EXISTS (SELECT FROM raw.{kind}s AS known WHERE known.{kind}_id = first_mentions.wanted_id) AS id_is_free
    FROM first_mentions
    WHERE NOT EXISTS (SELECT FROM raw.{kind}s AS known WHERE known.natural_key = first_mentions.natural_key)
)
SELECT
    {_first_key(kind)} + row_number() OVER (ORDER BY {order}) - 1,
    new.natural_key,
    CASE WHEN new.id_is_free THEN new.wanted_id ELSE new.natural_key END,
    new.mbid,
    new.{name},
    {file_id}{artist_value}
FROM new {artist_join}
"""

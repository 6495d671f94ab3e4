"""The statements of a load: stage in temporary tables, then merge set by set. Pure text."""

from warehouse.locks import Lock

# The temporary tables are written and read once. A session can change this only before it touches the first of them.
SESSION_SETTING = "SET temp_buffers = '64MB'"
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
        mention integer, line bigint, natural_key text, source_id text, mbid text, title text, artist_mention integer
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

# The lock is held, so the highest id is final. The identity's own sequence would leave gaps after a rolled-back load:
# it moves only when loads are forgotten, and remembers how far ids had come.
NEXT_FILE_ID = """
SELECT greatest(
    (SELECT max(file_id) FROM raw.ingest_files),
    pg_sequence_last_value(pg_get_serial_sequence('raw.ingest_files', 'file_id')),
    0
) + 1
"""

# Needs LOCK; nothing where no file was ever loaded.
KEEP_HIGHEST_FILE_ID = """
SELECT setval(sequence, greatest(highest, pg_sequence_last_value(sequence)))
FROM (
    SELECT pg_get_serial_sequence('raw.ingest_files', 'file_id')::regclass AS sequence, max(file_id) AS highest
    FROM raw.ingest_files
) AS given
WHERE highest IS NOT NULL
"""

ALREADY_LOADED = """
SELECT file_id, rows_read, rows_loaded, rows_rejected, rows_duplicate FROM raw.ingest_files
WHERE sha256 = $1 AND format = $2
"""

LOADED_OTHERWISE = """
SELECT file_id, format, path FROM raw.ingest_files WHERE sha256 = $1 AND format <> $2 ORDER BY file_id LIMIT 1
"""

REJECTED_BY_REASON = """
SELECT reason, count(*) FROM raw.rejected_listens WHERE file_id = $1 GROUP BY reason ORDER BY count(*) DESC, reason
"""

RECORD_FILE = """
INSERT INTO raw.ingest_files (
    file_id, sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected, rows_duplicate, started_at, finished_at
)
OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp())
"""

UPDATE_PROFILES = """
UPDATE raw.users AS users
SET gender = staged.gender, age = staged.age, country = staged.country, registered_on = staged.registered_on
FROM staged_profiles AS staged
WHERE
    users.user_id = staged.user_id
    AND (users.gender, users.age, users.country, users.registered_on)
    IS DISTINCT FROM (staged.gender, staged.age, staged.country, staged.registered_on)
"""


_ANALYSE_STAGED = "ANALYZE staged_users, staged_artists, staged_tracks, staged_listens"
_ANALYSE_KEYS = "ANALYZE user_keys, track_keys"


def merge_statements(file_id: int, source: str) -> dict[str, str]:
    """Return the statements that move the staged rows into raw.*, by name, in the order in which they must run.

    New users, artists and tracks get the next dense keys in the order of the first line that mentions them, so the
    same files in the same order give the same keys. Needs LOCK.
    """
    return {
        "analyse staged": _ANALYSE_STAGED,
        "users": _insert_users(file_id),
        "user keys": _keys("user", "user_id"),
        "artists": _insert_named("artist", "name", file_id),
        "artist keys": _keys("artist", "natural_key"),
        "tracks": _insert_named("track", "title", file_id),
        "track keys": _keys("track", "natural_key"),
        "analyse keys": _ANALYSE_KEYS,
        "listens": _insert_listens(file_id, source),
        "rejects": f"""
INSERT INTO raw.rejected_listens (file_id, line, reason, fields)
SELECT {file_id}, line, reason, fields::jsonb FROM staged_rejects ORDER BY line
""",
    }


def _insert_users(file_id: int) -> str:
    return f"""
INSERT INTO raw.users (user_key, user_id, listener_key, file_id)
SELECT
    (SELECT coalesce(max(user_key) + 1, 0) FROM raw.users) + row_number() OVER (ORDER BY min(staged.line)) - 1,
    staged.user_id,
    raw.listener_key(staged.user_id),
    {file_id}
FROM staged_users AS staged
WHERE NOT EXISTS (SELECT FROM raw.users AS known WHERE known.user_id = staged.user_id)
GROUP BY staged.user_id
"""


def _keys(kind: str, identity: str) -> str:
    """Return the statement for the table that leads from a mention to its key."""
    return f"""
CREATE TEMPORARY TABLE {kind}_keys ON COMMIT DROP AS
SELECT staged.mention, known.{kind}_key
FROM staged_{kind}s AS staged INNER JOIN raw.{kind}s AS known USING ({identity})
"""


def _insert_listens(file_id: int, source: str) -> str:
    """Return the statement for the listens; of rows that are the same listen, the first line wins.

    In the order of the primary key, its index grows in one direction instead of all over.
    """
    literal = "'" + source.replace("'", "''") + "'"
    return f"""
INSERT INTO raw.listens (user_key, track_key, listened_at, ms_played, skipped, source, file_id)
SELECT
    user_keys.user_key, track_keys.track_key, staged.listened_at, staged.ms_played, staged.skipped, {literal}, {file_id}
FROM staged_listens AS staged
INNER JOIN user_keys ON user_keys.mention = staged.user_mention
INNER JOIN track_keys ON track_keys.mention = staged.track_mention
ORDER BY staged.listened_at, user_keys.user_key, track_keys.track_key, staged.line
ON CONFLICT DO NOTHING
"""


def _insert_named(kind: str, name: str, file_id: int) -> str:
    """Return the statement for artists or tracks: natural key, public id and what the first mention says."""
    mbid = "recording_mbid" if kind == "track" else "artist_mbid"
    artist_column, artist_value, artist_join = (
        (
            ", artist_key",
            ", artist_keys.artist_key",
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
    INNER JOIN (SELECT min(line) AS line FROM staged_{kind}s GROUP BY natural_key) AS first USING (line)
),
new AS (
    SELECT
        first_mentions.*,
        row_number() OVER (PARTITION BY wanted_id ORDER BY line) = 1
        AND NOT EXISTS (SELECT FROM raw.{kind}s AS known WHERE known.{kind}_id = first_mentions.wanted_id) AS id_is_free
    FROM first_mentions
    WHERE NOT EXISTS (SELECT FROM raw.{kind}s AS known WHERE known.natural_key = first_mentions.natural_key)
)
SELECT
    (SELECT coalesce(max({kind}_key) + 1, 0) FROM raw.{kind}s) + row_number() OVER (ORDER BY new.line) - 1,
    new.natural_key,
    CASE WHEN new.id_is_free THEN new.wanted_id ELSE new.natural_key END,
    new.mbid,
    new.{name},
    {file_id}{artist_value}
FROM new {artist_join}
"""

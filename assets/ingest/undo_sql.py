"""The statements that undo a load: afterwards raw.* is as if the file had never been loaded. Pure text.

What only the file says goes. What other files say as well is told by the first of them from then on: the listen, the
user, the track or artist with its public id, title and name, the profile.
"""

from assets.ingest.blocks_sql import undo_blocks
from assets.ingest.credits_sql import UNDO as UNDO_CREDITS
from assets.ingest.describe_sql import DESCRIPTIONS, OF_LISTENS
from assets.ingest.merge_sql import describe_users

_LISTEN = "listened_at, user_key, track_key"


def undo_statements(file_id: int) -> dict[str, str]:
    """Return the statements by name, in the order in which they must run. Needs the lock of loads.

    The row counts of "listens", "taken over", "rejected", "blocks", "users", "artists" and "tracks" are what a report
    needs.
    """
    return {
        "given keys": _REMEMBER_KEYS,
        **_undo_listens(file_id),
        "rejected": f"DELETE FROM raw.rejected_listens WHERE file_id = {file_id}",
        # Whoever and whatever only a block had kept goes with it.
        **undo_blocks(file_id),
        **_undo_users(file_id),
        "credits": UNDO_CREDITS.format(file_id=file_id),
        # Tracks name artists, so these are described first and go last.
        **_redescribe("artist", file_id),
        **_redescribe("track", file_id),
        "tracks of gone blocks": _GONE_WITH_BLOCKS.format(kind="track"),
        "artists of gone blocks": _GONE_WITH_BLOCKS.format(kind="artist"),
        "tracks": _delete_unnamed("track"),
        "artists": _delete_unnamed("artist"),
        **_undo_tags("track", file_id),
        **_undo_tags("artist", file_id),
        **_settle_ids("track", "recording_mbid"),
        **_settle_ids("artist", "artist_mbid"),
        "days of other artists": _TOUCH_LISTENS_OF_OTHER_ARTISTS,
        "places": f"DELETE FROM raw.file_places WHERE file_id = {file_id}",
        "record": f"DELETE FROM raw.ingest_files WHERE file_id = {file_id}",
    }


# Their public ids go to those that wanted them as well.
_GONE_WITH_BLOCKS = """
INSERT INTO undone_{kind}s ({kind}_key, old_id)
SELECT {kind}_key, {kind}_id
FROM raw.{kind}s AS known
WHERE
    file_id IS NULL
    AND NOT EXISTS (SELECT FROM raw.blocks WHERE item_kind = '{kind}' AND item_key = known.{kind}_key)
    AND NOT EXISTS (SELECT FROM undone_{kind}s AS undone WHERE undone.{kind}_key = known.{kind}_key)
"""

_REMEMBER_KEYS = """
INSERT INTO raw.given_keys (kind, highest)
SELECT kind, highest
FROM (
    SELECT 'file' AS kind, max(file_id) AS highest FROM raw.ingest_files
    UNION ALL SELECT 'user', max(user_key) FROM raw.users
    UNION ALL SELECT 'artist', max(artist_key) FROM raw.artists
    UNION ALL SELECT 'track', max(track_key) FROM raw.tracks
) AS given
WHERE highest IS NOT NULL
ON CONFLICT (kind) DO UPDATE SET highest = greatest(given_keys.highest, excluded.highest)
"""

# The models know a listen's artist and how long its track is, and rebuild days by the ledger that triggers on
# raw.listens keep.
_TOUCH_LISTENS_OF_OTHER_ARTISTS = f"""
UPDATE raw.listens AS listens SET track_key = listens.track_key
FROM undone_tracks AS undone
WHERE
    listens.track_key = undone.track_key
    AND undone.file_id IS NOT NULL
    AND ({" OR ".join(f"undone.{name} IS DISTINCT FROM undone.old_{name}" for name in OF_LISTENS)})
"""


def _undo_listens(file_id: int) -> dict[str, str]:
    return {
        "find heirs": f"""
CREATE TEMPORARY TABLE heirs ON COMMIT DROP AS
SELECT DISTINCT ON ({_LISTEN})
    {_LISTEN}, others.file_id, others.ms_played, others.skipped, others.source
FROM raw.listens AS undone INNER JOIN raw.duplicate_listens AS others USING ({_LISTEN})
WHERE undone.file_id = {file_id}
ORDER BY {_LISTEN}, others.file_id
""",
        "listens": f"DELETE FROM raw.listens WHERE file_id = {file_id}",
        "taken over": f"""
INSERT INTO raw.listens ({_LISTEN}, file_id, ms_played, skipped, source)
SELECT {_LISTEN}, file_id, ms_played, skipped, source FROM heirs ORDER BY {_LISTEN}
""",
        "no longer duplicates": """
DELETE FROM raw.duplicate_listens AS others USING heirs
WHERE
    (others.listened_at, others.user_key, others.track_key, others.file_id)
    = (heirs.listened_at, heirs.user_key, heirs.track_key, heirs.file_id)
""",
        "duplicates": f"DELETE FROM raw.duplicate_listens WHERE file_id = {file_id}",
        "counts": """
UPDATE raw.ingest_files AS files
SET rows_loaded = files.rows_loaded + more.listens, rows_duplicate = files.rows_duplicate - more.listens
FROM (SELECT file_id, count(*) AS listens FROM heirs GROUP BY file_id) AS more
WHERE files.file_id = more.file_id
""",
    }


def _undo_users(file_id: int) -> dict[str, str]:
    return {
        "user mentions": f"DELETE FROM raw.user_mentions WHERE file_id = {file_id}",
        "first mentions of users": f"""
UPDATE raw.users AS known SET file_id = next.file_id
FROM (
    SELECT undone.user_key, min(said.file_id) AS file_id
    FROM raw.users AS undone LEFT JOIN raw.user_mentions AS said USING (user_key)
    WHERE undone.file_id = {file_id}
    GROUP BY undone.user_key
) AS next
WHERE known.user_key = next.user_key
""",
        "users": """
DELETE FROM raw.users AS known
WHERE known.file_id IS NULL AND NOT EXISTS (SELECT FROM raw.blocks WHERE blocks.user_key = known.user_key)
""",
        "profiles": f"""
CREATE TEMPORARY TABLE undone_profiles ON COMMIT DROP AS
SELECT user_id FROM raw.user_profiles WHERE file_id = {file_id}
""",
        "profiles of the file": f"DELETE FROM raw.user_profiles WHERE file_id = {file_id}",
        "other profiles": describe_users("SELECT user_id FROM undone_profiles"),
    }


def _redescribe(kind: str, file_id: int) -> dict[str, str]:
    """Return the statements that describe what the file names as the other files do, each word by the first that has
    it; what no other file names loses its description.
    """
    key, columns = f"{kind}_key", DESCRIPTIONS[kind]
    firsts = ", ".join(
        f"(array_agg(said.{name} ORDER BY said.file_id) FILTER (WHERE said.{name} IS NOT NULL))[1] AS {name}"
        for name in columns
    )
    old = "".join(f", known.{name} AS old_{name}" for name in OF_LISTENS if kind == "track")
    return {
        f"undone {kind}s": f"""
CREATE TEMPORARY TABLE undone_{kind}s ON COMMIT DROP AS
SELECT known.{key}, known.{kind}_id AS old_id, min(said.file_id) AS file_id, {firsts}{old}
FROM raw.{kind}_mentions AS undone
INNER JOIN raw.{kind}s AS known USING ({key})
LEFT JOIN raw.{kind}_mentions AS said ON said.{key} = known.{key} AND said.file_id <> {file_id}
WHERE undone.file_id = {file_id}
GROUP BY known.{key}
""",
        f"{kind} mentions": f"DELETE FROM raw.{kind}_mentions WHERE file_id = {file_id}",
        f"described {kind}s": f"""
UPDATE raw.{kind}s AS known
SET file_id = undone.file_id, {", ".join(f"{name} = undone.{name}" for name in columns)}
FROM undone_{kind}s AS undone
WHERE known.{key} = undone.{key}
""",
    }


def _undo_tags(kind: str, file_id: int) -> dict[str, str]:
    """Return the statements that take away the tags of the file, and those of what is gone."""
    return {
        f"{kind} tags": f"DELETE FROM raw.{kind}_tags WHERE file_id = {file_id}",
        f"tags of gone {kind}s": f"""
DELETE FROM raw.{kind}_tags AS tags USING undone_{kind}s AS undone
WHERE
    tags.{kind}_key = undone.{kind}_key
    AND NOT EXISTS (SELECT FROM raw.{kind}s AS known WHERE known.{kind}_key = tags.{kind}_key)
""",
    }


def _delete_unnamed(kind: str) -> str:
    """Return the statement for tracks or artists that no file names: those that somebody blocked stay, so that the
    block holds when they come back.
    """
    return f"""
DELETE FROM raw.{kind}s AS known
WHERE
    known.file_id IS NULL
    AND NOT EXISTS (SELECT FROM raw.blocks WHERE item_kind = '{kind}' AND item_key = known.{kind}_key)
"""


def _settle_ids(kind: str, mbid: str) -> dict[str, str]:
    """Return the statements that give a public id to the first that wants it; the others go by their natural keys.

    Only ids that the undone load had given, or that what it named wants now, can change hands. What is to change is
    vacated first, as an id must never be there twice.
    """
    key, public_id = f"{kind}_key", f"{kind}_id"
    return {
        f"settled {kind} ids": f"""
CREATE TEMPORARY TABLE settled_{kind}s ON COMMIT DROP AS
WITH wanting AS (
    SELECT
        known.{key}, known.natural_key, known.{public_id}, known.file_id, said.line,
        CASE
            WHEN said.line IS NULL THEN known.{public_id}
            ELSE coalesce(said.source_id, known.{mbid}, 'nm-' || md5(known.natural_key))
        END AS wanted
    FROM raw.{kind}s AS known
    LEFT JOIN raw.{kind}_mentions AS said ON said.{key} = known.{key} AND said.file_id = known.file_id
),
contested AS (
    SELECT old_id AS wanted FROM undone_{kind}s
    UNION
    SELECT wanting.wanted FROM wanting INNER JOIN undone_{kind}s USING ({key})
),
settled AS (
    SELECT
        {key}, natural_key, {public_id},
        CASE
            WHEN row_number() OVER (PARTITION BY wanted ORDER BY file_id NULLS LAST, line, natural_key) = 1 THEN wanted
            ELSE natural_key
        END AS settled_id
    FROM wanting INNER JOIN contested USING (wanted)
)
SELECT * FROM settled WHERE settled_id <> {public_id}
""",
        f"vacated {kind} ids": f"""
UPDATE raw.{kind}s AS known SET {public_id} = known.natural_key
FROM settled_{kind}s AS settled WHERE known.{key} = settled.{key}
""",
        f"{kind} ids": f"""
UPDATE raw.{kind}s AS known SET {public_id} = settled.settled_id
FROM settled_{kind}s AS settled WHERE known.{key} = settled.{key} AND settled.settled_id <> known.{public_id}
""",
    }

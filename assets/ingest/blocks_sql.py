"""The statements that merge files of blocks, and that undo them. Pure text."""

STAGING = """CREATE TEMPORARY TABLE staged_blocks (
    line bigint, user_id text, item_kind text, track_natural_key text, track_id text, title text,
    artist_natural_key text, artist_id text, artist_name text, recording_mbid text, artist_mbid text
) ON COMMIT DROP"""

_BLOCK = "user_key, item_kind, item_key"


def blocked_item(of_tracks: bool) -> str:
    """Return the expression for what a row blocks: `track` or `artist`, as it says itself, in any case; where it does
    not, its track, or the artist of a row that has an id of one and names no track at all.

    A row with a title, or with an artist's name alone, means a track: to block all that the artist made because
    something is missing would hide what nobody has asked to hide.
    """
    if not of_tracks:
        return "coalesce(lower(item_kind), 'artist')"
    no_track = "track_natural_key IS NULL AND title IS NULL AND coalesce(artist_id, artist_mbid) IS NOT NULL"
    return f"coalesce(lower(item_kind), CASE WHEN {no_track} THEN 'artist' ELSE 'track' END)"


def reasons_of_block(of_tracks: bool) -> str:
    """Return the cases of why a row cannot be a block."""
    item = blocked_item(of_tracks)
    return f"""WHEN user_id IS NULL THEN 'empty_user'
        WHEN {item} NOT IN ('track', 'artist') THEN 'bad_item_kind'
        WHEN CASE {item} WHEN 'track' THEN track_natural_key ELSE artist_natural_key END IS NULL
        THEN 'empty_' || {item}"""


def merge_blocks(file_id: int) -> dict[str, str]:
    """Return the statements that move the staged blocks into raw.*, by name, in the order in which they run; needs the
    locks of loads and of blocks.

    What was blocked before stays as it was. Ids are those of the source, else public ones, as `audotics blocks` takes
    them.
    """
    return {
        "analyse staged": "ANALYZE staged_blocks",
        "blocking": f"""
CREATE TEMPORARY TABLE blocking ON COMMIT DROP AS
SELECT
    staged.*, users.user_key,
    coalesce(tracks.track_key, public_tracks.track_key, artists.artist_key, public_artists.artist_key) AS item_key
FROM staged_blocks AS staged
LEFT JOIN raw.users AS users USING (user_id)
{_known("track")}
{_known("artist")}
""",
        "block mentions": f"""
INSERT INTO raw.block_mentions ({_BLOCK}, file_id, stated_at)
SELECT DISTINCT {_BLOCK}, {file_id}, (SELECT clock_timestamp())
FROM blocking WHERE user_key IS NOT NULL AND item_key IS NOT NULL
ON CONFLICT DO NOTHING
""",
        "blocks": f"""
INSERT INTO raw.blocks ({_BLOCK}, file_id, created_at)
SELECT {_BLOCK}, file_id, stated_at FROM raw.block_mentions WHERE file_id = {file_id}
ON CONFLICT DO NOTHING
""",
        "rejects": f"""
INSERT INTO raw.rejected_listens (file_id, line, reason, fields)
SELECT {file_id}, line, reason, fields::jsonb FROM staged_rejects
UNION ALL
SELECT {file_id}, line, {_UNKNOWN}, {_FIELDS} FROM blocking WHERE user_key IS NULL OR item_key IS NULL
ORDER BY line
""",
    }


_UNKNOWN = "CASE WHEN user_key IS NULL THEN 'unknown_user' ELSE 'unknown_' || item_kind END"
_FIELDS = """jsonb_strip_nulls(
        to_jsonb(blocking) - 'line' - 'track_natural_key' - 'artist_natural_key' - 'user_key' - 'item_key'
    )"""
UNKNOWN_COUNTS = f"""
SELECT {_UNKNOWN} AS reason, count(*) FROM blocking WHERE user_key IS NULL OR item_key IS NULL GROUP BY reason
"""


def _known(kind: str) -> str:
    """Return the joins that find a track or artist by its natural key, and by its public id."""
    return f"""LEFT JOIN raw.{kind}s AS {kind}s
    ON staged.item_kind = '{kind}' AND {kind}s.natural_key = staged.{kind}_natural_key
LEFT JOIN raw.{kind}s AS public_{kind}s
    ON staged.item_kind = '{kind}' AND public_{kind}s.{kind}_id = staged.{kind}_id"""


def undo_blocks(file_id: int) -> dict[str, str]:
    """Return the statements that take away the blocks that only the file has stated: those that its user asked for, or
    that another file states as well, hold on.
    """
    return {
        "block mentions": f"DELETE FROM raw.block_mentions WHERE file_id = {file_id}",
        "heirs of blocks": f"""
CREATE TEMPORARY TABLE block_heirs ON COMMIT DROP AS
SELECT DISTINCT ON ({_BLOCK}) {_BLOCK}, others.file_id, others.stated_at
FROM raw.blocks AS undone INNER JOIN raw.block_mentions AS others USING ({_BLOCK})
WHERE undone.file_id = {file_id}
ORDER BY {_BLOCK}, others.file_id
""",
        "taken over blocks": """
UPDATE raw.blocks AS blocks SET file_id = heirs.file_id, created_at = heirs.stated_at
FROM block_heirs AS heirs
WHERE (blocks.user_key, blocks.item_kind, blocks.item_key) = (heirs.user_key, heirs.item_kind, heirs.item_key)
""",
        "blocks": f"DELETE FROM raw.blocks WHERE file_id = {file_id}",
        "counts of blocks": """
UPDATE raw.ingest_files AS files
SET rows_loaded = files.rows_loaded + more.blocks, rows_duplicate = files.rows_duplicate - more.blocks
FROM (SELECT file_id, count(*) AS blocks FROM block_heirs GROUP BY file_id) AS more
WHERE files.file_id = more.file_id
""",
    }

"""The queries for who is credited beside a track's artist, in a batch and in the merge of a load. Pure text."""

from assets.ingest.parse_sql import (
    LONGEST_FIELD_CHARACTERS,
    LONGEST_INDEXED_BYTES,
    artist_natural_key,
    usable_mbid,
)

STAGING = """CREATE TEMPORARY TABLE staged_credits (
    line bigint, track_mention integer, position smallint, artist_mention integer, join_phrase text
) ON COMMIT DROP"""

# The statement by which the tracks of an undone load lose their credits there.
UNDO = "DELETE FROM raw.track_artists WHERE file_id = {file_id}"


def members_query(source: str) -> str:
    """Return the query for the artists that rows credit, over the tables `batch`, with the list `credits`, and
    `accepted`, the rows that are not rejected.

    Returns:
        A query for the columns line, position (from 1, without gaps), natural_key, source_id, mbid, name and
        join_phrase, of rows with at least two artists: the first is that of the row, and nobody is there twice; and
        one row with the line null whose position says of how many rows an artist was left out, as nothing usable says
        who it is.
    """
    texts = ("artist_id", "artist_name", "join_phrase")
    usable = ", ".join(f"CASE WHEN {_is_usable(name)} THEN {name} END AS {name}" for name in texts)
    return f"""
WITH members AS (
    SELECT line, generate_subscripts(credits, 1) AS place, unnest(credits) AS member
    FROM batch WHERE credits IS NOT NULL
), texts AS (
    SELECT
        line, place, nullif(trim(member.id), '') AS artist_id, nullif(trim(member.mbid), '') AS artist_mbid,
        nullif(trim(member.name), '') AS artist_name, nullif(member.join_phrase, '') AS join_phrase
    FROM members
), fields AS (
    SELECT line, place, {usable}, {usable_mbid("artist_mbid")} AS artist_mbid FROM texts
), keyed AS (
    SELECT *, {artist_natural_key(source)} AS own_key FROM fields
), named AS (
    SELECT
        keyed.*,
        CASE WHEN place = 1 THEN accepted.artist_natural_key ELSE own_key END AS natural_key
    FROM keyed INNER JOIN accepted USING (line)
    WHERE accepted.artist_natural_key IS NOT NULL
), firsts AS (
    SELECT * FROM named WHERE natural_key IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY line, natural_key ORDER BY place) = 1
)
SELECT
    line, row_number() OVER (PARTITION BY line ORDER BY place)::INTEGER AS position, natural_key,
    artist_id AS source_id, artist_mbid AS mbid, artist_name AS name, join_phrase
FROM firsts
QUALIFY count(*) OVER (PARTITION BY line) > 1
UNION ALL
SELECT NULL, count(DISTINCT line)::INTEGER, NULL, NULL, NULL, NULL, NULL FROM named WHERE natural_key IS NULL
ORDER BY line, position
"""


def _is_usable(name: str) -> str:
    """Return the expression for whether a text can be stored; the natural key that it becomes can be, too."""
    length = f"length({name}) <= {LONGEST_FIELD_CHARACTERS} AND strlen({name}) <= {LONGEST_INDEXED_BYTES - 100}"
    return f"{length} AND NOT contains({name}, chr(0))"


def merge_credits(file_id: int) -> str:
    """Return the statement for the credits that a file says first of each track, once its tracks and artists have keys.

    The tables that lead from mentions to keys are those of merge_sql. A retry adds the credits of tracks that had none.
    """
    return f"""
INSERT INTO raw.track_artists (file_id, track_key, position, artist_key, join_phrase)
WITH keyed AS (
    SELECT track_keys.track_key, staged.line, staged.position, artist_keys.artist_key, staged.join_phrase
    FROM staged_credits AS staged
    INNER JOIN track_keys ON track_keys.mention = staged.track_mention
    INNER JOIN artist_keys ON artist_keys.mention = staged.artist_mention
),
firsts AS (SELECT track_key, min(line) AS line FROM keyed GROUP BY track_key)
SELECT {file_id}, track_key, position, artist_key, join_phrase
FROM keyed INNER JOIN firsts USING (track_key, line)
WHERE NOT EXISTS (
    SELECT FROM raw.track_artists AS known
    WHERE known.track_key = keyed.track_key AND known.file_id = {file_id}
)
"""

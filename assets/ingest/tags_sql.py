"""The statements that merge tags of tracks or artists: stage, then merge set by set. Pure text."""

STAGING = """CREATE TEMPORARY TABLE staged_tags (
    line bigint, natural_key text, track_id text, artist_id text, user_id text, title text, artist_name text,
    recording_mbid text, artist_mbid text, tag text, weight real
) ON COMMIT DROP"""

COUNTS = """
SELECT count(*) FILTER (WHERE item_key IS NOT NULL AND place = 1), count(*) FILTER (WHERE item_key IS NULL) FROM tagged
"""


def merge_tags(kind: str, file_id: int) -> tuple[str, ...]:
    """Return the statements that move the staged tags of tracks or artists into raw.*, in the order in which they run.

    A tag that a user gives twice counts once. The weight is the sum of what the rows say; where they say nothing, how
    many users gave the tag.
    """
    return (
        "ANALYZE staged_tags",
        f"""
CREATE TEMPORARY TABLE tagged ON COMMIT DROP AS
SELECT
    staged.*, known.{kind}_key AS item_key,
    row_number() OVER (PARTITION BY known.{kind}_key, staged.tag, staged.user_id ORDER BY staged.line) AS place
FROM staged_tags AS staged LEFT JOIN raw.{kind}s AS known USING (natural_key)
""",
        f"""
INSERT INTO raw.{kind}_tags (file_id, {kind}_key, tag, weight, users)
SELECT
    {file_id}, item_key, tag, coalesce(sum(weight), nullif(count(user_id), 0)),
    CASE WHEN bool_and(user_id IS NOT NULL) THEN count(user_id) END
FROM tagged WHERE item_key IS NOT NULL AND place = 1
GROUP BY item_key, tag
""",
        f"""
INSERT INTO raw.rejected_listens (file_id, line, reason, fields)
SELECT {file_id}, line, reason, fields::jsonb FROM staged_rejects
UNION ALL
SELECT
    {file_id}, line, 'unknown_{kind}',
    jsonb_strip_nulls(to_jsonb(tagged) - 'line' - 'natural_key' - 'item_key' - 'place')
FROM tagged WHERE item_key IS NULL
ORDER BY line
""",
    )

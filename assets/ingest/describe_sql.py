"""The statements by which a load tells more of artists and tracks that are known already. Pure text."""

# What a file says of an artist or track beside its ids.
DESCRIPTIONS = {"artist": ("name",), "track": ("title", "artist_key", "isrc", "duration_ms")}
# What the models make of a listen depends on these of its track.
OF_LISTENS = ("artist_key", "duration_ms")
NOTE_DESCRIBED = f"""
CREATE TEMPORARY TABLE noted ON COMMIT DROP AS
SELECT raw.note_days_of_tracks(array(
    SELECT track_key FROM described_tracks
    WHERE {" OR ".join(f"{name} IS DISTINCT FROM old_{name}" for name in OF_LISTENS)}
))::text AS nothing
"""


def adopt(kind: str, file_id: int) -> str:
    """Return the statement for artists or tracks that only a block had kept: the file is the first to name them."""
    return f"""
UPDATE raw.{kind}s AS known SET file_id = {file_id}
FROM raw.{kind}_mentions AS said
WHERE said.file_id = {file_id} AND known.{kind}_key = said.{kind}_key AND known.file_id IS NULL
"""


def describe(kind: str, file_id: int) -> dict[str, str]:
    """Return the statements that describe known artists or tracks where no file before has: the first to say something
    says it for good.
    """
    columns = DESCRIPTIONS[kind]
    values = ", ".join(f"coalesce(known.{name}, said.{name}) AS {name}" for name in columns)
    more = " OR ".join(f"known.{name} IS NULL AND said.{name} IS NOT NULL" for name in columns)
    old = "".join(f", known.{name} AS old_{name}" for name in OF_LISTENS if kind == "track")
    return {
        f"better known {kind}s": f"""
CREATE TEMPORARY TABLE described_{kind}s ON COMMIT DROP AS
SELECT {kind}_key, {values}{old}
FROM raw.{kind}s AS known INNER JOIN raw.{kind}_mentions AS said USING ({kind}_key)
WHERE said.file_id = {file_id} AND ({more})
""",
        f"described {kind}s": f"""
UPDATE raw.{kind}s AS known SET {", ".join(f"{name} = described.{name}" for name in columns)}
FROM described_{kind}s AS described WHERE known.{kind}_key = described.{kind}_key
""",
    }

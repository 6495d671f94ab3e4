"""The raw schema: what the readers loaded, row for row, and what they refused."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from warehouse.migrations.baseline import ledger
from warehouse.migrations.baseline.columns import INSTANT, column


def create() -> None:
    op.execute("CREATE SCHEMA raw")
    op.execute("COMMENT ON SCHEMA raw IS 'Listens as the sources gave them, loaded by audotics ingest'")
    _create_pseudonyms()
    ledger.create()
    _create_users()
    _create_catalogue()
    _create_credits()
    _create_listens()
    _create_rejected_listens()
    _create_what_files_say()
    _create_tags_and_blocks()


def _create_pseudonyms() -> None:
    """A pseudonym for every user: a keyed hash of their id, for analysts, who must not see the id."""
    op.create_table(
        "pseudonym_key",
        column("key", sa.LargeBinary, "32 random bytes; whoever has them can test guesses"),
        column("only_row", sa.Boolean, "Keeps it at one row", default=sa.true()),
        sa.PrimaryKeyConstraint("only_row", name="pseudonym_key_pkey"),
        sa.CheckConstraint("only_row", name="pseudonym_key_one_row"),
        schema="raw",
        comment="The secret of this warehouse's listener keys",
    )
    op.execute(
        "INSERT INTO raw.pseudonym_key (key)"
        " VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))"
    )
    # sha256(key || sha256(key || id)): an HMAC in all but its padding, without an extension.
    op.execute(
        """
        CREATE FUNCTION raw.listener_key(user_id text) RETURNS bigint LANGUAGE sql STABLE AS $$
            SELECT
                ('x' || encode(substr(sha256(key || sha256(key || convert_to(user_id, 'UTF8'))), 1, 8), 'hex'))
                ::bit(64)::bigint & 9223372036854775807
            FROM raw.pseudonym_key
        $$
        """
    )
    op.execute("COMMENT ON FUNCTION raw.listener_key IS 'First 63 bits of a keyed SHA-256 of a user id'")


def _create_users() -> None:
    op.create_table(
        "users",
        column("user_key", sa.Integer, "Dense key from 0"),
        column("user_id", sa.Text, "The user as the source names them; the public id"),
        column("gender", sa.Text, "As stated in the profile", null=True),
        column("age", sa.SmallInteger, "Years, as stated in the profile, unchecked", null=True),
        column("country", sa.Text, "As stated in the profile", null=True),
        column("registered_on", sa.Date, "Day of sign-up at the source", null=True),
        column("file_id", sa.Integer, "The first load that names the user; null when only a block does", null=True),
        column("listener_key", sa.BigInteger, "Keyed hash of user_id: the pseudonym that analysts see"),
        sa.PrimaryKeyConstraint("user_key", name="users_pkey"),
        sa.UniqueConstraint("user_id", name="users_user_id_key"),
        sa.UniqueConstraint("listener_key", name="users_listener_key_key"),
        schema="raw",
        comment="One row per user who has a listen in a loaded file",
    )


def _create_catalogue() -> None:
    op.create_table(
        "artists",
        column("artist_key", sa.Integer, "Dense key from 0"),
        column("natural_key", sa.Text, "What makes two mentions one artist: mbid:…, source:id or name:…"),
        column("artist_id", sa.Text, "Public id: the source's id, else the MBID, else nm-<md5 of natural_key>"),
        column("artist_mbid", sa.Text, "MusicBrainz id", null=True),
        column("name", sa.Text, "Name, as the first load says that has one", null=True),
        column("file_id", sa.Integer, "The first load that names the artist; null when only a block does", null=True),
        sa.PrimaryKeyConstraint("artist_key", name="artists_pkey"),
        sa.UniqueConstraint("natural_key", name="artists_natural_key_key"),
        sa.UniqueConstraint("artist_id", name="artists_artist_id_key"),
        schema="raw",
        comment="One row per artist",
    )
    op.create_table(
        "tracks",
        column("track_key", sa.Integer, "Dense key from 0"),
        column("natural_key", sa.Text, "What makes two mentions one track: mbid:…, source:id or name:…"),
        column("track_id", sa.Text, "Public id: the source's id, else the MBID, else nm-<md5 of natural_key>"),
        column("recording_mbid", sa.Text, "MusicBrainz recording id", null=True),
        column(
            "isrc", sa.Text, "International Standard Recording Code, as the first load says that has one", null=True
        ),
        column("title", sa.Text, "Title, as the first load says that has one", null=True),
        column("duration_ms", sa.Integer, "Length of the track, as the first load says that has one", null=True),
        column("artist_key", sa.Integer, "raw.artists; null where the source names no artist", null=True),
        column("file_id", sa.Integer, "The first load that names the track; null when only a block does", null=True),
        sa.PrimaryKeyConstraint("track_key", name="tracks_pkey"),
        sa.UniqueConstraint("natural_key", name="tracks_natural_key_key"),
        sa.UniqueConstraint("track_id", name="tracks_track_id_key"),
        schema="raw",
        comment="One row per track",
    )
    # Whoever blocks a track blocks its other versions, which are found among the artist's.
    op.create_index("tracks_artist_key_idx", "tracks", ["artist_key"], schema="raw")


def _create_credits() -> None:
    op.create_table(
        "track_artists",
        column("file_id", sa.Integer, "The load that says so; of several, the first counts: raw.ingest_files"),
        column("track_key", sa.Integer, "raw.tracks"),
        column("position", sa.SmallInteger, "Place in the credit, from 1"),
        column("artist_key", sa.Integer, "raw.artists; at the first place, the artist that the row has for the track"),
        column(
            "join_phrase", sa.Text, "What stands after the artist where all are named, such as ' feat. '", null=True
        ),
        sa.PrimaryKeyConstraint("track_key", "file_id", "position", name="track_artists_pkey"),
        schema="raw",
        comment="One row per artist of a track that a load credits several with; others have theirs in raw.tracks",
    )
    # Whoever blocks an artist blocks the tracks on which they are a guest.
    op.create_index("track_artists_artist_key_idx", "track_artists", ["artist_key"], schema="raw")


def _create_listens() -> None:
    op.create_table(
        "listens",
        column("user_key", sa.Integer, "raw.users"),
        column("track_key", sa.Integer, "raw.tracks"),
        column("listened_at", INSTANT, "Start of playback"),
        column("ms_played", sa.Integer, "Milliseconds played; null when unknown or impossible", null=True),
        column("skipped", sa.Boolean, "Whether the source says the listener skipped", null=True),
        column("source", sa.Text, "The service or data set the listen comes from"),
        column("file_id", sa.Integer, "The load that brought the listen"),
        column("ingested_at", INSTANT, "When the transaction that brought the row began", default=sa.func.now()),
        # In the order of time a load appends to the key's index, and a day is one stretch of it.
        sa.PrimaryKeyConstraint("listened_at", "user_key", "track_key", name="listens_pkey"),
        schema="raw",
        comment="One row per user, start of playback and track",
    )
    # Files are appended one after the other: which pages hold those of a file fits into a few kB for millions of rows.
    op.execute("CREATE INDEX listens_file_id_idx ON raw.listens USING brin (file_id) WITH (autosummarize = on)")


def _create_rejected_listens() -> None:
    op.create_table(
        "rejected_listens",
        column("file_id", sa.Integer, "raw.ingest_files"),
        column("line", sa.BigInteger, "Line in the file from 1; row number from 1 for Parquet"),
        column("reason", sa.Text, "The first rule that the row broke"),
        column(
            "fields",
            JSONB,
            "Text of each mapped field, cut after 1,000 characters; null for a line that has no fields",
            null=True,
        ),
        sa.PrimaryKeyConstraint("file_id", "line", name="rejected_listens_pkey"),
        schema="raw",
        comment="One row per row of a file that could not become a listen, until it expires (AUDOTICS_REJECTS_DAYS)",
    )


def _create_what_files_say() -> None:
    """What each file says beyond what the tables above show of it, so that any load can be undone."""
    _create_duplicate_listens()
    _create_mentions()
    _create_profiles_and_given_keys()


def _create_duplicate_listens() -> None:
    op.create_table(
        "duplicate_listens",
        column("listened_at", INSTANT, "Start of playback"),
        column("user_key", sa.Integer, "raw.users"),
        column("track_key", sa.Integer, "raw.tracks"),
        column("file_id", sa.Integer, "The load that has the listen as well"),
        column("ms_played", sa.Integer, "As in raw.listens", null=True),
        column("skipped", sa.Boolean, "As in raw.listens", null=True),
        column("source", sa.Text, "As in raw.listens"),
        sa.PrimaryKeyConstraint("listened_at", "user_key", "track_key", "file_id", name="duplicate_listens_pkey"),
        schema="raw",
        comment="One row per listen of raw.listens and later load that has it too, to tell it once the first is undone",
    )


def _create_mentions() -> None:
    op.create_table(
        "user_mentions",
        column("file_id", sa.Integer, "raw.ingest_files"),
        column("user_key", sa.Integer, "raw.users"),
        sa.PrimaryKeyConstraint("file_id", "user_key", name="user_mentions_pkey"),
        schema="raw",
        comment="One row per load and user that has a listen in it",
    )
    op.create_table(
        "artist_mentions",
        column("file_id", sa.Integer, "raw.ingest_files"),
        column("artist_key", sa.Integer, "raw.artists"),
        column("line", sa.BigInteger, "First line that names the artist"),
        column("source_id", sa.Text, "The source's id there", null=True),
        column("name", sa.Text, "The name there", null=True),
        sa.PrimaryKeyConstraint("file_id", "artist_key", name="artist_mentions_pkey"),
        schema="raw",
        comment="One row per load and artist that it names, with what it says first",
    )
    op.create_table(
        "track_mentions",
        column("file_id", sa.Integer, "raw.ingest_files"),
        column("track_key", sa.Integer, "raw.tracks"),
        column("line", sa.BigInteger, "First line that names the track"),
        column("source_id", sa.Text, "The source's id there", null=True),
        column("title", sa.Text, "The title there", null=True),
        column("isrc", sa.Text, "The ISRC there", null=True),
        column("duration_ms", sa.Integer, "The length there", null=True),
        column("artist_key", sa.Integer, "The artist there: raw.artists", null=True),
        sa.PrimaryKeyConstraint("file_id", "track_key", name="track_mentions_pkey"),
        schema="raw",
        comment="One row per load and track that it names, with what it says first",
    )


def _create_profiles_and_given_keys() -> None:
    op.create_table(
        "user_profiles",
        column(
            "file_id", sa.Integer, "The load of the profiles, or of the listens that they lay beside: raw.ingest_files"
        ),
        column("user_id", sa.Text, "The user, who may have no listen yet"),
        column("gender", sa.Text, "As stated", null=True),
        column("age", sa.SmallInteger, "As stated, in years", null=True),
        column("country", sa.Text, "As stated", null=True),
        column("registered_on", sa.Date, "As stated", null=True),
        column("stated_at", INSTANT, "When it was read first, as it is now; of several, raw.users has the newest"),
        sa.PrimaryKeyConstraint("file_id", "user_id", name="user_profiles_pkey"),
        schema="raw",
        comment="One row per load and user that a profile in it or beside it describes",
    )
    op.create_table(
        "given_keys",
        column("kind", sa.Text, "file, user, artist or track"),
        column("highest", sa.Integer, "The highest key that was ever given when a load was last undone"),
        sa.PrimaryKeyConstraint("kind", name="given_keys_pkey"),
        schema="raw",
        comment="Keys of undone loads are never given again: old lists and releases may name them",
    )


def _create_tags_and_blocks() -> None:
    for kind in ("track", "artist"):
        op.create_table(
            f"{kind}_tags",
            column("file_id", sa.Integer, "The load that says so: raw.ingest_files"),
            column(f"{kind}_key", sa.Integer, f"raw.{kind}s"),
            column("tag", sa.Text, "The tag as the source spells it"),
            column(
                "weight",
                sa.REAL,
                "How strongly the tag applies, or how many users gave it; null when the source does not say",
                null=True,
            ),
            column("users", sa.Integer, "How many users gave it; null where the source does not name them", null=True),
            sa.PrimaryKeyConstraint(f"{kind}_key", "tag", "file_id", name=f"{kind}_tags_pkey"),
            schema="raw",
            comment=f"One row per {kind}, tag and load",
        )
    op.create_table(
        "blocks",
        column("user_key", sa.Integer, "raw.users"),
        column("item_kind", sa.Text, "track or artist"),
        column("item_key", sa.Integer, "raw.tracks or raw.artists, as item_kind says"),
        column("created_at", INSTANT, "When the user asked, or a load said so", default=sa.func.now()),
        column("file_id", sa.Integer, "The load that brought the block; null when the user has asked here", null=True),
        sa.PrimaryKeyConstraint("user_key", "item_kind", "item_key", name="blocks_pkey"),
        sa.CheckConstraint("item_kind IN ('track', 'artist')", name="blocks_item_kind"),
        schema="raw",
        comment="One row per item that a user never wants to be recommended",
    )
    op.create_table(
        "block_mentions",
        column("file_id", sa.Integer, "raw.ingest_files"),
        column("user_key", sa.Integer, "raw.users"),
        column("item_kind", sa.Text, "As in raw.blocks"),
        column("item_key", sa.Integer, "As in raw.blocks"),
        column("stated_at", INSTANT, "When the load said so"),
        sa.PrimaryKeyConstraint("user_key", "item_kind", "item_key", "file_id", name="block_mentions_pkey"),
        schema="raw",
        comment="One row per block and load that states it, until the user takes the block back",
    )

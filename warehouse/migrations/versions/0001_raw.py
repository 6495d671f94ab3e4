"""The raw schema: what the readers loaded, row for row, and what they refused."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INSTANT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.execute("CREATE SCHEMA raw")
    op.execute("COMMENT ON SCHEMA raw IS 'Listens as the sources gave them, loaded by audotics ingest'")
    _create_ingest_files()
    _create_catalogue()
    _create_listens()
    _create_rejected_listens()
    _create_tags_and_blocks()


def downgrade() -> None:
    for table in "blocks", "track_tags", "rejected_listens", "listens", "tracks", "artists", "users":
        op.drop_table(table, schema="raw")
    op.drop_table("ingest_files", schema="raw")
    op.execute("DROP SCHEMA raw")


def _column(
    name: str, kind: type[sa.types.TypeEngine] | sa.types.TypeEngine, comment: str, null: bool = False
) -> sa.Column:
    return sa.Column(name, kind, nullable=null, comment=comment, autoincrement=False)


def _key(name: str) -> sa.Column:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False, comment="Dense key from 0")


def _create_ingest_files() -> None:
    op.create_table(
        "ingest_files",
        sa.Column(
            "file_id",
            sa.Integer,
            sa.Identity(always=True),
            primary_key=True,
            comment="Surrogate key of the load; gaps mean loads that were rolled back",
        ),
        _column("sha256", sa.Text, "SHA-256 of the file's bytes as they lay on disk, in hex"),
        _column("format", sa.Text, "Reader and, for tabular files, a digest of the mapping it was read with"),
        _column("path", sa.Text, "Where the file lay when it was loaded"),
        _column("bytes", sa.BigInteger, "Size of the file on disk"),
        _column("rows_read", sa.BigInteger, "Rows in the file, header and empty lines apart"),
        _column("rows_loaded", sa.BigInteger, "Rows that became rows of raw.listens"),
        _column("rows_rejected", sa.BigInteger, "Rows in raw.rejected_listens"),
        _column("rows_duplicate", sa.BigInteger, "Rows whose user, time and track had been seen before"),
        _column("started_at", _INSTANT, "When reading began"),
        _column("finished_at", _INSTANT, "When the load was about to commit"),
        sa.UniqueConstraint("sha256", "format", name="ingest_files_sha256_format_key"),
        sa.CheckConstraint(
            "rows_read = rows_loaded + rows_rejected + rows_duplicate", name="ingest_files_rows_accounted_for"
        ),
        schema="raw",
        comment="One row per loaded file and format: its counts and timings",
    )


def _create_catalogue() -> None:
    op.create_table(
        "users",
        _key("user_key"),
        _column("user_id", sa.Text, "The user as the source names them; the public id"),
        _column("gender", sa.Text, "As stated in the profile", null=True),
        _column("age", sa.SmallInteger, "Years, as stated in the profile, unchecked", null=True),
        _column("country", sa.Text, "As stated in the profile", null=True),
        _column("registered_on", sa.Date, "Day of sign-up at the source", null=True),
        _column("file_id", sa.Integer, "The load in which the user first appeared", null=True),
        sa.UniqueConstraint("user_id", name="users_user_id_key"),
        schema="raw",
        comment="One row per user who appears in a loaded file or profile",
    )
    op.create_table(
        "artists",
        _key("artist_key"),
        _column("natural_key", sa.Text, "What makes two mentions one artist: mbid:…, source:id or name:…"),
        _column("artist_id", sa.Text, "Public id: the source's id, else the MBID, else nm-<md5 of natural_key>"),
        _column("artist_mbid", sa.Text, "MusicBrainz id", null=True),
        _column("name", sa.Text, "Name at first mention", null=True),
        _column("file_id", sa.Integer, "The load in which the artist first appeared", null=True),
        sa.UniqueConstraint("natural_key", name="artists_natural_key_key"),
        sa.UniqueConstraint("artist_id", name="artists_artist_id_key"),
        schema="raw",
        comment="One row per artist",
    )
    op.create_table(
        "tracks",
        _key("track_key"),
        _column("natural_key", sa.Text, "What makes two mentions one track: mbid:…, source:id or name:…"),
        _column("track_id", sa.Text, "Public id: the source's id, else the MBID, else nm-<md5 of natural_key>"),
        _column("recording_mbid", sa.Text, "MusicBrainz recording id", null=True),
        _column("title", sa.Text, "Title at first mention", null=True),
        _column("artist_key", sa.Integer, "raw.artists; null where the source names no artist", null=True),
        _column("file_id", sa.Integer, "The load in which the track first appeared", null=True),
        sa.UniqueConstraint("natural_key", name="tracks_natural_key_key"),
        sa.UniqueConstraint("track_id", name="tracks_track_id_key"),
        schema="raw",
        comment="One row per track",
    )


def _create_listens() -> None:
    op.create_table(
        "listens",
        _column("user_key", sa.Integer, "raw.users"),
        _column("track_key", sa.Integer, "raw.tracks"),
        _column("listened_at", _INSTANT, "Start of playback"),
        _column("ms_played", sa.Integer, "Milliseconds played; null when unknown or impossible", null=True),
        _column("skipped", sa.Boolean, "Whether the source says the listener skipped", null=True),
        _column("source", sa.Text, "The service or data set the listen comes from"),
        _column("file_id", sa.Integer, "The load that brought the listen"),
        sa.Column(
            "ingested_at",
            _INSTANT,
            nullable=False,
            server_default=sa.func.now(),
            comment="When the load's transaction began",
        ),
        sa.PrimaryKeyConstraint("user_key", "listened_at", "track_key", name="listens_pkey"),
        schema="raw",
        comment="One row per user, start of playback and track",
    )


def _create_rejected_listens() -> None:
    op.create_table(
        "rejected_listens",
        _column("file_id", sa.Integer, "raw.ingest_files"),
        _column("line", sa.BigInteger, "Line in the file from 1; row number from 1 for Parquet"),
        _column("reason", sa.Text, "The first rule that the row broke"),
        _column("original", sa.Text, "The row as it stood in the file, unprintable bytes escaped"),
        sa.PrimaryKeyConstraint("file_id", "line", name="rejected_listens_pkey"),
        schema="raw",
        comment="One row per row of a file that could not become a listen",
    )


def _create_tags_and_blocks() -> None:
    op.create_table(
        "track_tags",
        _column("track_key", sa.Integer, "raw.tracks"),
        _column("tag", sa.Text, "The tag as the source spells it"),
        _column("weight", sa.REAL, "How strongly the tag applies; null when the source does not say", null=True),
        sa.PrimaryKeyConstraint("track_key", "tag", name="track_tags_pkey"),
        schema="raw",
        comment="One row per track and tag",
    )
    op.create_table(
        "blocks",
        _column("user_key", sa.Integer, "raw.users"),
        _column("item_kind", sa.Text, "track or artist"),
        _column("item_key", sa.Integer, "raw.tracks or raw.artists, as item_kind says"),
        sa.Column(
            "created_at",
            _INSTANT,
            nullable=False,
            server_default=sa.func.now(),
            comment="When the user asked",
        ),
        sa.PrimaryKeyConstraint("user_key", "item_kind", "item_key", name="blocks_pkey"),
        sa.CheckConstraint("item_kind IN ('track', 'artist')", name="blocks_item_kind"),
        schema="raw",
        comment="One row per item that a user never wants to be recommended",
    )

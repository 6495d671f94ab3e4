"""The ledger of loads, in the raw schema: which files were loaded, what became of their rows, where they lay, and what
became of each file of the landing folder."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from warehouse.migrations.baseline.columns import INSTANT, column


def create() -> None:
    _create_ingest_files()
    _create_file_places()
    _create_landed_files()


def _create_ingest_files() -> None:
    op.create_table(
        "ingest_files",
        column(
            "file_id", sa.Integer, "Key of the load from 1, in the order of loads; gaps mean loads that were undone"
        ),
        column("sha256", sa.Text, "SHA-256 of the file's bytes as they lay on disk, in hex"),
        *_read_as(),
        column(
            "kind",
            sa.Text,
            "What its rows are: listens, catalogue, tags, profiles or blocks",
            default=sa.text("'listens'"),
        ),
        column("path", sa.Text, "Where the file lay when it was loaded"),
        column("bytes", sa.BigInteger, "Size of the file on disk"),
        *_counts(),
        column("first_listened_at", INSTANT, "Earliest start of playback in its valid rows", null=True),
        column("last_listened_at", INSTANT, "Latest start of playback in its valid rows", null=True),
        column(
            "ends_whole",
            sa.Boolean,
            "Whether its last line has a line end; null for a file that is not lines",
            null=True,
        ),
        column(
            "loaded_by",
            sa.Text,
            "Login name of who ran the load, or `run ` and the id of the Dagster run; nothing else of a person",
            default=sa.text("''"),
        ),
        column("started_at", INSTANT, "When reading began"),
        column("finished_at", INSTANT, "When the load was about to commit"),
        column("retried_at", INSTANT, "When its rejected rows were last read again", null=True),
        column("rejects_expired_at", INSTANT, "When its rows of raw.rejected_listens expired", null=True),
        sa.PrimaryKeyConstraint("file_id", name="ingest_files_pkey"),
        sa.UniqueConstraint(
            "sha256", "format", "told_user", name="ingest_files_key", postgresql_nulls_not_distinct=True
        ),
        sa.CheckConstraint(
            "rows_read = rows_loaded + rows_rejected + rows_duplicate + rows_left_out",
            name="ingest_files_rows_accounted_for",
        ),
        schema="raw",
        comment="One row per loaded file and format: its counts and timings",
    )


def _read_as() -> tuple[sa.Column[Any], ...]:
    return (
        column("format", sa.Text, "Reader and, for tabular files, a digest of the mapping it was read with"),
        column(
            "earlier_formats",
            sa.ARRAY(sa.Text),
            "As what it was read before its rejected rows were read again; it is known so as well",
            default=sa.text("'{}'"),
        ),
        column(
            "told_user",
            sa.Text,
            "Whose listens they are where not the rows say it but who loaded them, or the path; null where the rows do",
            null=True,
        ),
        column(
            "assumed_user", sa.Text, "Whose those rows are that name nobody, by the name of their folder", null=True
        ),
    )


def _counts() -> tuple[sa.Column[Any], ...]:
    return (
        column("rows_read", sa.BigInteger, "Rows in the file, header and empty lines apart"),
        column("rows_loaded", sa.BigInteger, "Rows that became rows of raw.listens"),
        column(
            "rows_rejected",
            sa.BigInteger,
            "Rows that could not become listens: in raw.rejected_listens, until they expire",
        ),
        column("rows_duplicate", sa.BigInteger, "Rows whose user, time and track had been seen before"),
        column(
            "rows_left_out",
            sa.BigInteger,
            "Rows that a rule of the format or mapping leaves out, such as podcasts",
            default=sa.text("0"),
        ),
        column("left_out", JSONB, "How many rows each of these rules left out", default=sa.text("'{}'")),
        column("rejected", JSONB, "How many rows were rejected for each reason", default=sa.text("'{}'")),
    )


def _create_file_places() -> None:
    op.create_table(
        "file_places",
        column("file_id", sa.Integer, "raw.ingest_files"),
        column("path", sa.Text, "Path or address of a file that has these bytes"),
        column("bytes", sa.BigInteger, "Its size there"),
        column(
            "version",
            sa.Text,
            "Its time of change in ns or the store's tag; of a file in an archive, size and time or tag of the archive;"
            " null where a later change might not show in it",
            null=True,
        ),
        column("hashed_at", INSTANT, "When its bytes were last hashed", default=sa.func.now()),
        sa.PrimaryKeyConstraint("path", "file_id", name="file_places_pkey"),
        schema="raw",
        comment="One row per load and place its bytes were found at, to know the file there without hashing it again",
    )


def _create_landed_files() -> None:
    op.create_table(
        "landed_files",
        column("path", sa.Text, "Path or address in the landing folder; of an archive, its own"),
        column("bytes", sa.BigInteger, "Its size when a run came to it"),
        column("version", sa.Text, "Its time of change in ns then, or the store's tag"),
        column("format", sa.Text, "As raw.ingest_files has it; empty for what holds no rows or nothing reads"),
        column("fault", sa.Text, "What is wrong with it, and what to do; null where nothing is", null=True),
        column(
            "is_set_aside",
            sa.Boolean,
            "Whether it is not tried again until it changes, or its mapping, or somebody asks for it",
            default=sa.false(),
        ),
        column("tries", sa.Integer, "How often it was tried as it is", default=sa.text("1")),
        column("since", INSTANT, "When it was first found as it is", default=sa.func.now()),
        sa.PrimaryKeyConstraint("path", name="landed_files_pkey"),
        sa.CheckConstraint("fault IS NOT NULL OR NOT is_set_aside", name="landed_files_why_set_aside"),
        schema="raw",
        comment="One row per file in the landing folder, as a run last found it: what is set aside, and why",
    )

"""Listens ordered by time, and a ledger of the days that changed, so that the models can rebuild by day."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OLD_KEY = "user_key, listened_at, track_key"
_NEW_KEY = "listened_at, user_key, track_key"

# The lock of a load (assets/ingest/merge_sql.py): versions are handed out in the order of commits.
_LOCK = "PERFORM pg_advisory_xact_lock(168624130);"

_NOTE_DAYS = f"""
CREATE FUNCTION raw.note_changed_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {_LOCK}
    INSERT INTO raw.listen_days (listened_on, version)
    SELECT DISTINCT
        (changed.listened_at AT TIME ZONE 'UTC')::date,
        (SELECT coalesce(max(version), 0) + 1 FROM raw.listen_days)
    FROM changed
    ON CONFLICT (listened_on) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END
$$
"""

_NOTE_ALL_DAYS = f"""
CREATE FUNCTION raw.note_truncation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {_LOCK}
    UPDATE raw.listen_days SET version = (SELECT max(version) + 1 FROM raw.listen_days);
    RETURN NULL;
END
$$
"""

# An update may move a listen to another day: both count.
_TRIGGERS = {
    "inserted": "AFTER INSERT ON raw.listens REFERENCING NEW TABLE AS changed",
    "deleted": "AFTER DELETE ON raw.listens REFERENCING OLD TABLE AS changed",
    "updated_from": "AFTER UPDATE ON raw.listens REFERENCING OLD TABLE AS changed",
    "updated_to": "AFTER UPDATE ON raw.listens REFERENCING NEW TABLE AS changed",
}


def upgrade() -> None:
    # What older models built is derived, and of another form: the next build makes it anew.
    op.execute("DROP SCHEMA IF EXISTS staging, intermediate, core, features CASCADE")
    _change_key(_NEW_KEY)
    op.create_table(
        "listen_days",
        sa.Column("listened_on", sa.Date, primary_key=True, comment="UTC date"),
        sa.Column(
            "version",
            sa.BigInteger,
            nullable=False,
            comment="Number of the load or change that touched this day last; later changes have higher ones",
        ),
        schema="raw",
        comment="One row per UTC day that has or had listens; kept by triggers on raw.listens",
    )
    op.execute("INSERT INTO raw.listen_days SELECT DISTINCT (listened_at AT TIME ZONE 'UTC')::date, 1 FROM raw.listens")
    op.execute(_NOTE_DAYS)
    op.execute(_NOTE_ALL_DAYS)
    for name, event in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER listens_{name} {event} FOR EACH STATEMENT EXECUTE FUNCTION raw.note_changed_days()")
    op.execute(
        "CREATE TRIGGER listens_truncated AFTER TRUNCATE ON raw.listens"
        " FOR EACH STATEMENT EXECUTE FUNCTION raw.note_truncation()"
    )
    _create_builds()


def _create_builds() -> None:
    op.execute("CREATE SCHEMA builds")
    op.execute("COMMENT ON SCHEMA builds IS 'How far the models that are built by day have come'")
    op.create_table(
        "days",
        sa.Column("invocation_id", sa.Text, primary_key=True, comment="The dbt command, by dbt's own id for it"),
        sa.Column("listened_on", sa.Date, primary_key=True, comment="UTC date"),
        sa.Column("version", sa.BigInteger, nullable=False, comment="As in raw.listen_days"),
        sa.Column("begun_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="When the command began"),
        schema="builds",
        comment="raw.listen_days as it was when a dbt command began, so that all its models see the same days",
    )
    op.create_table(
        "models",
        sa.Column("model", sa.Text, primary_key=True, comment="Name of the model"),
        sa.Column("definition", sa.Text, nullable=False, comment="Digest of its SQL and of what it is built from"),
        sa.Column("version", sa.BigInteger, nullable=False, comment="The raw.listen_days version that it reflects"),
        sa.Column(
            "replayed_from", sa.Date, comment="First day written since its tests last passed; null means every day"
        ),
        sa.Column("tested", sa.Boolean, nullable=False, comment="Whether the tests of its last build passed"),
        schema="builds",
        comment="One row per model that is built by day",
    )


def downgrade() -> None:
    op.drop_table("days", schema="builds")
    op.drop_table("models", schema="builds")
    op.execute("DROP SCHEMA builds")
    for name in (*_TRIGGERS, "truncated"):
        op.execute(f"DROP TRIGGER listens_{name} ON raw.listens")
    op.execute("DROP FUNCTION raw.note_changed_days()")
    op.execute("DROP FUNCTION raw.note_truncation()")
    op.drop_table("listen_days", schema="raw")
    _change_key(_OLD_KEY)


def _change_key(columns: str) -> None:
    # In the order of time a load appends to the key's index, and a day is one stretch of it.
    op.execute("ALTER TABLE raw.listens DROP CONSTRAINT listens_pkey")
    op.execute(f"ALTER TABLE raw.listens ADD CONSTRAINT listens_pkey PRIMARY KEY ({columns})")

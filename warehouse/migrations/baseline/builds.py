"""The ledger of the days that changed, and the builds schema: how far the models that are built by day have come."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import DATEMULTIRANGE, OID

from warehouse.migrations.baseline.columns import INSTANT, column

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

# A track is another than before: a listen of it is in no earlier file than the first that names it.
_NOTE_DAYS_OF_TRACKS = f"""
CREATE FUNCTION raw.note_days_of_tracks(track_keys integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(track_keys) = 0 THEN
        RETURN;
    END IF;
    {_LOCK}
    INSERT INTO raw.listen_days (listened_on, version)
    SELECT DISTINCT
        (listened_at AT TIME ZONE 'UTC')::date,
        (SELECT coalesce(max(version), 0) + 1 FROM raw.listen_days)
    FROM raw.listens
    WHERE
        track_key = ANY(track_keys)
        AND file_id >= (SELECT coalesce(min(file_id), 0) FROM raw.tracks WHERE track_key = ANY(track_keys))
    ON CONFLICT (listened_on) DO UPDATE SET version = excluded.version;
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


def create() -> None:
    _create_ledger()
    op.execute("CREATE SCHEMA builds")
    op.execute("COMMENT ON SCHEMA builds IS 'How far the models that are built by day have come'")
    _create_days_and_models()
    _create_feature_dates_and_views()


def _create_ledger() -> None:
    op.create_table(
        "listen_days",
        column("listened_on", sa.Date, "UTC date"),
        column(
            "version",
            sa.BigInteger,
            "Number of the load or change that touched this day last; later changes have higher ones",
        ),
        sa.PrimaryKeyConstraint("listened_on", name="listen_days_pkey"),
        schema="raw",
        comment="One row per UTC day that has or had listens; kept by triggers on raw.listens",
    )
    op.execute(_NOTE_DAYS)
    op.execute(_NOTE_ALL_DAYS)
    op.execute(_NOTE_DAYS_OF_TRACKS)
    for name, event in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER listens_{name} {event} FOR EACH STATEMENT EXECUTE FUNCTION raw.note_changed_days()")
    op.execute(
        "CREATE TRIGGER listens_truncated AFTER TRUNCATE ON raw.listens"
        " FOR EACH STATEMENT EXECUTE FUNCTION raw.note_truncation()"
    )


def _create_days_and_models() -> None:
    op.create_table(
        "days",
        column("invocation_id", sa.Text, "The dbt command, by dbt's own id for it"),
        column("listened_on", sa.Date, "UTC date"),
        column("version", sa.BigInteger, "As in raw.listen_days"),
        column("begun_at", INSTANT, "When the command began"),
        sa.PrimaryKeyConstraint("invocation_id", "listened_on", name="days_pkey"),
        schema="builds",
        comment="raw.listen_days as it was when a dbt command began, so that all its models see the same days",
    )
    op.create_table(
        "models",
        column("model", sa.Text, "The model's relation, as schema.name"),
        column("definition", sa.Text, "Digest of the code that built it, and of that which built what it reads"),
        column("version", sa.BigInteger, "The raw.listen_days version that it reflects"),
        column(
            "rebuilt_days",
            DATEMULTIRANGE,
            "Days rebuilt since its tests last passed; null means every day",
            null=True,
        ),
        column("tested", sa.Boolean, "Whether the tests of its last build passed"),
        sa.PrimaryKeyConstraint("model", name="models_pkey"),
        schema="builds",
        comment="One row per model that is built by day",
    )
    op.create_table(
        "model_days",
        column("model", sa.Text, "As in builds.models"),
        column("listened_on", sa.Date, "Day of its rows: a date, a week's first or a month's"),
        column("version", sa.BigInteger, "The raw.listen_days version with which rows of this day last changed"),
        sa.PrimaryKeyConstraint("model", "listened_on", name="model_days_pkey"),
        schema="builds",
        comment="One row per model that is built by day and day of its rows, for the models that read it",
    )


def _create_feature_dates_and_views() -> None:
    op.create_table(
        "feature_dates",
        column("as_of", sa.Date, "Feature marts hold rows as of this date"),
        column("features_version", sa.Text, "Digest of the code that built them; empty until all are"),
        column("listens_version", sa.BigInteger, "As in raw.listen_days; what they reflect"),
        column("built_at", INSTANT, "When a run last built or needed them"),
        sa.PrimaryKeyConstraint("as_of", name="feature_dates_pkey"),
        schema="builds",
        comment="One row per date for which feature marts are built, or building them has begun",
    )
    op.create_table(
        "views",
        column("view_name", sa.Text, "The view, as schema.name"),
        column("view_oid", OID, "The view that was built; any other has another"),
        column("definition", sa.Text, "Digest of its SQL, its grants and its descriptions"),
        sa.PrimaryKeyConstraint("view_name", name="views_pkey"),
        schema="builds",
        comment="One row per view that dbt has built",
    )

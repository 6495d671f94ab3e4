"""The ml schema (models, evaluations, recommendations, releases) and an empty one for Dagster's tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB, TIMESTAMP

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INSTANT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.execute("CREATE SCHEMA ml")
    op.execute("COMMENT ON SCHEMA ml IS 'Models, how they were measured, what they recommend, what is live'")
    op.execute("CREATE SCHEMA dagster")
    op.execute("COMMENT ON SCHEMA dagster IS 'Run, event and schedule storage, kept by Dagster itself'")
    _create_models()
    _create_model_evaluations()
    _create_recommendations()
    _create_releases()


def downgrade() -> None:
    for table in "releases", "recommendations", "model_evaluations", "models":
        op.drop_table(table, schema="ml")
    op.execute("DROP SCHEMA ml")
    op.execute("DROP SCHEMA dagster CASCADE")


def _column(
    name: str, kind: type[sa.types.TypeEngine] | sa.types.TypeEngine, comment: str, null: bool = False
) -> sa.Column:
    return sa.Column(name, kind, nullable=null, comment=comment)


def _create_models() -> None:
    op.create_table(
        "models",
        _column("model_version", sa.Text, "Public name of the model; every answer of the API carries it"),
        _column("slate", sa.Text, "for_you or discover"),
        _column("trained_as_of", sa.Date, "Nothing from this day or later was seen in training"),
        _column("created_at", _INSTANT, "When training ended"),
        _column("folds", ARRAY(sa.Date), "The as_of dates whose labels it was trained on"),
        _column("params", JSONB, "Training parameters, seeds included"),
        _column("metrics", JSONB, "Measured on the validation fold", null=True),
        _column("features", JSONB, "Feature names in column order"),
        _column("feature_importance", JSONB, "Gain per feature", null=True),
        _column("training_rows", sa.BigInteger, "User-track pairs trained on", null=True),
        _column("training_users", sa.BigInteger, "Users trained on", null=True),
        _column("file", sa.Text, "The model's text file, relative to the lake"),
        _column("file_sha256", sa.Text, "SHA-256 of that file, in hex"),
        sa.PrimaryKeyConstraint("model_version", name="models_pkey"),
        schema="ml",
        comment="One row per trained model: its card",
    )


def _create_model_evaluations() -> None:
    op.create_table(
        "model_evaluations",
        _column("as_of", sa.Date, "Split date: lists are made from before it, judged on the days after it"),
        _column("slate", sa.Text, "for_you or discover"),
        _column("model", sa.Text, "ranker or the name of a baseline"),
        _column("model_version", sa.Text, "ml.models for the ranker; null for a baseline", null=True),
        _column("users", sa.Integer, "Users with history and at least one relevant track"),
        _column("ndcg_10", DOUBLE_PRECISION, "NDCG@10, mean over users"),
        _column("ndcg_100", DOUBLE_PRECISION, "NDCG@100, mean over users"),
        _column("recall_100", DOUBLE_PRECISION, "Recall@100, mean over users"),
        _column("ranker_delta", DOUBLE_PRECISION, "NDCG@100 of the ranker minus this baseline's", null=True),
        _column("ci95_low", DOUBLE_PRECISION, "Lower end of that difference's paired 95 % interval", null=True),
        _column("ci95_high", DOUBLE_PRECISION, "Upper end of that difference's paired 95 % interval", null=True),
        _column("horizon_days", sa.Integer, "Days after as_of that count"),
        _column("evaluated_at", _INSTANT, "When it was measured"),
        sa.PrimaryKeyConstraint("as_of", "slate", "model", name="model_evaluations_pkey"),
        schema="ml",
        comment="One row per split date, slate and model or baseline",
    )


def _create_recommendations() -> None:
    op.create_table(
        "recommendations",
        _column("as_of", sa.Date, "Made from listens before this day"),
        _column("slate", sa.Text, "for_you or discover"),
        sa.Column("user_key", sa.Integer, nullable=False, autoincrement=False, comment="raw.users"),
        _column("rank", sa.SmallInteger, "Place in the list, from 1"),
        _column("track_key", sa.Integer, "raw.tracks"),
        _column("score", sa.REAL, "The model's score; comparable only within one list"),
        _column("source", sa.Text, "The candidate source that put the track forward"),
        _column("model_version", sa.Text, "ml.models"),
        sa.PrimaryKeyConstraint("as_of", "slate", "user_key", "rank", name="recommendations_pkey"),
        schema="ml",
        comment="One row per as_of, slate, user and rank; one partition per as_of, made by its writer",
        postgresql_partition_by="LIST (as_of)",
    )


def _create_releases() -> None:
    op.create_table(
        "releases",
        _column("release", sa.Text, "Public name of the published batch"),
        _column("as_of", sa.Date, "The as_of of its recommendations"),
        _column("models", JSONB, "Model version per slate"),
        _column("counts", JSONB, "Users per slate, tracks"),
        _column("published_at", _INSTANT, "When it went live"),
        _column("status", sa.Text, "live, previous (kept for rollback) or retired"),
        sa.PrimaryKeyConstraint("release", name="releases_pkey"),
        sa.CheckConstraint("status IN ('live', 'previous', 'retired')", name="releases_status"),
        schema="ml",
        comment="One row per published batch",
    )

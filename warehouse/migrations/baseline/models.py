"""The ml schema: the rankers that were trained, which may serve, and what searches for their parameters tried."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB

from warehouse.migrations.baseline.columns import INSTANT, column


def create() -> None:
    op.execute("CREATE SCHEMA ml")
    op.execute("COMMENT ON SCHEMA ml IS 'Models, how they were measured, what they recommend, what is live'")
    _create_models()
    _create_promotions()
    _create_champions()
    _create_ranker_trials()


def _create_models() -> None:
    op.create_table(
        "models",
        column("model_version", sa.Text, "Public name of the model; every answer of the API carries it"),
        column("slate", sa.Text, "for_you, discover or rediscover"),
        column("trained_as_of", sa.Date, "Nothing from this day or later was seen in training"),
        column("created_at", INSTANT, "When training ended"),
        column("folds", ARRAY(sa.Date), "The as_of dates whose labels it was trained on"),
        column("params", JSONB, "Training parameters, seeds included"),
        column("metrics", JSONB, "Rows that were listened to in training; what was measured is in the card"),
        column("features", JSONB, "Feature names in column order"),
        column("feature_importance", JSONB, "Gain per feature"),
        column("training_rows", sa.BigInteger, "User-track pairs trained on"),
        column("training_users", sa.BigInteger, "Users trained on"),
        column("file", sa.Text, "The model's text file, relative to the lake"),
        column("file_sha256", sa.Text, "SHA-256 of that file, in hex"),
        column("card", JSONB, "Data, features, holdout metrics, calibration, limits"),
        column("stand_in_as_of", sa.Date, "Nothing from this day on was seen by the model's stand-in", null=True),
        column(
            "stand_in_file",
            sa.Text,
            "Text file of the stand-in that comparisons use, relative to the lake",
            null=True,
        ),
        column("stand_in_sha256", sa.Text, "SHA-256 of that file, in hex", null=True),
        sa.PrimaryKeyConstraint("model_version", name="models_pkey"),
        schema="ml",
        comment="One row per trained model: its card",
    )


def _create_promotions() -> None:
    op.create_table(
        "promotions",
        column("model_version", sa.Text, "The challenger: ml.models"),
        column("decided_at", INSTANT, "When it was decided"),
        column("slate", sa.Text, "for_you, discover or rediscover"),
        column("decision", sa.Text, "promoted or refused"),
        column("serves_from", sa.Date, "First as_of that a promoted model serves; null when refused", null=True),
        column("incumbent", sa.Text, "The model that served until then: ml.models; null when none did", null=True),
        column("decided_by", sa.Text, "gate, or the system user who overrode it"),
        column("override_reason", sa.Text, "Why it was promoted against the gate; null: the gate compared", null=True),
        column("reasons", sa.Text, "What spoke for or against it, in words"),
        column("figures", JSONB, "What was compared on the holdout; null when nothing was", null=True),
        column("speed", JSONB, "Rows scored per second by challenger and incumbent; null likewise", null=True),
        sa.PrimaryKeyConstraint("model_version", "decided_at", name="promotions_pkey"),
        sa.ForeignKeyConstraint(["model_version"], ["ml.models.model_version"], name="promotions_model_version_fkey"),
        sa.CheckConstraint("decision IN ('promoted', 'refused')", name="promotions_decision"),
        sa.CheckConstraint("(decision = 'promoted') = (serves_from IS NOT NULL)", name="promotions_serves_from"),
        schema="ml",
        comment="One row per decision on a model; ml.champions says which of them serve, and when",
    )
    op.execute("CREATE UNIQUE INDEX promotions_gate_key ON ml.promotions (model_version) WHERE override_reason IS NULL")


_CHAMPIONS = {
    "slate": "for_you, discover or rediscover",
    "model_version": "The model that serves: ml.models",
    "serves_from": "First as_of that it serves",
    "serves_until": "First as_of that it serves no more; null for the model that serves now",
}


def _create_champions() -> None:
    op.execute(
        """
        CREATE VIEW ml.champions AS
        WITH last_decisions AS (
            SELECT DISTINCT ON (slate, serves_from) slate, model_version, serves_from
            FROM ml.promotions
            WHERE serves_from IS NOT NULL
            ORDER BY slate, serves_from, decided_at DESC
        )

        SELECT
            slate,
            model_version,
            serves_from,
            lead(serves_from) OVER (PARTITION BY slate ORDER BY serves_from) AS serves_until
        FROM last_decisions
        """
    )
    op.execute("COMMENT ON VIEW ml.champions IS 'Which model serves a slate from which as_of on, by all decisions'")
    for name, comment in _CHAMPIONS.items():
        op.execute(f"COMMENT ON COLUMN ml.champions.{name} IS '{comment}'")


def _metric(name: str, comment: str) -> sa.Column[Any]:
    return column(name, DOUBLE_PRECISION, f"{comment}: mean over the validation dates")


def _create_ranker_trials() -> None:
    op.create_table(
        "ranker_trials",
        column("as_of", sa.Date, "The search knew nothing from this day on"),
        column("slate", sa.Text, "for_you, discover or rediscover"),
        column("trial", sa.Integer, "From 0, which is the default"),
        column("seed", sa.Integer, "Seed of the search"),
        column("params", JSONB, "Training parameters, the number of trees it stopped at"),
        column("state", sa.Text, "complete, or pruned after the newest validation date"),
        column("chosen", sa.Boolean, "Whether rankers of the slate train with it from now"),
        column("training_dates", ARRAY(sa.Date), "Folds that it learnt from, newest first"),
        column("validation_dates", ARRAY(sa.Date), "Folds that it was measured on"),
        column("labels_until", sa.Date, "No label that it read is of this day or later"),
        column("users", sa.Integer, "Distinct users of the validation dates"),
        _metric("ndcg_10", "NDCG@10"),
        _metric("ndcg_100", "NDCG@100"),
        _metric("recall_100", "Recall@100"),
        _metric("default_ndcg_100", "NDCG@100 of the default on the same dates"),
        column("by_date", JSONB, "Users and NDCG@100, of it and the default, by date"),
        column("ci95_low", DOUBLE_PRECISION, "Lower end of the difference's interval; null: not compared", null=True),
        column(
            "ci95_high", DOUBLE_PRECISION, "Upper end; the 95 % hold for all trials of the slate at once", null=True
        ),
        column("seconds", DOUBLE_PRECISION, "What training and measuring it took"),
        column("searched_at", INSTANT, "When the search was stored"),
        sa.PrimaryKeyConstraint("as_of", "slate", "trial", name="ranker_trials_pkey"),
        sa.CheckConstraint("labels_until <= as_of", name="ranker_trials_labels_until"),
        sa.CheckConstraint("state IN ('complete', 'pruned')", name="ranker_trials_state"),
        sa.CheckConstraint("state = 'complete' OR NOT chosen", name="ranker_trials_chosen_complete"),
        schema="ml",
        comment="One row per trial of a search for the training parameters of a slate's ranker; one of each is chosen",
    )
    op.execute("CREATE UNIQUE INDEX ranker_trials_chosen_key ON ml.ranker_trials (as_of, slate) WHERE chosen")

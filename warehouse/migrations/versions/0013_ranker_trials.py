"""What the hyper-parameter search of the rankers tried, and what it chose."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB, TIMESTAMP

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _metric(name: str, comment: str) -> sa.Column:
    return sa.Column(name, DOUBLE_PRECISION, nullable=False, comment=f"{comment}: mean over the validation dates")


def upgrade() -> None:
    op.create_table(
        "ranker_trials",
        sa.Column("as_of", sa.Date, nullable=False, comment="The search knew nothing from this day on"),
        sa.Column("slate", sa.Text, nullable=False, comment="for_you, discover or rediscover"),
        sa.Column("trial", sa.Integer, nullable=False, autoincrement=False, comment="From 0, which is the default"),
        sa.Column("seed", sa.Integer, nullable=False, comment="Seed of the search"),
        sa.Column("params", JSONB, nullable=False, comment="Training parameters, the number of trees it stopped at"),
        sa.Column("state", sa.Text, nullable=False, comment="complete, or pruned after the newest validation date"),
        sa.Column("chosen", sa.Boolean, nullable=False, comment="Whether rankers of the slate train with it from now"),
        sa.Column("training_dates", ARRAY(sa.Date), nullable=False, comment="Folds that it learnt from, newest first"),
        sa.Column("validation_dates", ARRAY(sa.Date), nullable=False, comment="Folds that it was measured on"),
        sa.Column("labels_until", sa.Date, nullable=False, comment="No label that it read is of this day or later"),
        sa.Column("users", sa.Integer, nullable=False, comment="Distinct users of the validation dates"),
        _metric("ndcg_10", "NDCG@10"),
        _metric("ndcg_100", "NDCG@100"),
        _metric("recall_100", "Recall@100"),
        _metric("default_ndcg_100", "NDCG@100 of the default on the same dates"),
        sa.Column("by_date", JSONB, nullable=False, comment="Users and NDCG@100, of it and the default, by date"),
        sa.Column("ci95_low", DOUBLE_PRECISION, comment="Lower end of the difference's interval; null: not compared"),
        sa.Column(
            "ci95_high", DOUBLE_PRECISION, comment="Upper end; the 95 % hold for all trials of the slate at once"
        ),
        sa.Column("seconds", DOUBLE_PRECISION, nullable=False, comment="What training and measuring it took"),
        sa.Column("searched_at", TIMESTAMP(timezone=True), nullable=False, comment="When the search was stored"),
        sa.PrimaryKeyConstraint("as_of", "slate", "trial", name="ranker_trials_pkey"),
        sa.CheckConstraint("labels_until <= as_of", name="ranker_trials_labels_until"),
        sa.CheckConstraint("state IN ('complete', 'pruned')", name="ranker_trials_state"),
        sa.CheckConstraint("state = 'complete' OR NOT chosen", name="ranker_trials_chosen_complete"),
        schema="ml",
        comment="One row per trial of a search for the training parameters of a slate's ranker; one of each is chosen",
    )
    op.execute("CREATE UNIQUE INDEX ranker_trials_chosen_key ON ml.ranker_trials (as_of, slate) WHERE chosen")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ml.ranker_trials TO audotics_service")
    op.execute("GRANT SELECT ON ml.ranker_trials TO audotics_transformer, audotics_analyst")


def downgrade() -> None:
    op.drop_table("ranker_trials", schema="ml")

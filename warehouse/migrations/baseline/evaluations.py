"""The ml schema: how good the lists were on the days after them, beside what they are compared with."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB

from warehouse.migrations.baseline.columns import INSTANT, column

_FIRST = "first 10 places, mean over users"
_LIST_FIGURES = {
    "coverage_10": "Share of the tracks heard before as_of that are in the first 10 places of some list",
    "coverage_100": "The same of the first 100 places",
    "novelty_10": f"Bits: -log2 of the share of users who had heard a track before as_of; {_FIRST}",
    "artist_diversity_10": f"Distinct artists over tracks with a known artist; {_FIRST}; null where none is known",
    "top_artist_share_10": f"Share of those tracks by the artist listed most; {_FIRST}; null where none is known",
    "artist_gini_10": "Gini coefficient of the places of artists in the first 10 of all lists; 0: all have as many",
    "popularity_percentile_10": f"Share of the tracks heard before as_of with fewer listeners than a track; {_FIRST}",
    "popularity_ratio_10": "Mean popularity of the first 10 places over that of what the same users had heard",
}


def create() -> None:
    _create_model_evaluations()
    _create_similarity_evaluations()


def _create_model_evaluations() -> None:
    op.create_table(
        "model_evaluations",
        column("as_of", sa.Date, "Split date: lists are made from before it, judged on the days after it"),
        column("slate", sa.Text, "for_you, discover or rediscover"),
        column("model", sa.Text, "ranker or the name of a baseline"),
        column("model_version", sa.Text, "ml.models for the ranker; null for a baseline", null=True),
        column("users", sa.Integer, "Users with history and at least one relevant track"),
        column("ndcg_10", DOUBLE_PRECISION, "NDCG@10, mean over users"),
        column("ndcg_100", DOUBLE_PRECISION, "NDCG@100, mean over users"),
        column("recall_100", DOUBLE_PRECISION, "Recall@100, mean over users"),
        column("ranker_delta", DOUBLE_PRECISION, "NDCG@100 of the ranker minus this baseline's", null=True),
        column("ci95_low", DOUBLE_PRECISION, "Lower end of that difference's paired 95 % interval", null=True),
        column("ci95_high", DOUBLE_PRECISION, "Upper end of that difference's paired 95 % interval", null=True),
        column("horizon_days", sa.Integer, "Days after as_of that count"),
        column("evaluated_at", INSTANT, "When it was measured"),
        *(column(name, DOUBLE_PRECISION, comment, null=True) for name, comment in _LIST_FIGURES.items()),
        column(
            "segments",
            JSONB,
            "On the row of the ranker: it and the best baseline by segment of users and of relevant tracks",
            null=True,
        ),
        column(
            "pool",
            JSONB,
            "On the row of the ranker: how many of the relevant tracks are among the candidates, by source."
            " Sources that are off are there only if the evaluation was asked for them",
            null=True,
        ),
        sa.PrimaryKeyConstraint("as_of", "slate", "model", name="model_evaluations_pkey"),
        schema="ml",
        comment="One row per split date, slate and model or baseline",
    )


def _create_similarity_evaluations() -> None:
    op.create_table(
        "similarity_evaluations",
        column("as_of", sa.Date, "Split date: lists are made from before it, judged after"),
        column("item", sa.Text, "track or artist"),
        column("model", sa.Text, "similar, or the name of what it is compared with"),
        column("users", sa.Integer, "Users with an occurrence"),
        column(
            "occurrences",
            sa.BigInteger,
            "Known tracks or artists in sessions of the horizon, next to others",
        ),
        column("recall_10", DOUBLE_PRECISION, "Co-listening recall@10, mean over users"),
        column("recall_50", DOUBLE_PRECISION, "Co-listening recall@50, mean over users"),
        column("similar_delta", DOUBLE_PRECISION, "recall@50 of similar minus this one's", null=True),
        column("ci95_low", DOUBLE_PRECISION, "Lower end of that difference's paired 95 % interval", null=True),
        column("ci95_high", DOUBLE_PRECISION, "Upper end of that difference's paired 95 % interval", null=True),
        column("horizon_days", sa.Integer, "Days from as_of on that count"),
        column("evaluated_at", INSTANT, "When it was measured"),
        sa.PrimaryKeyConstraint("as_of", "item", "model", name="similarity_evaluations_pkey"),
        sa.CheckConstraint("item IN ('track', 'artist')", name="similarity_evaluations_item"),
        schema="ml",
        comment="One row per split date, kind of item and model: do lists hold what is heard next to their item?",
    )

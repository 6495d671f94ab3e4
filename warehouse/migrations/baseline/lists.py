"""The ml schema: what is recommended, what is similar, and what was released."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from warehouse.migrations.baseline.columns import INSTANT, column


def create() -> None:
    _create_recommendations()
    _create_recommendation_batches()
    for item in ("track", "artist"):
        _create_similar(item)
    _create_similar_batches()
    _create_releases()
    _create_slate_measures()
    _create_slate_verdicts()


def _create_recommendations() -> None:
    op.create_table(
        "recommendations",
        column("as_of", sa.Date, "Made from listens before this day"),
        column("slate", sa.Text, "for_you, discover or rediscover"),
        column("user_key", sa.Integer, "raw.users"),
        column("rank", sa.SmallInteger, "Place in the list, from 1"),
        column("track_key", sa.Integer, "raw.tracks"),
        column("score", sa.REAL, "The model's score; comparable only within one list"),
        column("source", sa.Text, "The candidate source that put the track forward"),
        column("model_version", sa.Text, "ml.models; untrained/ and what they are ordered by where no ranker served"),
        column(
            "anchor_track_key",
            sa.Integer,
            "raw.tracks: what the user had heard that leads to the track; null where nothing does",
            null=True,
        ),
        column(
            "contributions",
            JSONB,
            "Strongest features and their SHAP values, in log odds, of the first 10 of a list that a ranker ordered",
            null=True,
        ),
        sa.PrimaryKeyConstraint("as_of", "slate", "user_key", "rank", name="recommendations_pkey"),
        schema="ml",
        comment="One row per as_of, slate, user and rank; one partition per as_of, made by its writer",
        postgresql_partition_by="LIST (as_of)",
    )


def _create_recommendation_batches() -> None:
    op.create_table(
        "recommendation_batches",
        column("as_of", sa.Date, "Made from listens before this day"),
        column("slate", sa.Text, "for_you, discover or rediscover"),
        column("model_version", sa.Text, "ml.models; untrained/ and what they are ordered by where no ranker served"),
        column("users", sa.BigInteger, "Users who have a list"),
        column("rows", sa.BigInteger, "Rows of ml.recommendations"),
        column("made_at", INSTANT, "When these lists replaced older ones"),
        column("blocks_read_at", INSTANT, "The lists hold no item blocked before"),
        column("listens_version", sa.BigInteger, "As in raw.listen_days: the listens that the lists reflect"),
        column("blocks", sa.BigInteger, "How many blocks there were at blocks_read_at"),
        column("code_version", sa.Text, "Digest of the code that made the lists"),
        sa.PrimaryKeyConstraint("as_of", "slate", name="recommendation_batches_pkey"),
        schema="ml",
        comment="One row per as_of and slate in ml.recommendations; written with them",
    )


def _create_similar(item: str) -> None:
    op.create_table(
        f"similar_{item}s",
        column("as_of", sa.Date, "Made from listens before this day"),
        column(f"{item}_key", sa.Integer, f"raw.{item}s"),
        column("rank", sa.SmallInteger, "Place in the list, from 1"),
        column(f"similar_{item}_key", sa.Integer, f"raw.{item}s; the one that is like it"),
        column("score", sa.REAL, "Higher is more alike; comparable only within one list"),
        sa.PrimaryKeyConstraint("as_of", f"{item}_key", "rank", name=f"similar_{item}s_pkey"),
        sa.CheckConstraint(f"{item}_key <> similar_{item}_key", name=f"similar_{item}s_not_itself"),
        schema="ml",
        comment=f"One row per as_of, {item} and rank; one partition per as_of, made by its writer",
        postgresql_partition_by="LIST (as_of)",
    )


def _create_similar_batches() -> None:
    op.create_table(
        "similar_batches",
        column("as_of", sa.Date, "Made from listens before this day"),
        column("item", sa.Text, "track or artist"),
        column("items", sa.BigInteger, "Tracks or artists that have a list"),
        column("rows", sa.BigInteger, "Rows of ml.similar_tracks or ml.similar_artists"),
        column("made_at", INSTANT, "When these lists replaced older ones"),
        sa.PrimaryKeyConstraint("as_of", "item", name="similar_batches_pkey"),
        sa.CheckConstraint("item IN ('track', 'artist')", name="similar_batches_item"),
        schema="ml",
        comment="One row per as_of in ml.similar_tracks and per as_of in ml.similar_artists; written with them",
    )


def _create_releases() -> None:
    op.create_table(
        "releases",
        column("release", sa.Text, "Public name of the published batch"),
        column("as_of", sa.Date, "The as_of of its recommendations"),
        column("models", JSONB, "Model version per slate"),
        column("counts", JSONB, "Users per slate, tracks"),
        column("published_at", INSTANT, "When it first went live"),
        column("status", sa.Text, "live, previous (kept for rollback) or retired"),
        column(
            "lists_made_at",
            INSTANT,
            "made_at in ml.recommendation_batches of the lists last found to be these; null if only found in Redis",
            null=True,
        ),
        column(
            "held",
            JSONB,
            "By slate whose lists were refused: the older date of those in their place, or null, and why; else null",
            null=True,
        ),
        sa.PrimaryKeyConstraint("release", name="releases_pkey"),
        sa.CheckConstraint("status IN ('live', 'previous', 'retired')", name="releases_status"),
        schema="ml",
        comment="One row per published batch",
    )


def _create_slate_measures() -> None:
    op.create_table(
        "slate_measures",
        column("as_of", sa.Date, "Of the lists as of this date"),
        column("slate", sa.Text, "for_you, discover or rediscover"),
        column("measure", sa.Text, "By the names of assets/release_gate/measures.py"),
        column("segment", sa.Text, "all, or a part of the users, such as new or country: Finland"),
        column("value", sa.Double, "What was measured"),
        sa.PrimaryKeyConstraint("as_of", "slate", "measure", "segment", name="slate_measures_pkey"),
        schema="ml",
        comment="One row per as_of, slate, measure and segment: what lists were like before any went live",
    )


def _create_slate_verdicts() -> None:
    op.create_table(
        "slate_verdicts",
        column("as_of", sa.Date, "Of the lists as of this date"),
        column("slate", sa.Text, "for_you, discover or rediscover"),
        column("made_at", INSTANT, "made_at in ml.recommendation_batches; null where nobody has a list", null=True),
        column("judged_at", INSTANT, "When the lists were measured and judged"),
        column("refused_because", ARRAY(sa.Text), "A sentence per figure out of bounds; empty where there is none"),
        column("accepted_at", INSTANT, "When an operator let refused lists go live; else null", null=True),
        sa.PrimaryKeyConstraint("as_of", "slate", name="slate_verdicts_pkey"),
        schema="ml",
        comment="One row per as_of and slate: whether its lists may go live",
    )

"""Similar tracks and similar artists as of a date, and how well they were found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, TIMESTAMP

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ITEMS = ("track", "artist")


def upgrade() -> None:
    for item in _ITEMS:
        _create_similar(item)
    _create_similar_batches()
    _create_similarity_evaluations()
    lists = ", ".join(f"ml.similar_{item}s" for item in _ITEMS)
    op.execute(f"GRANT SELECT ON {lists} TO audotics_transformer")
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ml.similar_batches, ml.similarity_evaluations TO audotics_service"
    )
    op.execute(
        "GRANT SELECT ON ml.similar_batches, ml.similarity_evaluations TO audotics_transformer, audotics_analyst"
    )
    # Only its owner may attach a partition.
    for item in _ITEMS:
        op.execute(f"ALTER TABLE ml.similar_{item}s OWNER TO audotics_service")


def downgrade() -> None:
    for table in ("similarity_evaluations", "similar_batches", *(f"similar_{item}s" for item in _ITEMS)):
        op.drop_table(table, schema="ml")


def _create_similar(item: str) -> None:
    op.create_table(
        f"similar_{item}s",
        sa.Column("as_of", sa.Date, nullable=False, comment="Made from listens before this day"),
        sa.Column(f"{item}_key", sa.Integer, nullable=False, autoincrement=False, comment=f"raw.{item}s"),
        sa.Column("rank", sa.SmallInteger, nullable=False, comment="Place in the list, from 1"),
        sa.Column(f"similar_{item}_key", sa.Integer, nullable=False, comment=f"raw.{item}s; the one that is like it"),
        sa.Column("score", sa.REAL, nullable=False, comment="Higher is more alike; comparable only within one list"),
        sa.PrimaryKeyConstraint("as_of", f"{item}_key", "rank", name=f"similar_{item}s_pkey"),
        sa.CheckConstraint(f"{item}_key <> similar_{item}_key", name=f"similar_{item}s_not_itself"),
        schema="ml",
        comment=f"One row per as_of, {item} and rank; one partition per as_of, made by its writer",
        postgresql_partition_by="LIST (as_of)",
    )


def _create_similar_batches() -> None:
    op.create_table(
        "similar_batches",
        sa.Column("as_of", sa.Date, nullable=False, comment="Made from listens before this day"),
        sa.Column("item", sa.Text, nullable=False, comment="track or artist"),
        sa.Column("items", sa.BigInteger, nullable=False, comment="Tracks or artists that have a list"),
        sa.Column("rows", sa.BigInteger, nullable=False, comment="Rows of ml.similar_tracks or ml.similar_artists"),
        sa.Column("made_at", TIMESTAMP(timezone=True), nullable=False, comment="When these lists replaced older ones"),
        sa.PrimaryKeyConstraint("as_of", "item", name="similar_batches_pkey"),
        sa.CheckConstraint("item IN ('track', 'artist')", name="similar_batches_item"),
        schema="ml",
        comment="One row per as_of in ml.similar_tracks and per as_of in ml.similar_artists; written with them",
    )


def _create_similarity_evaluations() -> None:
    op.create_table(
        "similarity_evaluations",
        sa.Column("as_of", sa.Date, nullable=False, comment="Split date: lists are made from before it, judged after"),
        sa.Column("item", sa.Text, nullable=False, comment="track or artist"),
        sa.Column("model", sa.Text, nullable=False, comment="similar, or the name of what it is compared with"),
        sa.Column("users", sa.Integer, nullable=False, comment="Users with an occurrence"),
        sa.Column(
            "occurrences",
            sa.BigInteger,
            nullable=False,
            comment="Known tracks or artists in sessions of the horizon, next to others",
        ),
        sa.Column("recall_10", DOUBLE_PRECISION, nullable=False, comment="Co-listening recall@10, mean over users"),
        sa.Column("recall_50", DOUBLE_PRECISION, nullable=False, comment="Co-listening recall@50, mean over users"),
        sa.Column("similar_delta", DOUBLE_PRECISION, comment="recall@50 of similar minus this one's"),
        sa.Column("ci95_low", DOUBLE_PRECISION, comment="Lower end of that difference's paired 95 % interval"),
        sa.Column("ci95_high", DOUBLE_PRECISION, comment="Upper end of that difference's paired 95 % interval"),
        sa.Column("horizon_days", sa.Integer, nullable=False, comment="Days from as_of on that count"),
        sa.Column("evaluated_at", TIMESTAMP(timezone=True), nullable=False, comment="When it was measured"),
        sa.PrimaryKeyConstraint("as_of", "item", "model", name="similarity_evaluations_pkey"),
        sa.CheckConstraint("item IN ('track', 'artist')", name="similarity_evaluations_item"),
        schema="ml",
        comment="One row per split date, kind of item and model: do lists hold what is heard next to their item?",
    )

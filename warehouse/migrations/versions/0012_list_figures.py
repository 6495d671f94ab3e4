"""What the evaluated lists are like, and for whom they are good."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_FIRST = "first 10 places, mean over users"
_FIGURES = {
    "coverage_10": "Share of the tracks heard before as_of that are in the first 10 places of some list",
    "coverage_100": "The same of the first 100 places",
    "novelty_10": f"Bits: -log2 of the share of users who had heard a track before as_of; {_FIRST}",
    "artist_diversity_10": f"Distinct artists over tracks with a known artist; {_FIRST}; null where none is known",
    "top_artist_share_10": f"Share of those tracks by the artist listed most; {_FIRST}; null where none is known",
    "artist_gini_10": "Gini coefficient of the places of artists in the first 10 of all lists; 0: all have as many",
    "popularity_percentile_10": f"Share of the tracks heard before as_of with fewer listeners than a track; {_FIRST}",
    "popularity_ratio_10": "Mean popularity of the first 10 places over that of what the same users had heard",
}


def upgrade() -> None:
    for name, comment in _FIGURES.items():
        op.add_column("model_evaluations", sa.Column(name, DOUBLE_PRECISION, comment=comment), schema="ml")
    op.add_column(
        "model_evaluations",
        sa.Column(
            "segments",
            JSONB,
            comment="On the row of the ranker: it and the best baseline by segment of users and of relevant tracks",
        ),
        schema="ml",
    )


def downgrade() -> None:
    for name in (*_FIGURES, "segments"):
        op.drop_column("model_evaluations", name, schema="ml")

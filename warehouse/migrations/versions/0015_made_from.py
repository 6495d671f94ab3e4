"""What lists were made from, so that a replay can say why it gives others; what pools of candidates hold."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_UNKNOWN = "null when it was not noted"


def upgrade() -> None:
    for column in (
        sa.Column(
            "listens_version",
            sa.BigInteger,
            comment=f"As in raw.listen_days: the listens that the lists reflect; {_UNKNOWN}",
        ),
        sa.Column("blocks", sa.BigInteger, comment=f"How many blocks there were at blocks_read_at; {_UNKNOWN}"),
        sa.Column("code_version", sa.Text, comment=f"Digest of the code that made the lists; {_UNKNOWN}"),
    ):
        op.add_column("recommendation_batches", column, schema="ml")
    op.add_column(
        "model_evaluations",
        sa.Column(
            "pool",
            JSONB,
            comment="On the row of the ranker: how many of the relevant tracks are among the candidates, by source",
        ),
        schema="ml",
    )


def downgrade() -> None:
    op.drop_column("model_evaluations", "pool", schema="ml")
    for name in ("code_version", "blocks", "listens_version"):
        op.drop_column("recommendation_batches", name, schema="ml")

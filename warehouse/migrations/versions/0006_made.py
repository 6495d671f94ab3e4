"""What was made, so that nobody has to count millions of rows to know: lists per date and slate, features per date, and
where in raw.listens the rows of a file are.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recommendation_batches",
        sa.Column("as_of", sa.Date, nullable=False, comment="Made from listens before this day"),
        sa.Column("slate", sa.Text, nullable=False, comment="for_you or discover"),
        sa.Column("model_version", sa.Text, nullable=False, comment="ml.models"),
        sa.Column("users", sa.BigInteger, nullable=False, comment="Users who have a list"),
        sa.Column("rows", sa.BigInteger, nullable=False, comment="Rows of ml.recommendations"),
        sa.Column("made_at", TIMESTAMP(timezone=True), nullable=False, comment="When these lists replaced older ones"),
        sa.PrimaryKeyConstraint("as_of", "slate", name="recommendation_batches_pkey"),
        schema="ml",
        comment="One row per as_of and slate in ml.recommendations; written with them",
    )
    op.execute(
        "INSERT INTO ml.recommendation_batches (as_of, slate, model_version, users, rows, made_at)"
        " SELECT as_of, slate, max(model_version), count(DISTINCT user_key), count(*), now()"
        " FROM ml.recommendations GROUP BY as_of, slate"
    )

    op.create_table(
        "feature_dates",
        sa.Column("as_of", sa.Date, primary_key=True, comment="Feature marts hold rows as of this date"),
        sa.Column(
            "features_version",
            sa.Text,
            nullable=False,
            comment="Digest of the dbt project that built them; empty until all are",
        ),
        sa.Column("listens_version", sa.BigInteger, nullable=False, comment="As in raw.listen_days; what they reflect"),
        sa.Column("built_at", TIMESTAMP(timezone=True), nullable=False, comment="When a run last built or needed them"),
        schema="builds",
        comment="One row per date of which feature marts are, or were begun to be, built",
    )

    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ml.recommendation_batches TO audotics_service")
    op.execute("GRANT SELECT ON ml.recommendation_batches TO audotics_transformer, audotics_analyst")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON builds.feature_dates TO audotics_transformer")

    # Files are appended one after the other: which pages hold those of a file fits into a few kB for millions of rows.
    op.execute("CREATE INDEX listens_file_id_idx ON raw.listens USING brin (file_id) WITH (autosummarize = on)")


def downgrade() -> None:
    op.execute("DROP INDEX raw.listens_file_id_idx")
    op.drop_table("feature_dates", schema="builds")
    op.drop_table("recommendation_batches", schema="ml")

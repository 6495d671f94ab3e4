"""Which models may serve: decisions of the gate and of people; and what a model's card and stand-in are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_CARD = ("card", "stand_in_as_of", "stand_in_file", "stand_in_sha256")


def upgrade() -> None:
    columns = (
        sa.Column(
            "card", JSONB, comment="Data, features, held-out metrics, calibration, limits; null: older than cards"
        ),
        sa.Column("stand_in_as_of", sa.Date, comment="Nothing from this day on was seen by the model's stand-in"),
        sa.Column(
            "stand_in_file", sa.Text, comment="Text file of the stand-in that comparisons use, relative to the lake"
        ),
        sa.Column("stand_in_sha256", sa.Text, comment="SHA-256 of that file, in hex"),
    )
    for column in columns:
        op.add_column("models", column, schema="ml")
    op.create_table(
        "promotions",
        sa.Column(
            "model_version",
            sa.Text,
            sa.ForeignKey("ml.models.model_version", name="promotions_model_version_fkey"),
            nullable=False,
            comment="The challenger: ml.models",
        ),
        sa.Column("decided_at", TIMESTAMP(timezone=True), nullable=False, comment="When it was decided"),
        sa.Column("slate", sa.Text, nullable=False, comment="for_you, discover or rediscover"),
        sa.Column("decision", sa.Text, nullable=False, comment="promoted or refused"),
        sa.Column("serves_from", sa.Date, comment="First as_of that a promoted model serves; null when refused"),
        sa.Column("incumbent", sa.Text, comment="The model that served until then: ml.models; null when none did"),
        sa.Column("decided_by", sa.Text, nullable=False, comment="gate, upgrade, or the system user who overrode it"),
        sa.Column("override_reason", sa.Text, comment="Why a person promoted it; null for decisions of the gate"),
        sa.Column("reasons", sa.Text, nullable=False, comment="What spoke for or against it, in words"),
        sa.Column("figures", JSONB, comment="What was compared on the held-out fold; null when nothing was"),
        sa.Column("speed", JSONB, comment="Rows scored per second by challenger and incumbent; null likewise"),
        sa.PrimaryKeyConstraint("model_version", "decided_at", name="promotions_pkey"),
        sa.CheckConstraint("decision IN ('promoted', 'refused')", name="promotions_decision"),
        sa.CheckConstraint("(decision = 'promoted') = (serves_from IS NOT NULL)", name="promotions_serves_from"),
        schema="ml",
        comment="One row per decision on a model; of those that serve a date, the one with the latest serves_from does,"
        " among equals the one decided last",
    )
    op.execute("CREATE UNIQUE INDEX promotions_gate_key ON ml.promotions (model_version) WHERE override_reason IS NULL")
    # Until now the model that was trained as of the latest date served.
    op.execute(
        "INSERT INTO ml.promotions (model_version, decided_at, slate, decision, serves_from, decided_by, reasons)"
        " SELECT model_version, created_at, slate, 'promoted', trained_as_of, 'upgrade', 'older than the gate'"
        " FROM ml.models"
    )
    op.execute("GRANT SELECT, INSERT ON ml.promotions TO audotics_service")
    op.execute("GRANT SELECT ON ml.promotions TO audotics_transformer, audotics_analyst")


def downgrade() -> None:
    op.drop_table("promotions", schema="ml")
    for column in _CARD:
        op.drop_column("models", column, schema="ml")

"""The quality schema: what the gates observed, and their verdicts."""

import sqlalchemy as sa
from alembic import op

from warehouse.migrations.baseline.columns import INSTANT, column


def create() -> None:
    op.execute("CREATE SCHEMA quality")
    op.execute("COMMENT ON SCHEMA quality IS 'What the gates observed, with its bounds, and their verdicts'")
    _create_validations()
    _create_observations()


def _create_validations() -> None:
    op.create_table(
        "validations",
        sa.Column(
            "validation_id", sa.BigInteger, sa.Identity(always=True), nullable=False, comment="Numbered as they ended"
        ),
        column("asset", sa.Text, "The Dagster asset that was judged, such as core/fct_listens"),
        column("check_name", sa.Text, "The asset check that judged it"),
        column("as_of", sa.Date, "The date of the run; null where the asset has none", null=True),
        column("run_id", sa.Text, "The Dagster run"),
        column("validated_at", INSTANT, "When"),
        column("passed", sa.Boolean, "Whether everything held"),
        column("blocks", sa.Boolean, "Whether what comes after it may not be built on it"),
        column("page", sa.Text, "Its page below data_docs of AUDOTICS_HOME; null where it has none", null=True),
        sa.PrimaryKeyConstraint("validation_id", name="validations_pkey"),
        sa.UniqueConstraint(
            "run_id",
            "asset",
            "check_name",
            "as_of",
            name="validations_run_id_asset_check_name_as_of_key",
            postgresql_nulls_not_distinct=True,
        ),
        schema="quality",
        comment="One row per run, asset check and as_of: the verdict",
    )
    op.create_index(
        "validations_check_name_as_of_idx", "validations", ["check_name", "asset", "as_of"], schema="quality"
    )


def _create_observations() -> None:
    op.create_table(
        "observations",
        column("validation_id", sa.BigInteger, "quality.validations"),
        column("metric", sa.Text, "What was measured, such as listens or psi of listens_30d"),
        column("segment", sa.Text, "all, or the part that was measured, such as source: spotify or country: Finland"),
        column("value", sa.Double, "What was observed; null where it could not be", null=True),
        column("low", sa.Double, "The least it may be; null where there is no such bound", null=True),
        column("high", sa.Double, "The most it may be; null where there is no such bound", null=True),
        column("learned_from", sa.Date, "First day that the bounds were learned from; null where fixed", null=True),
        column("learned_to", sa.Date, "Last day that the bounds were learned from; null where fixed", null=True),
        column("expectation", sa.Text, "In words"),
        column("severity", sa.Text, "Where it does not hold: critical stops what comes after it, warning tells"),
        column("passed", sa.Boolean, "Whether it held"),
        sa.PrimaryKeyConstraint("validation_id", "metric", "segment", name="observations_pkey"),
        sa.ForeignKeyConstraint(
            ["validation_id"],
            ["quality.validations.validation_id"],
            name="observations_validation_id_fkey",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("severity IN ('critical', 'warning', 'info')", name="observations_severity"),
        schema="quality",
        comment="One row per validation, metric and segment: what was observed, and what it may be",
    )

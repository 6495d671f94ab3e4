"""The service reads tags, from which a candidate source is fitted."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_TO = "SELECT ON raw.track_tags"
_SERVICE = "audotics_service"


def upgrade() -> None:
    op.execute(f"GRANT {_TO} TO {_SERVICE}")


def downgrade() -> None:
    op.execute(f"REVOKE {_TO} FROM {_SERVICE}")

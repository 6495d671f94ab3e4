"""The tracks of an artist are found without reading the catalogue: whoever blocks one, blocks its other versions."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("tracks_artist_key_idx", "tracks", ["artist_key"], schema="raw")


def downgrade() -> None:
    op.drop_index("tracks_artist_key_idx", "tracks", schema="raw")

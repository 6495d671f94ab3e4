"""A pseudonym for every user: a keyed hash of their id, for analysts, who must not see the id."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pseudonym_key",
        sa.Column("key", sa.LargeBinary, nullable=False, comment="32 random bytes; whoever has them can test guesses"),
        sa.Column("only_row", sa.Boolean, primary_key=True, server_default=sa.true(), comment="Keeps it at one row"),
        sa.CheckConstraint("only_row", name="pseudonym_key_one_row"),
        schema="raw",
        comment="The secret of this warehouse's listener keys",
    )
    op.execute(
        "INSERT INTO raw.pseudonym_key (key)"
        " VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))"
    )
    # sha256(key || sha256(key || id)): an HMAC in all but its padding, without an extension.
    op.execute(
        """
        CREATE FUNCTION raw.listener_key(user_id text) RETURNS bigint LANGUAGE sql STABLE AS $$
            SELECT
                ('x' || encode(substr(sha256(key || sha256(key || convert_to(user_id, 'UTF8'))), 1, 8), 'hex'))
                ::bit(64)::bigint & 9223372036854775807
            FROM raw.pseudonym_key
        $$
        """
    )
    op.execute("COMMENT ON FUNCTION raw.listener_key IS 'First 63 bits of a keyed SHA-256 of a user id'")
    op.add_column("users", sa.Column("listener_key", sa.BigInteger), schema="raw")
    op.execute("UPDATE raw.users SET listener_key = raw.listener_key(user_id)")
    op.alter_column(
        "users",
        "listener_key",
        nullable=False,
        comment="Keyed hash of user_id: the pseudonym that analysts see",
        schema="raw",
    )
    op.create_unique_constraint("users_listener_key_key", "users", ["listener_key"], schema="raw")


def downgrade() -> None:
    op.drop_column("users", "listener_key", schema="raw")
    op.execute("DROP FUNCTION raw.listener_key(text)")
    op.drop_table("pseudonym_key", schema="raw")

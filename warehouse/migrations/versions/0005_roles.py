"""Four roles, and what each may do here. Roles belong to the whole server, so another database may have made them."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_LOADER = "audotics_loader"
_TRANSFORMER = "audotics_transformer"
_SERVICE = "audotics_service"
_ANALYST = "audotics_analyst"
_WORKING = f"{_LOADER}, {_TRANSFORMER}, {_SERVICE}"

# What follows CREATE ROLE, the description, and the settings of its sessions.
_ROLES = {
    _LOADER: ("NOLOGIN", "Audotics: writes raw", {}),
    _TRANSFORMER: ("NOLOGIN", "Audotics: reads raw, owns the dbt models", {}),
    _SERVICE: ("NOLOGIN", "Audotics: reads core and features, writes ml", {}),
    # Without a password it cannot log in: `audotics analyst-url` gives it one.
    _ANALYST: (
        "LOGIN CONNECTION LIMIT 20",
        "Audotics: reads analytics and the catalogue",
        {
            "default_transaction_read_only": "on",
            "statement_timeout": "30s",
            "idle_in_transaction_session_timeout": "5min",
        },
    ),
}

_SCHEMAS = {
    "staging": "Raw tables renamed and cast; for the models only",
    "intermediate": "Steps between staging and the marts; for the models only",
    "core": "Listens, sessions, users, tracks and artists, by their dense keys",
    "analytics": "Listening for analysts: listeners are pseudonyms",
    "features": "What rankers learn from, as of a date",
    "snapshots": "How profiles and the catalogue changed over time",
}

_LOADED = ", ".join(
    f"raw.{table}"
    for table in (
        *("ingest_files", "users", "artists", "tracks"),
        *("listens", "rejected_listens", "track_tags", "blocks"),
    )
)

_GRANTS = (
    f"GRANT USAGE ON SCHEMA raw TO {_WORKING}",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON {_LOADED} TO {_LOADER}",
    # It hands out the ids of files itself, and remembers in the sequence how far they had come.
    f"GRANT SELECT, UPDATE ON SEQUENCE raw.ingest_files_file_id_seq TO {_LOADER}",
    f"GRANT SELECT ON raw.listen_days TO {_LOADER}",
    f"GRANT SELECT ON {_LOADED}, raw.listen_days TO {_TRANSFORMER}",
    f"GRANT SELECT ON raw.blocks TO {_SERVICE}",
    f"GRANT USAGE ON SCHEMA builds TO {_TRANSFORMER}",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON builds.days, builds.models TO {_TRANSFORMER}",
    # The service makes partitions there, the transformer models.
    f"GRANT USAGE, CREATE ON SCHEMA ml TO {_SERVICE}, {_TRANSFORMER}",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ml.models, ml.model_evaluations, ml.releases TO {_SERVICE}",
    f"GRANT SELECT ON ml.models, ml.model_evaluations, ml.releases, ml.recommendations TO {_TRANSFORMER}",
    f"GRANT SELECT ON ml.models, ml.model_evaluations, ml.releases TO {_ANALYST}",
    f"GRANT USAGE ON SCHEMA core, features TO {_SERVICE}",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA core, features TO {_SERVICE}",
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {_TRANSFORMER} IN SCHEMA core, features GRANT SELECT ON TABLES TO {_SERVICE}",
    # Of core and features analysts read what the models themselves grant (`grants` in their YAML).
    f"GRANT USAGE ON SCHEMA analytics, core, features, ml TO {_ANALYST}",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO {_ANALYST}",
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {_TRANSFORMER} IN SCHEMA analytics GRANT SELECT ON TABLES TO {_ANALYST}",
)

# These do what their callers may not: keep the ledger of days, and read the key of the pseudonyms.
_TRUSTED_FUNCTIONS = ("raw.note_changed_days()", "raw.note_truncation()", "raw.listener_key(text)")


def upgrade() -> None:
    for role, (options, description, settings) in _ROLES.items():
        _create_role(role, options, description, settings)
    _join_working_roles()
    for schema, description in _SCHEMAS.items():
        op.execute(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {_TRANSFORMER}")
        # One that an older build had made belongs to the migrating user, and so do its models.
        op.execute(f"ALTER SCHEMA {schema} OWNER TO {_TRANSFORMER}")
        op.execute(f"COMMENT ON SCHEMA {schema} IS '{description}'")
    _hand_over(
        "relnamespace::regnamespace::text IN ({})".format(", ".join(f"'{name}'" for name in _SCHEMAS)), _TRANSFORMER
    )
    for grant in _GRANTS:
        op.execute(grant)
    # Only its owner may attach a partition.
    _hand_over("relnamespace = 'ml'::regnamespace AND relname LIKE 'recommendations%'", _SERVICE)
    _keep_temporary_tables_to(f"{_WORKING}, CURRENT_USER")
    for function in _TRUSTED_FUNCTIONS:
        op.execute(f"ALTER FUNCTION {function} SECURITY DEFINER SET search_path = pg_catalog, pg_temp")
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION raw.listener_key(text) TO {_LOADER}")


def downgrade() -> None:
    _of_this_database("GRANT TEMPORARY ON DATABASE %I TO PUBLIC")
    for function in _TRUSTED_FUNCTIONS:
        op.execute(f"ALTER FUNCTION {function} SECURITY INVOKER RESET search_path")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")
    op.execute(f"REASSIGN OWNED BY {_WORKING} TO CURRENT_USER")
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA analytics, core, features, ml FROM {_ANALYST}")
    op.execute(f"REVOKE ALL ON SCHEMA analytics, core, features, ml FROM {_ANALYST}")
    # The roles stay: other databases of the server may use them, and there have to be given TEMPORARY again, which this
    # takes everywhere. One at a time: PostgreSQL 18 fails with an internal error where default privileges of one name
    # another.
    for role in (_TRANSFORMER, _LOADER, _SERVICE):
        op.execute(f"DROP OWNED BY {role}")


def _keep_temporary_tables_to(roles: str) -> None:
    """Let only these make temporary tables. Where the migrating user does not own the database, PostgreSQL warns, and
    everybody still may.
    """
    _of_this_database("REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC")
    _of_this_database(f"GRANT TEMPORARY ON DATABASE %I TO {roles}")


def _of_this_database(statement: str) -> None:
    """Run a statement in which %I stands for the name of the database."""
    op.execute(f"DO $$ BEGIN EXECUTE format('{statement}', current_database()); END $$")


def _create_role(role: str, options: str, description: str, settings: dict[str, str]) -> None:
    altered = "".join(f"ALTER ROLE {role} SET {name} = '{value}';" for name, value in settings.items())
    op.execute(
        f"""
        DO $$
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                CREATE ROLE {role} {options};
                COMMENT ON ROLE {role} IS '{description}';
                {altered}
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- a migration of another database made it meanwhile
        END
        $$
        """
    )


def _join_working_roles() -> None:
    """Let the migrating user work as the roles it owns the warehouse for; a superuser may anyway."""
    op.execute(
        f"""
        DO $$
        DECLARE role text;
        BEGIN
            FOREACH role IN ARRAY string_to_array('{_WORKING}', ', ') LOOP
                IF NOT (pg_has_role(role, 'SET') AND pg_has_role(role, 'USAGE')) THEN
                    EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT TRUE, SET TRUE', role);
                END IF;
            END LOOP;
        END
        $$
        """
    )


def _hand_over(condition: str, role: str) -> None:
    """Make a role the owner of the tables and views of which the condition holds."""
    op.execute(
        f"""
        DO $$
        DECLARE relation regclass;
        BEGIN
            FOR relation IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') AND {condition} LOOP
                EXECUTE format('ALTER TABLE %s OWNER TO {role}', relation);
            END LOOP;
        END
        $$
        """
    )

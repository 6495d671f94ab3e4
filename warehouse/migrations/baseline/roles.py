"""Four roles, and what each may do. Roles belong to the whole server, so another database may have made them."""

from alembic import op

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

# The schemas of the dbt models.
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
        *("ingest_files", "users", "artists", "tracks", "track_artists"),
        *("listens", "rejected_listens", "track_tags", "artist_tags", "blocks"),
    )
)
# What only loads and their undoing need.
_SAID = ", ".join(
    f"raw.{table}"
    for table in (
        *("duplicate_listens", "user_mentions", "artist_mentions", "track_mentions", "block_mentions"),
        *("user_profiles", "given_keys", "file_places", "landed_files"),
    )
)
_WRITTEN_BY_SERVICE = ", ".join(
    f"ml.{table}"
    for table in (
        *("models", "ranker_trials", "model_evaluations", "similarity_evaluations"),
        *("recommendation_batches", "similar_batches", "releases", "slate_measures", "slate_verdicts"),
    )
)
# Only its owner may attach a partition.
_PARTITIONED = ("ml.recommendations", "ml.similar_tracks", "ml.similar_artists")

_GRANTS = (
    f"GRANT USAGE ON SCHEMA raw TO {_WORKING}",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON {_LOADED}, {_SAID} TO {_LOADER}",
    f"GRANT SELECT ON raw.listen_days TO {_LOADER}",
    f"GRANT SELECT ON {_LOADED}, raw.listen_days TO {_TRANSFORMER}",
    f"GRANT SELECT ON raw.blocks, raw.track_tags, raw.artist_tags TO {_SERVICE}",
    f"GRANT USAGE ON SCHEMA corrections TO {_TRANSFORMER}, {_ANALYST}",
    f"GRANT SELECT ON corrections.same_items TO {_TRANSFORMER}",
    # All that analysts write.
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON corrections.same_items TO {_ANALYST}",
    f"GRANT USAGE ON SCHEMA builds TO {_TRANSFORMER}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON builds.days, builds.models, builds.model_days,"
    f" builds.feature_dates, builds.views TO {_TRANSFORMER}",
    # The service makes partitions there, the transformer models.
    f"GRANT USAGE, CREATE ON SCHEMA ml TO {_SERVICE}, {_TRANSFORMER}",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON {_WRITTEN_BY_SERVICE} TO {_SERVICE}",
    f"GRANT USAGE ON SCHEMA quality TO {_WORKING}",
    f"GRANT SELECT, INSERT, DELETE ON quality.validations, quality.observations TO {_SERVICE}",
    f"GRANT SELECT ON quality.validations, quality.observations TO {_TRANSFORMER}",
    # What was decided stays.
    f"GRANT SELECT, INSERT ON ml.promotions TO {_SERVICE}",
    f"GRANT SELECT ON ml.champions TO {_SERVICE}, {_TRANSFORMER}, {_ANALYST}",
    f"GRANT SELECT ON {_WRITTEN_BY_SERVICE}, ml.promotions, {', '.join(_PARTITIONED)} TO {_TRANSFORMER}",
    f"GRANT SELECT ON {_WRITTEN_BY_SERVICE}, ml.promotions TO {_ANALYST}",
    f"GRANT USAGE ON SCHEMA core, features TO {_SERVICE}",
    # Blocks hold for every name of a track: of core, loads and blocks read which names those are, and nothing else.
    f"GRANT USAGE ON SCHEMA core TO {_LOADER}",
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {_TRANSFORMER} IN SCHEMA core, features GRANT SELECT ON TABLES TO {_SERVICE}",
    # Of core and features analysts read what the models themselves grant (`grants` in their YAML).
    f"GRANT USAGE ON SCHEMA analytics, core, features, ml TO {_ANALYST}",
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {_TRANSFORMER} IN SCHEMA analytics GRANT SELECT ON TABLES TO {_ANALYST}",
)

# These do what their callers may not: keep the ledger of days, and read the key of the pseudonyms.
_TRUSTED_FUNCTIONS = (
    *("raw.note_changed_days()", "raw.note_truncation()", "raw.note_days_of_tracks(integer[])"),
    "raw.listener_key(text)",
)


def create() -> None:
    for role, (options, description, settings) in _ROLES.items():
        _create_role(role, options, description, settings)
    _join_working_roles()
    for schema, description in _SCHEMAS.items():
        op.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {_TRANSFORMER}")
        op.execute(f"COMMENT ON SCHEMA {schema} IS '{description}'")
    for grant in _GRANTS:
        op.execute(grant)
    for table in _PARTITIONED:
        op.execute(f"ALTER TABLE {table} OWNER TO {_SERVICE}")
    _let_loader_analyse()
    _keep_temporary_tables_to(f"{_WORKING}, CURRENT_USER")
    for function in _TRUSTED_FUNCTIONS:
        op.execute(f"ALTER FUNCTION {function} SECURITY DEFINER SET search_path = pg_catalog, pg_temp")
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION raw.listener_key(text) TO {_LOADER}")
    op.execute(f"GRANT EXECUTE ON FUNCTION raw.note_days_of_tracks(integer[]) TO {_TRANSFORMER}, {_LOADER}")


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


def _let_loader_analyse() -> None:
    """A load tells the planner what it has brought. Before PostgreSQL 17 only the owner of a table may."""
    op.execute(
        f"""
        DO $$
        BEGIN
            IF current_setting('server_version_num')::int >= 170000 THEN
                EXECUTE 'GRANT MAINTAIN ON {_LOADED} TO {_LOADER}';
            END IF;
        END
        $$
        """
    )


def _keep_temporary_tables_to(roles: str) -> None:
    """Let only these make temporary tables. Where the migrating user does not own the database, PostgreSQL warns, and
    everybody still may.
    """
    for statement in (
        "REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC",
        f"GRANT TEMPORARY ON DATABASE %I TO {roles}",
    ):
        op.execute(f"DO $$ BEGIN EXECUTE format('{statement}', current_database()); END $$")

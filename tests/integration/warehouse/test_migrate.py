"""The warehouse's tables: migrations, what they promise analysts, and what they refuse."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from orchestration.cli.app import app
from warehouse import migrate
from warehouse.engine import create_engine, session_url
from warehouse.errors import AudoticsError
from warehouse.local.servers import Endpoints, ensure_running
from warehouse.resource import PostgresResource
from warehouse.roles import WORKING_ROLES, Role
from warehouse.settings import Settings

LISTEN = "INSERT INTO raw.listens (user_key, track_key, listened_at, source, file_id) VALUES (1, 1, '{0}', 's', 1)"
UNDESCRIBED = """
SELECT relnamespace::regnamespace || '.' || relname || coalesce('.' || attname, '')
FROM pg_class
LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0
WHERE
    relnamespace IN ('raw'::regnamespace, 'ml'::regnamespace, 'builds'::regnamespace) AND relkind IN ('r', 'p')
    AND (obj_description(pg_class.oid) IS NULL OR col_description(pg_class.oid, attnum) IS NULL)
"""
LOADED = (
    "INSERT INTO raw.ingest_files (file_id, sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected,"
    " rows_duplicate, started_at, finished_at)"
    " SELECT count(*) + 1, 'a', 'f', '/x', 1, {counts}, now(), now() FROM raw.ingest_files"
)


def _rows(url: str, statement: str) -> list[tuple]:
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(statement))]
    engine.dispose()
    return rows


def _execute(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def test_an_empty_database_has_every_migration_pending_and_after_the_upgrade_none(empty_database_url: str) -> None:
    waiting = migrate.pending(empty_database_url)
    assert waiting[0] == "0001"
    assert migrate.upgrade(empty_database_url) == waiting
    assert migrate.pending(empty_database_url) == []
    assert _rows(empty_database_url, f"SELECT version_num FROM {migrate.VERSION_TABLE}") == [(waiting[-1],)]
    assert migrate.upgrade(empty_database_url) == []


def test_processes_that_upgrade_at_once_do_not_collide(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate.upgrade, [empty_database_url] * 4))
    assert migrate.pending(empty_database_url) == []


LATER = """
from alembic import op

revision, down_revision = "{revision}", "{after}"


def upgrade() -> None:
    {body}
"""
CONCURRENTLY = """with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS listens_track ON raw.listens (track_key)")"""


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """A function that adds a migration after those there are: its id, the id before, and a statement of Python."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate._FOLDER, folder)
    monkeypatch.setattr(migrate, "_FOLDER", folder)

    def add(revision: str, after: str, body: str) -> None:
        (folder / "versions" / f"{revision}.py").write_text(LATER.format(revision=revision, after=after, body=body))

    return add


def test_a_migration_that_fails_leaves_those_before_it_and_the_next_call_goes_on_from_there(
    warehouse_url: str, later: Callable[[str, str, str], None]
) -> None:
    later("a", "0001", "op.execute('CREATE TABLE ml.a (); COMMENT ON TABLE ml.a IS NULL')")
    later("b", "a", "op.execute('CREATE TABLE ml.b (); SELECT 1 / 0')")
    with pytest.raises(AudoticsError, match="division by zero"):
        migrate.upgrade(warehouse_url)
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'ml' AND tablename IN ('a', 'b') ORDER BY 1"
    assert (migrate.pending(warehouse_url), _rows(warehouse_url, tables)) == (["b"], [("a",)])
    later("b", "a", "op.execute('CREATE TABLE ml.b ()')")
    assert migrate.upgrade(warehouse_url) == ["b"]
    assert _rows(warehouse_url, tables) == [("a",), ("b",)]


def test_an_index_is_built_while_others_write_and_others_migrate(
    warehouse_url: str, later: Callable[[str, str, str], None]
) -> None:
    later("a", "0001", CONCURRENTLY)
    writing = psycopg2.connect(warehouse_url)
    with ThreadPoolExecutor(3) as pool, writing.cursor() as cursor:
        cursor.execute(LISTEN.format("2026-01-01+00"))
        upgrades = [pool.submit(migrate.upgrade, warehouse_url) for _ in range(3)]
        building = "SELECT 1 FROM pg_stat_progress_create_index WHERE datname = current_database()"
        while not _rows(warehouse_url, building):
            assert not all(each.done() for each in upgrades), [each.exception() for each in upgrades]
            time.sleep(0.02)
        # The index waits for this transaction, and keeps nobody from writing another.
        cursor.execute(LISTEN.format("2026-01-02+00"))
        _execute(warehouse_url, "SET lock_timeout = '60s'; INSERT INTO raw.track_tags VALUES (1, 1, 'a', 1, NULL)")
        writing.commit()
        assert sorted(each.result() for each in upgrades) == [[], [], ["a"]]
    writing.close()
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'raw.listens_track'::regclass"
    assert _rows(warehouse_url, valid) == [(True,)]


def test_a_warehouse_that_is_behind_is_refused_until_somebody_migrates_it(
    warehouse_url: str, later: Callable[[str, str, str], None]
) -> None:
    migrate.require_current(warehouse_url, embedded=False)
    later("a", "0001", "op.execute('CREATE TABLE ml.a ()')")
    for embedded in (True, False):
        with pytest.raises(AudoticsError, match=r"^The warehouse is 1 migration behind: run `audotics migrate`$"):
            migrate.require_current(warehouse_url, embedded=embedded)
    migrate.upgrade(warehouse_url)
    migrate.require_current(warehouse_url, embedded=False)


def test_only_an_empty_database_of_the_embedded_server_is_set_up_unasked(empty_database_url: str) -> None:
    with pytest.raises(AudoticsError, match="has no tables of audotics yet: run `audotics migrate`"):
        migrate.require_current(empty_database_url, embedded=False)
    assert migrate.pending(empty_database_url) != []
    migrate.require_current(empty_database_url, embedded=True)
    assert migrate.pending(empty_database_url) == []


def test_whoever_needs_tables_is_told_to_migrate_and_the_command_does_it(
    empty_database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WAREHOUSE_URL": empty_database_url, "REDIS_URL": redis_url, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(f"AUDOTICS_{name}", value)
    command = CliRunner()
    for arguments in (["models", "list"], ["run"], ["releases", "list"], ["env"]):
        refused = command.invoke(app, arguments)
        assert "run `audotics migrate`" in str(refused.exception), (arguments, refused.output)
    with pytest.raises(AudoticsError, match="run `audotics migrate`"):
        _ = PostgresResource().url
    assert command.invoke(app, ["migrate"]).output == "applied 0001\n"
    assert command.invoke(app, ["migrate", "--json"]).output.split() == ["{", '"applied":', "[]", "}"]
    assert command.invoke(app, ["models", "list"]).exit_code == 0


def test_every_table_and_column_says_what_it_is(warehouse_url: str) -> None:
    assert _rows(warehouse_url, UNDESCRIBED) == []


def test_the_raw_tables_are_there_and_dagster_has_an_empty_schema(warehouse_url: str) -> None:
    tables = _rows(warehouse_url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'raw'")
    assert {name for (name,) in tables} == {
        *("ingest_files", "file_places", "landed_files", "listens", "listen_days", "duplicate_listens"),
        *("users", "artists", "tracks", "track_artists", "user_profiles", "track_tags", "artist_tags", "blocks"),
        *("user_mentions", "artist_mentions", "track_mentions", "block_mentions", "given_keys"),
        *("rejected_listens", "pseudonym_key"),
    }
    assert _rows(warehouse_url, "SELECT * FROM information_schema.tables WHERE table_schema = 'dagster'") == []


def test_a_database_of_a_newer_version_is_left_alone(warehouse_url: str) -> None:
    _execute(warehouse_url, f"UPDATE {migrate.VERSION_TABLE} SET version_num = '9999'")
    for call in (migrate.pending, migrate.upgrade):
        with pytest.raises(AudoticsError, match="at migration 9999, which this version of audotics does not know"):
            call(warehouse_url)


@pytest.mark.parametrize("kept", ["'of other statements'", "NULL"])
def test_a_database_made_by_another_baseline_is_refused(warehouse_url: str, kept: str) -> None:
    _execute(warehouse_url, f"COMMENT ON TABLE {migrate.VERSION_TABLE} IS {kept}")
    for call in (migrate.pending, migrate.upgrade, partial(migrate.require_current, embedded=True)):
        with pytest.raises(AudoticsError, match=r"made by another baseline of the schema, and has to be made again"):
            call(warehouse_url)


def test_an_unreachable_server_is_one_line_without_the_password() -> None:
    for call in (migrate.pending, migrate.upgrade):
        with pytest.raises(AudoticsError, match=r"Connection refused") as raised:
            call("postgresql://audotics:hunter2@127.0.0.1:1/audotics")
        assert "hunter2" not in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_load_whose_counts_do_not_add_up_is_refused(warehouse_url: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation, match="ingest_files_rows_accounted_for"):
        _execute(warehouse_url, LOADED.format(counts="10, 5, 3, 1"))
    _execute(warehouse_url, LOADED.format(counts="10, 5, 3, 2"))
    with pytest.raises(psycopg2.errors.UniqueViolation, match="ingest_files_key"):
        _execute(warehouse_url, LOADED.format(counts="10, 5, 3, 2"))


def test_a_release_is_live_previous_or_retired(warehouse_url: str) -> None:
    row = "INSERT INTO ml.releases VALUES ('{0}', '2026-11-22', '{{}}', '{{}}', now(), '{0}')"
    for status in ("live", "previous", "retired"):
        _execute(warehouse_url, row.format(status))
    with pytest.raises(psycopg2.errors.CheckViolation):
        _execute(warehouse_url, row.format("dead"))


def test_recommendations_go_to_the_partition_of_their_date(warehouse_url: str) -> None:
    row = "INSERT INTO ml.recommendations VALUES ('2026-11-22', 'for_you', 1, 1, 2, 0.5, 'own', 'm')"
    with pytest.raises(psycopg2.errors.CheckViolation, match="no partition"):
        _execute(warehouse_url, row)
    _execute(
        warehouse_url,
        "CREATE TABLE ml.recommendations_20261122 PARTITION OF ml.recommendations FOR VALUES IN ('2026-11-22')",
    )
    _execute(warehouse_url, row)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        _execute(warehouse_url, row)


def test_every_change_of_listens_gives_its_days_a_higher_version(warehouse_url: str) -> None:
    days = "SELECT listened_on::text, version FROM raw.listen_days ORDER BY listened_on"
    for instant in ("2026-01-01 23:59:59+00", "2026-01-03 00:00:00+00"):
        _execute(warehouse_url, LISTEN.format(instant))
    assert _rows(warehouse_url, days) == [("2026-01-01", 1), ("2026-01-03", 2)]
    _execute(warehouse_url, LISTEN.format("2026-01-03 00:00:00+00") + " ON CONFLICT DO NOTHING")
    assert _rows(warehouse_url, days) == [("2026-01-01", 1), ("2026-01-03", 2)]
    _execute(warehouse_url, "UPDATE raw.listens SET listened_at = '2026-01-02+00' WHERE listened_at < '2026-01-02+00'")
    assert [day for day, version in _rows(warehouse_url, days) if version > 2] == ["2026-01-01", "2026-01-02"]
    _execute(warehouse_url, "DELETE FROM raw.listens WHERE listened_at < '2026-01-03+00'")
    before = dict(_rows(warehouse_url, days))
    assert max(before, key=before.__getitem__) == "2026-01-02"
    _execute(warehouse_url, "TRUNCATE raw.listens")
    assert all(version > max(before.values()) for _, version in _rows(warehouse_url, days))


@pytest.fixture
def fresh_server(fresh_home: Settings) -> str:
    """The URL of a server that nobody has migrated yet."""
    return ensure_running(fresh_home).warehouse_url


def as_user(url: str, user: str) -> str:
    return f"postgresql://{user}:secret@{url.rpartition('@')[2]}"


def test_on_a_server_of_its_own_a_user_who_may_create_roles_needs_nothing_else(fresh_server: str) -> None:
    _execute(fresh_server, "create role maker login createrole password 'secret'")
    _execute(fresh_server, "alter database audotics owner to maker")
    migrate.upgrade(as_user(fresh_server, "maker"))
    for role in WORKING_ROLES:
        assert _rows(session_url(as_user(fresh_server, "maker"), role), "select current_user::text") == [(role,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(f"postgresql://{Role.ANALYST}:guess@{fresh_server.rpartition('@')[2]}")


def test_a_user_who_may_not_create_roles_is_told_what_to_ask_for(fresh_server: str) -> None:
    _execute(fresh_server, "create role plain login password 'secret'; alter database audotics owner to plain")
    with pytest.raises(AudoticsError, match="`ALTER ROLE plain CREATEROLE` and try again") as raised:
        migrate.upgrade(as_user(fresh_server, "plain"))
    assert "audotics_loader, audotics_transformer, audotics_service, audotics_analyst" in str(raised.value)
    assert _rows(fresh_server, "select 1 from pg_namespace where nspname = 'raw'") == []
    _execute(fresh_server, "alter role plain createrole")
    migrate.upgrade(as_user(fresh_server, "plain"))


def test_a_user_who_is_not_a_member_of_the_roles_is_told_what_to_ask_for(
    endpoints: Endpoints, warehouse_url: str
) -> None:
    _execute(endpoints.warehouse_url, "create role stranger login createrole password 'secret'")
    _execute(warehouse_url, "grant select on audotics_migrations to stranger")
    grant = "GRANT audotics_loader, audotics_transformer, audotics_service TO stranger"
    with pytest.raises(AudoticsError, match=f"`{grant}` and try again"):
        migrate.upgrade(as_user(warehouse_url, "stranger"))
    _execute(endpoints.warehouse_url, grant)
    migrate.upgrade(as_user(warehouse_url, "stranger"))

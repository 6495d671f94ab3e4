"""`audotics doctor`: what it finds on a bare machine, on a working one, and on broken ones."""

from pathlib import Path

import psycopg2
import pytest
import redis
from sample_release import sample_release

from assets.publish.held import list_releases
from assets.publish.release import publish
from assets.publish.warehouse_content import record_releases
from orchestration.doctor import examine
from orchestration.findings import Finding
from serving_api import contract
from tests.repository import ROOT
from warehouse.engine import create_engine
from warehouse.settings import Settings

pytestmark = pytest.mark.own_redis


def findings_of(settings: Settings) -> dict[str, Finding]:
    findings = examine(settings)
    assert not [finding.name for finding in findings if not finding.ok and not finding.advice]
    assert len({finding.name for finding in findings}) == len(findings)
    return {finding.name: finding for finding in findings}


@pytest.fixture
def given(tmp_path: Path, warehouse_url: str, redis_url: str) -> Settings:
    return Settings(home=tmp_path / "home", warehouse_url=warehouse_url, redis_url=redis_url)


def execute(url: str, *statements: str) -> None:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def load(url: str, path: str, read: int, loaded: int, finished: str) -> None:
    execute(
        url,
        "INSERT INTO raw.ingest_files (file_id, sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected,"
        " rows_duplicate, started_at, finished_at)"
        f" SELECT count(*) + 1, '{path}', 'lastfm-1k', '{path}', 1, {read}, {loaded}, {read - loaded}, 0,"
        f" '{finished}', '{finished}' FROM raw.ingest_files",
    )


def publish_sample(warehouse_url: str, url: str) -> str:
    """Publish a release and put it on record, as the asset does; its name."""
    with redis.Redis.from_url(url) as client, create_engine(warehouse_url).begin() as connection:
        published = publish(client, sample_release())
        record_releases(connection, list_releases(client), {published.meta.release: published.counts})
        return published.meta.release


def test_on_a_fresh_machine_the_servers_are_said_to_be_down_and_nothing_is_started(tmp_path: Path) -> None:
    found = findings_of(Settings(home=tmp_path / "home"))
    for name in ("PostgreSQL", "Redis"):
        assert (found[name].ok, found[name].value) == (False, "not running (embedded, never started)")
        assert "audotics up" in found[name].advice
    for name in (
        "migrations",
        "not loaded",
        "listens",
        "last load",
        "Redis memory",
        "live release",
        "previous release",
        "blocks",
    ):
        assert (found[name].ok, found[name].value) == (False, "unknown")
    assert found["packages"].ok
    assert "dagster 1.13" in found["packages"].value
    assert list(tmp_path.iterdir()) == []


def test_running_embedded_servers_are_found_with_their_versions(
    settings: Settings, warehouse_url: str, redis_url: str
) -> None:
    found = findings_of(settings)
    assert found["PostgreSQL"].ok
    assert found["PostgreSQL"].value.startswith("18.")
    assert found["PostgreSQL"].value.endswith("(embedded)")
    assert found["Redis"].ok
    assert found["Redis memory"].value.endswith("MiB used, no limit")


def test_an_empty_warehouse_and_an_empty_redis_say_what_to_run_next(given: Settings) -> None:
    found = findings_of(given)
    assert (found["migrations"].ok, found["migrations"].value) == (True, "up to date")
    assert (found["listens"].ok, found["listens"].value) == (False, "0")
    assert (found["last load"].ok, found["last load"].value) == (False, "none")
    assert "audotics ingest" in found["last load"].advice
    assert (found["live release"].ok, found["live release"].value) == (False, "none")
    assert "audotics run" in found["live release"].advice


def test_listens_the_latest_load_and_the_live_release_are_reported(
    given: Settings, warehouse_url: str, redis_url: str
) -> None:
    load(warehouse_url, "/data/newer.tsv", 2500, 2400, "2026-02-01 10:00:00+00")
    load(warehouse_url, "/data/older.tsv", 10, 10, "2026-01-01 10:00:00+00")
    execute(
        warehouse_url,
        "INSERT INTO raw.users (user_key, user_id, listener_key) VALUES (0, 'user_000001', 1)",
        "INSERT INTO raw.tracks (track_key, natural_key, track_id) VALUES (0, 'lastfm:1', '1')",
        "INSERT INTO raw.listens (user_key, track_key, listened_at, source, file_id)"
        " SELECT 0, 0, timestamptz '2026-01-01 00:00+00' + n * interval '1 hour', 'lastfm-1k', 1"
        " FROM generate_series(1, 1234) AS n",
    )
    release = publish_sample(warehouse_url, redis_url)
    found = findings_of(given)
    assert (found["listens"].ok, found["listens"].value) == (True, "1,234")
    assert found["last load"].ok
    assert found["last load"].value == (
        "newer.tsv: 2,500 read = 2,400 loaded + 100 rejected + 0 duplicate, 2026-02-01 10:00:00 UTC"
    )
    assert found["live release"].ok
    assert found["live release"].value == (
        f"{release}, as of 2026-11-22, generated 2026-11-22 03:30:00 UTC, discover 49 users, for_you 50 users;"
        " read back whole; no lists of rediscover: nobody has a track that could be in one"
    )
    assert (found["previous release"].ok, found["previous release"].value[:8]) == (True, "none yet")


def test_blocks_that_redis_does_not_have_are_red(given: Settings, warehouse_url: str, redis_url: str) -> None:
    def of_one(fields: int) -> str:
        return f"1 user has blocked something, {fields} in Redis; of 1 of them, picked at random, it says the same"

    blocks = findings_of(given)["blocks"]
    assert (blocks.ok, blocks.value) == (True, "0 users have blocked something, 0 in Redis")
    execute(
        warehouse_url,
        "INSERT INTO raw.users (user_key, user_id, listener_key) VALUES (0, 'user_000001', 1)",
        "INSERT INTO raw.tracks (track_key, natural_key, track_id) VALUES (0, 'lastfm:1', 't-1')",
        "INSERT INTO raw.blocks (user_key, item_kind, item_key) VALUES (0, 'track', 0)",
    )
    blocks = findings_of(given)["blocks"]
    assert (blocks.ok, blocks.value) == (False, "Redis says something else of 1 of 1 user, such as user_000001")
    assert "`audotics blocks publish`" in blocks.advice
    with redis.Redis.from_url(redis_url) as client:
        client.hset(contract.BLOCKS, "user_000001", b'[1,["t-1"],[]]')
    blocks = findings_of(given)["blocks"]
    assert (blocks.ok, blocks.value) == (True, of_one(1))
    with redis.Redis.from_url(redis_url) as client:
        client.hset(contract.BLOCKS, "nobody", b'[1,["t-1"],[]]')
    blocks = findings_of(given)["blocks"]
    assert (blocks.ok, blocks.value) == (False, of_one(2))
    assert "`audotics blocks publish`" in blocks.advice


def test_changes_of_blocks_that_wait_are_counted_and_red_where_they_cannot_be_read_or_would_be_lost(
    given: Settings, redis_url: str
) -> None:
    def changes() -> Finding:
        return findings_of(given)["block changes"]

    assert (changes().ok, changes().value) == (True, "0 users changed their blocks since the last load")
    with redis.Redis.from_url(redis_url) as client:
        client.hset(contract.BLOCK_CHANGES, "user_1", b'[1,["track","t-1",true,null,0]]')
        assert not changes().ok and "`audotics blocks pull`" in changes().advice
        client.config_set("appendonly", "yes")
        try:
            assert (changes().ok, changes().value) == (True, "1 user changed their blocks since the last load")
        finally:
            client.config_set("appendonly", "no")
        client.hset(contract.BLOCK_CHANGES, "user_2", b"{damaged")
        assert not changes().ok and "user_2, cannot be read" in changes().value


def test_a_load_that_rejected_every_row_is_red(given: Settings, warehouse_url: str) -> None:
    load(warehouse_url, "/data/wrong.tsv", 50, 0, "2026-02-01 10:00:00+00")
    last = findings_of(given)["last load"]
    assert not last.ok
    assert "raw.rejected_listens" in last.advice


def test_a_warehouse_without_tables_is_behind_by_every_migration(
    tmp_path: Path, empty_database_url: str, redis_url: str
) -> None:
    found = findings_of(Settings(home=tmp_path, warehouse_url=empty_database_url, redis_url=redis_url))
    assert not found["migrations"].ok
    assert found["migrations"].value.endswith("behind (0001)")
    assert found["listens"].value == "unknown"


def test_releases_are_read_and_not_believed(given: Settings, warehouse_url: str, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        name = publish(client, sample_release()).meta.release
        live = findings_of(given)["live release"]
        assert (live.ok, live.value) == (False, f"{name} is not on record in ml.releases")
        assert "`audotics releases list`" in live.advice
        publish_sample(warehouse_url, redis_url)
        # What its own description does not say, the warehouse does.
        client.delete(contract.similar_artists_key(name))
        live = findings_of(given)["live release"]
        assert not live.ok
        assert live.value.endswith("Redis has 0 lists of similar artists, 6 were published")
        assert f"`audotics run --as-of {name[:10]}`" in live.advice
        publish_sample(warehouse_url, redis_url)
        assert findings_of(given)["live release"].ok
        client.hset(contract.tracks_key(name), contract.track_field(1), b"{damaged")
        publish(client, sample_release("second"))
        assert "track 1 has no readable record" in findings_of(given)["previous release"].value


def test_a_redis_that_may_evict_a_release_is_red(given: Settings, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", str(2**30))
        try:
            assert findings_of(given)["Redis memory"].ok
            client.config_set("maxmemory-policy", "allkeys-lru")
            memory = findings_of(given)["Redis memory"]
            assert not memory.ok
            assert "noeviction" in memory.advice
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "0")


def test_given_servers_that_do_not_answer_are_red_with_what_depends_on_them(tmp_path: Path) -> None:
    found = findings_of(
        Settings(
            home=tmp_path, warehouse_url="postgresql://me:hunter2@127.0.0.1:1/db", redis_url="redis://127.0.0.1:1/0"
        )
    )
    assert found["PostgreSQL"].value == "PostgreSQL at 127.0.0.1:1 is not reachable (connection refused)"
    assert "AUDOTICS_WAREHOUSE_URL" in found["PostgreSQL"].advice
    assert found["Redis"].value == "Redis at 127.0.0.1:1 is not reachable"
    assert (found["migrations"].ok, found["live release"].ok) == (False, False)


def test_a_url_of_another_database_product_is_a_finding(tmp_path: Path) -> None:
    found = findings_of(Settings(home=tmp_path, warehouse_url="mysql://me:hunter2@db/audotics"))
    assert not found["servers"].ok
    assert "hunter2" not in str(found)


def test_a_home_and_a_landing_folder_that_are_files_are_red(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("", "utf-8")
    found = findings_of(Settings(home=file, landing=str(file)))
    assert (found["home"].ok, found["landing folder"].ok) == (False, False)
    assert "AUDOTICS_HOME" in found["home"].advice
    assert "AUDOTICS_LANDING" in found["landing folder"].advice


def test_the_files_that_the_next_run_will_load_are_counted(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    for name in ("lastfm-1k/a.tsv", "lastfm-1k/b.tsv", "tabular/shop/march.csv", "tabular/shop/more/april.csv"):
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).write_text("", "utf-8")
    mapping = ROOT / "examples" / "mappings" / "csv_export.toml"
    (landing / "tabular/shop/mapping.toml").write_bytes(mapping.read_bytes())
    (landing / "lastfm-1k/.c.tsv.partial").write_text("", "utf-8")
    found = findings_of(Settings(home=tmp_path))
    assert (found["landing folder"].ok, found["landing folder"].value) == (True, f"{landing} (4 files)")


def test_a_file_that_no_run_will_load_is_named(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "march.csv").write_text("", "utf-8")
    found = findings_of(Settings(home=tmp_path))
    assert not found["landing folder"].ok
    assert str(tmp_path / "landing" / "march.csv") in found["landing folder"].value
    assert "tabular/<name>/" in found["landing folder"].advice


def test_what_the_last_run_could_not_load_is_red_with_its_reason(given: Settings, warehouse_url: str) -> None:
    assert findings_of(given)["not loaded"].ok
    execute(
        warehouse_url,
        "INSERT INTO raw.landed_files (path, bytes, version, format, fault, is_set_aside)"
        " SELECT '/landing/' || n, 1, '1', 'lastfm', 'it is damaged', true FROM generate_series(1, 3) AS n",
    )
    found = findings_of(given)["not loaded"]
    assert (found.ok, found.value) == (False, "/landing/1: it is damaged and 2 more files")
    assert "`audotics ingest retry`" in found.advice


def test_a_remote_lake_is_not_measured(tmp_path: Path) -> None:
    found = findings_of(Settings(home=tmp_path, lake="s3://bucket/lake"))
    assert (found["disk under lake"].ok, found["disk under lake"].value) == (
        True,
        "s3://bucket/lake (remote, not measured)",
    )

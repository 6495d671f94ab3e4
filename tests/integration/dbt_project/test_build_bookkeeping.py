"""What a build remembers: which days were fixed when it began, which definition built it, which tests have passed."""

import os
import shutil
import subprocess
import time
from datetime import date, timedelta
from pathlib import Path

import psycopg2
import pytest
from dbt_process import WITHOUT_TESTS, Dbt

from assets.dbt_project import BUILD, PROJECT, dbt_command, dbt_environment
from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.sample_world import LISTENS_FILE, SampleWorld, generate

UNTIL = date(2026, 6, 1)
WORLD = SampleWorld(until=UNTIL, users=30, tracks=200, listens=2_000, days=60)
LISTEN = (
    "insert into raw.listens (user_key, track_key, listened_at, source, file_id)"
    " values ({}, 1, '{} 00:00:01+00', 's', 1)"
)
# As the nightly run builds them, with every test of fct_listens: the view over it has some.
CORE = ("staging", "intermediate", "marts.core", "listens", "listener_daily")
TESTED = (*BUILD, "--select", *CORE, "--indirect-selection", "buildable")
VIEWS = (
    "select viewname, to_regclass(schemaname || '.' || viewname)::oid from pg_views"
    " where schemaname in ('staging', 'core')"
)
UNEQUAL = "select (select count(*) from raw.listens) - (select count(*) from core.fct_listens)"


@pytest.fixture
def dbt(warehouse_url: str, session_folder: Path) -> Dbt:
    """A small warehouse whose listens, first listens and sessions are built."""
    folder = session_folder / "bookkeeping"
    generate(folder, WORLD)
    load_files(warehouse_url, LastFm1k(), [folder / LISTENS_FILE])
    dbt = Dbt(warehouse_url)
    dbt("build", *WITHOUT_TESTS, "--select", "staging", "marts.core", "intermediate", "track_daily")
    return dbt


@pytest.mark.slow
def test_a_load_and_another_command_in_the_middle_of_a_build_lose_nothing(dbt: Dbt) -> None:
    dbt.query(LISTEN.format(3, UNTIL))
    with psycopg2.connect(dbt.warehouse_url) as blocking, blocking.cursor() as cursor:
        # The build has worked out what to rebuild when it gets to read the table.
        cursor.execute("lock table core.fct_listens in access exclusive mode")
        build = building_until_it_waits(dbt, "fct_listens")
        dbt.query(LISTEN.format(4, UNTIL - timedelta(days=20)))
        dbt("run", "--select", "stg_users")
    blocking.close()
    assert build.wait(timeout=120) == 0
    assert dbt.query(UNEQUAL) == [(1,)], "what came meanwhile waits for the next build"
    dbt("run", "--select", "fct_listens")
    assert dbt.query(UNEQUAL) == [(0,)]


@pytest.mark.slow
def test_a_day_that_only_another_command_knew_of_waits_for_the_next_build(dbt: Dbt) -> None:
    with psycopg2.connect(dbt.warehouse_url) as other, other.cursor() as cursor:
        # The build has fixed the days that it knows, and waits to ask what its parents reflect.
        cursor.execute("lock table builds.models in access exclusive mode")
        build = building_until_it_waits(dbt, "fct_listens")
        cursor.execute(LISTEN.format(3, UNTIL - timedelta(days=20)))
        # As a command leaves it that began after this load, and found no play that is told of twice.
        cursor.execute(
            "update builds.models set version = (select max(version) from raw.listen_days)"
            " where model = 'core.fct_duplicate_listens'"
        )
        assert cursor.rowcount == 1
    other.close()
    assert build.wait(timeout=120) == 0
    assert dbt.query(UNEQUAL) == [(1,)]
    dbt("run", "--select", "fct_listens")
    assert dbt.query(UNEQUAL) == [(0,)]


def building_until_it_waits(dbt: Dbt, model: str) -> subprocess.Popen[bytes]:
    """Begin to build a model in another process, and return when it waits for a lock."""
    build = subprocess.Popen(
        dbt_command("run", "--select", model),
        env={**os.environ, **dbt_environment(dbt.warehouse_url)},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not dbt.query(
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    ):
        assert build.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return build


def replace(project: Path, file: str, old: str, new: str) -> None:
    (path,) = project.rglob(file)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.slow
def test_a_changed_definition_is_rebuilt_from_the_first_day_on_and_views_that_did_not_change_are_not_even_locked(
    dbt: Dbt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    replace(project, "fct_listens.sql", "interval '30 minutes'", "interval '5 minutes'")
    replace(project, "stg_artists.yml", "Artists, renamed and typed.", "Artists as a test describes them.")
    replace(project, "stg_listens.sql", "select * from renamed", "select * from renamed where true")
    replace(
        project, "dim_users.yml", "    columns:", "    config: {grants: {select: [audotics_analyst]}}\n    columns:"
    )
    before = dbt.query("select count(*) from core.fct_sessions")
    views = dict(dbt.query(VIEWS))
    changed = Dbt(dbt.warehouse_url, project)
    dbt.query(LISTEN.format(3, UNTIL))
    monkeypatch.setenv("PGOPTIONS", "-c lock_timeout=20s")
    with psycopg2.connect(dbt.warehouse_url) as reading, reading.cursor() as cursor:
        cursor.execute("select count(*) from staging.stg_users")
        changed("build", *WITHOUT_TESTS, "--select", "staging", "marts.core", "intermediate.plays", "track_daily")
    reading.close()

    after = dict(dbt.query(VIEWS))
    assert after.keys() == views.keys()
    assert {view for view in views if after[view] != views[view]} == {
        *("stg_artists", "stg_listens", "dim_users"),
        # They read the artists: a view goes with the one it reads.
        *("dim_artists", "dim_tracks", "dim_track_artists", "dim_track_details", "dim_track_tags"),
    }
    assert dbt.query("select obj_description('staging.stg_artists'::regclass)") == [
        ("Artists as a test describes them. Grain: one artist.",)
    ]
    assert dbt.query("select has_table_privilege('audotics_analyst', 'core.dim_users', 'select')") == [(True,)]

    ((first_day,),) = dbt.query("select min(listened_on) from raw.listen_days")
    rebuilt = dict(dbt.query("select model, rebuilt_days from builds.models"))
    assert {model: rebuilt[model] for model in ("core.fct_listens", "core.fct_sessions", "analytics.track_daily")} == {
        "core.fct_listens": None,
        "core.fct_sessions": None,
        "analytics.track_daily": None,
    }, "nothing has been tested since everything was built"
    assert dbt.query("select count(*) from core.fct_sessions") > before
    assert dbt.query(f"select count(*) from core.fct_listens where listened_on >= '{first_day}'") == dbt.query(
        "select count(*) from raw.listens"
    )


@pytest.mark.slow
def test_views_that_read_what_a_killed_build_left_read_the_view_that_stands_after_the_next(dbt: Dbt) -> None:
    # dbt dies before it drops the view that it has replaced.
    dbt.query(
        "alter view staging.stg_users rename to stg_users__dbt_backup;"
        " create view staging.stg_users as select * from staging.stg_users__dbt_backup;"
        " alter view staging.stg_users owner to audotics_transformer;"
        " update builds.views set view_oid = 'staging.stg_users'::regclass where view_name = 'staging.stg_users'"
    )
    reads = "select distinct table_name from information_schema.view_table_usage where view_name = 'dim_users'"
    assert ("stg_users__dbt_backup",) in dbt.query(reads)
    dbt("run", "--select", "staging", "marts.core.dimensions")
    assert sorted(dbt.query(reads)) == [("int_user_first_listens",), ("stg_users",)]
    assert dbt.query("select to_regclass('staging.stg_users__dbt_backup')") == [(None,)]
    assert dbt.query("select count(*) from core.dim_users") == dbt.query("select count(*) from raw.users")


@pytest.mark.slow
def test_a_day_whose_tests_failed_is_tested_again_with_the_next_and_passing_needs_all_tests(dbt: Dbt) -> None:
    def state() -> tuple[list[str] | None, bool]:
        ((days, tested),) = dbt.query(
            "select (select array_agg(lower(days)::text) from unnest(rebuilt_days) as days), tested"
            " from builds.models where model = 'core.fct_listens'"
        )
        return days, tested

    assert state() == (None, False), "the build of the fixture ran no tests"
    dbt(*TESTED)
    assert state() == (None, True)

    dbt.query(LISTEN.format(-1, UNTIL))
    failing = dbt(*TESTED, check=False)
    assert failing.returncode == 1
    assert state() == ([f"{UNTIL}"], False)
    later = UNTIL + timedelta(days=9)
    dbt.query(LISTEN.format(3, later))
    failing = dbt(*TESTED, check=False)
    assert failing.returncode == 1, "the other day is sound, the one before is not"
    assert state() == ([f"{UNTIL}", f"{later}"], False)

    dbt.query("delete from raw.listens where user_key = -1")
    dbt(*TESTED)
    assert state() == ([f"{UNTIL}", f"{later}"], True)

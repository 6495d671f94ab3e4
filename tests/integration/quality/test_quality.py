"""Each suite passes on sound rows and fails on the fault it is there for; a failing one stops the run."""

import re
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import psycopg2
import pytest
from pipeline_process import Pipeline, error_line

from quality import suites
from quality.suites import Suite
from quality.validate import ValidationOutcome, validate
from warehouse.roles import Role

AS_OF = date(2026, 3, 2)
RAW = """
insert into raw.ingest_files (file_id, sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected,
    rows_duplicate, started_at, finished_at)
    values (1, repeat('a', 64), 'lastfm-1k', 'x', 1, 3, 2, 1, 0, now(), now());
insert into raw.rejected_listens (file_id, line, reason) values (1, 3, 'empty_user');
insert into raw.users (user_key, user_id, listener_key, file_id) values (0, 'ann', 1, 1);
insert into raw.tracks (track_key, natural_key, track_id, file_id) values (0, 'x:a', 'a', 1), (1, 'x:b', 'b', 1);
insert into raw.listens (user_key, track_key, listened_at, ms_played, source, file_id, ingested_at) values
    (0, 0, '2026-03-01 10:00+00', 1000, 'x', 1, '2026-03-02 00:00+00'),
    (0, 1, '2026-03-01 10:04+00', null, 'x', 1, '2026-03-02 00:00+00');
"""
MARTS = """
set role audotics_transformer;
create table core.fct_listens as select *, null::int as artist_key from raw.listens;
create table core.dim_unlikely_listeners (user_key int, unlikely_since date);
create table features.feat_user_track as
    select date '2026-03-02' as as_of, user_key, track_key, 1::bigint as listens, 0.9 as decayed_listens,
        0.5 as days_since_last from raw.listens;
create table features.feat_user as
    select date '2026-03-02' as as_of, 0 as user_key, 2::bigint as listens, 2 as listens_7d, 2 as listens_30d,
        2 as listens_90d, 0.0 as repeat_share, 1.0 as new_share_30d, 0.5 as days_since_last;
create table features.feat_track as
    select date '2026-03-02' as as_of, track_key, 1::bigint as listens, 1 as listeners, 1 as listens_30d,
        1 as listeners_30d, 0.5 as days_since_last from raw.listens;
create table features.feat_user_artist (as_of date, user_key int, artist_key int, listens bigint, tracks bigint);
create table features.feat_artist (as_of date, artist_key int, listens bigint, listeners bigint);
"""
FAULTS = [
    (suites.raw_listens(), "truncate raw.listens", "row_count"),
    (suites.raw_listens(), "update raw.listens set ms_played = -5 where track_key = 0", "ms_played"),
    (suites.raw_listens(), "update raw.listens set listened_at = '1970-01-01+00' where track_key = 0", "before 2000"),
    (suites.raw_listens(), "update raw.listens set listened_at = '2030-01-01+00' where track_key = 0", "before 2000"),
    (suites.raw_listens(), "delete from raw.tracks where track_key = 1", "a user and a track"),
    (suites.raw_listens(), "delete from raw.listens where track_key = 1", "rows read = loaded"),
    (suites.raw_listens(), "delete from raw.rejected_listens", "rows read = loaded"),
    (suites.feat_user(AS_OF), "delete from features.feat_user", "row_count"),
    (suites.feat_user(AS_OF), "insert into features.feat_user select * from features.feat_user", "unique"),
    (suites.feat_user(AS_OF), "update features.feat_user set repeat_share = 1.5", "repeat_share"),
    (suites.feat_user(AS_OF), "update features.feat_user set listens_7d = 9", "windows nest"),
    (suites.feat_user(AS_OF), "update features.feat_user set days_since_last = -1", "days_since_last"),
    (suites.feat_user(AS_OF), "update features.feat_user set listens = 3", "exactly those before as_of"),
    (suites.feat_track(AS_OF), "update features.feat_track set listeners = 7", "no more listeners"),
    (suites.feat_track(AS_OF), "delete from features.feat_track where track_key = 1", "exactly those before as_of"),
    (suites.feat_user_track(AS_OF), "update features.feat_user_track set decayed_listens = 2", "decayed listens"),
    (
        suites.feat_user_track(AS_OF),
        "update features.feat_user_track set track_key = 0",
        "one row per user_key, track_key",
    ),
    (suites.feat_user_artist(AS_OF), "update core.fct_listens set artist_key = 1", "exactly those before as_of"),
    (suites.feat_artist(AS_OF), "insert into features.feat_artist values ('2026-03-02', 1, 1, 2)", "no more listeners"),
]


@pytest.fixture
def sound(warehouse_url: str) -> str:
    """A warehouse in which every suite passes."""
    execute(warehouse_url, RAW + MARTS)
    return warehouse_url


def observe(url: str, suite: Suite) -> ValidationOutcome:
    """What the suite observes when it is run as the role that runs it in the pipeline."""
    return validate(url, suite, Role.TRANSFORMER if suite.name == "raw_listens" else Role.SERVICE)


def execute(url: str, sql: str) -> None:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()


def test_every_suite_passes_on_sound_rows(sound: str) -> None:
    for suite in {suite.name: suite for suite, _, _ in FAULTS}.values():
        outcome = observe(sound, suite)
        assert outcome.passed, [each for each in outcome.outcomes if not each.passed]
        assert len(outcome.outcomes) == len(suite.expectations)


@pytest.mark.parametrize(("suite", "fault", "named"), FAULTS, ids=[f"{s.name}: {f[:60]}" for s, f, _ in FAULTS])
def test_a_suite_fails_on_a_fault_and_names_it(sound: str, suite: Suite, fault: str, named: str) -> None:
    execute(sound, fault)
    outcome = observe(sound, suite)
    assert not outcome.passed
    assert any(named in each.expectation for each in outcome.outcomes if not each.passed)


def test_rows_are_checked_where_they_are(warehouse_url: str) -> None:
    execute(warehouse_url, "set role audotics_transformer; create sequence core.rows_made")
    positive = suites.Expectation("ExpectColumnMinToBeBetween", {"column": "i", "min_value": 1})
    query = "select nextval('core.rows_made') as made, i from generate_series(1, 50000) as i"
    outcome = validate(warehouse_url, Suite("many", query, (positive,)), Role.TRANSFORMER)
    assert outcome.passed
    with closing(psycopg2.connect(warehouse_url)) as connection, connection.cursor() as cursor:
        cursor.execute("select last_value from core.rows_made")
        # Each was made twice at most, for their number and for the smallest; none to learn the names of the columns.
        assert 50_000 <= cursor.fetchall()[0][0] <= 100_000


OLDER = """
update raw.ingest_files set finished_at = now() - interval '40 days';
insert into raw.ingest_files (file_id, sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected,
    rows_duplicate, started_at, finished_at)
    values (2, repeat('b', 64), 'lastfm-1k', 'y', 1, 3, 1, 1, 1, now(), now() - interval '32 days');
insert into raw.listens (user_key, track_key, listened_at, source, file_id, ingested_at) values
    (0, 0, '2026-03-01 11:00+00', 'x', 2, '2026-03-02 00:00+00');
insert into raw.rejected_listens (file_id, line, reason) values (2, 1, 'empty_user');
"""
ONLY_DUPLICATES = """
insert into raw.ingest_files (file_id, sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected,
    rows_duplicate, started_at, finished_at)
    values (3, repeat('c', 64), 'lastfm-1k', 'z', 1, 1, 0, 0, 1, now(), now())
"""


def observed_rows(outcome: ValidationOutcome) -> str:
    (counted,) = [each.detail for each in outcome.outcomes if "row_count" in each.expectation]
    return counted


def test_the_raw_suite_checks_the_rows_of_the_last_loads_however_long_ago_they_were(sound: str) -> None:
    assert observed_rows(observe(sound, suites.raw_listens())) == "2"
    for load in (OLDER, ONLY_DUPLICATES):
        execute(sound, load)
        outcome = observe(sound, suites.raw_listens())
        assert outcome.passed, [each for each in outcome.outcomes if not each.passed]
        assert observed_rows(outcome) == "1"
    execute(sound, "delete from raw.rejected_listens where file_id = 2")
    assert not observe(sound, suites.raw_listens()).passed


def test_the_raw_suite_checks_every_row_when_no_load_is_on_record(sound: str) -> None:
    execute(sound, "delete from raw.rejected_listens; delete from raw.ingest_files")
    outcome = observe(sound, suites.raw_listens())
    assert outcome.passed
    assert observed_rows(outcome) == "2"


def test_the_raw_suite_finds_its_rows_by_the_index_of_files(warehouse_url: str) -> None:
    load = """
    insert into raw.ingest_files (file_id, sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected,
        rows_duplicate, started_at, finished_at)
        select id, id::text, 'f', 'x', 1, 1000, 1000, 0, 0, now(), now() - (200 - id) * interval '1 day'
        from generate_series(1, 200) as id;
    insert into raw.listens (user_key, track_key, listened_at, source, file_id)
        select 0, number, '2026-01-01+00', 'x', number / 1000 + 1 from generate_series(0, 199999) as number;
    analyze raw.listens;
    """
    execute(warehouse_url, load)
    with closing(psycopg2.connect(warehouse_url)) as connection, connection.cursor() as cursor:
        cursor.execute("explain " + suites.raw_listens().query)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Bitmap Index Scan on listens_file_id_idx" in plan


def test_a_failing_suite_stops_the_run_before_anything_is_built_on_it(
    session_folder: Path, redis_url: str, new_warehouse: Callable[[], str]
) -> None:
    pipeline = Pipeline(new_warehouse(), redis_url, session_folder / "blocked")
    execute(pipeline.warehouse_url, RAW + "delete from raw.rejected_listens")
    done = pipeline.run("run", "--as-of", AS_OF.isoformat())
    assert done.returncode == 1
    assert "blocked by raw_listens_suite: failed: rows read = loaded + rejected + duplicates" in error_line(done)
    assert re.fullmatch(r"raw_tables \d+\.\d s \(1/\d+\)", done.stderr.splitlines()[0])
    assert pipeline.query("select 1 from pg_tables where schemaname in ('core', 'features')") == []
    assert pipeline.redis_contents() == {}

"""Each suite passes on sound rows and fails on the fault it is there for; a failing one stops the run."""

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import psycopg2
import pytest
from pipeline_process import Pipeline, error_line

from quality.observations import Past
from quality.suites import core, features, lists, raw
from quality.suites.suite import Suite, in_range, no_rows, rows_at_least
from quality.validate import FAILING_ROWS_SHOWN, ValidationOutcome, validate
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
create table core.dim_tracks as select track_key, 0 as artist_key, 'a title' as title from raw.tracks;
create table core.dim_users as select user_key, 'Finland' as country from raw.users;
reset role;
create table ml.recommendations_2026_03_02 partition of ml.recommendations for values in ('2026-03-02');
insert into ml.recommendations (as_of, slate, user_key, rank, track_key, score, source, model_version)
    values ('2026-03-02', 'for_you', 0, 1, 0, 0.9, 'als', 'm'), ('2026-03-02', 'for_you', 0, 2, 1, 0.8, 'als', 'm');
insert into ml.models (model_version, slate, trained_as_of, created_at, folds, params, metrics, features,
    feature_importance, training_rows, training_users, file, file_sha256, card)
    values ('m', 'for_you', '2026-03-01', now(), '{}', '{}', '{}', '{}', '{}', 1, 1, 'm.txt', '', '{}');
insert into ml.recommendation_batches (as_of, slate, model_version, users, rows, made_at, blocks_read_at,
    listens_version, blocks, code_version) values ('2026-03-02', 'for_you', 'm', 1, 2, now(), now(), 1, 0, 'c');
insert into ml.model_evaluations (as_of, slate, model, users, ndcg_10, ndcg_100, recall_100, ranker_delta, ci95_low,
    ci95_high, horizon_days, evaluated_at) values
    ('2026-03-02', 'for_you', 'ranker', 7, 0.1, 0.2, 0.3, null, null, null, 14, now()),
    ('2026-03-02', 'for_you', 'popular', 7, 0.1, 0.1, 0.1, 0.1, 0.05, 0.2, 14, now());
"""
IMPOSSIBLE = "listened at an impossible time"
MISCOUNTED = "counted more or less than there are"
MULTIPLIED = "more listeners than listens"
UNSOUND = "decayed listens out of range"
FAULTS = [
    (raw.raw_listens(), "truncate raw.listens", "rows"),
    (raw.raw_listens(), "update raw.listens set ms_played = -5 where track_key = 0", "ms_played out of range"),
    (
        raw.raw_listens(),
        "update raw.listens set listened_at = '1970-01-01+00' where track_key = 0",
        IMPOSSIBLE,
    ),
    (
        raw.raw_listens(),
        "update raw.listens set listened_at = '2030-01-01+00' where track_key = 0",
        IMPOSSIBLE,
    ),
    (raw.raw_listens(), "delete from raw.tracks where track_key = 1", "without user or track"),
    (raw.raw_listens(), "delete from raw.listens where track_key = 1", "files that do not add up"),
    (raw.raw_listens(), "delete from raw.rejected_listens", "files that do not add up"),
    (features.feat_user(AS_OF), "delete from features.feat_user", "rows"),
    (features.feat_user(AS_OF), "update features.feat_user set listens_7d = 9", "windows that do not nest"),
    (features.feat_user(AS_OF), "update features.feat_user set days_since_last = 9", "listens in a week without any"),
    (features.feat_user(AS_OF), "update features.feat_user set listens_7d = 0", "no listens in a week with some"),
    (features.feat_user(AS_OF), "update features.feat_user set listens = 3", MISCOUNTED),
    (features.feat_track(AS_OF), "update features.feat_track set listeners = 7", MULTIPLIED),
    (
        features.feat_track(AS_OF),
        "delete from features.feat_track where track_key = 1",
        MISCOUNTED,
    ),
    (
        features.feat_user_track(AS_OF),
        "update features.feat_user_track set decayed_listens = 2",
        UNSOUND,
    ),
    (
        features.feat_user_artist(AS_OF),
        "update core.fct_listens set artist_key = 1",
        MISCOUNTED,
    ),
    (
        features.feat_artist(AS_OF),
        "insert into features.feat_artist values ('2026-03-02', 1, 1, 2)",
        MULTIPLIED,
    ),
    (core.dim_tracks(), "delete from core.dim_tracks", "rows"),
    (core.dim_users(), "delete from core.dim_users", "rows"),
    (lists.model_evaluations(AS_OF), "update ml.model_evaluations set ndcg_10 = 1.5", "ndcg_10 out of range"),
    (
        lists.model_evaluations(AS_OF),
        "update ml.model_evaluations set users = 9 where model = 'popular'",
        "models judged by other users",
    ),
    (
        lists.model_evaluations(AS_OF),
        "update ml.model_evaluations set ci95_low = 0.5 where model = 'popular'",
        "an interval that does not hold its difference",
    ),
    (lists.recommendations(AS_OF), "delete from ml.recommendations", "rows"),
    (lists.recommendations(AS_OF), "delete from ml.recommendations where rank = 1", "broken lists"),
    (lists.recommendations(AS_OF), "update ml.recommendations set track_key = 0", "broken lists"),
    (lists.recommendations(AS_OF), "update ml.recommendations set source = ''", "without a source"),
    (lists.recommendations(AS_OF), "update ml.models set trained_as_of = '2026-01-15'", "slates whose ranker is old"),
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


def failed(outcome: ValidationOutcome) -> list[str]:
    return [each.observation.metric for each in outcome.outcomes if not each.observation.passed]


def test_every_suite_passes_on_sound_rows(sound: str) -> None:
    for suite in {suite.name: suite for suite, _, _ in FAULTS}.values():
        outcome = observe(sound, suite)
        assert failed(outcome) == []
        assert [each.observation.metric for each in outcome.outcomes] == [each.metric for each in suite.expectations]


@pytest.mark.parametrize(("suite", "fault", "named"), FAULTS, ids=[f"{s.name}: {f[:60]}" for s, f, _ in FAULTS])
def test_a_suite_fails_on_a_fault_and_names_it(sound: str, suite: Suite, fault: str, named: str) -> None:
    execute(sound, fault)
    assert named in failed(observe(sound, suite))


def test_what_failed_comes_with_its_rows_and_the_query_of_all_of_them(sound: str) -> None:
    execute(
        sound, "update raw.listens set ms_played = -5 where track_key = 0; delete from raw.tracks where track_key = 1"
    )
    found = {each.observation.metric: each for each in observe(sound, raw.raw_listens()).outcomes}
    durations, orphans = found["ms_played out of range"], found["without user or track"]
    assert [row["ms_played"] for row in durations.rows] == [-5]
    assert [row["track_key"] for row in orphans.rows] == [1]
    assert durations.observation.value == 1
    with closing(psycopg2.connect(sound)) as connection, connection.cursor() as cursor:
        for each in (durations, orphans):
            assert each.query is not None
            cursor.execute(each.query)
            assert len(cursor.fetchall()) == 1
    assert found["rows"].query is None


def nights(values: Sequence[float]) -> list[Past]:
    """Figures of the rows of as many nights before AS_OF."""
    return [Past(AS_OF - timedelta(days=place + 1), "rows", "all", value) for place, value in enumerate(values)]


@pytest.mark.parametrize(
    ("past", "passes"),
    [
        ([2] * 7, True),
        ([3] * 7, False),
        # Of six nights nothing is learned.
        ([3] * 6, True),
        # What varies as much as that may be so again.
        ([1, 2, 3, 4, 5, 2, 3], True),
    ],
)
def test_bounds_are_learned_from_the_nights_before(sound: str, past: list[float], passes: bool) -> None:
    outcome = validate(sound, core.dim_tracks(), Role.SERVICE, nights(past))
    (rows,) = (each.observation for each in outcome.outcomes if each.observation.metric == "rows")
    assert rows.passed is passes
    learned = len(past) >= 7
    assert (rows.learned_from is not None, rows.learned_to is not None) == (learned, learned)
    assert ("as from 2026-02-23 to 2026-03-01" in rows.expectation) is learned


def test_rows_are_checked_where_they_are(warehouse_url: str) -> None:
    execute(warehouse_url, "set role audotics_transformer; create sequence core.rows_made")
    faulty = no_rows("above zero", "no row is above zero", "select * from {batch} where i > 0", "nothing")
    expected = (rows_at_least(1, "nothing"), in_range("i", 1, None, "nothing"), faulty)
    query = "select nextval('core.rows_made') as made, i from generate_series(1, 50000) as i"
    outcome = validate(warehouse_url, Suite("many", query, expected), Role.TRANSFORMER)
    assert failed(outcome) == ["above zero"]
    (fault,) = (each for each in outcome.outcomes if not each.observation.passed)
    assert (fault.observation.value, len(fault.rows)) == (50_000, FAILING_ROWS_SHOWN)
    with closing(psycopg2.connect(warehouse_url)) as connection, connection.cursor() as cursor:
        cursor.execute("select last_value from core.rows_made")
        # Made once for each figure; but for some to show, none to learn the names of the columns or to be brought here.
        assert 50_000 <= cursor.fetchall()[0][0] <= 3 * 50_000 + 10 * FAILING_ROWS_SHOWN


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
    (counted,) = [each.detail for each in outcome.outcomes if each.observation.metric == "rows"]
    return counted


def test_the_raw_suite_checks_the_rows_of_the_last_loads_however_long_ago_they_were(sound: str) -> None:
    assert observed_rows(observe(sound, raw.raw_listens())) == "2"
    for load in (OLDER, ONLY_DUPLICATES):
        execute(sound, load)
        outcome = observe(sound, raw.raw_listens())
        assert failed(outcome) == []
        assert observed_rows(outcome) == "1"
    execute(sound, "delete from raw.rejected_listens where file_id = 2")
    assert not observe(sound, raw.raw_listens()).passed


def test_the_raw_suite_checks_every_row_when_no_load_is_on_record(sound: str) -> None:
    execute(sound, "delete from raw.rejected_listens; delete from raw.ingest_files")
    outcome = observe(sound, raw.raw_listens())
    assert failed(outcome) == []
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
        cursor.execute("explain " + str(raw.raw_listens().rows))
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Bitmap Index Scan on listens_file_id_idx" in plan


def test_a_failing_suite_stops_the_run_before_anything_is_built_on_it(
    session_folder: Path, redis_url: str, new_warehouse: Callable[[], str]
) -> None:
    pipeline = Pipeline(new_warehouse(), redis_url, session_folder / "blocked")
    execute(pipeline.warehouse_url, RAW + "delete from raw.rejected_listens")
    done = pipeline.run("run", "--as-of", AS_OF.isoformat())
    assert done.returncode == 1
    assert (
        "blocked by raw_listens_suite: files that do not add up: 1 (expected: rows read = loaded + rejected"
        in error_line(done)
    )
    assert re.fullmatch(r"raw_tables \d+\.\d s \(1/\d+\)", done.stderr.splitlines()[0])
    assert pipeline.query("select 1 from pg_tables where schemaname in ('core', 'features')") == []
    assert pipeline.redis_contents() == {}

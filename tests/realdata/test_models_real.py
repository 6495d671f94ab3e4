"""The dbt models of the 30Music sample, against counts of the source file by DuckDB."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from dbt_process import Dbt

from assets.dbt_project import BUILD
from assets.ingest.load import load_files
from assets.ingest.mapping import read_mapping
from assets.ingest.tabular import Tabular
from tests.repository import ROOT

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

MAPPING = ROOT / "examples" / "mappings" / "30music.toml"
SESSIONS = "30music/sessions_sample_10.parquet"
# A listen is a row; its session goes on while the next start is at most half an hour away.
LISTENS = """
create table listens as
select *, to_timestamp(ts) at time zone 'UTC' as started,
    coalesce(ts - lag(ts) over (partition by user_id order by ts, song_id) > 1800, true) as opens_session
from read_parquet('{path}')
"""


@pytest.fixture(scope="module")
def dbt(new_warehouse: Callable[[], str], shared_data: Path) -> Dbt:
    """A warehouse with the whole sample; every model was built and passed every test."""
    dbt = Dbt(new_warehouse())
    (report,) = load_files(dbt.warehouse_url, Tabular(read_mapping(MAPPING), str(MAPPING)), [shared_data / SESSIONS])
    assert report.rows_loaded == 343_183
    dbt(*BUILD, AUDOTICS_AS_OF_DATES="2015-01-01")
    return dbt


@pytest.fixture(scope="module")
def source(shared_data: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(LISTENS.format(path=shared_data / SESSIONS))
    return connection


@pytest.mark.parametrize(
    ("of_source", "of_models"),
    [
        (
            "select count(*), count(distinct user_id), count(distinct song_id), 1000 * sum(playtime) from listens",
            "select count(*), count(distinct listener_key), count(distinct track_key), sum(ms_played)"
            " from analytics.listens",
        ),
        (
            "select count(*) from listens where opens_session",
            "select count(*) from core.fct_sessions",
        ),
        (
            "select count(*) from (select distinct user_id, song_id from listens)",
            "select count(*) from core.fct_first_listens",
        ),
        (
            "select started::date, count(*), count(distinct user_id), count(distinct song_id) from listens"
            " group by 1 order by 1",
            "select listened_on, listens, listeners, tracks from analytics.listening_daily order by 1",
        ),
        (
            "select started::date, count(*) filter (where opens_session) from listens group by 1 order by 1",
            "select listened_on, sessions_started from analytics.listening_daily order by 1",
        ),
        (
            "select song_id::text, started::date, count(*), count(distinct user_id) from listens"
            " group by 1, 2 order by 1, 2",
            "select track_id, listened_on, daily.listens, listeners from analytics.track_daily as daily"
            " inner join core.dim_tracks using (track_key) order by 1, 2",
        ),
        (
            "select date_trunc('month', joined)::date, date_trunc('month', started)::date, count(distinct user_id)"
            " from listens inner join (select user_id, min(started) as joined from listens group by 1)"
            " using (user_id) group by 1, 2 order by 1, 2",
            "select cohort_month, activity_month, active_listeners from analytics.retention_monthly order by 1, 2",
        ),
        (
            "select user_id::text, count(*), count(distinct song_id),"
            " count(*) filter (where ts >= epoch(timestamp '2014-12-02')) from listens"
            " where ts < epoch(timestamp '2015-01-01') group by 1 order by 1",
            "select user_id, listens, tracks, listens_30d from features.feat_user inner join core.dim_users"
            " using (user_key) where as_of = '2015-01-01' order by 1",
        ),
    ],
    ids=["totals", "sessions", "first listens", "days", "sessions by day", "tracks by day", "cohorts", "features"],
)
def test_the_models_count_what_the_source_file_holds(
    dbt: Dbt, source: duckdb.DuckDBPyConnection, of_source: str, of_models: str
) -> None:
    expected = source.execute(of_source).fetchall()
    assert dbt.query(of_models) == expected
    assert expected

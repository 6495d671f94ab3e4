"""Every answer to the fifteen questions of docs/analytics.md is the one that the listens themselves give."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from analytics_answers import ANSWERS, LISTENS
from dbt_process import WITHOUT_TESTS, Dbt

from assets.ingest.load import load_files
from assets.ingest.mapping import Mapping
from assets.ingest.tabular import Tabular
from benchmarks.analytics_questions import read_questions

Rows = list[tuple[Any, ...]]

# May is whole and June has begun; LAST is a Tuesday.
LAST = date(2026, 6, 2)
DAYS = 202
QUESTIONS = {int(question.title.split(".")[0]): question for question in read_questions()}
MAPPING = Mapping.model_validate(
    {
        "source": "shop",
        "columns": {"user_id": "user", "listened_at": "time", "track_id": "track", "title": "track"}
        | {"artist_id": "artist", "artist_name": "artist", "skipped": "skipped", "ms_played": "ms_played"},
        "time": {"unit": "s"},
    }
)
COUNTRIES = ("Finland", "Peru", None)
SHOWN, REMADE, BACKFILLED = (LAST - timedelta(days=days) for days in (30, 35, 40))
LISTS = f"""
update raw.users set country = (array['Finland', 'Peru', null])[substr(user_id, 2)::int % 3 + 1];
create table ml.recommendations_rest partition of ml.recommendations default;
insert into ml.recommendations (as_of, slate, user_key, rank, track_key, score, source, model_version)
select as_of, 'for_you', user_key, rank, rank - 1, 0, 'popular', 'm1'
from unnest(array['{SHOWN}', '{REMADE}', '{BACKFILLED}']::date[]) as as_of
cross join raw.users cross join generate_series(1, 20) as rank;
insert into ml.recommendation_batches
    (as_of, slate, model_version, users, rows, made_at, blocks_read_at, blocks, listens_version, code_version)
select as_of, slate, 'm1', count(distinct user_key), count(*),
    case when as_of = '{SHOWN}' then as_of + interval '3 hours' else as_of + interval '9 days' end,
    as_of, 0, 0, ''
from ml.recommendations group by as_of, slate;
insert into ml.releases (release, as_of, models, counts, published_at, status, lists_made_at)
select as_of::text, as_of, '{{}}', '{{}}',
    case when as_of = '{BACKFILLED}' then as_of + interval '10 days' else as_of + interval '4 hours' end, 'retired',
    case when as_of = '{REMADE}' then as_of + interval '3 hours' else made_at end
from ml.recommendation_batches;
"""


@pytest.fixture(scope="module")
def listens() -> pd.DataFrame:
    """202 days of listening by 60 people to 80 tracks of 12 artists and to six that come later.

    Every other person's player tells what was skipped and how long it played. Sessions have up to six listens, some
    cross midnight. Four people have been away for more than a month, eight came in March and April.
    """
    rng = np.random.default_rng(3)
    sessions = 4_000
    start = int(pd.Timestamp(LAST - timedelta(days=DAYS - 1), tz="UTC").timestamp())
    length = rng.integers(1, 7, sessions)
    opened = rng.integers(0, DAYS * 86_400 - 1_800, sessions)
    place = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    time = start + np.repeat(opened, length) + 270 * place
    day = (time - start) // 86_400
    track = np.minimum(rng.geometric(0.06, len(time)), 80)
    late = 100 + rng.integers(0, 6, len(time))
    track = np.where((day >= 140 + 12 * (late - 100)) & (rng.random(len(time)) < 0.05), late, track)
    number = np.repeat(rng.integers(0, 60, sessions), length)
    tells = number % 2 == 0
    frame = pd.DataFrame(
        {
            "user": [f"u{each}" for each in number],
            "time": time,
            "track": [f"t{each}" for each in track],
            "artist": [f"a{each % 12}" for each in track],
            "skipped": pd.array(rng.random(len(time)) < 0.2, "boolean"),
            "ms_played": pd.array(rng.integers(20_000, 269_000, len(time)), "Int64"),
            "country": [COUNTRIES[each % 3] for each in number],
        }
    )
    frame.loc[~tells, ["skipped", "ms_played"]] = pd.NA
    away = (number >= 57) & (day > DAYS - 43) | (number == 54) & (day > 150)
    not_there_yet = (number >= 48) & (number <= 55) & (day < 112 + 5 * (number - 48))
    frame = frame[~away & ~not_there_yet].drop_duplicates(["user", "time"]).reset_index(drop=True)
    return frame.assign(row=frame.index)


@pytest.fixture(scope="module")
def dbt(listens: pd.DataFrame, new_warehouse: Callable[[], str], session_folder: Path) -> Dbt:
    """A warehouse with the listens, lists of three dates, and every model."""
    dbt = Dbt(new_warehouse())
    path = session_folder / "questions.csv"
    listens.drop(columns=["country", "row"]).to_csv(path, index=False)
    (report,) = load_files(dbt.warehouse_url, Tabular(MAPPING, "shop.toml"), [path])
    assert report.rows_loaded == len(listens)
    dbt.query(LISTS)
    dbt("build", *WITHOUT_TESTS, AUDOTICS_AS_OF_DATES=f"{LAST}")
    return dbt


@pytest.fixture(scope="module")
def source(listens: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    """The same listens without a warehouse."""
    connection = duckdb.connect()
    connection.register("file", listens)
    connection.execute(LISTENS)
    connection.execute(f"create table shown as select date '{SHOWN}' as as_of")
    return connection


def assert_same(answered: Any, expected: Any) -> None:
    """Equal, numbers to the digits that the answer shows."""
    if isinstance(answered, list | tuple):
        assert len(answered) == len(expected)
        for one, other in zip(answered, expected, strict=True):
            assert_same(one, other)
    elif isinstance(answered, Decimal):
        shown = int(answered.as_tuple().exponent)
        assert float(answered) == pytest.approx(float(expected), abs=0.501 * 10.0**shown)
    elif isinstance(answered, timedelta):
        assert answered.total_seconds() == pytest.approx(expected)
    elif isinstance(answered, float):
        assert answered == pytest.approx(expected)
    else:
        assert answered == expected


def test_there_are_fifteen_questions_each_with_a_short_query() -> None:
    assert list(QUESTIONS) == list(ANSWERS) == list(range(1, 16))
    assert all(len(question.sql.splitlines()) <= 25 for question in QUESTIONS.values())


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
@pytest.mark.parametrize("number", QUESTIONS)
def test_a_question_has_the_answer_that_the_listens_give_in_any_time_zone(
    dbt: Dbt, source: duckdb.DuckDBPyConnection, number: int, zone: str
) -> None:
    answered = dbt.query(f"set time zone '{zone}'; {QUESTIONS[number].sql}")
    assert answered
    assert_same(answered, source.execute(ANSWERS[number]).fetchall())


def test_sessions_of_listener_days_add_up_to_the_sessions(dbt: Dbt, source: duckdb.DuckDBPyConnection) -> None:
    ((of_days,),) = dbt.query("select sum(sessions_started) from analytics.listener_daily")
    ((sessions, across_midnight),) = source.execute(
        "select count(*), count(*) filter (where (epoch_ms(last_started * 1000))::date > started_on) from sessions"
    ).fetchall()
    assert of_days == sessions
    assert across_midnight > 10


def test_what_no_source_tells_is_null_and_not_zero(dbt: Dbt) -> None:
    for model in ("listener_daily", "track_daily", "artist_daily", "listening_daily"):
        ((wrong, unknown),) = dbt.query(
            "select count(*) filter (where (skips is null) <> (listens_with_skip_known = 0)),"
            f" count(*) filter (where skips is null) from analytics.{model}"
        )
        assert wrong == 0, model
        assert unknown > 0 or model in ("artist_daily", "listening_daily")

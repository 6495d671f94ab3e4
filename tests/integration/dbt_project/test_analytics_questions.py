"""The fifteen questions of docs/analytics.md have answers, and those that can be counted otherwise are right."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dbt_process import WITHOUT_TESTS, Dbt

from assets.ingest.load import load_files
from assets.ingest.mapping import Mapping
from assets.ingest.tabular import Tabular
from benchmarks.analytics_questions import read_questions

LAST = date(2026, 5, 31)
QUESTIONS = read_questions()
MAPPING = Mapping.model_validate(
    {
        "source": "shop",
        "columns": {"user_id": "user", "listened_at": "time", "track_id": "track", "title": "track"}
        | {"artist_id": "artist", "artist_name": "artist", "skipped": "skipped"},
        "time": {"unit": "s"},
    }
)
LISTS = f"""
create table ml.recommendations_rest partition of ml.recommendations default;
insert into ml.recommendations (as_of, slate, user_key, rank, track_key, score, source, model_version)
select date '{LAST}' - 30, 'for_you', user_key, rank, rank - 1, 0, 'popular', 'm1'
from raw.users cross join generate_series(1, 20) as rank;
insert into ml.recommendation_batches (as_of, slate, model_version, users, rows, made_at)
select as_of, slate, 'm1', count(distinct user_key), count(*), now() from ml.recommendations group by as_of, slate;
"""


@pytest.fixture(scope="module")
def listens() -> pd.DataFrame:
    """200 days of listening by 60 people to 80 tracks of 12 artists and to one that is new; a fifth is skipped."""
    rng = np.random.default_rng(3)
    rows = 12_000
    day = rng.integers(0, 200, rows)
    track = np.minimum(rng.geometric(0.06, rows), 80)
    track[(day >= 170) & (rng.random(rows) < 0.05)] = 100
    start = int(pd.Timestamp(LAST - timedelta(days=199), tz="UTC").timestamp())
    frame = pd.DataFrame(
        {
            "user": [f"u{number}" for number in rng.integers(0, 60, rows)],
            "time": start + day * 86_400 + rng.integers(0, 86_400, rows),
            "track": [f"t{number}" for number in track],
            "artist": [f"a{number % 12}" for number in track],
            "skipped": rng.random(rows) < 0.2,
        }
    ).drop_duplicates(["user", "time", "track"])
    # The last three people have been away for two weeks more than a month.
    day = pd.to_datetime(frame["time"], unit="s").dt.date
    frame["day"] = day
    return frame[~(frame["user"].isin(["u57", "u58", "u59"]) & (day > LAST - timedelta(days=42)))]


@pytest.fixture(scope="module")
def answers(
    listens: pd.DataFrame, new_warehouse: Callable[[], str], session_folder: Path
) -> dict[int, list[tuple[Any, ...]]]:
    """What each question is answered, by its number."""
    dbt = Dbt(new_warehouse())
    path = session_folder / "questions.csv"
    listens.drop(columns="day").to_csv(path, index=False)
    load_files(dbt.warehouse_url, Tabular(MAPPING, "shop.toml"), [path])
    dbt.query(LISTS)
    dbt("build", *WITHOUT_TESTS, "--vars", f'{{as_of_dates: ["{LAST}"]}}')
    return {int(question.title.split(".")[0]): dbt.query(question.sql) for question in QUESTIONS}


def test_there_are_fifteen_questions_each_with_a_short_query() -> None:
    assert [int(question.title.split(".")[0]) for question in QUESTIONS] == list(range(1, 16))
    assert all(len(question.sql.splitlines()) <= 25 for question in QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.title)
def test_a_question_has_an_answer(question: Any, answers: dict[int, list[tuple[Any, ...]]]) -> None:
    rows = answers[int(question.title.split(".")[0])]
    assert rows
    assert any(value is not None for value in rows[0])


def test_listening_by_day_is_that_of_the_file(listens: pd.DataFrame, answers: dict[int, list[tuple[Any, ...]]]) -> None:
    recent = listens[listens["day"] > LAST - timedelta(days=28)]
    days = recent.groupby("day").agg(
        listens=("time", "size"), listeners=("user", "nunique"), tracks=("track", "nunique")
    )
    assert [(day, count, people, tracks) for day, count, people, _, tracks in answers[1]] == [
        (day, *values) for day, values in zip(days.index, days.to_numpy().tolist(), strict=True)
    ]


def test_discovery_and_repeat_are_those_of_the_file(
    listens: pd.DataFrame, answers: dict[int, list[tuple[Any, ...]]]
) -> None:
    ordered = listens.sort_values("time")
    ordered["discovery"] = ~ordered.duplicated(["user", "track"])
    month = pd.to_datetime(ordered["day"]).dt.to_period("M")
    expected = ordered.groupby(month)["discovery"].agg(["sum", "size"])
    assert [(discoveries, discoveries + repeats) for _, discoveries, repeats, _ in answers[5]] == [
        tuple(values) for values in expected.to_numpy().tolist()
    ]


def test_the_most_skipped_tracks_are_those_of_the_file(
    listens: pd.DataFrame, answers: dict[int, list[tuple[Any, ...]]]
) -> None:
    may = (
        listens[pd.to_datetime(listens["day"]).dt.month == LAST.month].groupby("track")["skipped"].agg(["sum", "size"])
    )
    for title, _, skips, known, rate in answers[6]:
        assert (skips, known) == tuple(may.loc[title])
        assert rate == pytest.approx(skips / known)
    assert len(answers[6]) == min(20, int((may["size"] >= 20).sum()))


def test_who_has_gone_quiet_is_as_planted(answers: dict[int, list[tuple[Any, ...]]]) -> None:
    assert answers[13] == [(57, 3)]


def test_what_was_played_of_the_recommendations_is_as_in_the_file(
    listens: pd.DataFrame, answers: dict[int, list[tuple[Any, ...]]]
) -> None:
    as_of = LAST - timedelta(days=30)
    # Track keys are dense in the order of the file, and so are the recommended ones: 0 to 19.
    recommended = list(dict.fromkeys(listens["track"]))[:20]
    horizon = listens[(listens["day"] >= as_of) & (listens["day"] < as_of + timedelta(days=14))]
    played = horizon[["user", "track"]].drop_duplicates()
    users = listens["user"].nunique()
    (row,) = answers[15]
    assert row[:5] == (as_of, "for_you", "m1", 10 * users, int(played["track"].isin(recommended[:10]).sum()))
    assert float(row[6]) == pytest.approx(played["track"].isin(recommended).sum() / (20 * users), abs=1e-4)

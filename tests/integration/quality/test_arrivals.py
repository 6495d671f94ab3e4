"""A day that has not arrived whole is told from a quiet one, by the listens of a warehouse."""

from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta

import numpy as np
import pandas as pd
import psycopg2
import pytest
from psycopg2.extras import execute_values

from quality.arrivals import LEARNED_DAYS, LEAST_LISTENS, READ_DAYS, Arrival, judge_day, read_days
from warehouse.engine import create_engine
from warehouse.roles import Role

DAY = date(2026, 1, 1)
LISTENERS = 80
# Starts per listener and day: a night in which nearly nobody listens, and weekends on which half as many again do.
_BY_HOUR = np.repeat([0.01, 0.3, 0.6, 1.2], 6)


def world(listeners: int = LISTENERS) -> pd.DataFrame:
    """READ_DAYS and one more of listens up to DAY: user_key, listened_at; two thirds listen on a day."""
    drawn = np.random.default_rng(17)
    days = []
    for day in pd.date_range(end=DAY, periods=READ_DAYS + 1, tz="UTC"):
        awake = drawn.random(listeners) < (0.9 if day.day_of_week >= 5 else 0.6)
        counts = drawn.poisson(_BY_HOUR * awake[:, None])
        user_key, hour = np.repeat(np.argwhere(counts >= 0), counts.ravel(), axis=0).T
        days.append(pd.DataFrame({"user_key": user_key, "listened_at": day + pd.to_timedelta(hour, unit="h")}))
    return pd.concat(days, ignore_index=True)


def on_day(listens: pd.DataFrame) -> pd.Series:
    return listens["listened_at"] >= pd.Timestamp(DAY, tz="UTC")


def drop(listens: pd.DataFrame, chosen: "pd.Series[bool]") -> pd.DataFrame:
    return listens[~(on_day(listens) & chosen)]


def shifted(listens: pd.DataFrame, hours: int) -> pd.DataFrame:
    return listens.assign(listened_at=listens["listened_at"] + pd.to_timedelta(on_day(listens) * hours, unit="h"))


def every_second_row(listens: pd.DataFrame) -> pd.DataFrame:
    return drop(listens, pd.Series(np.arange(len(listens)) % 2 == 0, listens.index))


def no_file(listens: pd.DataFrame) -> pd.DataFrame:
    return listens[~on_day(listens)]


def cut_at_noon(listens: pd.DataFrame) -> pd.DataFrame:
    return drop(listens, listens["listened_at"].dt.hour >= 12)


def six_hours_late(listens: pd.DataFrame) -> pd.DataFrame:
    return shifted(listens, 6)


def six_hours_early(listens: pd.DataFrame) -> pd.DataFrame:
    return shifted(listens, -6)


def twice(listens: pd.DataFrame) -> pd.DataFrame:
    again = listens[on_day(listens)]
    return pd.concat([listens, *[again.assign(listened_at=again["listened_at"] + pd.Timedelta(seconds=1))] * 2])


def healthy(listens: pd.DataFrame) -> pd.DataFrame:
    return listens


def quiet_holiday(listens: pd.DataFrame) -> pd.DataFrame:
    return drop(listens, listens["user_key"] % 4 == 0)


def arrivals(warehouse_url: str, listens: pd.DataFrame) -> list[Arrival]:
    """What is found of DAY where these are the listens."""
    with closing(psycopg2.connect(warehouse_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "set role audotics_transformer; create table core.fct_listens"
            " (user_key int, listened_at timestamptz, listened_on date)"
        )
        rows = list(zip(listens["user_key"].tolist(), listens["listened_at"].dt.to_pydatetime(), strict=True))
        execute_values(cursor, "insert into core.fct_listens (user_key, listened_at) values %s", rows, page_size=10_000)
        cursor.execute("update core.fct_listens set listened_on = (listened_at at time zone 'UTC')::date")
    with create_engine(warehouse_url, Role.SERVICE).connect() as connection:
        return judge_day(read_days(connection, DAY))


@pytest.mark.parametrize(
    ("plant", "figures"),
    [
        (no_file, {"listens"}),
        (every_second_row, {"listens", "listens of a listener"}),
        (cut_at_noon, {"listens of a listener", "usual listeners of the hours in a row without any"}),
        (six_hours_late, {"usual listeners of the hours in a row without any"}),
        (six_hours_early, {"usual listeners of the hours in a row without any"}),
        (twice, {"listens", "listens of a listener"}),
        (healthy, set()),
        (quiet_holiday, set()),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_day_that_did_not_arrive_whole_is_odd_and_a_quiet_one_is_not(
    warehouse_url: str, plant: Callable[[pd.DataFrame], pd.DataFrame], figures: set[str]
) -> None:
    found = arrivals(warehouse_url, plant(world()))
    assert found
    assert {each.figure for each in found if each.odd} >= figures, found
    if not figures:
        assert not [each for each in found if each.odd]


def test_where_few_listen_nothing_is_odd(warehouse_url: str) -> None:
    assert arrivals(warehouse_url, no_file(world(listeners=1))) == []


def test_where_history_begins_too_late_nothing_is_odd(warehouse_url: str) -> None:
    assert arrivals(warehouse_url, world())
    with create_engine(warehouse_url, Role.SERVICE).connect() as connection:
        early = read_days(connection, DAY - timedelta(days=READ_DAYS - LEARNED_DAYS - 1))
    assert np.median(early.listens[-1 - LEARNED_DAYS : -1]) > LEAST_LISTENS
    assert judge_day(early) == []

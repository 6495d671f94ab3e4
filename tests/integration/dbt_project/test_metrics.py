"""Metrics asked for on the command line, against plain SQL on the listens themselves."""

import csv
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from dbt_process import Dbt

from assets.dbt_project import PROJECT, dbt_environment, prepare_metrics

# MetricFlow takes 15 s to start.
pytestmark = pytest.mark.slow

# One row per listen: the month, who and where, and whether the listen is the first of its listener and track.
LISTENS = """
with firsts as (
    select user_key, track_key, min(listened_at) as listened_at from core.fct_listens group by user_key, track_key
),
listens as (
    select
        listens.*,
        date_trunc('month', listened_on)::date as month,
        firsts.listened_at is not null as is_discovery,
        users.country,
        tracks.artist_name
    from core.fct_listens as listens
    left join firsts using (user_key, track_key, listened_at)
    inner join core.dim_users as users using (user_key)
    inner join core.dim_tracks as tracks using (track_key)
)
"""
DISCOVERY_RATE = "sum(is_discovery::int)::float / count(*)"
SKIP_RATE = "count(*) filter (where is_skipped)::float / nullif(count(is_skipped), 0)"


@pytest.fixture(scope="module")
def dbt(sample: Dbt) -> Dbt:
    return sample


@pytest.fixture(scope="module")
def project(dbt: Dbt, session_folder: Path) -> Path:
    """A copy of the project, prepared for mf: the one in the tree knows one warehouse at a time."""
    copy = session_folder / "metrics_project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("target", "logs"))
    prepare_metrics(dbt.warehouse_url, copy)
    return copy


@pytest.fixture
def ask(
    dbt: Dbt, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[tuple[Any, ...]]]:
    """A function from metrics and groups to the rows that `mf query` answers, groups first and in their order."""

    # What takes seconds to load, only the worker that needs it loads.
    from dbt_metricflow.cli.main import cli

    folders = {"DBT_PROJECT_DIR": str(project), "DBT_PROFILES_DIR": str(project)}

    def query(metrics: str, group_by: str, *options: str) -> list[tuple[Any, ...]]:
        answer = tmp_path / "answer.csv"
        arguments = ["--metrics", metrics, "--group-by", group_by, "--order", group_by, "--csv", str(answer)]
        # Not the project's folder: the environment alone has to find it.
        monkeypatch.chdir(tmp_path)
        environment = {**dbt_environment(dbt.warehouse_url), **folders, "DBT_LOG_LEVEL_FILE": "none"}
        # mf takes signals for itself, and the tests after this one would exit on SIGINT.
        handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            done = CliRunner().invoke(cli, ["query", *options, *arguments], env=environment)
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)
        assert done.exit_code == 0, done.output
        with answer.open() as file:
            rows = list(csv.DictReader(file))
        groups = group_by.split(",")
        return [
            (
                *(row[name].removesuffix(" 00:00:00") for name in groups),
                *(_number(row[name]) for name in _names(metrics)),
            )
            for row in rows
        ]

    return query


def _names(metrics: str) -> list[str]:
    return metrics.split(",")


def _number(value: str) -> float | None:
    return float(value) if value else None


def assert_same(answered: list[tuple[Any, ...]], expected: list[tuple[Any, ...]], groups: int = 1) -> None:
    """The same rows: groups equal as text, metrics to nine digits."""
    assert [row[:groups] for row in answered] == [tuple(str(each or "") for each in row[:groups]) for row in expected]
    assert len(answered) > 1
    for one, other in zip(answered, expected, strict=True):
        wanted = [None if value is None else pytest.approx(float(value), rel=1e-9) for value in other[groups:]]
        assert list(one[groups:]) == wanted, one[:groups]


def test_rates_by_month_are_those_of_the_listens(dbt: Dbt, ask: Callable[..., list[tuple[Any, ...]]]) -> None:
    answered = ask("discovery_rate,skip_rate,listens_per_listener", "metric_time__month")
    expected = dbt.query(
        f"{LISTENS} select month, {DISCOVERY_RATE}, {SKIP_RATE}, count(*)::float / count(distinct user_key)"
        " from listens group by month order by month"
    )
    assert_same(answered, expected)


def test_counts_and_hours_by_month_and_country_are_those_of_the_listens(
    dbt: Dbt, ask: Callable[..., list[tuple[Any, ...]]]
) -> None:
    answered = ask("listens,active_listeners,discoveries,listening_hours", "metric_time__month,listener__country")
    expected = dbt.query(
        f"{LISTENS} select month, country, count(*), count(distinct user_key), sum(is_discovery::int),"
        " sum(ms_played) / 3600000.0 from listens group by month, country order by month, country"
    )
    assert_same(answered, expected, groups=2)


def test_rates_by_artist_are_those_of_the_listens(dbt: Dbt, ask: Callable[..., list[tuple[Any, ...]]]) -> None:
    answered = ask("track_listens,track_discovery_rate,track_skip_rate,tracks_heard", "track__artist_name")
    expected = dbt.query(
        f"{LISTENS} select artist_name, count(*), {DISCOVERY_RATE}, {SKIP_RATE}, count(distinct track_key)"
        " from listens group by artist_name order by artist_name"
    )
    assert_same(answered, expected)


def test_sessions_and_new_listeners_count_on_the_utc_day_they_began(
    dbt: Dbt, ask: Callable[..., list[tuple[Any, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTZ", "Pacific/Auckland")
    answered = ask("sessions,listens_per_session,new_listeners", "metric_time__day")
    expected = dbt.query(
        """
        with sessions as (
            select (started_at at time zone 'UTC')::date as day, count(*) as sessions, avg(listens) as listens
            from core.fct_sessions group by 1
        ),
        firsts as (
            select min(listened_on) as day from core.fct_listens group by user_key
        ),
        arrivals as (
            select day, count(*) as listeners from firsts group by day
        )
        select day, sessions.sessions, sessions.listens, arrivals.listeners
        from sessions full join arrivals using (day) order by day
        """
    )
    assert_same(answered, expected)


def test_metrics_over_windows_look_back_from_every_day(dbt: Dbt, ask: Callable[..., list[tuple[Any, ...]]]) -> None:
    answered = ask("active_listeners_28d,listens_growth", "metric_time__day")
    expected = dbt.query(
        """
        with whole as (
            select month from (select distinct month from analytics.days) as months
            where
                month >= (select min(listened_on) from core.fct_listens)
                and month + interval '1 month' <= (select max(listened_on) from core.fct_listens)
        )
        select
            day,
            (
                select count(distinct user_key) from core.fct_listens
                where listened_on <= day and listened_on > day - 28
            ),
            case
                when month in (select * from whole) and (month - interval '1 month')::date in (select * from whole)
                    then counted.listens::float / before.listens - 1
            end
        from analytics.days
        left join analytics.listening_daily as counted on counted.listened_on = day
        left join analytics.listening_daily as before on before.listened_on = (day - interval '1 month')::date
        order by day
        """
    )
    assert_same(answered, expected)
    assert {day[:7] for day, _, growth in answered if growth is not None} == {"2026-04"}, "March and April are whole"
    silent = next(row for row in answered if row[0] == "2026-05-05")
    assert silent[1], "a day without a listen has a window all the same"

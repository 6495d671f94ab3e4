"""Marts of features over some nights: what is planted in the last one is found, and in healthy nights nothing is."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from feature_nights import COLUMNS, DATES, MART, NIGHT, USERS, fill
from sqlalchemy import Connection, Engine, text

from assets.drift import spreads
from assets.drift.assets import check_result
from assets.drift.features import (
    FURTHEST_DAYS,
    LEARNED_DAYS,
    NEAREST_DAYS,
    Moved,
    asset_name,
    check_name,
    measure_mart,
    reference_date,
    rows_of,
)
from assets.drift.spreads import measure_spreads, quantile_edges
from quality.bands import LEAST_DATES
from quality.column_drift import history_of
from quality.observations import Observation, Validation, keep, past
from warehouse.engine import create_engine
from warehouse.roles import Role

ASSET, CHECK = asset_name(MART), check_name(MART)


@pytest.fixture(scope="module")
def filled(new_warehouse: Callable[[], str]) -> Engine:
    """A warehouse with the mart."""
    engine = create_engine(new_warehouse())
    with engine.begin() as connection:
        fill(connection)
    return engine


@pytest.fixture
def connection(filled: Engine) -> Iterator[Connection]:
    """What the tests write is taken back."""
    with filled.connect() as connected:
        yield connected


def night(connection: Connection, as_of: date) -> Moved:
    """What the check of a night finds and keeps, as the role that it has."""
    connection.execute(text(f"set role {Role.SERVICE}"))
    history = history_of(past(connection, ASSET, CHECK, as_of, LEARNED_DAYS))
    moved = measure_mart(connection, MART, as_of, history)
    keep(connection, Validation(ASSET, CHECK, f"run {as_of}", as_of), moved.observations)
    connection.execute(text("reset role"))
    return moved


def failed(moved: Moved) -> dict[str, str]:
    return {each.metric: each.severity for each in moved.observations if not each.passed}


def test_healthy_nights_pass_and_are_learned_from(connection: Connection) -> None:
    nights = {day: night(connection, day) for day in DATES}
    assert {day: failed(moved) for day, moved in nights.items() if failed(moved)} == {}
    assert [day for day, moved in nights.items() if moved.reference is None] == DATES[:NEAREST_DAYS]
    last = {each.metric: each for each in nights[NIGHT].observations}
    assert nights[NIGHT].reference == NIGHT - timedelta(days=NEAREST_DAYS)
    psi = last["psi of repeat_share"]
    assert psi.value is not None and psi.high is not None and 0 < psi.value < psi.high
    assert psi.learned_to == NIGHT - timedelta(days=1)
    assert psi.learned_from == DATES[NEAREST_DAYS]
    assert len(DATES) - NEAREST_DAYS - 1 >= LEAST_DATES
    assert {f"{figure} of {name}" for name in COLUMNS for figure in ("psi", "jensen_shannon", "mean")} <= set(last)
    assert {"psi of country", "share of users"} <= set(last)
    # Everybody is a week older.
    assert last["psi of days_since_first"].value == 0


@pytest.mark.parametrize(
    ("plant", "metrics", "severity"),
    [
        ("update features.feat_user set listens_7d = listens_7d * 4", {"psi of listens_7d"}, "warning"),
        # Days that became hours.
        ("update features.feat_user set days_since_last = days_since_last * 24", {"psi of days_since_last"}, "warning"),
        ("update features.feat_user set repeat_share = 0.5", {"constant of repeat_share"}, "critical"),
        (
            "update features.feat_user set repeat_share = 'NaN' where user_key = 3",
            {"not_finite of repeat_share"},
            "critical",
        ),
        (
            "update features.feat_user set days_since_last = '-infinity' where user_key = 3",
            {"not_finite of days_since_last"},
            "critical",
        ),
        ("update features.feat_user set listens = null where user_key % 5 > 0", {"nulls of listens"}, "critical"),
        ("update core.dim_users set country = 'Perú' where country = 'Peru'", {"psi of country"}, "warning"),
    ],
    ids=["shifted", "another unit", "constant", "not a number", "infinite", "nulls", "a country renamed"],
)
def test_what_is_planted_in_the_last_night_is_found(
    connection: Connection, plant: str, metrics: set[str], severity: str
) -> None:
    for day in DATES[NEAREST_DAYS:-1]:
        night(connection, day)
    connection.execute(
        text(
            f"{plant}{' and' if ' where ' in plant else ' where'} as_of = '{NIGHT}'" if "feat_user" in plant else plant
        )
    )
    found = failed(night(connection, NIGHT))
    assert metrics <= set(found), found
    assert {found[metric] for metric in metrics} == {severity}
    columns = {metric.partition(" of ")[2] for metric in metrics}
    assert {metric.partition(" of ")[2] for metric in found} == columns, found


def test_the_check_says_what_was_found(connection: Connection) -> None:
    connection.execute(text(f"update features.feat_user set repeat_share = 0.5 where as_of = '{NIGHT}'"))
    result = check_result(night(connection, NIGHT).observations, "nothing")
    assert not result.passed
    assert result.severity.value == "ERROR"
    assert result.description is not None
    assert result.description.startswith("repeat_share varies, as it did as of 2026-03-05 (from 0.")
    assert "all of its 800 values are 0.5" in result.description
    assert result.metadata["constant of repeat_share"].value == 1.0
    out_of_bounds = result.metadata["out_of_bounds"]
    assert isinstance(out_of_bounds, dg.TableMetadataValue)
    (first, *_) = out_of_bounds.records
    assert first.data["metric"] == "constant of repeat_share"


def test_what_is_counted_is_what_the_rows_hold(connection: Connection) -> None:
    reference = NIGHT - timedelta(days=NEAREST_DAYS)
    rows = rows_of(connection, MART)
    assert rows.columns == COLUMNS
    edges = quantile_edges(connection, rows, reference)
    found = measure_spreads(connection, rows, reference, NIGHT)
    frame = pd.read_sql(text(f"select * from features.{MART}"), connection)
    for day in (reference, NIGHT):
        for name in COLUMNS:
            values = frame.loc[pd.to_datetime(frame["as_of"]).dt.date == day, name].astype(float)
            known = values.dropna()
            # An age is counted as it was on the reference.
            older = (day - reference).days if name == "days_since_first" else 0
            expected = np.bincount(
                np.searchsorted(edges[name], known - older, side="right"), minlength=len(edges[name]) + 1
            )
            spread = found[day][name]
            assert spread.bins.tolist() == expected.tolist()
            assert (spread.nulls, spread.values, spread.rows) == (values.isna().sum(), len(known), USERS)
            assert (spread.lowest, spread.highest) == (known.min(), known.max())
            assert spread.mean == pytest.approx(known.mean())
    # A tenth of the values of the reference in each bin: edges are its deciles.
    share = found[reference]["days_since_last"].bins / USERS
    assert share == pytest.approx(np.full(10, 0.1), abs=0.002)


def test_of_many_rows_bins_are_counted_on_the_same_rows_of_both_dates(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = NIGHT - timedelta(days=NEAREST_DAYS)
    monkeypatch.setattr(spreads, "_SAMPLED_ROWS", 200)
    connection.execute(
        text(f"update features.{MART} set repeat_share = 'NaN' where user_key = 3 and as_of = '{NIGHT}'")
    )
    found = measure_spreads(connection, rows_of(connection, MART), reference, NIGHT)
    now, before = found[NIGHT], found[reference]
    sampled = before["days_since_first"].bins.sum()
    assert 150 < sampled < 250
    assert now["days_since_first"].bins.tolist() == before["days_since_first"].bins.tolist()
    # What is broken is asked of every row.
    share = now["repeat_share"]
    assert (share.not_finite, share.values, share.nulls) == (1, USERS - 1, 0)
    known = f"select min(repeat_share), max(repeat_share), avg(repeat_share) from features.{MART}"
    of_night = connection.execute(text(f"{known} where as_of = '{NIGHT}' and user_key <> 3")).one()
    assert (share.lowest, share.highest, share.mean) == pytest.approx(tuple(of_night))


def test_the_nearest_date_a_week_or_more_before_is_compared_with(connection: Connection) -> None:
    assert reference_date(connection, MART, NIGHT) == NIGHT - timedelta(days=7)
    connection.execute(text(f"delete from features.{MART} where as_of > '{NIGHT - timedelta(days=10)}'"))
    assert reference_date(connection, MART, NIGHT) == NIGHT - timedelta(days=10)
    assert reference_date(connection, MART, DATES[0]) is None
    assert reference_date(connection, MART, NIGHT + timedelta(days=30)) is None


def judged(connection: Connection, as_of: date, passed: bool, *, run: str = "a night", accepted: bool = False) -> None:
    """A verdict on a date that is on record."""
    constant = Observation("constant of repeat_share", float(not passed), passed, "it varies")
    keep(connection, Validation(ASSET, CHECK, run, as_of), [constant], accepted=accepted)


def test_a_fault_that_stays_is_refused_every_night_until_it_is_put_right(connection: Connection) -> None:
    broke = NIGHT - timedelta(days=NEAREST_DAYS + 3)
    connection.execute(text(f"update features.{MART} set repeat_share = 0.5 where as_of >= '{broke}'"))
    nights = {day: failed(night(connection, day)) for day in DATES[NEAREST_DAYS:]}
    assert {day for day, found in nights.items() if "critical" in found.values()} == {
        day for day in DATES if day >= broke
    }


def test_a_refused_night_is_not_compared_with_unless_it_was_accepted_or_passed_since(connection: Connection) -> None:
    nearest = NIGHT - timedelta(days=NEAREST_DAYS)
    judged(connection, nearest, passed=False)
    # Another check's verdict is not about this mart.
    keep(connection, Validation("features/feat_track", "feat_track_drift", "a night", nearest), [])
    assert reference_date(connection, MART, NIGHT) == nearest - timedelta(days=1)
    judged(connection, nearest, passed=False, run="accepted", accepted=True)
    assert reference_date(connection, MART, NIGHT) == nearest
    judged(connection, nearest, passed=False, run="refused again")
    assert reference_date(connection, MART, NIGHT) == nearest - timedelta(days=1)
    judged(connection, nearest, passed=True, run="put right")
    assert reference_date(connection, MART, NIGHT) == nearest


def test_where_all_that_is_near_was_refused_the_newest_that_passed_is_compared_with(connection: Connection) -> None:
    last = NIGHT + timedelta(days=FURTHEST_DAYS)
    passed = DATES[10]
    near = [day for day in DATES if day > passed and (last - day).days >= NEAREST_DAYS]
    for day in DATES[5:10]:
        judged(connection, day, passed=True)
    judged(connection, passed, passed=True)
    # Without a night that was refused, features of more than four weeks before are of another catalogue.
    connection.execute(text(f"delete from features.{MART} where as_of = '{NIGHT}'"))
    assert reference_date(connection, MART, last) is None
    for day in [*near, *(NIGHT + timedelta(days=ago) for ago in range(1, FURTHEST_DAYS))]:
        judged(connection, day, passed=False)
    assert reference_date(connection, MART, last) == passed

"""A day that has not arrived whole stops the night and is told from a quiet one, by the listens in the raw tables."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from landed_days import DAY, LISTENERS, Plant, day_before, drop, land, night_of, on_day, stated_country, world

from quality.arrivals import LISTENS, OF_A_LISTENER, SILENCE
from quality.checks.arrivals import Judged, judge, said
from quality.days import CHECK_NAME, OLD_AFTER, READ_DAYS
from quality.observations import Observation, Validation, keep
from warehouse.engine import create_engine
from warehouse.roles import Role

pytestmark = pytest.mark.slow
AS_OF = DAY + timedelta(days=1)
NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)


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


def thrice(listens: pd.DataFrame) -> pd.DataFrame:
    again = listens[on_day(listens)]
    return pd.concat(
        [
            listens,
            *(again.assign(listened_at=again["listened_at"] + pd.Timedelta(milliseconds=each)) for each in (1, 2)),
        ]
    )


def healthy(listens: pd.DataFrame) -> pd.DataFrame:
    return listens


def a_quarter_stays_away(listens: pd.DataFrame) -> pd.DataFrame:
    return drop(listens, listens["user_key"] % 4 == 0)


def most_stay_away(listens: pd.DataFrame) -> pd.DataFrame:
    return drop(listens, listens["user_key"] % 5 < 3)


def judged(warehouse_url: str, as_of: date = AS_OF, now: datetime = NOW) -> dict[str, Judged]:
    with create_engine(warehouse_url, Role.TRANSFORMER).connect() as connection:
        return {each.days.segment: each for each in judge(connection, as_of, now)}


def odd(of: Judged) -> set[str]:
    return {each.figure for each in of.odd}


@pytest.mark.parametrize(
    ("plant", "figures", "blocks"),
    [
        (no_file, {LISTENS}, True),
        (every_second_row, {LISTENS, OF_A_LISTENER}, True),
        (cut_at_noon, {OF_A_LISTENER, SILENCE}, True),
        (six_hours_late, {SILENCE}, True),
        (six_hours_early, {SILENCE}, True),
        (thrice, {LISTENS, OF_A_LISTENER}, False),
        (healthy, set(), False),
        (a_quarter_stays_away, set(), False),
        (most_stay_away, {LISTENS}, False),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_day_that_did_not_arrive_whole_stops_the_night_and_a_quiet_one_does_not(
    warehouse_url: str, plant: Plant, figures: set[str], blocks: bool
) -> None:
    land(warehouse_url, plant(world()))
    found = judged(warehouse_url)["all"]
    assert odd(found) >= figures, found.arrivals
    if not figures:
        assert not odd(found)
    assert (found.harmless, found.blocks) == (None, blocks), found.arrivals


def test_who_is_called_reads_what_is_missing_and_since_when_it_is_not_usual(warehouse_url: str) -> None:
    land(warehouse_url, no_file(world()))
    assert said(list(judged(warehouse_url).values()), AS_OF).startswith(
        "2026-01-01 is unlike the days from 2025-11-06 to 2025-12-31: 0.0 listens, where at least "
    )


def test_a_quiet_holiday_of_the_listeners_is_not_odd(warehouse_url: str) -> None:
    land(warehouse_url, most_stay_away(world()))
    assert odd(judged(warehouse_url)["all"]) == {LISTENS}
    stated_country(warehouse_url, "Finland")
    found = judged(warehouse_url)["all"]
    assert (odd(found), found.on_holiday, found.holidays) == (set(), 1.0, ["New Year's Day"])


def test_a_holiday_without_a_listen_is_missing_all_the_same(warehouse_url: str) -> None:
    land(warehouse_url, no_file(world()))
    stated_country(warehouse_url, "Finland")
    assert judged(warehouse_url)["all"].blocks


def two_sources(silent: str | None = None, small: bool = False) -> pd.DataFrame:
    """Of the second source the users are others; on DAY one of the two brings nothing."""
    second = world(source="deezer")
    if small:
        second = second[second["user_key"] < 8]
    listens = pd.concat([world(), second.assign(user_key=second["user_key"] + LISTENERS)], ignore_index=True)
    return listens if silent is None else drop(listens, listens["source"] == silent)


def test_a_source_that_is_silent_while_another_is_there_stops_the_night(warehouse_url: str) -> None:
    land(warehouse_url, two_sources(silent="deezer"))
    found = judged(warehouse_url)
    assert {segment for segment, each in found.items() if each.blocks} >= {"source: deezer"}
    assert not found["source: spotify"].odd
    assert "source: deezer: 2026-01-01 is unlike the days" in said(list(found.values()), AS_OF)


def test_two_sources_that_are_there_are_not_odd(warehouse_url: str) -> None:
    land(warehouse_url, two_sources())
    found = judged(warehouse_url)
    assert set(found) == {"all", "source: spotify", "source: deezer"}
    assert not any(each.odd for each in found.values())


def later(listens: pd.DataFrame, nights: int) -> "pd.Series[pd.Timestamp]":
    """Files of deezer come so many nights later than those of spotify."""
    return night_of(listens["day"]).where(listens["source"] != "deezer", night_of(listens["day"], nights))


def test_of_a_source_that_usually_comes_a_day_later_the_day_before_is_judged(warehouse_url: str) -> None:
    listens = two_sources(silent="deezer")
    land(warehouse_url, listens, later(listens, 1))
    found = judged(warehouse_url)
    assert not any(each.odd for each in found.values())
    assert (found["source: deezer"].days.last, found["source: spotify"].days.last) == (day_before(), DAY)
    assert found["source: deezer"].days.listens[-1] > 0


def test_a_source_that_is_later_than_usual_stops_the_night(warehouse_url: str) -> None:
    listens = two_sources(silent="deezer")
    listens = listens[~((listens["source"] == "deezer") & on_day(listens, day_before()))]
    land(warehouse_url, listens, later(listens, 1))
    found = judged(warehouse_url)["source: deezer"]
    assert (found.days.last, found.blocks) == (day_before(), True)


def test_the_only_source_that_always_comes_a_day_later_is_not_missed(warehouse_url: str) -> None:
    listens = no_file(world())
    land(warehouse_url, listens, night_of(listens["day"], 1))
    found = judged(warehouse_url)["all"]
    assert (found.days.last, odd(found)) == (day_before(), set())


def test_where_all_sources_come_a_day_later_none_is_missed(warehouse_url: str) -> None:
    listens = no_file(two_sources())
    land(warehouse_url, listens, night_of(listens["day"], 1))
    found = judged(warehouse_url)
    assert {each.days.last for each in found.values()} == {day_before()}
    assert not any(each.odd for each in found.values())


def test_nights_that_are_caught_up_on_say_nothing_of_how_late_a_source_is(warehouse_url: str) -> None:
    listens = no_file(world())
    now = pd.Timestamp(NOW)
    land(warehouse_url, listens, night_of(listens["day"]).where(listens["day"] < now - pd.Timedelta(days=12), now))
    found = judged(warehouse_url)["all"]
    assert (found.days.last, found.blocks) == (DAY, True)


def old_date(listens: pd.DataFrame) -> pd.DataFrame:
    more = listens[on_day(listens)]
    days = [more.assign(listened_at=more["listened_at"] + pd.Timedelta(days=each)) for each in (1, 2, 3)]
    return pd.concat([no_file(listens), *(each.assign(day=each["listened_at"].dt.floor("D")) for each in days)])


@pytest.mark.parametrize(
    ("listens", "at_once", "now", "why"),
    [
        (
            old_date(world()),
            False,
            NOW + OLD_AFTER,
            "later days were judged or have come, so this is a run of an old",
        ),
        (no_file(world()), True, NOW, "the days before it did not come one by one"),
        (no_file(world(listeners=9)), False, NOW, "fewer than 10 people listen on a usual day"),
    ],
    ids=["old date", "one load", "nine listeners"],
)
def test_what_may_be_right_is_told_and_stops_nothing(
    warehouse_url: str, listens: pd.DataFrame, at_once: bool, now: datetime, why: str
) -> None:
    land(warehouse_url, listens, at_once=at_once)
    found = judged(warehouse_url, now=now)["all"]
    assert found.odd
    assert not found.blocks
    assert f"It stops nothing: {why}" in said([found], AS_OF)


def two_days_late(listens: pd.DataFrame) -> pd.DataFrame:
    return shifted(listens, 48)


@pytest.mark.parametrize(
    ("plant", "now"),
    [(two_days_late, NOW), (old_date, NOW + timedelta(days=2))],
    ids=["times to come", "run again two days later"],
)
def test_listens_of_later_days_do_not_make_a_missing_day_an_old_one(
    warehouse_url: str, plant: Plant, now: datetime
) -> None:
    land(warehouse_url, plant(world()))
    found = judged(warehouse_url, now=now)["all"]
    assert (LISTENS in odd(found), found.harmless, found.blocks) == (True, None, True)


@pytest.mark.parametrize(("verdict", "blocks"), [(True, False), (False, True), (None, True)])
def test_a_date_is_old_once_a_later_one_has_passed(warehouse_url: str, verdict: bool | None, blocks: bool) -> None:
    land(warehouse_url, no_file(world()))
    later_night = Validation("raw/listens", CHECK_NAME, "a run", AS_OF + timedelta(days=1))
    figures = [] if verdict is None else [Observation(LISTENS, 1.0, verdict, "as many as usual")]
    with create_engine(warehouse_url, Role.SERVICE).begin() as connection:
        keep(connection, later_night, figures)
    found = judged(warehouse_url)["all"]
    assert (LISTENS in odd(found), found.blocks) == (True, blocks)


def test_a_day_that_is_not_over_is_told_and_stops_nothing(warehouse_url: str) -> None:
    listens = no_file(world())
    land(warehouse_url, listens, listens["day"] + pd.Timedelta(hours=11))
    found = judged(warehouse_url, now=NOW - timedelta(hours=15))["all"]
    assert (odd(found), found.blocks) == ({LISTENS}, False)
    assert "It stops nothing: the day is not over yet" in said([found], AS_OF)


def test_where_a_third_of_a_day_comes_later_days_are_compared_by_what_came_in_time(warehouse_url: str) -> None:
    listens = world()
    late = listens["user_key"] % 3 == 0
    listens, late = listens[~(on_day(listens) & late)], late[~(on_day(listens) & late)]
    land(warehouse_url, listens, night_of(listens["day"]).where(~late, night_of(listens["day"], 1)))
    found = judged(warehouse_url)["all"]
    assert (found.days.last, odd(found)) == (DAY, set())
    assert found.days.listens[-1] > 0.6 * np.median(found.days.listens)


@pytest.mark.parametrize(
    ("listens", "why"),
    [
        (world()[lambda all_days: all_days["day"] < pd.Timestamp(DAY - timedelta(days=20), tz="UTC")], "has ended"),
        (world(listeners=1), "with fewer than 50 listens a day"),
        (world(days=READ_DAYS - 7), "its history is shorter than 84 days"),
    ],
    ids=["ended", "one listener", "first weeks"],
)
def test_what_cannot_be_judged_says_why(warehouse_url: str, listens: pd.DataFrame, why: str) -> None:
    land(warehouse_url, no_file(listens))
    found = judged(warehouse_url)["all"]
    assert (list(found.arrivals), found.blocks) == ([], False)
    assert said([found], AS_OF).startswith("2026-01-01 is not judged: ")
    assert why in said([found], AS_OF)


def test_a_source_with_hardly_any_listens_is_told_and_stops_nothing(warehouse_url: str) -> None:
    listens = two_sources(silent="deezer", small=True)
    listens = pd.concat(
        [listens, world(source="spotify").assign(user_key=lambda all_users: all_users["user_key"] + 1_000)],
        ignore_index=True,
    )
    land(warehouse_url, listens)
    found = judged(warehouse_url)["source: deezer"]
    assert odd(found) == {LISTENS}
    assert not found.blocks


def test_without_listens_nothing_is_said(warehouse_url: str) -> None:
    assert judged(warehouse_url) == {}
    assert said([], AS_OF) == "there are no listens of the days before 2026-01-02"

"""What the warehouse says that lists are like, held against the same worked out list by list."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import combinations
from statistics import mean

import pandas as pd
import pytest
from pipeline_process import Pipeline
from sample_pipeline import AS_OF
from sqlalchemy import Connection, text

from assets.metrics.segments import by_activity
from assets.release_gate.bounds import Refusal
from assets.release_gate.failing import failing_rows
from assets.release_gate.measures import ALL, NAMES, list_measures
from assets.release_gate.verdicts import judge, judged, last_good
from assets.slates import Slate
from quality.failing import first_rows
from warehouse.engine import create_engine
from warehouse.roles import Role

DAY = date.fromisoformat(AS_OF)


@pytest.fixture
def connection(pipeline: Pipeline) -> Iterator[Connection]:
    """As the checks have it; whatever is written is taken back."""
    with create_engine(pipeline.warehouse_url, Role.SERVICE).connect() as connected:
        yield connected


def lists_of(pipeline: Pipeline, slate: Slate) -> pd.DataFrame:
    rows = pipeline.query(
        "select user_key, rank, lists.track_key, coalesce(artist_key, -1) from ml.recommendations as lists"
        f" inner join core.dim_tracks using (track_key) where as_of = '{AS_OF}' and slate = '{slate}'"
        " order by user_key, rank"
    )
    return pd.DataFrame(rows, columns=["user", "rank", "track", "artist"])


@pytest.mark.parametrize("slate", list(Slate))
def test_the_figures_are_those_worked_out_list_by_list(
    pipeline: Pipeline, connection: Connection, slate: Slate
) -> None:
    found = {
        each.measure: each.value
        for each in list_measures(connection, DAY, {})
        if (each.slate, each.segment) == (str(slate), ALL)
    }
    lists = lists_of(pipeline, slate)
    tracks = {user: tuple(of_user["track"]) for user, of_user in lists.groupby("user")}
    long = [each for each in tracks.values() if len(each) >= 10]
    first = [set(each[:20]) for each in tracks.values()]
    common = mean(len(one & other) for one, other in combinations(first, 2))
    artists = [of_user["artist"].nunique() for _, of_user in lists.groupby("user")]
    expected = {
        "users": len(tracks),
        "length": len(lists) / len(tracks),
        "tracks": lists["track"].nunique(),
        "artists": mean(artists),
        "lists_of_10": len(long),
        "lists_of_50": sum(len(each) >= 50 for each in tracks.values()),
        "same_list": max(long.count(each) for each in long) / len(long),
        "alike": common / mean(map(len, first)),
        "top_artist": lists["artist"].value_counts().iloc[0] / len(lists),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert set(found) <= set(NAMES)
    assert found["coverage"] == 1


def test_who_has_a_list_is_told_by_segment(pipeline: Pipeline, connection: Connection) -> None:
    users = pd.DataFrame(
        pipeline.query(
            "select listens, days_since_first, country from features.feat_user inner join core.dim_users"
            f" using (user_key) where as_of = '{AS_OF}'"
        ),
        columns=["listens", "days", "country"],
    )
    countries = users["country"].value_counts()
    expected = {
        ALL: len(users),
        "new": int((users["days"] <= 28).sum()),
        **{name: int(mask.sum()) for name, mask in by_activity(users["listens"].to_numpy()).items()},
        **{f"country: {name}": int(count) for name, count in countries.items() if count >= 30},
    }
    connection.execute(
        text(
            "delete from ml.recommendations where slate = 'for_you' and user_key in (select user_key from"
            " core.dim_users where country = 'United States')"
        )
    )
    found = [each for each in list_measures(connection, DAY, {}) if each.slate == Slate.FOR_YOU]
    assert {each.segment: each.value for each in found if each.measure == "users_expected"} == expected
    shares = {each.segment: each.value for each in found if each.measure == "coverage"}
    assert (shares["country: United States"], shares["country: United Kingdom"]) == (0, 1)
    assert shares[ALL] == pytest.approx(1 - countries["United States"] / len(users))
    # Who they are: all of them, and no others.
    refusal = Refusal("coverage", "country: United States", 0, 0.9, "")
    query = failing_rows(refusal, Slate.FOR_YOU, DAY)
    assert connection.scalar(text(f"select count(*) from ({query}) as failing")) == countries["United States"]
    assert {row["country"] for row in first_rows(connection, query, 5)} == {"United States"}


def test_lists_are_compared_with_those_of_the_same_user_before(connection: Connection) -> None:
    """Of the users who had a list the day before, half of the first 20 tracks were others then."""
    before = DAY - timedelta(days=1)
    partition = f"partition of ml.recommendations for values in ('{before}')"
    connection.execute(text(f"create table ml.recommendations_before {partition}"))
    connection.execute(
        text(
            "insert into ml.recommendations select :before, slate, user_key, rank, case when rank <= 10 then"
            " track_key + 1000000 else track_key end, score, source, model_version, anchor_track_key, contributions"
            " from ml.recommendations where as_of = :day and slate = 'for_you' and user_key % 3 > 0"
        ),
        {"before": before, "day": DAY},
    )
    connection.execute(
        text(
            "insert into ml.recommendation_batches select :before, slate, 'another', users, rows, made_at,"
            " blocks_read_at, listens_version, blocks, code_version from ml.recommendation_batches where as_of = :day"
        ),
        {"before": before, "day": DAY},
    )
    users = connection.scalar(text("select count(distinct user_key) from ml.recommendations_before"))
    found = {
        each.measure: each.value
        for each in list_measures(connection, DAY, {"for_you": before})
        if (each.slate, each.segment) == ("for_you", ALL)
    }
    compared = {name: found[name] for name in ("overlap", "compared_users", "compared_days", "compared_model")}
    assert compared == {"overlap": 0.5, "compared_users": users, "compared_days": 1, "compared_model": 0}


def test_what_was_judged_is_not_measured_again_until_the_lists_are_made_again(connection: Connection) -> None:
    stored = judged(connection, DAY)
    assert {slate: each.refused_because for slate, each in stored.items()} == dict.fromkeys(map(str, Slate), ())
    judged_at = text("select max(judged_at) from ml.slate_verdicts")
    first = connection.scalar(judged_at)
    assert judged(connection, DAY) == stored
    connection.execute(text("update ml.recommendation_batches set made_at = made_at + interval '1 second'"))
    again = judged(connection, DAY)
    assert {each.made_at for each in again.values()} != {each.made_at for each in stored.values()}
    assert connection.scalar(judged_at) >= first
    following = DAY + timedelta(days=1)
    assert last_good(connection, following) == dict.fromkeys(map(str, Slate), DAY)
    connection.execute(text("update ml.slate_verdicts set refused_because = '{no}' where slate = 'discover'"))
    # Lists that were made again and not released did not go live.
    assert last_good(connection, following, released=True) == {}
    connection.execute(text("update ml.releases set lists_made_at = lists_made_at + interval '1 second'"))
    assert last_good(connection, following, released=True) == {"for_you": DAY, "rediscover": DAY}
    _, refused = judge(connection, DAY)
    assert refused == {str(slate): [] for slate in Slate}

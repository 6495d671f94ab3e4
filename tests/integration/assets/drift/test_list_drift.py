"""What the checks of a night observed of everything after the features, and what they find where lists are others."""

from collections.abc import Iterator
from datetime import date, timedelta
from statistics import mean, median

import pandas as pd
import pytest
from pipeline_process import Pipeline
from sample_pipeline import AS_OF
from sqlalchemy import Connection, text

from assets.drift.lists import measure_lists
from assets.features.dates import MARTS
from assets.release_gate.verdicts import judge
from assets.slates import Slate
from quality.observations import ALL, Observation
from warehouse.engine import create_engine
from warehouse.roles import Role

DAY = date.fromisoformat(AS_OF)
BEFORE = DAY - timedelta(days=1)
AFTER_OVERLAP = "overlap after 1 day"
# What the release gate writes.
GATE = ("slate_measures", "slate_verdicts")


@pytest.fixture
def connection(pipeline: Pipeline) -> Iterator[Connection]:
    """As the checks have it, with lists of the day before that are those of the day; what is written is taken back."""
    with create_engine(pipeline.warehouse_url, Role.SERVICE).connect() as connected:
        partition = f"partition of ml.recommendations for values in ('{BEFORE}')"
        connected.execute(text(f"create table ml.recommendations_before {partition}"))
        for table in ("recommendations", "recommendation_batches"):
            earlier = "jsonb_populate_record(each, jsonb_build_object('as_of', cast(:before as text)))"
            copied = f"insert into ml.{table} select ({earlier}).* from ml.{table} as each where as_of = :day"
            connected.execute(text(copied), {"before": BEFORE.isoformat(), "day": DAY})
        judge(connected, DAY)
        yield connected


def figures(found: list[Observation]) -> dict[tuple[str, str], float | None]:
    return {(each.metric, each.segment): each.value for each in found}


def failed(found: list[Observation]) -> set[str]:
    return {each.metric for each in found if not each.passed}


def history(found: list[Observation]) -> dict[tuple[str, str], list[tuple[date, float]]]:
    """As if ten nights had been as this one."""
    days = [DAY - timedelta(days=ago) for ago in range(1, 11)]
    return {key: [(day, value) for day in days] for key, value in figures(found).items() if value is not None}


def test_a_first_night_keeps_every_figure_and_warns_of_nothing(pipeline: Pipeline) -> None:
    kept = dict(
        pipeline.query(
            "select check_name, count(*) from quality.validations inner join quality.observations using (validation_id)"
            f" where check_name like '%\\_drift' and as_of = '{AS_OF}' group by check_name"
        )
    )
    checks = {*(f"{mart}_drift" for mart in MARTS), "training_set_drift", "rankers_drift", "lists_drift"}
    assert set(kept) == checks
    told = pipeline.query(
        "select check_name, metric, segment, value, expectation from quality.validations"
        " inner join quality.observations using (validation_id)"
        " where check_name like '%\\_drift' and not observations.passed"
    )
    assert told == []


def test_lists_that_are_those_of_before_have_not_moved(connection: Connection) -> None:
    found = measure_lists(connection, DAY, {})
    values = figures(found)
    for slate in Slate:
        assert values[f"psi of {slate}/score", ALL] == 0
        assert values[f"{slate}/{AFTER_OVERLAP}", ALL] == 1
        assert values[f"{slate}/coverage", ALL] == 1
    assert failed(found) == set()
    assert failed(measure_lists(connection, DAY, history(found))) == set()


def test_popularity_and_overlap_are_those_worked_out_list_by_list(connection: Connection) -> None:
    connection.execute(
        text("update ml.recommendations set track_key = track_key + 1000000 where as_of = :before and rank % 3 = 0"),
        {"before": BEFORE},
    )
    found = figures(measure_lists(connection, DAY, {}))
    heard = f"select track_key, listeners from features.feat_track where as_of = '{AS_OF}'"
    listeners = pd.read_sql(text(heard), connection, index_col="track_key")["listeners"]
    percentile = (listeners.rank(method="average") - 0.5) / len(listeners)
    first = (
        "select user_key as listener, rank, track_key as track from ml.recommendations"
        f" where as_of = '{AS_OF}' and slate = 'for_you' and rank <= 20"
    )
    rows = pd.read_sql(text(first), connection)
    lists = [percentile.reindex(of_user["track"]).fillna(0).mean() for _, of_user in rows.groupby("listener")]
    assert found["for_you/popularity_percentile", ALL] == pytest.approx(mean(lists))
    # Of twenty places, six were divisible by three.
    kept = median((of_user["rank"] % 3 > 0).mean() for _, of_user in rows.groupby("listener"))
    assert found[f"for_you/{AFTER_OVERLAP}", ALL] == pytest.approx(kept)
    countries = {segment for metric, segment in found if segment.startswith("country: ")}
    assert "country: United States" in countries


@pytest.mark.parametrize(
    ("plant", "metrics"),
    [
        ("update ml.recommendations set score = 0.5", {"constant of for_you/score", "psi of for_you/score"}),
        ("update ml.recommendations set score = 'NaN' where rank = 3", {"not_finite of for_you/score"}),
        (
            "update ml.recommendations set score = score * 0.2",
            {"psi of for_you/score", "jensen_shannon of for_you/score"},
        ),
        (
            "update ml.recommendations set track_key = (select track_key from features.feat_track"
            f" where as_of = '{AS_OF}' order by listeners, track_key offset rank limit 1)",
            {"for_you/popularity_percentile", f"for_you/{AFTER_OVERLAP}", "for_you/tracks"},
        ),
        (
            "delete from ml.recommendations using core.dim_users where dim_users.user_key = recommendations.user_key"
            " and country = 'United States'",
            {"for_you/coverage"},
        ),
    ],
    ids=["one score", "not a number", "another scale", "what nobody hears, for everybody", "a country without lists"],
)
def test_lists_unlike_those_before_are_told_of(connection: Connection, plant: str, metrics: set[str]) -> None:
    usual = history(measure_lists(connection, DAY, {}))
    of_day = f"as_of = '{DAY}' and slate = 'for_you'"
    connection.execute(text(f"{plant} {'and' if ' where rank' in plant or 'using' in plant else 'where'} {of_day}"))
    # As after any change: the gate measures them again.
    judge(connection, DAY)
    found = measure_lists(connection, DAY, usual)
    assert metrics <= failed(found), failed(found)
    assert {each.severity for each in found if not each.passed} == {"warning"}
    assert not {each for each in failed(found) if "discover" in each}


def test_what_the_gate_has_not_measured_is_left_to_it(connection: Connection) -> None:
    connection.execute(
        text("update ml.recommendation_batches set made_at = made_at + interval '1 s' where slate = 'discover'")
    )
    kept = [connection.execute(text(f"select * from ml.{table} order by 1, 2, 3, 4")).all() for table in GATE]
    slates = {each.metric.removeprefix("psi of ").partition("/")[0] for each in measure_lists(connection, DAY, {})}
    assert "discover" not in slates
    assert {"for_you", "rediscover"} <= slates
    assert kept == [connection.execute(text(f"select * from ml.{table} order by 1, 2, 3, 4")).all() for table in GATE]

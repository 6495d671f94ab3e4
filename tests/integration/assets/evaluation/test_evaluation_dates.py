"""Which lists can be judged: those whose two weeks are over in the data."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
import psycopg2
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from ranked_lists import lists, replace
from sqlalchemy import text

from assets.candidates.pool import SourcesConfig
from assets.evaluation.store import dates_to_evaluate, evaluate_recommendations, newest_date_over
from assets.slates import HORIZON_DAYS, Slate
from orchestration.definitions import defs
from orchestration.jobs import nightly_evaluation, weekly_similarity_evaluation
from warehouse.engine import adbc_connect, create_engine
from warehouse.errors import AudoticsError
from warehouse.resource import PostgresResource

AS_OF = date(2026, 6, 1)
END = AS_OF + timedelta(days=HORIZON_DAYS)
LAST_SECOND = timedelta(days=1) - timedelta(seconds=1)


def with_listens(url: str, instants: Sequence[datetime]) -> None:
    """A core.fct_listens of one user who plays another track at each of these instants."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "create schema if not exists core; drop table if exists core.fct_listens; create table core.fct_listens"
            " (user_key integer, track_key integer, listened_at timestamptz, session_key bigint);"
            " create table if not exists core.dim_unlikely_listeners (user_key integer, unlikely_since date);"
            " grant select on core.fct_listens, core.dim_unlikely_listeners to audotics_service"
        )
        cursor.executemany(
            "insert into core.fct_listens values (1, %s, %s, %s)",
            [(number, instant, number) for number, instant in enumerate(instants)],
        )
    connection.close()


def at(day: date, after: timedelta = timedelta(hours=12)) -> datetime:
    return datetime.combine(day, time(), UTC) + after


def days(first: date, last: date) -> list[datetime]:
    return [at(first + timedelta(days=number)) for number in range((last - first).days + 1)]


HISTORY = days(AS_OF - timedelta(days=3), AS_OF - timedelta(days=1))
COVERED = {
    "a listen at the end of the horizon": [*HISTORY, at(AS_OF), at(END, timedelta())],
    "a listen long after it": [*HISTORY, at(AS_OF), at(END + timedelta(days=30))],
    "listens on every day up to the last": [*HISTORY, *days(AS_OF, END - timedelta(days=1))],
}
NOT_COVERED = {
    "one listen on the last day": [*HISTORY, at(AS_OF), at(END - timedelta(days=1), LAST_SECOND)],
    "a day without listens": [*HISTORY, *days(AS_OF, END - timedelta(days=3)), at(END - timedelta(days=1))],
    "the last day is missing": [*HISTORY, *days(AS_OF, END - timedelta(days=2))],
}


@pytest.mark.parametrize("instants", COVERED.values(), ids=COVERED)
def test_a_horizon_is_over_with(warehouse_url: str, instants: list[datetime]) -> None:
    with_listens(warehouse_url, instants)
    replace(warehouse_url, AS_OF, iter([lists(AS_OF, "a")]))
    with create_engine(warehouse_url).connect() as connection:
        assert dates_to_evaluate(connection) == [AS_OF]


@pytest.mark.parametrize("instants", NOT_COVERED.values(), ids=NOT_COVERED)
def test_a_horizon_is_not_over_with(warehouse_url: str, instants: list[datetime]) -> None:
    with_listens(warehouse_url, instants)
    replace(warehouse_url, AS_OF, iter([lists(AS_OF, "a"), lists(AS_OF, "a", slate=Slate.DISCOVER)]))
    with create_engine(warehouse_url).connect() as connection:
        assert dates_to_evaluate(connection) == []
    with adbc_connect(warehouse_url) as adbc, pytest.raises(AudoticsError, match="are not over in the data"):
        evaluate_recommendations(adbc, AS_OF, SourcesConfig())


def test_what_is_evaluated_by_default_is_the_newest_date_whose_days_are_over(warehouse_url: str) -> None:
    with create_engine(warehouse_url).connect() as connection:
        with pytest.raises(AudoticsError, match="no lists were made yet: run `audotics run --as-of`"):
            newest_date_over(connection)
        with_listens(warehouse_url, [*HISTORY, *days(AS_OF, END - timedelta(days=2))])
        replace(warehouse_url, AS_OF + timedelta(days=2), iter([lists(AS_OF + timedelta(days=2), "a")]))
        replace(warehouse_url, AS_OF, iter([lists(AS_OF, "a")]))
        # A listen of the last day, less the horizon, is the newest date that could be evaluated.
        could_be = END - timedelta(days=2 + HORIZON_DAYS)
        with pytest.raises(AudoticsError) as refused:
            newest_date_over(connection)
        assert f"the oldest, as of {AS_OF}, can be once listens from {END} on are ingested" in str(refused.value)
        assert f"`audotics run --as-of {could_be}`" in str(refused.value)
        connection.rollback()
        with_listens(warehouse_url, [*HISTORY, at(AS_OF), at(END + timedelta(days=1))])
        replace(warehouse_url, AS_OF - timedelta(days=1), iter([lists(AS_OF - timedelta(days=1), "a")]))
        assert newest_date_over(connection) == AS_OF


def test_lists_that_nobody_can_judge_are_not_asked_for(warehouse_url: str) -> None:
    with_listens(warehouse_url, [*HISTORY, at(END + timedelta(days=1))])
    replace(warehouse_url, AS_OF, iter([lists(AS_OF, "a")]))
    with create_engine(warehouse_url).connect() as connection:
        assert dates_to_evaluate(connection) == [], "nobody listened in the 14 days"
        connection.rollback()
        with_listens(warehouse_url, [at(AS_OF), at(END + timedelta(days=1))])
        assert dates_to_evaluate(connection) == [], "nobody had listened before them"


def test_lists_that_only_a_known_bot_could_judge_are_not_asked_for(warehouse_url: str) -> None:
    with_listens(warehouse_url, [*HISTORY, at(AS_OF), at(END + timedelta(days=1))])
    replace(warehouse_url, AS_OF, iter([lists(AS_OF, "a")]))
    with create_engine(warehouse_url).begin() as connection:
        connection.execute(text("insert into core.dim_unlikely_listeners values (1, :since)"), {"since": END})
        assert dates_to_evaluate(connection) == [AS_OF], "known only later"
        connection.execute(text("update core.dim_unlikely_listeners set unlikely_since = :since"), {"since": AS_OF})
        assert dates_to_evaluate(connection) == []


def test_a_warehouse_without_lists_or_models_has_nothing_to_judge(warehouse_url: str) -> None:
    with create_engine(warehouse_url).connect() as connection:
        assert dates_to_evaluate(connection) == []


def test_the_nightly_evaluation_asks_for_every_date_that_was_missed(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [AS_OF - timedelta(days=number) for number in (9, 3, 2, 0, -1)]
    judged, open_still = made[1], made[-1]
    with_listens(warehouse_url, days(AS_OF - timedelta(days=12), END - timedelta(days=1)))
    for day in made:
        replace(warehouse_url, day, iter([lists(day, "a")]))
    connection = psycopg2.connect(warehouse_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ml.model_evaluations (as_of, slate, model, users, ndcg_10, ndcg_100, recall_100, horizon_days,"
            f" evaluated_at) values ('{judged}', 'for_you', 'ranker', 1, 0, 0, 0, 14, now())"
        )
    connection.close()
    monkeypatch.setenv("AUDOTICS_WAREHOUSE_URL", warehouse_url)
    keys = []
    for night in (END, END + timedelta(days=1)):
        with dg.build_schedule_context(
            scheduled_execution_time=datetime.combine(night, time(5), UTC),
            repository_def=defs.get_repository_def(),
            resources={"warehouse": PostgresResource()},
        ) as context:
            requests = nightly_evaluation.evaluate_tick(context).run_requests or []
        asked = [request.partition_key for request in requests]
        assert asked == [day.isoformat() for day in made if day not in (judged, open_still)]
        keys += [request.run_key for request in requests]
    assert len(set(keys)) == 6, "a date whose run failed is asked for again the next night"


def test_the_weekly_similarity_evaluation_asks_for_the_newest_night_that_can_be_judged_once(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDOTICS_WAREHOUSE_URL", warehouse_url)

    def tick() -> ScheduleExecutionData:
        with dg.build_schedule_context(
            scheduled_execution_time=datetime.combine(END, time(6), UTC),
            repository_def=defs.get_repository_def(),
            resources={"warehouse": PostgresResource()},
        ) as context:
            return weekly_similarity_evaluation.evaluate_tick(context)

    assert "of no newer night" in (tick().skip_message or ""), "a warehouse without models"
    with_listens(warehouse_url, [*HISTORY, *days(AS_OF, END - timedelta(days=1))])
    for day in (AS_OF - timedelta(days=7), AS_OF, AS_OF + timedelta(days=1)):
        replace(warehouse_url, day, iter([lists(day, "a")]))
    (request,) = tick().run_requests or []
    assert request.partition_key == AS_OF.isoformat()
    with create_engine(warehouse_url).begin() as connection:
        connection.execute(
            text(
                "insert into ml.similarity_evaluations (as_of, item, model, users, occurrences, recall_10, recall_50,"
                " horizon_days, evaluated_at) values (:day, 'track', 'similar', 1, 1, 0, 0, 14, now())"
            ),
            {"day": AS_OF},
        )
    assert not tick().run_requests

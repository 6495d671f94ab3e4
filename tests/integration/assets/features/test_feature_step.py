"""The step that builds features, in Dagster: what it builds again, what it reports, and under which lock."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg
import pytest
from feature_marts import DAY, MONDAY, empty_marts, fill, let_pass, run, stale
from loading import ADVISORY_LOCKS, query
from sqlalchemy import Engine, text

from assets.features import assets as features
from assets.features.dates import MARTS
from warehouse.engine import MODELS_LOCK, create_engine, exclusive
from warehouse.errors import AudoticsError
from warehouse.lake import KEPT_DAYS
from warehouse.locks import HeldLock
from warehouse.resource import PostgresResource


@pytest.fixture
def owner(warehouse_url: str) -> Engine:
    return empty_marts(warehouse_url)


@pytest.fixture
def materialize(
    warehouse_url: str, owner: Engine, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dg.ExecuteInProcessResult]:
    """A function that materialises feature models as of a date, the rows written as in `fill` instead of by dbt."""

    def build(
        context: Any, warehouse: PostgresResource, lock: HeldLock, dates: Sequence[date]
    ) -> Iterator[dg.MaterializeResult]:
        with owner.begin() as connection:
            fill(connection, dates)
        for key in (key for key in features.FEATURE_KEYS if key in context.selected_asset_keys):
            yield dg.MaterializeResult(asset_key=key, metadata={"dates": [str(each) for each in dates]})

    def run_dagster(as_of: date, *models: str, tests: bool = True) -> dg.ExecuteInProcessResult:
        keys = [key for key in features.FEATURE_KEYS if not models or key.path[-1] in models]
        selection = dg.AssetSelection.assets(*keys)
        return dg.materialize(
            [features.feature_models],
            partition_key=as_of.isoformat(),
            resources={"warehouse": PostgresResource()},
            selection=selection if tests else selection.without_checks(),
        )

    with owner.begin() as connection:
        connection.execute(text("create table core.fct_listens (listened_at timestamptz)"))
        connection.execute(text(f"insert into core.fct_listens values ('{MONDAY - 400 * DAY}')"))
    monkeypatch.setattr(features, "build", build)
    monkeypatch.setenv("AUDOTICS_WAREHOUSE_URL", warehouse_url)
    return run_dagster


def test_a_date_that_is_up_to_date_is_not_built_again(
    owner: Engine, materialize: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    for metadata in ({"dates"}, {"dagster/row_count", "built_now"}):
        done = materialize(MONDAY)
        events = done.asset_materializations_for_node("feature_models")
        assert {event.asset_key.path[-1] for event in events} == set(MARTS)
        assert all(metadata <= set(event.metadata) for event in events)
    assert all(event.metadata["dagster/row_count"].value == 1 for event in events)
    checks = done.get_asset_check_evaluations()
    assert {check.asset_check_key for check in checks} == {spec.key for spec in features.feature_models.check_specs}
    assert all(check.passed and check.metadata["tested_now"].value is False for check in checks)
    assert all("not run now" in (check.description or "") for check in checks)


def test_a_date_whose_tests_were_left_out_is_built_again_and_not_said_to_have_passed_them(
    owner: Engine, materialize: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    materialize(MONDAY, tests=False)
    assert stale(owner, [MONDAY]) == [MONDAY]
    done = materialize(MONDAY)
    assert all("dates" in event.metadata for event in done.asset_materializations_for_node("feature_models"))
    assert stale(owner, [MONDAY]) == []


def test_a_part_of_the_marts_does_not_make_a_date_complete(
    owner: Engine, materialize: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    materialize(MONDAY, "feat_track")
    assert stale(owner, [MONDAY]) == [MONDAY]
    materialize(MONDAY)
    assert stale(owner, [MONDAY]) == []


def test_whatever_is_noted_and_deleted_is_so_under_the_lock_of_the_build(
    warehouse_url: str, materialize: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    with create_engine(warehouse_url).begin() as connection:
        connection.execute(
            text(
                "create table public.noted (operation text, is_locked boolean); grant insert on public.noted to public;"
                " create function public.note() returns trigger language plpgsql as $$ begin"
                f"   insert into public.noted select tg_op, exists (select from {ADVISORY_LOCKS}"
                f"    and granted and objid = ({MODELS_LOCK.key}::bigint & 4294967295)::oid);"
                "   return null; end $$;"
                " create trigger note after insert or update or delete on builds.feature_dates"
                " for each row execute function public.note()"
            )
        )
    materialize(MONDAY + DAY)
    let_pass(warehouse_url, KEPT_DAYS + 1)
    query(warehouse_url, "delete from public.noted returning 1")
    materialize(MONDAY + 2 * DAY)
    assert set(query(warehouse_url, "select * from public.noted")) == {
        ("INSERT", True),
        ("UPDATE", True),
        ("DELETE", True),
    }


def test_what_another_run_built_while_this_one_waited_is_not_built_again(
    warehouse_url: str, owner: Engine, materialize: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    done: list[dg.ExecuteInProcessResult] = []
    # The lock's owner has asked for it as well.
    asking = "select from pg_stat_activity where query like '%pg_try_advisory_lock%' and pid <> pg_backend_pid()"
    thread = threading.Thread(target=lambda: done.append(materialize(MONDAY)))
    with exclusive(warehouse_url, MODELS_LOCK):
        thread.start()
        while thread.is_alive() and len(query(warehouse_url, f"{asking} and datname = current_database()")) < 2:
            thread.join(0.05)
        run(owner, MONDAY)
    thread.join()
    (result,) = done
    assert all("built_now" in event.metadata for event in result.asset_materializations_for_node("feature_models"))


def test_what_was_built_after_the_lock_was_lost_is_not_noted_as_built(
    warehouse_url: str,
    owner: Engine,
    materialize: Callable[..., dg.ExecuteInProcessResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = features.build

    def interrupted(*arguments: Any) -> Iterator[Any]:
        yield from build(*arguments)
        query(warehouse_url, f"select pg_terminate_backend(pid) from {ADVISORY_LOCKS}")

    monkeypatch.setattr(features, "build", interrupted)
    with pytest.raises(AudoticsError, match="the lock of building models was lost"):
        materialize(MONDAY)
    assert stale(owner, [MONDAY]) == [MONDAY]
    monkeypatch.setattr(features, "build", build)
    materialize(MONDAY)
    assert stale(owner, [MONDAY]) == []

"""Which dates of features a run builds, which it keeps, and what happens where some are missing."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest
from loading import query
from sqlalchemy import Connection, Engine, text

from assets import dbt
from assets.ranker.dataset import fold_dates
from assets.ranker.feature_dates import (
    MARTS,
    TRAINING_WEEKDAY,
    begin_features,
    finish_features,
    stale_feature_dates,
)
from assets.ranker.features import ARTIST_COLUMNS, TRACK_COLUMNS
from assets.ranker.marts import feature_reader
from assets.ranker.slates import HORIZON_DAYS
from assets.ranker.training import RankerConfig
from orchestration.definitions import defs
from orchestration.jobs import weekly_training
from warehouse.engine import MODELS_LOCK, adbc_connect, create_engine
from warehouse.errors import AudoticsError
from warehouse.lake import KEPT_DAYS
from warehouse.resource import WarehouseResource
from warehouse.roles import Role

FOLDS = RankerConfig().folds
VERSION = dbt.features_version()
MONDAY = date(2026, 3, 2)
DAY = timedelta(days=1)

COLUMNS = {
    "feat_track": ("track_key", *TRACK_COLUMNS),
    "feat_artist": ("artist_key", *ARTIST_COLUMNS),
}


@pytest.fixture
def owner(warehouse_url: str) -> Engine:
    """The role that builds, on a warehouse with listens on the 400 days before MONDAY and empty feature marts."""
    with create_engine(warehouse_url).begin() as connection:
        connection.execute(
            text(
                "drop table builds.models; create table builds.models (model text primary key, version bigint);"
                " insert into builds.models values ('fct_listens', 1);"
                f" grant select on builds.models to {Role.TRANSFORMER};"
                " insert into raw.listen_days (listened_on, version)"
                f" select date '{MONDAY}' - number, 1 from generate_series(1, 400) as numbers (number)"
            )
        )
    engine = create_engine(warehouse_url, Role.TRANSFORMER)
    with engine.begin() as connection:
        for mart in MARTS:
            columns = "".join(f", {name} integer default 1" for name in COLUMNS.get(mart, ()))
            connection.execute(text(f"create table features.{mart} (as_of date{columns})"))
    return engine


def fill(connection: Connection, dates: Sequence[date]) -> None:
    """What dbt does."""
    for mart in MARTS:
        connection.execute(text(f"delete from features.{mart} where as_of = any(:dates)"), {"dates": list(dates)})
        connection.execute(
            text(f"insert into features.{mart} (as_of) select unnest(cast(:dates as date[]))"), {"dates": list(dates)}
        )


def needed_by(as_of: date, training: bool = False) -> list[date]:
    return [as_of, *(fold_dates(as_of, FOLDS) if training else ())]


def run(engine: Engine, as_of: date, training: bool = False) -> list[date]:
    """One run's feature step; returns the dates it built."""
    with engine.begin() as connection:
        build = begin_features(connection, needed_by(as_of, training), VERSION)
    with engine.begin() as connection:
        fill(connection, build.stale)
        finish_features(connection, build, FOLDS)
    return build.stale


def stale(engine: Engine, dates: Sequence[date]) -> list[date]:
    with engine.connect() as connection:
        return stale_feature_dates(connection, dates, VERSION)


def let_pass(url: str, days: float) -> None:
    """Make everything that was noted so much older."""
    with create_engine(url).begin() as connection:
        statement = "update builds.feature_dates set built_at = built_at - cast(:passed as interval)"
        connection.execute(text(statement), {"passed": timedelta(days=days)})


def listen(url: str, day: date) -> None:
    """Listens of a day arrive, and core.fct_listens reflects them."""
    with create_engine(url).begin() as connection:
        connection.execute(text("update builds.models set version = version + 1"))
        connection.execute(
            text(
                "insert into raw.listen_days (listened_on, version) select :day, version from builds.models"
                " on conflict (listened_on) do update set version = excluded.version"
            ),
            {"day": day},
        )


def known(url: str) -> list[date]:
    return [as_of for (as_of,) in query(url, "select as_of from builds.feature_dates order by as_of")]


def held(url: str) -> set[date]:
    marts = " union ".join(f"select as_of from features.{mart}" for mart in MARTS)
    return {as_of for (as_of,) in query(url, marts)}


def test_a_night_builds_one_date_and_no_date_is_ever_built_twice(warehouse_url: str, owner: Engine) -> None:
    assert run(owner, MONDAY, training=True) == sorted(needed_by(MONDAY, training=True))
    built: dict[date, list[date]] = {}
    for number in range(1, 14 + 60 + 1):
        tonight = MONDAY + number * DAY
        let_pass(warehouse_url, 1)
        listen(warehouse_url, tonight - DAY)
        training = run(owner, tonight, training=True) if tonight.isoweekday() == TRAINING_WEEKDAY else []
        built[tonight] = [*training, *run(owner, tonight)]
        # The Mondays until a fold is over, the folds, and what was built in the last days.
        assert len(known(warehouse_url)) <= HORIZON_DAYS // 7 + FOLDS + KEPT_DAYS
        assert held(warehouse_url) == set(known(warehouse_url))
    # The fold between the first training and the week before it had never been anybody's own date.
    assert built.pop(MONDAY + 7 * DAY) == [MONDAY - 7 * DAY, MONDAY + 7 * DAY]
    assert built == {tonight: [tonight] for tonight in built}
    assert len(built) >= 60


def test_the_weekday_whose_dates_are_kept_is_the_one_that_training_is_scheduled_on() -> None:
    assert str(weekly_training.cron_schedule).split()[-1] == str(TRAINING_WEEKDAY)


def test_a_run_without_training_leaves_missing_folds_alone(owner: Engine) -> None:
    assert run(owner, MONDAY) == [MONDAY]
    assert stale(owner, needed_by(MONDAY, training=True)) == sorted(fold_dates(MONDAY, FOLDS))


def test_a_training_on_another_weekday_keeps_its_folds_while_it_needs_them(warehouse_url: str, owner: Engine) -> None:
    wednesday = MONDAY + 2 * DAY
    assert len(run(owner, wednesday, training=True)) == 1 + FOLDS
    let_pass(warehouse_url, KEPT_DAYS + 1)
    assert run(owner, wednesday, training=True) == []
    let_pass(warehouse_url, KEPT_DAYS - 0.5)
    assert run(owner, wednesday + DAY) == [wednesday + DAY]
    assert stale(owner, needed_by(wednesday, training=True)) == []
    let_pass(warehouse_url, KEPT_DAYS)
    run(owner, wednesday + 2 * DAY)
    assert stale(owner, needed_by(wednesday, training=True)) == sorted(needed_by(wednesday, training=True))


def test_a_replay_of_an_old_date_keeps_what_the_next_training_needs(warehouse_url: str, owner: Engine) -> None:
    run(owner, MONDAY, training=True)
    let_pass(warehouse_url, KEPT_DAYS + 1)
    old = MONDAY - 300 * DAY
    assert run(owner, old) == [old]
    assert known(warehouse_url) == sorted([old, *needed_by(MONDAY, training=True)])


def test_a_late_day_makes_the_dates_after_it_stale_and_a_training_builds_its_folds_anew(
    warehouse_url: str, owner: Engine
) -> None:
    run(owner, MONDAY, training=True)
    newest, second, *_ = fold_dates(MONDAY, FOLDS)
    listen(warehouse_url, second)
    assert run(owner, MONDAY) == [MONDAY]
    assert run(owner, MONDAY, training=True) == [newest]


def test_other_models_make_every_date_stale(owner: Engine) -> None:
    run(owner, MONDAY)
    with owner.connect() as connection:
        assert stale_feature_dates(connection, [MONDAY], "another digest") == [MONDAY]


@pytest.mark.parametrize(
    "statement",
    [
        *(f"delete from features.{mart}" for mart in ("feat_user_track", "feat_user", "feat_track")),
        *(f"drop table features.{mart}" for mart in MARTS),
    ],
)
def test_a_date_whose_rows_are_gone_is_stale_whatever_is_noted(owner: Engine, statement: str) -> None:
    run(owner, MONDAY)
    assert stale(owner, [MONDAY]) == []
    with owner.begin() as connection:
        connection.execute(text(statement))
    assert stale(owner, [MONDAY]) == [MONDAY]


def test_tracks_without_artists_do_not_make_a_date_stale(owner: Engine) -> None:
    run(owner, MONDAY)
    with owner.begin() as connection:
        connection.execute(text("delete from features.feat_artist; delete from features.feat_user_artist"))
    assert stale(owner, [MONDAY]) == []


def test_a_date_before_the_first_listen_is_never_built(owner: Engine) -> None:
    assert run(owner, MONDAY - 400 * DAY) == []


def test_what_a_failed_build_left_is_built_anew_or_expires(warehouse_url: str, owner: Engine) -> None:
    tuesday, wednesday = MONDAY + DAY, MONDAY + 2 * DAY
    for as_of in (tuesday, wednesday):
        with owner.begin() as connection:
            begin_features(connection, [as_of], VERSION)
        with owner.begin() as connection:
            fill(connection, [as_of])
    assert run(owner, wednesday) == [wednesday]
    let_pass(warehouse_url, KEPT_DAYS + 1)
    run(owner, wednesday)
    assert known(warehouse_url) == [wednesday]
    assert held(warehouse_url) == {wednesday}


@pytest.mark.parametrize("mart", ["feat_user", "feat_track"])
def test_reading_features_that_are_not_there_says_of_which_date_and_what_to_do(
    warehouse_url: str, owner: Engine, mart: str
) -> None:
    run(owner, MONDAY)
    with create_engine(warehouse_url, Role.TRANSFORMER).begin() as connection:
        connection.execute(text("create table core.dim_tracks (track_key integer, artist_key integer)"))
    with adbc_connect(warehouse_url) as adbc:
        feature_reader(adbc, MONDAY)
    with owner.begin() as connection:
        connection.execute(text(f"delete from features.{mart}"))
    with (
        adbc_connect(warehouse_url) as adbc,
        pytest.raises(AudoticsError, match=f"no features as of {MONDAY}: features.{mart} .*; materialise"),
    ):
        feature_reader(adbc, MONDAY)


def test_the_marts_are_the_models_of_the_features_group() -> None:
    assert {*dbt.FEATURE_KEYS} == dbt.feature_models.keys


@pytest.mark.parametrize(
    ("job", "updates"), [("nightly", False), ("training", True), ("first_release", True), ("evaluation", False)]
)
def test_the_jobs_that_update_the_training_set_build_its_folds(job: str, updates: bool) -> None:
    assert dbt.updates_training_set(defs.resolve_job_def(job)) is updates


def test_so_do_runs_of_assets_selected_by_hand() -> None:
    everything = defs.resolve_implicit_global_asset_job_def()
    assert not dbt.updates_training_set(everything.get_subset(asset_selection={*dbt.FEATURE_KEYS}))
    assert dbt.updates_training_set(
        everything.get_subset(asset_selection={*dbt.FEATURE_KEYS, dg.AssetKey("training_set")})
    )


@pytest.fixture
def materialize(
    warehouse_url: str, owner: Engine, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dg.ExecuteInProcessResult]:
    """A function that materialises feature models as of a date, the rows written as in `fill` instead of by dbt."""

    def build(context: Any, warehouse: WarehouseResource, dates: Sequence[date]) -> Iterator[dg.MaterializeResult]:
        with owner.begin() as connection:
            fill(connection, dates)
        for key in (key for key in dbt.FEATURE_KEYS if key in context.selected_asset_keys):
            yield dg.MaterializeResult(asset_key=key, metadata={"dates": [str(each) for each in dates]})

    def run_dagster(as_of: date, *models: str) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [dbt.feature_models],
            partition_key=as_of.isoformat(),
            resources={"warehouse": WarehouseResource()},
            selection=[key for key in dbt.FEATURE_KEYS if not models or key.path[-1] in models],
        )

    with owner.begin() as connection:
        connection.execute(text("create table core.fct_listens (listened_at timestamptz)"))
        connection.execute(text(f"insert into core.fct_listens values ('{MONDAY - 400 * DAY}')"))
    monkeypatch.setattr(dbt, "_build", build)
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
                "   insert into public.noted select tg_op, exists (select from pg_locks where locktype = 'advisory'"
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
    waiting = "select 1 from pg_locks where locktype = 'advisory' and not granted"
    thread = threading.Thread(target=lambda: done.append(materialize(MONDAY)))
    with dbt.exclusive(warehouse_url, MODELS_LOCK):
        thread.start()
        while thread.is_alive() and not query(warehouse_url, waiting):
            thread.join(0.05)
        run(owner, MONDAY)
    thread.join()
    (result,) = done
    assert all("built_now" in event.metadata for event in result.asset_materializations_for_node("feature_models"))

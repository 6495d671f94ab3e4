"""Which dates of features a run builds, which it keeps, and what happens where some are missing."""

from datetime import date

import dagster as dg
import pytest
from feature_marts import (
    DAY,
    FOLDS,
    MONDAY,
    empty_marts,
    fill,
    let_pass,
    listen,
    needed_by,
    run,
    stale,
)
from loading import query
from sqlalchemy import Engine, text

from assets.features import assets as features
from assets.features.dates import MARTS, TRAINING_WEEKDAY, begin_features, fold_dates, stale_feature_dates
from assets.features.marts import feature_reader
from assets.features.version import features_version
from assets.slates import HORIZON_DAYS
from orchestration.definitions import defs
from orchestration.jobs import weekly_training
from warehouse.engine import adbc_connect, create_engine
from warehouse.errors import AudoticsError
from warehouse.lake import KEPT_DAYS
from warehouse.roles import Role


@pytest.fixture
def owner(warehouse_url: str) -> Engine:
    return empty_marts(warehouse_url)


def known(url: str) -> list[date]:
    return [as_of for (as_of,) in query(url, "select as_of from builds.feature_dates order by as_of")]


def held(url: str) -> set[date]:
    marts = " union ".join(f"select as_of from features.{mart}" for mart in MARTS)
    return {as_of for (as_of,) in query(url, marts)}


@pytest.mark.slow
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


def test_a_late_day_makes_the_dates_after_it_stale_and_a_training_builds_its_folds_again(
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


def test_what_a_failed_build_left_is_built_again_or_expires(warehouse_url: str, owner: Engine) -> None:
    tuesday, wednesday = MONDAY + DAY, MONDAY + 2 * DAY
    for as_of in (tuesday, wednesday):
        with owner.begin() as connection:
            begin_features(connection, [as_of], features_version(connection))
        with owner.begin() as connection:
            fill(connection, [as_of])
    assert run(owner, wednesday) == [wednesday]
    let_pass(warehouse_url, KEPT_DAYS + 1)
    run(owner, wednesday)
    assert known(warehouse_url) == [wednesday]
    assert held(warehouse_url) == {wednesday}


@pytest.mark.parametrize("mart", ["feat_user", "feat_track"])
def test_reading_features_that_are_not_there_says_for_what_date_and_what_to_do(
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
    assert {*features.FEATURE_KEYS} == features.feature_models.keys


@pytest.mark.parametrize(
    ("job", "updates"), [("nightly", False), ("training", True), ("training_and_release", True), ("evaluation", False)]
)
def test_the_jobs_that_update_the_training_set_build_its_folds(job: str, updates: bool) -> None:
    assert features.updates_training_set(defs.resolve_job_def(job)) is updates


def test_so_do_runs_of_assets_selected_by_hand() -> None:
    everything = defs.resolve_implicit_global_asset_job_def()
    assert not features.updates_training_set(everything.get_subset(asset_selection={*features.FEATURE_KEYS}))
    assert features.updates_training_set(
        everything.get_subset(asset_selection={*features.FEATURE_KEYS, dg.AssetKey("training_set")})
    )

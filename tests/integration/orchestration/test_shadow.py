"""Two weeks after a first night: other rankers are held against what it served, the same ones are not."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from unittest.mock import patch

import numpy as np
import pytest
import redis
from api_client import recommendations as api_lists
from api_client import running_api
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from gated_release import checks, held_lists, live_meta, make_and_release
from pipeline_process import Pipeline
from sample_pipeline import AS_OF, UNTIL
from sqlalchemy import Connection, text

from assets.ranker import challenge as challenging
from assets.ranker.challenge import Outcome, challenge
from assets.ranker.dataset import Fold
from assets.ranker.promotion import PromotionConfig
from assets.ranker.registry import champions, orderings
from assets.ranker.training import RankerConfig
from assets.ranker.training_config import TrainingConfig
from assets.release_gate.bounds import LEAST_SHADOW_USERS
from assets.release_gate.shadow import Served, Shadow, comparable_dates, measure_shadow, served_before
from assets.release_gate.verdicts import last_good
from assets.slates import Slate
from warehouse.engine import adbc_reader, create_engine
from warehouse.lake import Lake
from warehouse.roles import Role

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DAY = date.fromisoformat(AS_OF)
# The first date by which the two weeks after the lists as of AS_OF are over.
NIGHT = UNTIL.isoformat()


@pytest.fixture(scope="module")
def world(pipeline: Pipeline) -> Pipeline:
    """The next night, two weeks after the first one and by the rankers of the first one."""
    assert pipeline.json("run", "--as-of", NIGHT)["job"] == "nightly"
    return pipeline


def trained(pipeline: Pipeline, slate: Slate, config: RankerConfig) -> Outcome:
    """A ranker as of the first night: what has come since is new to it."""
    engine, lake = create_engine(pipeline.warehouse_url, Role.SERVICE), Lake(str(pipeline.home / "lake"))
    outcome = challenge(engine, lake, slate, DAY, TrainingConfig(config), PromotionConfig())
    assert isinstance(outcome, Outcome)
    return outcome


def trained_on_shuffled_labels(pipeline: Pipeline, slate: Slate) -> Outcome:
    load_folds = challenging.load_folds

    def shuffled(*given: object) -> list[Fold]:
        generator = np.random.default_rng(1)
        return [replace(fold, label=generator.permutation(fold.label)) for fold in load_folds(*given)]  # type: ignore[arg-type]

    with patch("assets.ranker.challenge.load_folds", shuffled):
        return trained(pipeline, slate, RankerConfig())


@contextmanager
def serving(pipeline: Pipeline, slate: Slate, version: str) -> Iterator[None]:
    """Let a ranker serve while this lasts, whatever the promotion gate said."""

    def promote(chosen: str) -> str:
        with create_engine(pipeline.warehouse_url, Role.SERVICE).connect() as connection:
            serves = champions(connection, Lake(str(pipeline.home / "lake")), UNTIL)[slate].model_version
        if serves != chosen:
            pipeline.json("models", "promote", chosen, "--reason", "planted")
        return serves

    ((before,),) = pipeline.query(
        f"select model_version from ml.recommendation_batches where as_of = '{AS_OF}' and slate = '{slate}'"
    )
    promote(version)
    try:
        yield
    finally:
        promote(before)


def shadow(check: AssetCheckEvaluation) -> dict[str, float]:
    """The figures of lists that were made again."""
    names = [name for name in check.metadata if name.startswith("shadow_")]
    return {name.removeprefix("shadow_"): float(str(check.metadata[name].value)) for name in names}


def test_a_night_by_the_rankers_and_the_code_that_served_is_not_measured(world: Pipeline) -> None:
    result = make_and_release(world, NIGHT)
    assert result.success
    for check in checks(result).values():
        assert check.passed, check.description
        assert shadow(check) == {}
        assert check.metadata["shadow"].value == (
            f"not measured: its model and code are those of the lists as of {AS_OF}, which were served"
        )


def measured(pipeline: Pipeline, day: date) -> Shadow:
    """The lists of a day made again by the rankers that serve the night, whether or not that made any."""
    with create_engine(pipeline.warehouse_url, Role.SERVICE).connect() as connection:
        models = orderings(connection, Lake(str(pipeline.home / "lake")), UNTIL)
    with adbc_reader(pipeline.warehouse_url, Role.SERVICE) as connection:
        return measure_shadow(connection, UNTIL, models, dict.fromkeys(models, Served(day)))


def test_made_again_by_what_made_them_lists_serve_as_those_did_that_were_served(world: Pipeline) -> None:
    found = {(each.slate, each.measure): each.value for each in measured(world, DAY).measured}
    for slate in Slate:
        assert found[slate, "shadow_users"] > LEAST_SHADOW_USERS
        assert found[slate, "shadow_ndcg_then"] > 0.1
        assert found[slate, "shadow_delta"] == pytest.approx(0, abs=1e-4)
        assert found[slate, "shadow_low"] > -1e-3


def test_of_a_date_that_cannot_be_replayed_it_says_so(world: Pipeline) -> None:
    shadow = measured(world, DAY - timedelta(days=1))
    assert shadow.measured == []
    assert {said.partition(";")[0] for said in shadow.said.values()} == {
        f"not measured: no features as of {DAY - timedelta(days=1)}: features.feat_user holds no rows of that date"
    }


def test_a_ranker_trained_on_shuffled_labels_is_refused_by_what_served_and_the_others_go_live(world: Pipeline) -> None:
    slate = Slate.FOR_YOU
    outcome = trained_on_shuffled_labels(world, slate)
    version = outcome.challenger.model_version
    assert not outcome.decision.promoted, "the promotion gate sees it too, and a person overrules it"
    with serving(world, slate, version), redis.Redis.from_url(world.redis_url) as client:
        result = make_and_release(world, NIGHT)
        assert result.success, "the others go live"
        found = checks(result)
        assert {each for each, check in found.items() if not check.passed} == {slate}
        check = found[slate]
        figures = shadow(check)
        assert [name for name in check.metadata if name.startswith("refused/")] == ["refused/shadow_delta of all"]
        assert re.search(
            rf"{slate} is refused, and its lists as of {AS_OF} stay: NDCG@100 of \d+ listeners is 0\.\d+ with lists as"
            rf" of {AS_OF} by the model and the code of these, and 0\.\d+ with those that they were served:"
            r" 0\.\d+ less, at least 0\.\d+, where 5% is tolerated",
            check.description or "",
        )
        assert figures["users"] > LEAST_SHADOW_USERS
        assert figures["days"] == 14
        assert figures["delta"] == pytest.approx(figures["ndcg"] - figures["ndcg_then"])
        assert figures["low"] < figures["delta"] < figures["high"] < -0.05 * figures["ndcg_then"]
        said = str(check.metadata["shadow"].value)
        assert f"--as-of {AS_OF} --model {version} --user " in said
        rows(world, check, figures)
        # Judged against what everybody was served, it is what the evaluation says of these lists.
        assert figures["ndcg_then"] == pytest.approx(evaluated(world, slate), abs=0.01)
        assert live_meta(client).held[slate].as_of == DAY
        held = held_lists(client)
        with running_api(world.redis_url) as api:
            user_id = min(held[slate]).decode()
            body = api_lists(api, user_id, slate=slate)
            assert (body["as_of"], body["stale_reason"], body["source"]) == (AS_OF, "newer_refused", "personal")
            assert api_lists(api, user_id, slate="discover")["as_of"] == NIGHT
        # What was refused is measured again, and refused again.
        assert not checks(make_and_release(world, NIGHT))[slate].passed


def rows(pipeline: Pipeline, check: AssetCheckEvaluation, figures: dict[str, float]) -> None:
    """The query of the sample, which was of all who listened in the two weeks."""
    query = str(check.metadata["query/shadow_delta of all"].value)
    sampled = pipeline.query(query)
    assert len(sampled) >= figures["users"]
    assert sampled[0][1] >= sampled[0][2] > 0
    ((listened,),) = pipeline.query(
        f"select count(distinct user_key) from core.fct_listens where listened_at >= '{AS_OF}' and user_key in"
        f" (select user_key from features.feat_user where as_of = '{AS_OF}') and user_key not in"
        " (select user_key from core.dim_unlikely_listeners)"
    )
    assert len(sampled) == listened


def evaluated(pipeline: Pipeline, slate: Slate) -> float:
    return float(pipeline.json("evaluate", "--as-of", AS_OF)["slates"][slate]["models"]["ranker"]["ndcg@100"])


def test_another_ranker_that_serves_as_well_is_measured_once_and_goes_live(world: Pipeline) -> None:
    slate = Slate.DISCOVER
    version = trained(world, slate, RankerConfig(seed=2)).challenger.model_version
    with serving(world, slate, version):
        found = checks(make_and_release(world, NIGHT))
        assert all(check.passed for check in found.values()), found[slate].description
        figures = shadow(found[slate])
        assert figures["users"] > LEAST_SHADOW_USERS
        assert figures["low"] <= figures["delta"] <= figures["high"]
        assert figures["ndcg"] > 0.9 * figures["ndcg_then"] > 0
        assert shadow(found[Slate.FOR_YOU]) == {}
        with create_engine(world.warehouse_url, Role.SERVICE).connect() as connection:
            # The next night makes lists by the same rankers and code.
            connection.execute(
                text(
                    "insert into ml.recommendation_batches select as_of + 1, slate, model_version, users, rows,"
                    " made_at, blocks_read_at, listens_version, blocks, code_version from ml.recommendation_batches"
                    " where as_of = :night"
                ),
                {"night": UNTIL},
            )
            following = UNTIL + timedelta(days=1)
            carried = served_before(connection, following, [DAY])[slate]
            assert (carried.day, carried.why) == (
                None,
                f"its model and code were measured with the lists as of {NIGHT}",
            )
            of_few_refused_or_made_again(connection, following, slate, figures)
            connection.execute(
                text("update ml.recommendation_batches set code_version = '' where as_of > :night"), {"night": UNTIL}
            )
            assert {each.day for each in served_before(connection, following, [DAY]).values()} == {DAY}
            (why,) = {each.why for each in served_before(connection, following, []).values()}
            assert why.startswith("no lists of the last 45 days that were served have 14 days of listens after them")


def of_few_refused_or_made_again(
    connection: Connection, following: date, slate: Slate, figures: dict[str, float]
) -> None:
    """What was measured of few, of lists that were refused, or of others than there are now, is measured again."""
    here = {"night": UNTIL, "slate": slate}
    changes = (
        "update ml.slate_measures set value = 49 where as_of = :night and slate = :slate and measure = 'shadow_users'",
        "update ml.recommendation_batches set made_at = now() where as_of = :night and slate = :slate",
        "update ml.slate_verdicts set refused_because = '{worse}' where as_of = :night and slate = :slate",
    )
    for change in changes:
        undone = connection.begin_nested()
        connection.execute(text(change), here)
        assert served_before(connection, following, [DAY])[slate] == Served(DAY)
        stands = served_before(connection, following, [])[slate]
        # Waiting until there is nothing to measure it by lets no refused ranker through.
        expected = figures | {"days": figures["days"] + 1} if "refused" in change else {}
        assert stands.carried == pytest.approx({f"shadow_{name}": value for name, value in expected.items()})
        undone.rollback()


def test_lists_that_were_made_again_after_their_release_were_not_served(world: Pipeline) -> None:
    with create_engine(world.warehouse_url, Role.SERVICE).connect() as connection:
        assert set(last_good(connection, UNTIL, released=True, among=[DAY]).values()) == {DAY}
        connection.execute(
            text("update ml.recommendation_batches set made_at = now() where as_of = :day"), {"day": DAY}
        )
        assert last_good(connection, UNTIL, released=True, among=[DAY]) == {}


def test_dates_compare_while_they_have_features_by_the_code_of_the_night(world: Pipeline) -> None:
    with create_engine(world.warehouse_url, Role.TRANSFORMER).connect() as connection:
        folds = [DAY - timedelta(weeks=week) for week in range(5)]
        assert DAY in comparable_dates(connection, UNTIL)
        assert set(comparable_dates(connection, UNTIL)) <= set(folds)
        connection.execute(
            text("update builds.feature_dates set features_version = '' where as_of = :day"), {"day": DAY}
        )
        assert DAY not in comparable_dates(connection, UNTIL)
        connection.rollback()
        connection.execute(text("delete from builds.feature_dates where as_of = :day"), {"day": DAY})
        assert DAY not in comparable_dates(connection, UNTIL)

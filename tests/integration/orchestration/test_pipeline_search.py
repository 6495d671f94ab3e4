"""The search for training parameters after a run, and what it means for rankers."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import dagster as dg
import psycopg2
import pytest
from pipeline_process import Pipeline
from sample_pipeline import AS_OF
from sqlalchemy import text
from typer.testing import CliRunner

from assets.ranker.card import page
from assets.ranker.challenge import Outcome, challenge
from assets.ranker.promotion import PromotionConfig
from assets.ranker.training import RankerConfig
from assets.ranker.training_config import read_training_config
from assets.search.assets import ranker_search
from assets.slates import Slate
from orchestration.cli.app import app
from warehouse.engine import create_engine
from warehouse.lake import Lake
from warehouse.resource import LakeResource, PostgresResource
from warehouse.roles import Role

DAY = date.fromisoformat(AS_OF)
ROWS = "select to_jsonb(trials) - 'seconds' - 'searched_at' from ml.ranker_trials as trials order by slate, trial"


@pytest.fixture(scope="module")
def platform(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The pipeline, as that of this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AUDOTICS_WAREHOUSE_URL", "AUDOTICS_REDIS_URL", "AUDOTICS_HOME"):
            patch.setenv(name, pipeline.environment[name])
        yield pipeline


@pytest.fixture(scope="module")
def trials(platform: Pipeline) -> list[dict[str, Any]]:
    """What the command prints, of the slate with the smallest folds."""
    done = CliRunner().invoke(app, ["search", "--as-of", AS_OF, "--slate", "rediscover", "--trials", "2", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["job"] == "search"
    return report["trials"]


def test_every_trial_is_stored_once_and_the_default_does_what_the_stand_ins_did(
    platform: Pipeline, trials: list[dict[str, Any]]
) -> None:
    assert [(each["slate"], each["trial"]) for each in trials] == [("rediscover", 0), ("rediscover", 1)]
    ((of_card,),) = platform.query(
        "select card #> '{holdout,segments,0,ndcg@100,mean}' from ml.models where slate = 'rediscover'"
        f" and trained_as_of = date '{AS_OF}' and params->>'trees' = '150' and params->>'objective' = 'binary'"
    )
    default = trials[0]
    newest, older = default["by_date"]
    assert newest["as_of"] == (DAY - timedelta(days=14)).isoformat()
    assert older["as_of"] == (DAY - timedelta(days=21)).isoformat()
    assert newest["ndcg_100"] == pytest.approx(of_card, rel=1e-9)
    assert (default["delta"], default["ci95"], default["labels_until"]) == (0, None, AS_OF)
    assert platform.query("select count(*) from ml.ranker_trials where labels_until > as_of") == [(0,)]
    with pytest.raises(psycopg2.errors.CheckViolation):
        platform.query("update ml.ranker_trials set labels_until = as_of + 1 returning 1")

    platform.query(
        "insert into ml.ranker_trials select (jsonb_populate_record(each, jsonb_build_object('slate', 'discover'))).*"
        " from ml.ranker_trials as each returning trial"
    )
    stored = platform.query(ROWS)
    assert len(stored) == 4
    options = {"ops": {"ranker_search": {"config": {"slates": ["rediscover"], "trials": 2}}}}
    resources = {"warehouse": PostgresResource(), "lake": LakeResource()}
    again = dg.materialize([ranker_search], partition_key=AS_OF, resources=resources, run_config=options)
    assert platform.query(ROWS) == stored
    (materialization,) = again.asset_materializations_for_node("ranker_search")
    metadata = materialization.metadata
    assert len(metadata["rediscover/trials"].value.records) == 2
    assert "data:image/png;base64," in str(metadata["rediscover/ndcg@100"].value)
    assert str(metadata["rediscover/chosen"].value).startswith(("the default stays", "trial 1"))


@pytest.fixture
def searched(trials: list[dict[str, Any]], platform: Pipeline) -> Iterator[None]:
    """The trials stand in the warehouse, and stand there again as they were after the test."""
    with create_engine(platform.warehouse_url, Role.SERVICE).connect() as connection:
        kept = connection.execute(text("select to_jsonb(trials)::text from ml.ranker_trials as trials")).scalars().all()
    yield
    with create_engine(platform.warehouse_url, Role.SERVICE).begin() as connection:
        connection.execute(text("delete from ml.ranker_trials"))
        connection.execute(
            text(
                "insert into ml.ranker_trials select (jsonb_populate_record(null::ml.ranker_trials, row::jsonb)).*"
                " from unnest(cast(:kept as text[])) as kept (row)"
            ),
            {"kept": list(kept)},
        )


@pytest.mark.usefixtures("searched")
def test_rankers_train_with_the_newest_choice_of_their_date_or_earlier(pipeline: Pipeline) -> None:
    slate, engine = Slate.REDISCOVER, create_engine(pipeline.warehouse_url, Role.SERVICE)

    def origin(as_of: date) -> str:
        with engine.connect() as connection:
            return read_training_config(connection, slate, as_of).origin

    choose = "update ml.ranker_trials set chosen = trial = {} where slate = 'rediscover' and as_of = date '{}'"
    with engine.begin() as connection:
        connection.exec_driver_sql(choose.format(-1, AS_OF))
        connection.exec_driver_sql(choose.format(1, AS_OF))
        connection.exec_driver_sql(
            "insert into ml.ranker_trials select (jsonb_populate_record(each, jsonb_build_object('as_of', as_of + 7,"
            " 'chosen', trial = 0))).* from ml.ranker_trials as each where slate = 'rediscover'"
        )
    assert origin(DAY - timedelta(days=1)).startswith("the defaults: nothing was searched")
    for day in (DAY, DAY + timedelta(days=6)):
        assert origin(day) == f"trial 1 of the search as of {AS_OF}"
    assert origin(DAY + timedelta(days=7)).endswith("found nothing significantly better")

    with engine.connect() as connection:
        chosen = read_training_config(connection, slate, DAY)
    assert chosen.config != RankerConfig()
    outcome = challenge(engine, Lake(str(pipeline.home / "lake")), slate, DAY, chosen, PromotionConfig())
    assert isinstance(outcome, Outcome)
    assert outcome.challenger.model.config == chosen.config
    assert chosen.origin in page(outcome.card)
    # The second trial is one of a ranking objective: its scores are not probabilities.
    assert chosen.config.objective != "binary" and outcome.card["holdout"]["calibration"] is None

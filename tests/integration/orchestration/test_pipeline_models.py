"""The rankers that a run trained: promoted or not, and their cards."""

from datetime import date, timedelta

import dagster as dg
import pytest
from pipeline_process import Pipeline
from sample_pipeline import AS_OF
from typer.testing import CliRunner

from assets.ranker.challenge import Outcome, challenge
from assets.ranker.promotion import PromotionConfig
from assets.ranker.promotion_store import list_models, promote, read_card
from assets.ranker.registry import NoChampion, champions, orderings
from assets.ranker.training import NotTrained, RankerConfig
from assets.ranker.training_config import TrainingConfig
from assets.ranker.untrained import UNTRAINED
from assets.slates import Slate
from orchestration.cli.app import app
from orchestration.cli.rendering import plain_console
from orchestration.instance import open_instance
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.lake import Lake
from warehouse.roles import Role
from warehouse.settings import Settings


def test_the_first_rankers_are_promoted_with_a_card_of_what_they_did_on_a_fold_they_had_not_seen(
    pipeline: Pipeline,
) -> None:
    listed = pipeline.json("models", "list")
    assert [(each["slate"], each["serving"], each["decision"]) for each in listed] == [
        ("rediscover", True, "promoted"),
        ("for_you", True, "promoted"),
        ("discover", True, "promoted"),
    ]
    assert {each["reasons"] for each in listed} == {"there is no incumbent"}
    holdout = date.fromisoformat(AS_OF) - timedelta(days=14)
    with create_engine(pipeline.warehouse_url, Role.SERVICE).connect() as connection:
        cards = [read_card(connection, model["model_version"]) for model in listed]
    for model, card in zip(listed, cards, strict=True):
        measured = card["holdout"]
        assert (measured["as_of"], len(card["training"]["folds"])) == (holdout.isoformat(), 6)
        # What the stand-in learnt from was over when the holdout began.
        assert max(map(date.fromisoformat, measured["folds"])) == holdout - timedelta(days=14)
        everybody, *parts = measured["segments"]
        assert [each["segment"] for each in parts] == ["light", "medium", "heavy"]
        assert everybody["users"] == sum(each["users"] for each in parts) > 50
        ndcg = everybody["ndcg@100"]
        assert ndcg["ci95"][0] < ndcg["mean"] < ndcg["ci95"][1]
        assert ndcg["mean"] == pytest.approx(model["ndcg@100"]["challenger"])
        assert measured["calibration"][-1]["listened"] > 2 * measured["calibration"][4]["listened"]
        assert card["data"]["last_listen"] < AS_OF
    table = pipeline.run("models", "list").stdout
    assert table.count(holdout.isoformat()) == len(listed), "a figure of a fold stands above the fold's date"
    page = pipeline.run("models", "show", listed[0]["model_version"]).stdout
    for shown in ("Holdout", "heavy", "Calibration", "Features", "Known limits"):
        assert shown in page


def test_a_worse_challenger_does_not_serve_until_a_person_says_so_and_the_way_back_is_the_same(
    own_pipeline: Pipeline,
) -> None:
    day, lake = date.fromisoformat(AS_OF), Lake(str(own_pipeline.home / "lake"))
    engine, before = create_engine(own_pipeline.warehouse_url, Role.SERVICE), own_pipeline.table_checksums()

    def try_out(config: RankerConfig) -> Outcome:
        outcome = challenge(engine, lake, Slate.FOR_YOU, day, TrainingConfig(config), PromotionConfig())
        assert isinstance(outcome, Outcome)
        return outcome

    def serves() -> str:
        with engine.connect() as connection:
            return champions(connection, lake, day)[Slate.FOR_YOU].model_version

    good = serves()
    again = try_out(RankerConfig())
    assert (again.challenger.model_version, again.decision.reasons) == (good, ["there is no incumbent"])
    assert own_pipeline.table_checksums() == before

    worse = try_out(RankerConfig(trees=1, min_child_samples=20_000))
    refused = worse.challenger.model_version
    assert "NDCG@100 may be worse" in worse.decision.reasons[0]
    assert try_out(RankerConfig(trees=1, min_child_samples=20_000)).decision == worse.decision
    with engine.connect() as connection:
        first, second = list_models(connection, Slate.FOR_YOU)
    assert (first.model_version, first.serving, first.decision) == (refused, False, "refused")
    assert (first.incumbent, second.serving, serves()) == (good, True, good)
    # The incumbent was represented by its stand-in: it had seen the fold itself.
    assert first.ndcg["incumbent"] == pytest.approx(second.ndcg["challenger"])
    assert first.ci95 is not None and first.ci95[1] < 0

    promoted = own_pipeline.json("models", "promote", refused, "--reason", "to see what happens")
    assert promoted == {"model_version": refused, "slate": "for_you", "serves_from": AS_OF, "incumbent": good}
    assert serves() == refused
    with engine.begin() as connection, pytest.raises(AudoticsError, match="serves already"):
        promote(connection, lake, refused, "someone", "again")
    with engine.begin() as connection:
        promote(connection, lake, good, "someone", "seen")
    assert serves() == good
    decided = own_pipeline.query(
        "select decision, override_reason, decided_by = 'gate' from ml.promotions where slate = 'for_you'"
        " order by decided_at"
    )
    assert decided == [
        ("promoted", None, True),
        ("refused", None, True),
        ("promoted", "to see what happens", False),
        ("promoted", "seen", False),
    ]


def test_a_first_ranker_without_a_split_is_kept_nowhere_and_lists_are_made_without_one(own_pipeline: Pipeline) -> None:
    day, lake = date.fromisoformat(AS_OF), Lake(str(own_pipeline.home / "lake"))
    engine = create_engine(own_pipeline.warehouse_url, Role.SERVICE)
    own_pipeline.query("delete from ml.promotions where slate = 'for_you' returning 1")
    models, files = own_pipeline.query("select model_version from ml.models"), lake.names("models")
    config = TrainingConfig(RankerConfig(trees=1, min_child_samples=20_000))
    outcome = challenge(engine, lake, Slate.FOR_YOU, day, config, PromotionConfig())
    assert isinstance(outcome, NotTrained) and "too few to tell them apart" in outcome.reason
    assert (own_pipeline.query("select model_version from ml.models"), lake.names("models")) == (models, files)
    with engine.connect() as connection:
        found = orderings(connection, lake, day)
    assert found[Slate.FOR_YOU] == NoChampion(UNTRAINED[Slate.FOR_YOU])
    assert found[Slate.DISCOVER].model_version.startswith("discover-")


def test_training_promotes_what_it_trained_where_the_champion_cannot_serve_whatever_was_decided_before(
    pipeline: Pipeline,
) -> None:
    """A model with a feature that was taken back is served by nobody, and the model of the same date from before that
    feature has had its decision.
    """
    day, lake = date.fromisoformat(AS_OF), Lake(str(pipeline.home / "lake"))
    engine = create_engine(pipeline.warehouse_url, Role.SERVICE)
    with engine.connect() as connection:
        good = champions(connection, lake, day)[Slate.FOR_YOU].model_version
    pipeline.query(
        "with broken as (insert into ml.models select (jsonb_populate_record(each, jsonb_build_object('model_version',"
        " 'for_you-broken', 'features', features || '[\"score_gone\"]'))).* from ml.models as each"
        f" where model_version = '{good}' returning model_version, trained_as_of)"
        " insert into ml.promotions (model_version, decided_at, slate, decision, serves_from, decided_by, reasons)"
        " select model_version, now(), 'for_you', 'promoted', trained_as_of, 'gate', 'fine' from broken returning 1"
    )

    def served() -> list[tuple[object, ...]]:
        return pipeline.query("select model_version from ml.champions where slate = 'for_you' and serves_until is null")

    assert served() == [("for_you-broken",)]
    refused = rf"needs features that no longer exist \(score_gone\); `audotics run --as-of {AS_OF} --train`"
    with engine.connect() as connection, pytest.raises(AudoticsError, match=refused):
        champions(connection, lake, day)
    for _ in range(2):
        outcome = challenge(engine, lake, Slate.FOR_YOU, day, TrainingConfig(RankerConfig()), PromotionConfig())
        assert isinstance(outcome, Outcome)
        assert (outcome.challenger.model_version, outcome.decision.promoted) == (good, True)
        assert served() == [(good,)]
    with engine.connect() as connection:
        assert champions(connection, lake, day)[Slate.FOR_YOU].model_version == good
    why = "the incumbent cannot serve: for_you-broken needs features that no longer exist (score_gone)"
    assert pipeline.query(
        f"select incumbent, override_reason from ml.promotions where model_version = '{good}' and decided_by = 'gate'"
        " order by decided_at"
    ) == [(None, None), ("for_you-broken", why)]
    pipeline.query("delete from ml.promotions where model_version = 'for_you-broken' returning 1")
    pipeline.query("delete from ml.models where model_version = 'for_you-broken' returning 1")


def test_the_check_of_the_gate_warns_and_the_page_of_the_asset_shows_the_cards(pipeline: Pipeline) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("rankers"), "challenger_promoted")
    with open_instance(Settings(home=pipeline.home), pipeline.warehouse_url) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("rankers"))
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
    assert event is not None and event.asset_materialization is not None
    for slate in Slate:
        page = event.asset_materialization.metadata[f"{slate}/card"].value
        assert isinstance(page, str)
        assert page.count("data:image/png;base64,") == 2
        assert "Known limits" in page
    assert record.event is not None and record.event.dagster_event is not None
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    assert (evaluation.passed, evaluation.severity) == (True, dg.AssetCheckSeverity.WARN)


def test_who_asks_for_a_training_gets_one_where_the_champions_would_serve(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen(definitions: object, instance: object, job: str, *given: object, **named: object) -> None:
        raise AudoticsError(job)

    monkeypatch.setattr("orchestration.pipeline.run_job", chosen)
    for name in ("AUDOTICS_WAREHOUSE_URL", "AUDOTICS_REDIS_URL", "AUDOTICS_HOME"):
        monkeypatch.setenv(name, pipeline.environment[name])
    jobs = [CliRunner().invoke(app, ["run", "--as-of", AS_OF, *options]).exception for options in ([], ["--train"])]
    assert [str(job) for job in jobs] == ["nightly", "training_and_release"]


def test_models_and_releases_fit_in_80_columns_by_whole_names(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.cli.rendering.OUT", plain_console(width=80))
    for name in ("AUDOTICS_WAREHOUSE_URL", "AUDOTICS_REDIS_URL", "AUDOTICS_HOME"):
        monkeypatch.setenv(name, pipeline.environment[name])
    names = pipeline.query("select model_version from ml.models"), pipeline.query("select release from ml.releases")
    for command, whole in zip(("models", "releases"), names, strict=True):
        shown = CliRunner().invoke(app, [command, "list"]).stdout
        table = [line for line in shown.splitlines() if line.startswith(("┏", "│"))]
        assert "…" not in shown
        assert whole and all(any(name in line.split() for line in table) for (name,) in whole), shown

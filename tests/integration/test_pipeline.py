"""The main job end to end, through the command line, on a small sample world."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import httpx
import pyarrow.parquet as pq
import pytest
from api_client import running_api
from pipeline_process import Pipeline

from assets.dbt import DBT_PROJECT, manifest_path
from assets.ingest.sample_world import SampleWorld, generate
from assets.publish.assets import release
from assets.ranker.challenge import Outcome, challenge
from assets.ranker.promotion import PromotionConfig
from assets.ranker.promotion_store import list_models, promote, read_card
from assets.ranker.registry import champions
from assets.ranker.slates import Slate
from assets.ranker.training import RankerConfig
from assets.similar.assets import similarity_evaluations
from orchestration.definitions import defs
from orchestration.instance import open_instance
from orchestration.jobs import nightly_evaluation
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.lake import Lake
from warehouse.local_servers import Endpoints
from warehouse.resource import WarehouseResource
from warehouse.roles import Role
from warehouse.settings import Settings

UNTIL = date(2026, 6, 1)
AS_OF = (UNTIL - timedelta(days=14)).isoformat()
WORLD = SampleWorld(until=UNTIL, users=300, tracks=800, listens=30_000, days=200)

# The user who plays one artist more than anybody does before AS_OF.
FAVOURITE = f"""
    select user_id, artist_id from raw.listens
    inner join raw.users using (user_key) inner join raw.tracks using (track_key)
    inner join raw.artists using (artist_key)
    where listened_at < timestamptz '{AS_OF} 00:00:00+00'
    group by user_id, artist_id order by count(*) desc, user_id limit 1
"""


@pytest.fixture(scope="module")
def planted(session_folder: Path) -> dict[str, int]:
    return dict(generate(session_folder / "pipeline" / "landing" / "lastfm-1k" / "world", WORLD))


@pytest.fixture(scope="module")
def pipeline(
    session_folder: Path, endpoints: Endpoints, new_owned_database: Callable[[], str], planted: dict[str, int]
) -> Iterator[Pipeline]:
    """A pipeline that has run once as of AS_OF, from landed files to a live release, without a superuser.

    One user had blocked their favourite artist before.
    """
    redis_url = f"{endpoints.redis_url.rpartition('/')[0]}/5"
    made = Pipeline(new_owned_database(), redis_url, session_folder / "pipeline")
    made.json("ingest", "lastfm-1k", str(session_folder / "pipeline" / "landing" / "lastfm-1k" / "world"))
    ((user_id, artist_id),) = made.query(FAVOURITE)
    assert made.json("blocks", "add", user_id, "--artist", artist_id)["changed"]
    report = made.json("run", "--as-of", AS_OF)
    assert report["job"] == "first_release"
    yield made


def test_every_planted_row_is_accounted_for(pipeline: Pipeline, planted: dict[str, int]) -> None:
    ((read, loaded, rejected, duplicate),) = pipeline.query(
        "select rows_read, rows_loaded, rows_rejected, rows_duplicate from raw.ingest_files"
    )
    assert (read, loaded) == (planted["rows_read"], planted["rows_loaded"])
    assert (rejected, duplicate) == (planted["rows_rejected"], planted["rows_duplicate"])
    by_reason = dict(pipeline.query("select reason, count(*) from raw.rejected_listens group by reason"))
    assert by_reason == planted["rejected_by_reason"]


def test_the_features_are_those_of_an_independent_count(pipeline: Pipeline) -> None:
    wrong = pipeline.query(
        f"""
        with expected as (
            select user_key, count(*) as listens, count(distinct track_key) as tracks,
                count(*) filter (where listened_at >= timestamptz '{AS_OF} 00:00:00+00' - interval '30 days') as recent
            from raw.listens where listened_at < timestamptz '{AS_OF} 00:00:00+00' group by user_key
        )
        select * from expected full join (select * from features.feat_user where as_of = date '{AS_OF}') as features
            using (user_key)
        where expected.listens is distinct from features.listens
            or expected.tracks is distinct from features.tracks
            or expected.recent is distinct from features.listens_30d
        """
    )
    assert wrong == []
    ((users,),) = pipeline.query(f"select count(*) from features.feat_user where as_of = date '{AS_OF}'")
    assert users > 200


def test_the_discover_slate_holds_nothing_heard_before(pipeline: Pipeline) -> None:
    heard = "core.fct_listens.user_key = lists.user_key and core.fct_listens.track_key = lists.track_key"
    ((discovered, heard_before),) = pipeline.query(
        f"select count(*), count(*) filter (where exists (select from core.fct_listens where {heard}"
        f" and listened_at < timestamptz '{AS_OF} 00:00:00+00')) from ml.recommendations as lists"
        " where slate = 'discover'"
    )
    assert discovered > 10_000
    assert heard_before == 0


def test_the_rediscover_slate_holds_only_what_was_heard_before_and_not_in_the_last_60_days(pipeline: Pipeline) -> None:
    forgotten = (
        "select user_key, track_key from core.fct_listens"
        f" where listened_at < timestamptz '{AS_OF} 00:00:00+00' group by user_key, track_key"
        f" having max(listened_at) < timestamptz '{AS_OF} 00:00:00+00' - interval '60 days'"
    )
    ((listed, wrong, users),) = pipeline.query(
        f"select count(*), count(*) filter (where forgotten is null), count(distinct lists.user_key)"
        f" from ml.recommendations as lists left join ({forgotten}) as forgotten using (user_key, track_key)"
        " where slate = 'rediscover'"
    )
    assert listed > 1_000
    assert wrong == 0
    ((with_any,),) = pipeline.query(f"select count(distinct user_key) from ({forgotten}) as forgotten")
    assert with_any - 1 <= users <= with_any, "the user who blocked an artist may have nothing left"


def test_no_list_holds_a_blocked_artist(pipeline: Pipeline) -> None:
    ((user_id, artist_id),) = pipeline.query(FAVOURITE)
    (block,) = pipeline.json("blocks", "list", "--user", user_id)
    assert (block["user_id"], block["artist"]) == (user_id, artist_id)
    artists = pipeline.query(
        "select artist_id, count(*) from ml.recommendations inner join core.dim_users using (user_key)"
        f" inner join core.dim_tracks using (track_key) where user_id = '{user_id}' group by artist_id"
    )
    assert len(artists) > 5
    assert artist_id not in dict(artists)


def test_a_replay_makes_the_lists_that_were_made_then(pipeline: Pipeline) -> None:
    ((user_id,),) = pipeline.query("select min(user_id) from core.dim_users where first_listened_at is not null")
    replayed = pipeline.json("replay", "--as-of", AS_OF, "--user", user_id, "--limit", "7")
    batches = pipeline.query("select slate, users, model_version from ml.recommendation_batches")
    for slate, _, model_version in batches:
        counts = replayed["slates"][slate]
        assert counts["model_version"] == model_version
        assert (counts["users"], counts["lists_made_then"], counts["users_with_other_lists"]) == (1, 1, 0)
    made = pipeline.query(
        "select rank, track_id, title, artist_name, score, source from ml.recommendations"
        " inner join core.dim_users using (user_key) inner join core.dim_tracks using (track_key)"
        f" where user_id = '{user_id}' and slate = 'discover' and rank <= 7 order by rank"
    )
    (shown,) = (each["items"] for each in replayed["lists"] if each["slate"] == "discover")
    assert [tuple(item.values()) for item in shown] == [(*row[:4], pytest.approx(row[4]), row[5]) for row in made]

    everyone = pipeline.json("replay", "--as-of", AS_OF)
    assert everyone["lists"] == []
    assert {slate: counts["users"] for slate, counts in everyone["slates"].items()} == {
        slate: users for slate, users, _ in batches
    }
    assert all(counts["users_with_other_lists"] == 0 for counts in everyone["slates"].values())


def test_a_replay_of_another_date_builds_its_features_and_stores_no_list(pipeline: Pipeline) -> None:
    earlier = (date.fromisoformat(AS_OF) - timedelta(days=3)).isoformat()
    ((version,),) = pipeline.query("select model_version from ml.models where slate = 'for_you'")
    replayed = pipeline.json("replay", "--as-of", earlier, "--model", version)
    assert list(replayed["slates"]) == ["for_you"]
    counts = replayed["slates"]["for_you"]
    assert counts["users"] > 200
    assert counts["lists_made_then"] == 0
    assert counts["users_with_other_lists"] == counts["users"]
    assert pipeline.query("select distinct as_of from ml.recommendations") == [(date.fromisoformat(AS_OF),)]


def test_reasons_are_tracks_that_the_user_had_heard_and_the_first_ten_are_explained(pipeline: Pipeline) -> None:
    heard = "core.fct_listens.user_key = lists.user_key and core.fct_listens.track_key = lists.seed_track_key"
    ((items, with_seed, heard_before, itself),) = pipeline.query(
        "select count(*), count(seed_track_key),"
        f" count(*) filter (where exists (select from core.fct_listens where {heard}"
        f" and listened_at < timestamptz '{AS_OF} 00:00:00+00')), count(*) filter (where seed_track_key = track_key)"
        " from ml.recommendations as lists"
    )
    assert with_seed > 0.9 * items
    assert (heard_before, itself) == (with_seed, 0)
    explained = (
        "select rank <= 10, count(*) = count(contributions), min(jsonb_array_length(contributions)),"
        " max(jsonb_array_length(contributions)) from ml.recommendations group by 1 order by 1 desc"
    )
    assert pipeline.query(explained) == [(True, True, 3, 3), (False, False, None, None)]
    unknown = (
        "select count(*) from ml.recommendations cross join jsonb_to_recordset(contributions) as each (feature text)"
        " inner join ml.models using (model_version) where not features ? feature"
    )
    assert pipeline.query(unknown) == [(0,)]


def test_evaluate_prints_the_documented_shape_and_the_ranker_is_ahead_of_every_baseline(pipeline: Pipeline) -> None:
    evaluation = pipeline.json("evaluate", "--as-of", AS_OF)
    assert list(evaluation) == ["as_of", "horizon_days", "slates"]
    assert (evaluation["as_of"], evaluation["horizon_days"]) == (AS_OF, 14)
    assert list(evaluation["slates"]) == ["for_you", "discover", "rediscover"]
    for name, slate in evaluation["slates"].items():
        assert slate["users"] > 50
        assert {"ranker", "popular", "own_plays", "als", "session_cooccurrence"} <= set(slate["models"])
        for metrics in slate["models"].values():
            assert list(metrics) == ["ndcg@10", "ndcg@100", "recall@100"]
            # Most users of this small world have fewer than 100 forgotten tracks: a list then holds every one.
            assert all(0 < value < 1 or (name == "rediscover" and value == 1) for value in metrics.values())
        paired = slate["paired"]
        best = max((name for name in slate["models"] if name != "ranker"), key=lambda m: slate["models"][m]["ndcg@100"])
        assert (paired["against"], paired["metric"]) == (best, "ndcg@100")
        difference = slate["models"]["ranker"]["ndcg@100"] - slate["models"][best]["ndcg@100"]
        assert paired["delta"] == pytest.approx(difference)
        assert paired["ci95"][0] < paired["delta"] < paired["ci95"][1]
        assert difference > 0 or name == "rediscover"


def test_lists_of_another_system_are_scored_as_ours_are(pipeline: Pipeline, tmp_path: Path) -> None:
    out = tmp_path / "lists.parquet"
    pipeline.json("recommendations", "--as-of", AS_OF, "--slate", "discover", "--out", str(out))
    scored = pipeline.json("evaluate", "--as-of", AS_OF, "--lists", str(out), "--slate", "discover")
    same = scored["slates"]["discover"]
    assert (same["users"] > 50, scored["unknown"]) == (True, {"users": 0, "tracks": 0})
    assert same["models"]["lists"] == pytest.approx(same["models"]["ranker"])
    assert (same["paired"]["against"], same["paired"]["delta"]) == ("ranker", 0)

    lists = pq.read_table(out).to_pandas()
    lists.loc[lists["rank"] == 1, "track_id"] = "nobody knows it"
    lists.to_parquet(out)
    worse = pipeline.json("evaluate", "--as-of", AS_OF, "--lists", str(out), "--slate", "discover")
    assert worse["unknown"] == {"users": 0, "tracks": 1}
    assert worse["slates"]["discover"]["paired"]["delta"] < 0


def test_recommendations_are_exported_with_public_ids_best_first(pipeline: Pipeline, tmp_path: Path) -> None:
    out = tmp_path / "for_you.parquet"
    report = pipeline.json("recommendations", "--as-of", AS_OF, "--slate", "for_you", "--out", str(out))
    table = pq.read_table(out)
    assert table.column_names == ["user_id", "track_id", "rank", "score"]
    assert report["rows"] == table.num_rows > 10_000
    lists = table.to_pandas()
    assert lists["user_id"].str.fullmatch(r"user_\d{6}").all()
    for _, of_user in lists.groupby("user_id"):
        assert of_user["rank"].tolist() == list(range(1, len(of_user) + 1))
        assert of_user["score"].is_monotonic_decreasing
        assert of_user["track_id"].is_unique
    assert lists.groupby("user_id").size().max() == 100
    assert list(tmp_path.iterdir()) == [out]


def test_asking_for_lists_of_another_date_names_the_newest_there_are(pipeline: Pipeline, tmp_path: Path) -> None:
    out = tmp_path / "lists.parquet"
    done = pipeline.run("recommendations", "--as-of", "2015-01-01", "--slate", "for_you", "--out", str(out))
    assert done.returncode == 1
    assert f"the newest are as of {AS_OF}" in " ".join(done.stderr.split())


def test_the_api_serves_what_the_warehouse_holds(pipeline: Pipeline) -> None:
    rows = pipeline.query(
        "select user_id, array_agg(track_id order by rank), array_agg(because_of_title order by rank)"
        " from ml.recommended_tracks"
        " inner join raw.users using (listener_key) inner join core.dim_tracks using (track_key)"
        f" where as_of = date '{AS_OF}' and slate = 'discover' and rank <= 20 group by user_id order by user_id limit 5"
    )
    with running_api(pipeline.redis_url) as api:
        for user_id, track_ids, because_of in rows:
            path = f"/v1/users/{user_id}/recommendations"
            body = api.get(path, params={"slate": "discover", "limit": 20}).raise_for_status().json()
            assert [item["track_id"] for item in body["items"]] == track_ids
            assert [item["reason"] and item["reason"]["title"] for item in body["items"]] == because_of
            assert (body["as_of"], body["source"], body["fallback_reason"]) == (AS_OF, "personal", None)
            assert all(item["title"] and item["artist"] for item in body["items"])
        unknown: httpx.Response = api.get("/v1/users/nobody/recommendations")
        assert unknown.json()["fallback_reason"] == "unknown_user"


@pytest.mark.parametrize("item", ["track", "artist"])
def test_the_api_serves_the_similar_items_that_the_warehouse_holds(pipeline: Pipeline, item: str) -> None:
    rows = pipeline.query(
        f"select {item}_id, array_agg(similar_{item}_id order by rank), max(rank) from ml.similar_{item}s_named"
        f" where as_of = date '{AS_OF}' group by {item}_id order by {item}_id limit 5"
    )
    assert len(rows) == 5
    with running_api(pipeline.redis_url) as api:
        for public_id, similar_ids, length in rows:
            path = f"/v1/{item}s/{quote(public_id, safe='')}/similar"
            body = api.get(path, params={"limit": 100}).raise_for_status().json()
            assert [each[f"{item}_id"] for each in body["items"]] == similar_ids
            assert length <= 50
            assert (body["as_of"], body[item][f"{item}_id"]) == (AS_OF, public_id)
            assert public_id not in similar_ids


def test_similar_tracks_are_found_better_than_by_plain_cosine(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUDOTICS_WAREHOUSE_URL", "AUDOTICS_REDIS_URL", "AUDOTICS_HOME"):
        monkeypatch.setenv(name, pipeline.environment[name])
    resources = {"warehouse": WarehouseResource()}
    assert dg.materialize([similarity_evaluations], partition_key=AS_OF, resources=resources).success
    stored = pipeline.query(
        "select item, model, users, recall_10, recall_50, similar_delta, ci95_low from ml.similarity_evaluations"
        f" where as_of = date '{AS_OF}'"
    )
    found = {(item, model): values for item, model, *values in stored}
    assert len(stored) == len(found) == 10
    for item in ("track", "artist"):
        users, recall_10, recall_50, *of_itself = found[item, "similar"]
        assert users > 50
        assert 0 < recall_10 < recall_50 < 1
        assert of_itself == [None, None]
        for other in ("cosine", "popular"):
            assert found[item, other][3] == pytest.approx(recall_50 - found[item, other][2])
    # Of a hundred artists every list of fifty holds half: there only popular is certainly worse.
    for item, other in (("track", "cosine"), ("track", "popular"), ("artist", "popular")):
        assert found[item, other][4] > 0, f"{other} is as good for {item}s"


def test_every_asset_of_the_run_but_views_says_how_many_rows_it_has(pipeline: Pipeline) -> None:
    nodes = json.loads(manifest_path(DBT_PROJECT).read_text())["nodes"].values()
    views = {
        dg.AssetKey([node["schema"], node["name"]]) for node in nodes if node["config"].get("materialized") == "view"
    }
    assert dg.AssetKey(["analytics", "listens"]) in views
    settings = Settings(home=pipeline.home)
    with open_instance(settings, pipeline.warehouse_url) as instance:
        for key in defs.resolve_job_def("first_release").asset_layer.selected_asset_keys:
            event = instance.get_latest_materialization_event(key)
            assert event is not None, key
            counted = "dagster/row_count" in event.asset_materialization.metadata
            assert counted == (key not in views), key


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
    held_out = date.fromisoformat(AS_OF) - timedelta(days=14)
    with create_engine(pipeline.warehouse_url, Role.SERVICE).connect() as connection:
        cards = [read_card(connection, model["model_version"]) for model in listed]
    for model, card in zip(listed, cards, strict=True):
        measured = card["held_out"]
        assert (measured["as_of"], len(card["training"]["folds"])) == (held_out.isoformat(), 6)
        # What the stand-in learnt from was over when the held-out fold began.
        assert max(map(date.fromisoformat, measured["folds"])) == held_out - timedelta(days=14)
        everybody, *parts = measured["segments"]
        assert [each["segment"] for each in parts] == ["light", "medium", "heavy"]
        assert everybody["users"] == sum(each["users"] for each in parts) > 50
        ndcg = everybody["ndcg@100"]
        assert ndcg["ci95"][0] < ndcg["mean"] < ndcg["ci95"][1]
        assert ndcg["mean"] == pytest.approx(model["ndcg@100"]["challenger"])
        assert measured["calibration"][-1]["listened"] > 2 * measured["calibration"][4]["listened"]
        assert card["data"]["last_listen"] < AS_OF
    page = pipeline.run("models", "show", listed[0]["model_version"]).stdout
    for shown in ("Held-out fold", "heavy", "Calibration", "Features", "Known limits"):
        assert shown in page


def test_a_worse_challenger_does_not_serve_until_a_person_says_so_and_the_way_back_is_the_same(
    pipeline: Pipeline,
) -> None:
    day, lake = date.fromisoformat(AS_OF), Lake(str(pipeline.home / "lake"))
    engine, before = create_engine(pipeline.warehouse_url, Role.SERVICE), pipeline.table_checksums()

    def try_out(config: RankerConfig) -> Outcome:
        outcome = challenge(engine, lake, Slate.FOR_YOU, day, config, PromotionConfig())
        assert outcome is not None
        return outcome

    def serves() -> str:
        with engine.connect() as connection:
            return champions(connection, lake, day)[Slate.FOR_YOU].model_version

    good = serves()
    again = try_out(RankerConfig())
    assert (again.challenger.model_version, again.decision.reasons) == (good, ["there is no incumbent"])
    assert pipeline.table_checksums() == before

    worse = try_out(RankerConfig(trees=1, min_child_samples=20_000))
    refused = worse.challenger.model_version
    assert "NDCG@100 may be worse" in worse.decision.reasons[0]
    assert try_out(RankerConfig(trees=1, min_child_samples=20_000)).decision == worse.decision
    with engine.connect() as connection:
        first, second = list_models(connection, Slate.FOR_YOU)
    assert (first["model_version"], first["serving"], first["decision"]) == (refused, False, "refused")
    assert (first["incumbent"], second["serving"], serves()) == (good, True, good)
    # The incumbent was represented by its stand-in: it had seen the fold itself.
    assert first["ndcg@100"]["incumbent"] == pytest.approx(second["ndcg@100"]["challenger"])
    assert first["ci95"][1] < 0

    promoted = pipeline.json("models", "promote", refused, "--reason", "to see what happens")
    assert promoted == {"model_version": refused, "slate": "for_you", "serves_from": AS_OF, "incumbent": good}
    assert serves() == refused
    with engine.begin() as connection, pytest.raises(AudoticsError, match="serves already"):
        promote(connection, lake, refused, "someone", "again")
    with engine.begin() as connection:
        promote(connection, lake, good, "someone", "seen")
    assert serves() == good
    decided = pipeline.query(
        "select decision, override_reason, decided_by = 'gate' from ml.promotions where slate = 'for_you'"
        " order by decided_at"
    )
    assert decided == [
        ("promoted", None, True),
        ("refused", None, True),
        ("promoted", "to see what happens", False),
        ("promoted", "seen", False),
    ]


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


def test_the_nightly_evaluation_has_nothing_to_ask_for_once_the_lists_are_judged(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.json("evaluate", "--as-of", AS_OF)
    monkeypatch.setenv("AUDOTICS_WAREHOUSE_URL", pipeline.warehouse_url)
    with dg.build_schedule_context(
        scheduled_execution_time=datetime.combine(UNTIL, time(5), UTC),
        repository_def=defs.get_repository_def(),
        resources={"warehouse": WarehouseResource()},
    ) as context:
        tick = nightly_evaluation.evaluate_tick(context)
    assert not tick.run_requests
    assert "all lists are judged" in (tick.skip_message or "")


def test_the_next_night_is_served_by_the_same_champions_can_be_repeated_and_rolled_back(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = [each for each in pipeline.json("releases", "list") if each["status"] == "live"]
    following = (date.fromisoformat(AS_OF) + timedelta(days=1)).isoformat()
    report = pipeline.json("run", "--as-of", following)
    assert report["job"] == "nightly"
    releases = {each["release"]: each for each in pipeline.json("releases", "list")}
    assert releases[report["release"]]["status"] == "live"
    assert releases[report["release"]]["models"] == first["models"]
    assert releases[first["release"]]["status"] == "previous"

    tables, keys = pipeline.table_checksums(), pipeline.redis_contents()
    assert pipeline.json("run", "--as-of", following)["release"] == report["release"]
    assert pipeline.table_checksums() == tables
    assert pipeline.redis_contents() == keys

    # Nor does a replay of an older date replace what is live.
    with monkeypatch.context() as patch:
        for name in ("AUDOTICS_WAREHOUSE_URL", "AUDOTICS_REDIS_URL", "AUDOTICS_HOME"):
            patch.setenv(name, pipeline.environment[name])
        older = dg.materialize([release], partition_key=AS_OF, resources={"warehouse": WarehouseResource()})
    assert older.asset_materializations_for_node("release")[0].metadata["published"].value is False
    assert pipeline.redis_contents() == keys

    assert pipeline.json("releases", "rollback") == {"live": first["release"]}
    statuses = {each["release"]: each["status"] for each in pipeline.json("releases", "list")}
    assert statuses == {first["release"]: "live", report["release"]: "previous"}

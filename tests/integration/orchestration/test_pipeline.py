"""The main job end to end, through the command line, on a small sample world."""

import json
from datetime import date
from typing import Any
from urllib.parse import quote

import dagster as dg
import httpx
import pandas as pd
import pytest
from api_client import running_api
from pipeline_process import Pipeline
from sample_pipeline import AS_OF

from assets.dbt_project import manifest_path
from assets.publish.popular_content import country_popular
from assets.similar.assets import similarity_evaluations
from orchestration.definitions import defs
from orchestration.instance import open_instance
from warehouse.engine import adbc_connect
from warehouse.resource import PostgresResource
from warehouse.roles import Role
from warehouse.settings import Settings


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


def most_listeners(listens: pd.DataFrame) -> list[list[Any]]:
    """The 100 tracks with most recent listeners, and how many these are: 0 where they are fewer than 3."""
    ever = listens.drop_duplicates(["track_key", "user_id"]).groupby(["track_key", "track_id"]).size().rename("ever")
    recent = listens[listens["recent"]].drop_duplicates(["track_key", "user_id"]).groupby("track_key").size()
    tracks = ever[ever >= 3].reset_index().join(recent.where(recent >= 3).rename("recent"), on="track_key").fillna(0)
    best = tracks.sort_values(["recent", "ever", "track_key"], ascending=[False, False, True]).head(100)
    return best[["track_id", "recent"]].to_numpy().tolist()


def test_people_without_listens_get_what_is_popular_in_their_country(pipeline: Pipeline) -> None:
    listens = pd.DataFrame(
        pipeline.query(
            f"select user_id, country, track_id, track_key, listened_at >= timestamptz '{AS_OF} 00:00:00+00'"
            " - interval '30 days' from raw.listens inner join raw.users using (user_key)"
            f" inner join raw.tracks using (track_key) where listened_at < timestamptz '{AS_OF} 00:00:00+00'"
        ),
        columns=["user_id", "country", "track_id", "track_key", "recent"],
    )
    heard = listens[listens["recent"]].drop_duplicates(["track_key", "user_id"])
    by_track = heard.groupby(["country", "track_key", "track_id"])["user_id"].agg(["size"]).reset_index()
    anywhere = heard.groupby("track_key").size().rename("anywhere")
    by_track = by_track.join(anywhere, on="track_key")
    ranked = by_track.sort_values(["size", "anywhere", "track_key"], ascending=[False, False, True])

    def expected(least_listeners: int, least_tracks: int) -> dict[str, pd.DataFrame]:
        enough = ranked[ranked["size"] >= least_listeners].groupby("country")
        return {country: tracks.head(100) for country, tracks in enough if len(tracks) >= least_tracks}

    with adbc_connect(pipeline.warehouse_url, Role.SERVICE) as connection:
        lists = country_popular(connection, date.fromisoformat(AS_OF), least_listeners=2, least_tracks=10)
    assert lists.keys() == expected(2, 10).keys() and len(lists) > 3
    for country, tracks in expected(2, 10).items():
        assert lists[country].track_keys.tolist() == tracks["track_key"].tolist()
        assert lists[country].scores.tolist() == tracks["size"].tolist()

    served = {country: tracks[["track_id", "size"]].to_numpy().tolist() for country, tracks in expected(3, 20).items()}
    profiles = dict(pipeline.query("select user_id, country from raw.users where country is not null"))
    newcomers = {user_id: profiles[user_id] for user_id in profiles.keys() - set(listens["user_id"])}
    assert set(newcomers.values()) & served.keys() and set(newcomers.values()) - served.keys()
    with running_api(pipeline.redis_url) as api:
        everywhere = api.get("/v1/popular", params={"limit": 100}).raise_for_status().json()
        assert everywhere["country"] is None
        assert [[each["track_id"], each["score"]] for each in everywhere["items"]] == most_listeners(listens)
        for user_id, country in newcomers.items():
            path = f"/v1/users/{user_id}/recommendations"
            body = api.get(path, params={"limit": 100}).raise_for_status().json()
            assert (body["source"], body["fallback_reason"], body["as_of"]) == ("popular", "unknown_user", AS_OF)
            if country in served:
                assert body["country"] == country
                assert [[item["track_id"], item["score"]] for item in body["items"]] == served[country]
            else:
                assert (body["country"], body["items"]) == (None, everywhere["items"]), "too few listen there"


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


def test_similar_items_are_found_better_than_what_is_popular_and_first_of_all_better_than_by_plain_cosine(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUDOTICS_WAREHOUSE_URL", "AUDOTICS_REDIS_URL", "AUDOTICS_HOME"):
        monkeypatch.setenv(name, pipeline.environment[name])
    resources = {"warehouse": PostgresResource()}
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
        assert found[item, "popular"][4] > 0, f"popular is as good for {item}s"
    # Of few listeners, fifty tracks that three of them share are seldom found: what cosine lists may be one's own.
    assert found["track", "similar"][1] > found["track", "cosine"][1]


def test_every_asset_of_the_run_but_views_says_how_many_rows_it_has(pipeline: Pipeline) -> None:
    nodes = json.loads(manifest_path().read_text())["nodes"].values()
    views = {
        dg.AssetKey([node["schema"], node["name"]]) for node in nodes if node["config"].get("materialized") == "view"
    }
    assert dg.AssetKey(["analytics", "listens"]) in views
    settings = Settings(home=pipeline.home)
    with open_instance(settings, pipeline.warehouse_url) as instance:
        for key in defs.resolve_job_def("training_and_release").asset_layer.selected_asset_keys:
            event = instance.get_latest_materialization_event(key)
            assert event is not None, key
            counted = "dagster/row_count" in event.asset_materialization.metadata
            assert counted == (key not in views), key


def test_the_run_says_how_much_of_each_source_others_tell_as_well(pipeline: Pipeline) -> None:
    with open_instance(Settings(home=pipeline.home), pipeline.warehouse_url) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["core", "fct_duplicate_listens"]))
    assert event is not None and event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["duplicate_rate"].value == 0, "one source alone"
    days = [row.data for row in metadata["duplicates_by_source_of_14_days"].records]
    assert len(days) == 14
    assert {(day["source"], day["duplicates"], day["rate"]) for day in days} == {("lastfm-1k", 0, 0.0)}

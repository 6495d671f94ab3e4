"""Tags that people load: from their file to what somebody new can choose."""

from datetime import date

import httpx
import pytest
from api_client import running_api
from dbt_process import Dbt
from pipeline_process import Pipeline
from redis import Redis
from sample_pipeline import AS_OF

from assets.publish.popular_content import LEAST_TRACKS
from assets.publish.release import publish
from assets.publish.warehouse_content import release_content
from warehouse.engine import adbc_connect
from warehouse.roles import Role

pytestmark = pytest.mark.own_redis

MAPPING = """
kind = "tags"
source = "lastfm-1k"

[columns]
user_id = "who"
recording_mbid = "track"
tag = "tag"
"""
# By tag: how many people give it, and to how many of the tracks that most people heard.
GIVEN = {"Calm": (3, LEAST_TRACKS), "calm": (3, LEAST_TRACKS + 5), "Of Two": (2, 50), "Rare": (4, LEAST_TRACKS - 1)}


def test_tags_of_the_warehouse_are_there_to_be_chosen(own_pipeline: Pipeline, client: Redis, redis_url: str) -> None:
    popular = own_pipeline.query(
        "select recording_mbid, track_id from core.dim_tracks inner join features.feat_track using (track_key)"
        f" where as_of = '{AS_OF}' and listeners >= 3 and recording_mbid is not null"
        " order by case when listeners_30d >= 3 then listeners_30d else 0 end desc, listeners desc, track_key"
    )
    track_ids = [track_id for _, track_id in popular]
    rows = [
        f"{who},{track},{tag}"
        for tag, (people, tracks) in GIVEN.items()
        for who in range(people)
        for track, _ in popular[:tracks]
    ]
    (own_pipeline.home / "tags.csv").write_text("\n".join(("who,track,tag", *rows)), encoding="utf-8")
    (own_pipeline.home / "tags.toml").write_text(MAPPING, encoding="utf-8")
    files = own_pipeline.json(
        "ingest", str(own_pipeline.home / "tags.csv"), "--mapping", str(own_pipeline.home / "tags.toml")
    )["files"]
    assert [each["rows_loaded"] for each in files] == [len(set(rows))]
    Dbt(own_pipeline.warehouse_url)("run", "--select", "stg_track_tags", "dim_track_tags")

    with adbc_connect(own_pipeline.warehouse_url, Role.SERVICE) as connection:
        published = publish(client, release_content(connection, date.fromisoformat(AS_OF)))
    assert published.counts.tag_tracks == 1
    with running_api(redis_url) as api:
        told = told_by(api.get("/v1/tags"))
        assert told["release"] == published.meta.release
        assert told["items"] == [{"rank": 1, "tag": "calm", "tracks": LEAST_TRACKS + 5}]
        body = {"tags": ["Calm", "of two"], "limit": 100}
        pages = [
            told_by(api.post("/v1/recommendations:fromSeeds", json=body | {"offset": offset})) for offset in (0, 100)
        ]
    assert {(page["source"], *page["unknown_tags"]) for page in pages} == {("seeds", "of two")}
    items = [item for page in pages for item in page["items"]]
    assert {item["reason"]["tag"] for item in items} == {"calm"}
    # What is similar to many of these may stand before the last of them.
    assert items[0]["track_id"] in track_ids[: LEAST_TRACKS + 5]
    assert {item["track_id"] for item in items} >= set(track_ids[: LEAST_TRACKS + 5])


def told_by(answer: httpx.Response) -> dict:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())

"""Ids that were found to be of one track or artist: apps that hold the one that lost still get an answer."""

from datetime import date

import httpx
import pytest
from api_client import running_api
from pipeline_process import Pipeline
from redis import Redis
from sample_pipeline import AS_OF
from sqlalchemy import text

from assets.publish.release import publish
from assets.publish.warehouse_content import release_content
from warehouse.engine import adbc_connect, create_engine
from warehouse.roles import Role

pytestmark = pytest.mark.own_redis

FORMER = {
    "artist": "insert into raw.artists (artist_key, natural_key, artist_id, name, file_id)"
    " select (select max(artist_key) + 1 from raw.artists), 'name:former', :id, name, file_id from raw.artists"
    " where artist_key = :key returning artist_key",
    "track": "insert into raw.tracks (track_key, natural_key, track_id, title, artist_key, file_id)"
    " select (select max(track_key) + 1 from raw.tracks), 'name:former', :id, title, artist_key, file_id"
    " from raw.tracks where track_key = :key returning track_key",
}
IDENTITY = {
    "artist": "insert into core.dim_artist_identities (artist_key, canonical_artist_key) values (:former, :key)",
    "track": "insert into core.dim_track_identities (track_key, canonical_track_key, song_key, artist_key)"
    " select :former, :key, :key, artist_key from raw.tracks where track_key = :key",
}


def test_the_id_of_a_track_that_is_another_one_answers_as_that_one(
    own_pipeline: Pipeline, client: Redis, redis_url: str
) -> None:
    heard = "select track_key, track_id, artist_key, artist_id from core.dim_tracks inner join features.feat_track"
    ((track_key, track_id, artist_key, artist_id),) = own_pipeline.query(
        f"{heard} using (track_key) where as_of = '{AS_OF}' and artist_key is not null order by track_key limit 1"
    )
    keys = {"track": track_key, "artist": artist_key}
    with create_engine(own_pipeline.warehouse_url).begin() as connection:
        for item, key in keys.items():
            values = {"id": f"former {item}", "key": key}
            former = connection.execute(text(FORMER[item]), values).scalar_one()
            connection.execute(text(IDENTITY[item]), {"former": former, "key": key})
    with adbc_connect(own_pipeline.warehouse_url, Role.SERVICE) as connection:
        content = release_content(connection, date.fromisoformat(AS_OF))
        for item, key in keys.items():
            assert [each for batch in content.other_ids(item) for each in batch] == [(f"former {item}", key)]
        publish(client, content)
    with running_api(redis_url) as api:
        answer = get(api, "/v1/tracks/former%20track/similar")
        assert answer == get(api, f"/v1/tracks/{track_id}/similar")
        assert answer["track"]["track_id"] == track_id
        assert get(api, "/v1/artists/former%20artist/similar")["artist"]["artist_id"] == artist_id


def get(api: httpx.Client, path: str) -> dict:
    found = api.get(path)
    assert found.status_code == 200, found.text
    return dict(found.json())

"""Tracks and what is similar to them, over HTTP."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest
from api_client import document, problem, running_api
from redis import Redis
from sample_release import (
    ARTISTS,
    sample_artist,
    sample_release,
    sample_similar,
    sample_track,
)

from assets.publish.release import publish
from serving_api import contract, models
from serving_api.contract import Track
from serving_api.records import document as shown

pytestmark = pytest.mark.own_redis


def test_a_track_can_be_looked_up_by_its_public_id(api: httpx.Client) -> None:
    body = document(api.get("/v1/tracks/t-17"), models.Track)
    assert body["track"] == shown(sample_track("first", 17))
    assert body["as_of"] == "2026-11-22"
    unknown = problem(api.get("/v1/tracks/AC%2FDC"), 404, "unknown-track")
    assert unknown["detail"] == "the live release has no track with the id AC/DC"


def test_an_id_that_another_one_stands_for_is_answered_with_that_one(api: httpx.Client) -> None:
    track = document(api.get("/v1/tracks/track-of-before"), models.Track)["track"]
    assert track == shown(sample_track("first", 5))
    similar = api.get("/v1/tracks/track-of-before/similar")
    assert document(similar, models.SimilarTracks) == document(api.get("/v1/tracks/t-5/similar"), models.SimilarTracks)
    artist = document(api.get("/v1/artists/artist-of-before/similar"), models.SimilarArtists)["artist"]
    assert artist == shown(sample_artist("first", 5))


def test_similar_tracks_are_listed_best_first_with_where_they_come_from(api: httpx.Client, client: Redis) -> None:
    body = document(api.get("/v1/tracks/t-17/similar"), models.SimilarTracks)
    live = client.get(contract.LIVE)
    assert isinstance(live, bytes)
    keys = sample_similar("first", 17, 40)
    assert len(keys) == 2
    assert body == {
        "release": live.decode(),
        "as_of": "2026-11-22",
        "generated_at": "2026-11-22T03:30:00Z",
        "track": shown(sample_track("first", 17)),
        "fallback_reason": None,
        "items": [
            {"rank": 1, **shown(sample_track("first", keys[0])), "score": 2.0},
            {"rank": 2, **shown(sample_track("first", keys[1])), "score": 1.0},
        ],
        "next_offset": None,
    }
    assert api.get("/v1/tracks/t-17/similar").headers["cache-control"] == "public, max-age=60"


def test_similar_artists_are_listed_with_their_names(api: httpx.Client) -> None:
    body = document(api.get("/v1/artists/a-1/similar"), models.SimilarArtists)
    assert body["artist"] == {"artist_id": "a-1", "name": "Artist 1 of first", "artist_mbid": None}
    expected = [shown(sample_artist("first", key)) for key in sample_similar("first", 1, ARTISTS)]
    assert [{name: item[name] for name in expected[0]} for item in body["items"]] == expected


@pytest.mark.parametrize(("kind", "last"), [("tracks", "t-39"), ("artists", f"a-{ARTISTS - 1}")])
def test_pages_of_similar_items_add_up_and_what_is_like_no_other_has_an_empty_one(
    api: httpx.Client, kind: str, last: str
) -> None:
    path = f"/v1/{kind}/{last[0]}-1/similar"
    whole = api.get(path).json()["items"]
    beyond = api.get(path, params={"offset": 50}).json()
    assert (beyond["items"], beyond["fallback_reason"]) == ([], None)
    first = api.get(path, params={"limit": 1}).json()
    second = api.get(path, params={"limit": 1, "offset": first["next_offset"]}).json()
    assert (first["items"] + second["items"], second["next_offset"]) == (whole, None)
    assert [item["rank"] for item in whole] == [1, 2]
    empty = api.get(f"/v1/{kind}/{last}/similar").json()
    assert (empty["items"], empty["next_offset"], empty["fallback_reason"]) == ([], None, "too_few_listeners")


def test_what_the_release_does_not_know_is_like_nothing(api: httpx.Client) -> None:
    track = problem(api.get("/v1/tracks/AC%2FDC/similar"), 404, "unknown-track")
    assert track["detail"] == "the live release has no track with the id AC/DC"
    artist = problem(api.get("/v1/artists/t-1/similar"), 404, "unknown-artist")
    assert artist["detail"] == "the live release has no artist with the id t-1"


def test_ids_with_slashes_are_told_from_the_path_behind_them(client: Redis, redis_url: str) -> None:
    strange = {1: "AC/DC", 2: "similar", 3: "a/similar", 4: "a"}
    release = sample_release()

    def renamed() -> Iterator[Sequence[Track]]:
        for tracks in release.tracks():
            yield [track._replace(track_id=strange.get(track.track_key, track.track_id)) for track in tracks]

    publish(client, replace(release, tracks=renamed))
    with running_api(redis_url) as api:
        for track_id in strange.values():
            path = f"/v1/tracks/{quote(track_id, safe='')}"
            assert document(api.get(path), models.Track)["track"]["track_id"] == track_id
            assert document(api.get(f"{path}/similar"), models.SimilarTracks)["track"]["track_id"] == track_id
        assert api.get("/v1/tracks/AC/DC/similar").json()["track"]["track_id"] == "AC/DC"
        assert document(api.get("/v1/tracks/a/similar"), models.SimilarTracks)["track"]["track_id"] == "a"

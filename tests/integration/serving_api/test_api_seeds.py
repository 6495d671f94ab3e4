"""What somebody new gets for artists, tracks and tags that they chose, what artists have and what is trending."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from api_client import document, problem, running_api
from redis import Redis
from redis_damage import LISTS
from sample_release import ARTISTS, TAGS, sample_artist, sample_release, sample_similar, sample_tag, sample_track

from assets.publish.content import PopularTracks, TagBatch
from assets.publish.release import publish
from serving_api import contract, public_models

pytestmark = pytest.mark.own_redis


def from_seeds(api: httpx.Client, **body: Any) -> dict[str, Any]:
    return document(api.post("/v1/recommendations:fromSeeds", json=body), public_models.FromSeeds)


def track_ids(body: dict[str, Any]) -> list[str]:
    return [item["track_id"] for item in body["items"]]


def tracks_of(artist: int) -> list[str]:
    return [f"t-{key}" for key in range(39, -1, -1) if key % 3 and key % 7 == artist]


def test_chosen_artists_lead_to_their_tracks_and_those_of_similar_artists(api: httpx.Client) -> None:
    body = from_seeds(api, artists=["a-1"], limit=100)
    assert (body["source"], body["fallback_reason"], body["unknown_ids"]) == ("seeds", None, [])
    similar = sample_similar("first", 1, ARTISTS)
    assert set(track_ids(body)) == {track for artist in (1, *similar) for track in tracks_of(artist)}
    assert track_ids(body)[0] == tracks_of(1)[0]
    reason = {"type": "because_you_chose", "artist_id": "a-1", "name": sample_artist("first", 1).name}
    assert [item["reason"] for item in body["items"]] == [reason] * len(body["items"])
    assert [item["rank"] for item in body["items"]] == list(range(1, len(body["items"]) + 1))
    scores = [item["score"] for item in body["items"]]
    assert scores[0] == max(scores)
    first, second = (from_seeds(api, artists=["a-1"], limit=5, offset=offset) for offset in (0, 5))
    assert track_ids(first) + track_ids(second) == track_ids(body)[:10]
    assert first["next_offset"] == 5


def test_chosen_tracks_lead_to_similar_ones_and_not_to_themselves(api: httpx.Client) -> None:
    body = from_seeds(api, tracks=["t-17", "track-of-before"], artists=["nobody"], exclude=["t-4"], limit=100)
    expected = {f"t-{key}" for seed in (17, 5) for key in sample_similar("first", seed, 40)} - {"t-17", "t-5", "t-4"}
    assert set(track_ids(body)) == expected
    assert body["unknown_ids"] == ["nobody"]
    assert {item["reason"]["title"] for item in body["items"]} <= {sample_track("first", key).title for key in (17, 5)}


def test_chosen_tags_lead_to_their_tracks_and_to_what_is_similar_to_these(api: httpx.Client) -> None:
    body = from_seeds(api, tags=["Rock", "rock", "polka", "POLKA"], limit=100)
    own = sample_tag("rock")
    similar = {each for key in own for each in sample_similar("first", key, 40)}
    assert set(track_ids(body)) == {f"t-{key}" for key in {*own, *similar}}
    assert (body["source"], body["unknown_ids"], body["unknown_tags"]) == ("seeds", [], ["polka", "POLKA"])
    assert [item["reason"] for item in body["items"]] == [{"type": "because_you_chose", "tag": "rock"}] * len(
        body["items"]
    )
    first, second = (from_seeds(api, tags=["rock"], limit=5, offset=offset) for offset in (0, 5))
    assert track_ids(first) + track_ids(second) == track_ids(body)[:10]


def test_artists_tracks_and_tags_are_one_list_in_which_each_names_what_it_led_to(api: httpx.Client) -> None:
    body = from_seeds(api, artists=["a-1"], tracks=["t-17"], tags=["jazz"], limit=100)
    alone = [
        from_seeds(api, **seed, limit=100) for seed in ({"artists": ["a-1"]}, {"tracks": ["t-17"]}, {"tags": ["jazz"]})
    ]
    scores = {item["track_id"]: item["score"] for item in body["items"]}
    assert scores == pytest.approx(
        {
            track: sum(item["score"] for each in alone for item in each["items"] if item["track_id"] == track)
            for track in {track for each in alone for track in track_ids(each)} - {"t-17"}
        }
    )
    named = [{*item["reason"]} - {"type"} for item in body["items"]]
    assert {frozenset(each) for each in named} == {
        frozenset(each) for each in ({"artist_id", "name"}, {"track_id", "title"}, {"tag"})
    }


def test_the_tags_to_choose_from_are_listed_by_how_much_they_are_heard(api: httpx.Client, client: Redis) -> None:
    whole = document(api.get("/v1/tags"), public_models.Tags)
    # More tracks with the same scores are heard more.
    assert [(item["rank"], item["tag"], item["tracks"]) for item in whole["items"]] == [
        (rank, tag, len(sample_tag(tag))) for rank, tag in enumerate(TAGS, 1)
    ]
    pages = [document(api.get("/v1/tags", params={"limit": 2, "offset": at}), public_models.Tags) for at in (0, 2)]
    assert [item for each in pages for item in each["items"]] == whole["items"]
    assert [each["next_offset"] for each in pages] == [2, None]
    for item in whole["items"]:
        assert from_seeds(api, tags=[item["tag"]])["unknown_tags"] == []
    for query in ({"limit": 0}, {"limit": 101}, {"offset": -1}):
        problem(api.get("/v1/tags", params=query), 422, "invalid-request")


def test_a_tag_that_has_another_lower_case_in_the_warehouse_is_found_as_it_is_listed(
    client: Redis, redis_url: str
) -> None:
    """A database of the locale C leaves letters beyond ASCII as they are."""
    given = sample_release()

    def renamed() -> Iterator[TagBatch]:
        for batch in given.tag_tracks():
            yield replace(batch, tags=("Électro", *batch.tags[1:]))

    publish(client, replace(given, tag_tracks=renamed))
    with running_api(redis_url) as api:
        assert document(api.get("/v1/tags"), public_models.Tags)["items"][0]["tag"] == "Électro"
        assert from_seeds(api, tags=["Électro"], limit=1)["items"][0]["reason"]["tag"] == "Électro"


def test_a_tag_whose_list_is_damaged_is_not_taken_for_an_unknown_one(api: httpx.Client, client: Redis) -> None:
    key = contract.tag_tracks_key((client.get(contract.LIVE) or b"").decode())
    for how, packed in LISTS.items():
        client.hset(key, "jazz", packed)
        answer = api.post("/v1/recommendations:fromSeeds", json={"tags": ["jazz"]})
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "5"), (how, answer.text)
        assert from_seeds(api, tags=["rock"])["unknown_tags"] == []
    client.hdel(key, "jazz")
    assert from_seeds(api, tags=["jazz"])["unknown_tags"] == ["jazz"]


def test_a_release_from_before_there_were_tags_knows_none(client: Redis, redis_url: str) -> None:
    name = publish(client, replace(sample_release(), tag_tracks=lambda: iter(()))).meta.release
    assert client.exists(contract.tag_tracks_key(name)) == 0
    with running_api(redis_url) as api:
        empty = document(api.get("/v1/tags"), public_models.Tags)
        assert (empty["items"], empty["next_offset"]) == ([], None)
        body = from_seeds(api, tags=["rock"], limit=3)
        assert (body["source"], body["fallback_reason"]) == ("popular", "unknown_seeds")
        assert (body["unknown_ids"], body["unknown_tags"]) == ([], ["rock"])
        both = from_seeds(api, artists=["a-1"], tags=["rock"], limit=3)
        assert (both["source"], both["unknown_tags"]) == ("seeds", ["rock"])
        # Asked again, the process has the list of the release that is live.
        second = publish(client, sample_release("second")).meta.release
        assert document(api.get("/v1/tags"), public_models.Tags)["release"] == second


def test_what_is_popular_answers_where_nothing_follows_from_seeds(api: httpx.Client) -> None:
    unknown = from_seeds(api, artists=["x"], tracks=["y"], limit=3)
    assert (unknown["source"], unknown["fallback_reason"]) == ("popular", "unknown_seeds")
    assert (track_ids(unknown), unknown["unknown_ids"]) == (["t-39", "t-38", "t-37"], ["x", "y"])
    alone = from_seeds(api, tracks=["t-39"], limit=3)
    assert (alone["source"], alone["fallback_reason"]) == ("popular", "nothing_similar")


def test_seeds_that_cannot_be_meant_are_refused(api: httpx.Client) -> None:
    for body in (
        {},
        {"artists": []},
        {"artists": [""]},
        {"artists": ["a"] * 51},
        {"tags": ["x"] * 51},
        {"tags": [""]},
        {"tracks": "t-1"},
    ):
        problem(api.post("/v1/recommendations:fromSeeds", json=body), 422, "invalid-request")


def test_an_artist_has_a_page_of_tracks(api: httpx.Client, client: Redis) -> None:
    body = document(api.get("/v1/artists/a-1", params={"limit": 3}), public_models.ArtistTracks)
    assert body["artist"] == {"artist_id": "a-1", "name": sample_artist("first", 1).name, "artist_mbid": None}
    rest = document(api.get("/v1/artists/a-1", params={"offset": 3}), public_models.ArtistTracks)
    assert track_ids(body) + track_ids(rest) == tracks_of(1)
    assert (body["next_offset"], rest["next_offset"], rest["items"][0]["rank"]) == (3, None, 4)
    other = document(api.get("/v1/artists/artist-of-before"), public_models.ArtistTracks)
    assert other["artist"]["artist_id"] == "a-5"
    problem(api.get("/v1/artists/nobody"), 404, "unknown-artist")
    client.delete(contract.artist_tracks_key((client.get(contract.LIVE) or b"").decode()))
    before = document(api.get("/v1/artists/a-1"), public_models.ArtistTracks)
    assert (before["items"], before["fallback_reason"]) == ([], "too_few_listeners")


def test_what_is_trending_is_listed_and_of_the_live_release(client: Redis, redis_url: str) -> None:
    publish(client, sample_release("first"))
    with running_api(redis_url) as api:
        body = document(api.get("/v1/trending", params={"limit": 4}), public_models.Trending)
        assert (track_ids(body), body["next_offset"]) == (["t-15", "t-16", "t-17", "t-18"], 4)
        assert body["fallback_reason"] is None
        nothing = PopularTracks(np.empty(0, np.int32), np.empty(0, np.float32))
        second = publish(client, replace(sample_release("second"), trending=nothing)).meta.release
        empty = document(api.get("/v1/trending"), public_models.Trending)
        assert (empty["items"], empty["fallback_reason"], empty["release"]) == ([], "too_few_listeners", second)
        client.delete(contract.trending_key(second))
        assert document(api.get("/v1/trending"), public_models.Trending) == empty

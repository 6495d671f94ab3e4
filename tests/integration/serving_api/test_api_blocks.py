"""What a user has blocked is in no answer to them, from the next request on, over real HTTP."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from api_client import problem, recommendations
from redis import Redis
from sample_release import WITHOUT_DISCOVER, sample_country, sample_list, sample_release, sample_track

from assets.publish.held import rollback
from assets.publish.release import publish
from serving_api import contract
from serving_api.contract import BLOCKS, Blocks
from serving_api.errors import UnreadableBlocksError

pytestmark = pytest.mark.own_redis


def block(client: Redis, user_id: str, tracks: Iterable[str] = (), artists: Iterable[str] = ()) -> None:
    client.hset(BLOCKS, user_id, contract.pack_blocks(Blocks(frozenset(tracks), frozenset(artists))))


def track_ids(answer: dict[str, Any]) -> list[str]:
    return [item["track_id"] for item in answer["items"]]


def ids(keys: list[int]) -> list[str]:
    return [f"t-{key}" for key in keys]


def hidden(key: int, tracks: set[str], artists: set[str]) -> bool:
    track = sample_track("any", key)
    return track.track_id in tracks or track.artist_id in artists


def test_a_list_closes_up_over_blocked_tracks_and_artists_and_is_whole_again_without_the_block(
    api: httpx.Client, client: Redis
) -> None:
    path = "/v1/users/user_7/recommendations"
    keys, anchors = sample_list("first", "for_you", 7)
    whole = api.get(path)
    anchor = next(anchor for anchor in anchors if anchor >= 0 and anchor not in keys)
    artist = next(track.artist_id for track in (sample_track("first", key) for key in keys[1:]) if track.artist_id)
    blocked = ({f"t-{keys[0]}", f"t-{anchor}"}, {artist})
    block(client, "user_7", *blocked)
    left = [key for key in keys if not hidden(key, *blocked)]
    assert 4 < len(left) < 11

    answer = api.get(path, headers={"If-None-Match": whole.headers["etag"]})
    assert answer.status_code == 200 and answer.headers["etag"] != whole.headers["etag"]
    body = answer.json()
    assert (body["source"], body["fallback_reason"], body["next_offset"]) == ("personal", None, None)
    assert track_ids(body) == ids(left)
    assert [item["rank"] for item in body["items"]] == list(range(1, len(left) + 1))
    reasons = [item["reason"] and item["reason"]["track_id"] for item in body["items"]]
    anchor_of = dict(zip(keys, anchors, strict=True))
    expected = [
        anchor_of[key] if anchor_of[key] >= 0 and not hidden(anchor_of[key], *blocked) else None for key in left
    ]
    assert reasons == [each if each is None else f"t-{each}" for each in expected]

    first = recommendations(api, "user_7", limit=3, exclude=f"t-{left[1]}")
    second = recommendations(api, "user_7", limit=3, offset=first["next_offset"], exclude=f"t-{left[1]}")
    assert track_ids(first) + track_ids(second) == ids([left[0], *left[2:7]])
    assert recommendations(api, "user_7", limit=len(left))["next_offset"] is None
    assert recommendations(api, "user_7", limit=len(left) - 1)["next_offset"] == len(left) - 1
    assert track_ids(recommendations(api, "user_8")) == ids(sample_list("first", "for_you", 8)[0])

    client.hdel(BLOCKS, "user_7")
    again = api.get(path)
    assert (again.content, again.headers["etag"]) == (whole.content, whole.headers["etag"])


def test_a_popular_list_that_stands_in_is_without_what_the_user_has_blocked(api: httpx.Client, client: Redis) -> None:
    overall = [sample_track("first", key) for key in range(39, 14, -1)]
    country = sample_country("first", "Finland")
    tracks, artists = {"t-39", f"t-{country[0]}"}, {"a-2"}
    for user_id in ("nobody", "new_0", WITHOUT_DISCOVER):
        block(client, user_id, tracks, artists)
    left = [track.track_id for track in overall if not hidden(track.track_key, tracks, artists)]
    assert len(left) < 24
    for user_id, reason in (("nobody", "unknown_user"), (WITHOUT_DISCOVER, "empty_slate")):
        answer = recommendations(api, user_id, slate="discover", limit=100)
        assert (track_ids(answer), answer["fallback_reason"]) == (left, reason)
        assert [item["rank"] for item in answer["items"]] == list(range(1, len(left) + 1))
    page = recommendations(api, "nobody", limit=5, offset=5, exclude=left[0])
    assert (track_ids(page), page["next_offset"]) == (left[6:11], 10)
    of_country = recommendations(api, "new_0")
    assert of_country["country"] == "Finland"
    assert track_ids(of_country) == ids([key for key in country if not hidden(key, tracks, artists)])
    assert track_ids(recommendations(api, "nobody", country="Finland")) == track_ids(of_country)
    assert track_ids(recommendations(api, "new_2")) == ids(country), "what one user blocks, others keep"
    for query in ({}, {"country": "Finland"}):
        whole = ids(country) if query else [track.track_id for track in overall]
        assert track_ids(api.get("/v1/popular", params={"limit": 100, **query}).json()) == whole


def test_a_popular_list_answers_who_has_blocked_a_whole_list(api: httpx.Client, client: Redis) -> None:
    keys, _ = sample_list("first", "for_you", 7)
    block(client, "user_7", set(ids(keys)))
    answer = recommendations(api, "user_7", limit=100)
    assert (answer["source"], answer["fallback_reason"], answer["model_version"]) == ("popular", "empty_slate", None)
    assert track_ids(answer) == ids([key for key in range(39, 14, -1) if key not in keys])


def test_blocks_outlive_a_flip_and_a_rollback(api: httpx.Client, client: Redis) -> None:
    block(client, "user_7", artists={"a-1"})

    def left(marker: str) -> list[str]:
        return ids([key for key in sample_list(marker, "for_you", 7)[0] if not hidden(key, set(), {"a-1"})])

    assert len(left("first")) < 12
    assert track_ids(recommendations(api, "user_7")) == left("first")
    publish(client, sample_release("second"))
    assert track_ids(recommendations(api, "user_7")) == left("second")
    rollback(client)
    assert track_ids(recommendations(api, "user_7")) == left("first")
    for marker in ("third", "fourth"):
        publish(client, sample_release(marker))
    assert track_ids(recommendations(api, "user_7")) == left("fourth")


@pytest.mark.parametrize("damaged", [b"{damaged", b'[2,["t-1"],[]]', b'[1,"t-1",[]]'])
def test_who_has_blocks_that_cannot_be_read_is_shown_no_list_at_all(
    api: httpx.Client, client: Redis, damaged: bytes
) -> None:
    for user_id in ("user_7", "nobody"):
        client.hset(BLOCKS, user_id, damaged)
        answer = api.get(f"/v1/users/{user_id}/recommendations")
        assert problem(answer, 503, "contract-mismatch")["detail"] == UnreadableBlocksError.detail
    assert recommendations(api, "user_8")["source"] == "personal"
    client.hdel(BLOCKS, "user_7")
    assert recommendations(api, "user_7")["source"] == "personal"


def test_while_redis_answers_and_does_not_let_blocks_be_read_no_list_is_shown_to_anybody(
    api: httpx.Client, client: Redis
) -> None:
    live_before = client.get(contract.LIVE)
    client.set(BLOCKS, "x")
    for live in (live_before, "2026-12-31-00000000"):
        client.set(contract.LIVE, live)
        for user_id in ("user_7", "nobody"):
            answer = api.get(f"/v1/users/{user_id}/recommendations")
            assert problem(answer, 503, "contract-mismatch")["detail"] == UnreadableBlocksError.detail
        assert api.get("/v1/popular").status_code == 200
    client.set(contract.LIVE, live_before)
    client.delete(BLOCKS)
    assert recommendations(api, "user_7")["source"] == "personal"


def test_a_list_that_redis_refuses_is_replaced_by_the_one_seen_last_without_blocked_items(
    api: httpx.Client, client: Redis
) -> None:
    block(client, "user_7", {"t-39"})
    client.set(contract.slate_key((client.get(contract.LIVE) or b"").decode(), "for_you"), "x")
    answer = recommendations(api, "user_7", limit=2)
    assert (answer["fallback_reason"], track_ids(answer)) == ("store_unavailable", ["t-38", "t-37"])


def test_without_a_release_that_can_be_read_the_list_seen_last_is_without_blocked_items_too(
    api: httpx.Client, client: Redis
) -> None:
    block(client, "user_7", {"t-39"}, {"a-2"})
    client.hset(BLOCKS, "user_8", b"damaged")
    client.set(contract.LIVE, "2026-12-31-00000000")
    for user_id, tracks, artists in (("user_7", {"t-39"}, {"a-2"}), ("user_9", set(), set())):
        answer = recommendations(api, user_id, limit=100)
        assert answer["fallback_reason"] == "store_unavailable"
        assert track_ids(answer) == ids([key for key in range(39, 14, -1) if not hidden(key, tracks, artists)])
    problem(api.get("/v1/users/user_8/recommendations"), 503, "contract-mismatch")


def test_a_list_takes_one_round_trip_with_or_without_blocks_and_one_that_stands_in_two(
    api: httpx.Client, client: Redis
) -> None:
    block(client, "user_7", {"t-1"})
    for user_id in ("user_7", "user_8", "new_0"):
        recommendations(api, user_id)

    def asked(user_id: str) -> dict[str, int]:
        """How often each command was called for one request."""

        def calls() -> dict[str, int]:
            stats = client.info("commandstats")
            return {name: stats[f"cmdstat_{name}"]["calls"] for name in ("exec", "hmget", "mget", "get", "hget")}

        before = calls()
        recommendations(api, user_id)
        return {name: count - before[name] for name, count in calls().items()}

    # The fields of changes, of blocks and of the list, and the pointers; no transaction, which a Redis without memory
    # left refuses.
    once = {"exec": 0, "mget": 1, "hmget": 3, "get": 0, "hget": 0}
    assert asked("user_8") == asked("user_7") == once
    twice = {"exec": 0, "mget": 2, "hmget": 4, "get": 0, "hget": 0}
    assert asked("nobody") == asked("new_0") == twice


def test_requests_at_once_share_a_round_trip_and_not_each_others_faults(api: httpx.Client, client: Redis) -> None:
    block(client, "user_7", {"t-1"})
    slate = contract.slate_key((client.get(contract.LIVE) or b"").decode(), "for_you")
    client.hset(slate, "user_9", b"damaged")
    client.hset(BLOCKS, "user_10", b"damaged")
    users = [f"user_{number}" for number in range(30)] + ["nobody", "new_0"]
    alone = {user_id: api.get(f"/v1/users/{user_id}/recommendations") for user_id in users}
    before = client.info("commandstats")["cmdstat_mget"]["calls"]
    with ThreadPoolExecutor(16) as pool:
        for _ in range(10):
            answers = pool.map(lambda user_id: api.get(f"/v1/users/{user_id}/recommendations"), users)
            for user_id, answer in zip(users, answers, strict=True):
                assert answer.status_code == alone[user_id].status_code == (503 if user_id == "user_10" else 200)
                if answer.status_code == 200:
                    assert answer.content == alone[user_id].content
    assert client.info("commandstats")["cmdstat_mget"]["calls"] - before < 10 * len(users)
    assert alone["user_9"].json()["fallback_reason"] == "store_unavailable"
    assert "t-1" not in track_ids(alone["user_7"].json())

"""A home screen in one request, and the lists of many users in one, over real HTTP."""

from typing import Any

import httpx
import pytest
from api_client import document, problem, recommendations, running_api, running_redis
from redis import Redis
from sample_release import WITHOUT_DISCOVER, sample_country, sample_release

from assets.publish.release import publish
from serving_api import contract, models
from serving_api.contract import BLOCKS, Blocks

pytestmark = pytest.mark.own_redis


def home(api: httpx.Client, user_id: str, **query: Any) -> dict[str, Any]:
    return document(api.get(f"/v1/users/{user_id}/home", params=query), models.Home)


def shelves(body: dict[str, Any]) -> dict[str, list[str]]:
    return {shelf["slate"]: [item["track_id"] for item in shelf["items"]] for shelf in body["shelves"]}


def left_out(body: dict[str, Any]) -> dict[str, str]:
    return {each["slate"]: each["reason"] for each in body["left_out"]}


def track_ids(body: dict[str, Any]) -> list[str]:
    return [item["track_id"] for item in body["items"]]


def test_a_home_screen_has_every_track_once_and_each_shelf_what_its_list_goes_on_with(api: httpx.Client) -> None:
    body = home(api, "user_7", limit=6)
    found = shelves(body)
    assert list(found) == ["for_you", "discover", "popular"]
    assert left_out(body) == {"rediscover": "empty_slate"}
    assert len({track for shelf in found.values() for track in shelf}) == 18
    seen: set[str] = set()
    for slate, listed in found.items():
        whole = (
            track_ids(api.get("/v1/popular", params={"limit": 100}).json())
            if slate == "popular"
            else track_ids(recommendations(api, "user_7", slate=slate, limit=100))
        )
        assert listed == [each for each in whole if each not in seen][:6]
        seen |= set(listed)
    assert [item["rank"] for item in body["shelves"][1]["items"]] == list(range(1, 7))
    assert [shelf["model_version"] for shelf in body["shelves"]] == ["for_you-first", "discover-first", None]
    assert body["release"] == recommendations(api, "user_7")["release"]


def test_a_shelf_that_is_too_short_or_not_the_users_own_is_left_out_and_says_why(
    api: httpx.Client, client: Redis
) -> None:
    assert left_out(home(api, WITHOUT_DISCOVER))["discover"] == "empty_slate"
    newcomer = home(api, "new_0")
    assert shelves(newcomer) == {"popular": [f"t-{key}" for key in sample_country("first", "Finland")]}
    assert set(left_out(newcomer).values()) == {"unknown_user"}
    assert newcomer["shelves"][0]["country"] == "Finland"
    whole = track_ids(recommendations(api, "user_7", limit=100))
    blocked = Blocks(frozenset(whole[3:]), frozenset())
    client.hset(BLOCKS, "user_7", contract.pack_blocks(blocked))
    body = home(api, "user_7", at_least=4)
    assert left_out(body)["for_you"] == "too_short"
    assert not {track for shelf in shelves(body).values() for track in shelf} & blocked.track_ids
    assert shelves(home(api, "user_7", at_least=3))["for_you"] == whole[:3]
    assert whole[0] not in shelves(home(api, "user_7", at_least=1, exclude=whole[0]))["for_you"]


def test_a_shelf_that_cannot_be_read_leaves_the_others_and_unreadable_blocks_leave_none(
    api: httpx.Client, client: Redis
) -> None:
    live = (client.get(contract.LIVE) or b"").decode()
    client.hset(contract.slate_key(live, "for_you"), "user_7", b"damaged")
    body = home(api, "user_7")
    assert left_out(body)["for_you"] == "store_unavailable"
    assert list(shelves(body)) == ["discover", "popular"]
    client.hset(BLOCKS, "user_7", b"damaged")
    problem(api.get("/v1/users/user_7/home"), 503, "contract-mismatch")


def test_without_redis_a_home_screen_shows_what_was_popular() -> None:
    with running_redis() as (server, url), running_api(url) as api:
        release = home(api, "user_7")["release"]
        server.kill()
        server.wait()
        answer = api.get("/v1/users/user_7/home")
        assert answer.headers["cache-control"] == "no-store"
        body = document(answer, models.Home)
        assert shelves(body) == {"popular": [f"t-{key}" for key in range(39, 29, -1)]}
        assert (set(left_out(body).values()), body["release"]) == ({"store_unavailable"}, release)


def batch(api: httpx.Client, user_ids: list[str], **body: Any) -> list[dict[str, Any]]:
    answer = api.post("/v1/recommendations:batchGet", json={"user_ids": user_ids, **body})
    lists: list[dict[str, Any]] = document(answer, models.Batch)["lists"]
    return lists


def test_many_users_get_the_lists_that_each_would_get_alone(api: httpx.Client, client: Redis) -> None:
    client.hset(BLOCKS, "user_7", contract.pack_blocks(Blocks(frozenset({"t-1", "t-2"}), frozenset())))
    users = ["user_7", "nobody", "new_0", *(f"user_{number}" for number in range(50)), "user_7"]
    for slate in ("for_you", "discover", "rediscover"):
        lists = batch(api, users, slate=slate, limit=7)
        for user_id, found in zip(users, lists, strict=True):
            alone = recommendations(api, user_id, slate=slate, limit=7)
            del alone["next"], alone["scenario"]
            assert found == alone


def test_in_a_batch_a_fault_is_that_of_one_list(api: httpx.Client, client: Redis) -> None:
    live = (client.get(contract.LIVE) or b"").decode()
    client.hset(contract.slate_key(live, "for_you"), "user_7", b"damaged")
    client.hset(BLOCKS, "user_8", b"damaged")
    damaged, unreadable, whole = batch(api, ["user_7", "user_8", "user_9"])
    assert (damaged["fallback_reason"], damaged["items"][0]["track_id"]) == ("store_unavailable", "t-39")
    assert (unreadable["fallback_reason"], unreadable["items"]) == ("store_unavailable", [])
    assert whole["source"] == "personal"


def test_a_batch_of_another_release_or_of_too_many_is_refused(client: Redis, redis_url: str) -> None:
    before = publish(client, sample_release("first")).meta.release
    with running_api(redis_url) as api:
        publish(client, sample_release("second"))
        assert batch(api, ["user_7"], release=before)[0]["model_version"] == "for_you-first"
        publish(client, sample_release("third"))
        gone = api.post("/v1/recommendations:batchGet", json={"user_ids": ["user_7"], "release": before})
        problem(gone, 410, "release-gone")
        for body in (
            {"user_ids": []},
            {"user_ids": ["u"] * 501},
            {"user_ids": [""]},
            {"user_ids": ["u"], "slate": "best"},
            {"user_ids": ["u"], "limits": 3},
            {},
        ):
            problem(api.post("/v1/recommendations:batchGet", json=body), 422, "invalid-request")
        problem(api.post("/v1/recommendations:batchGet", content=b"{"), 422, "invalid-request")
        assert len(batch(api, [f"user_{number}" for number in range(500)])) == 500


def test_a_shelf_that_is_as_long_as_it_may_be_is_not_too_short(api: httpx.Client) -> None:
    for limit in (1, 3):
        shelves = api.get("/v1/users/user_7/home", params={"limit": limit}).json()["shelves"]
        assert len(shelves) > 1 and {len(shelf["items"]) for shelf in shelves} == {limit}

"""Pages by cursor go on where the page before ended, over real HTTP: across releases, and across blocks."""

from typing import Any

import httpx
import pytest
from api_client import document, problem, recommendations, running_api
from redis import Redis
from sample_release import sample_list, sample_release

from assets.publish.held import rollback
from assets.publish.release import publish
from serving_api import contract, models
from serving_api.contract import BLOCKS, Blocks

pytestmark = pytest.mark.own_redis


def follow(api: httpx.Client, first: dict[str, Any], model: type[models.List] = models.Recommendations) -> list[str]:
    """The ids of all pages, from a first one on."""
    page = first
    items = list(page["items"])
    while page["next"] is not None:
        page = document(api.get(page["next"]), model)
        items += page["items"]
    ranks = [item["rank"] for item in items]
    assert ranks == list(range(ranks[0], ranks[0] + len(items)))
    return [item["track_id"] for item in items]


def test_everybody_scrolls_through_each_item_once_across_a_release_change(client: Redis, redis_url: str) -> None:
    users = 340
    publish(client, sample_release("first", users=users))
    with running_api(redis_url) as api:
        everybody = [f"user_{number}" for number in range(users)]
        begun = {user_id: recommendations(api, user_id, limit=5) for user_id in everybody}
        publish(client, sample_release("second", users=users))
        assert recommendations(api, "user_7")["model_version"] == "for_you-second"
        whole = 0
        for number, user_id in enumerate(everybody):
            expected = [f"t-{key}" for key in sample_list("first", "for_you", number)[0]]
            whole += follow(api, begun[user_id]) == expected
        assert f"{whole} of {users}" == "340 of 340"


def test_a_block_between_two_pages_neither_skips_nor_repeats(api: httpx.Client, client: Redis) -> None:
    whole = [item["track_id"] for item in recommendations(api, "user_7", limit=100)["items"]]
    first = recommendations(api, "user_7", limit=4)
    client.hset(BLOCKS, "user_7", contract.pack_blocks(Blocks(frozenset({whole[1], whole[6]}), frozenset())))
    assert follow(api, first) == whole[:6] + whole[7:]
    by_offset = recommendations(api, "user_7", limit=4, offset=4)
    assert by_offset["items"][0]["track_id"] == whole[5], "by offset, one is skipped: that is what the cursor is for"


def test_who_blocks_all_that_is_left_has_read_to_the_end(api: httpx.Client, client: Redis) -> None:
    whole = [item["track_id"] for item in recommendations(api, "user_7", limit=100)["items"]]
    first = recommendations(api, "user_7", limit=4)
    client.hset(BLOCKS, "user_7", contract.pack_blocks(Blocks(frozenset(whole), frozenset())))
    last = document(api.get(first["next"]), models.Recommendations)
    assert (last["source"], last["items"], last["next"]) == ("personal", [], None)


def test_the_next_page_keeps_what_was_asked_for(api: httpx.Client) -> None:
    whole = [item["track_id"] for item in recommendations(api, "user_7", slate="discover", limit=100)["items"]]
    query = {"slate": "discover", "limit": 5, "exclude": f"{whole[0]},{whole[7]}", "offset": 2}
    assert follow(api, recommendations(api, "user_7", **query)) == [*whole[3:7], *whole[8:]]


def test_a_popular_list_that_stands_in_and_the_one_of_a_country_are_read_to_their_end(
    api: httpx.Client, client: Redis
) -> None:
    for user_id, query in (("nobody", {}), ("new_0", {}), ("nobody", {"country": "Finland"})):
        whole = [item["track_id"] for item in recommendations(api, user_id, limit=100, **query)["items"]]
        first = recommendations(api, user_id, limit=4, **query)
        assert follow(api, first) == whole
        popular = document(api.get("/v1/popular", params={"limit": 4, **query}), models.Popular)
        assert follow(api, popular, models.Popular) == [
            item["track_id"] for item in api.get("/v1/popular", params={"limit": 100, **query}).json()["items"]
        ]


def test_a_release_that_is_asked_for_by_name_answers_while_it_is_kept(client: Redis, redis_url: str) -> None:
    first = publish(client, sample_release("first")).meta.release
    with running_api(redis_url) as early:
        begun = recommendations(early, "user_7", limit=4)
        second = publish(client, sample_release("second")).meta.release
        with running_api(redis_url) as late:
            for api in (early, late):
                assert recommendations(api, "user_7", release=first)["model_version"] == "for_you-first"
                assert recommendations(api, "user_7", release=second)["model_version"] == "for_you-second"
                assert recommendations(api, "user_7")["release"] == second
                of_before = document(api.get("/v1/popular", params={"release": first}), models.Popular)
                assert of_before["items"][0]["title"].endswith("of first")
            rollback(client)
            for api in (early, late):
                assert recommendations(api, "user_7")["release"] == first
                assert recommendations(api, "user_7", release=second)["model_version"] == "for_you-second"
            publish(client, sample_release("third"))
            publish(client, sample_release("fourth"))
            for api in (early, late):
                for path in (f"/v1/users/user_7/recommendations?release={first}", begun["next"]):
                    assert first in problem(api.get(path), 410, "release-gone")["detail"]
                problem(api.get("/v1/popular", params={"release": second}), 410, "release-gone")
                assert recommendations(api, "user_7")["model_version"] == "for_you-fourth"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("cursor=x", "query.cursor"),
        ("cursor=2026-11-22-00000000.o.1.1&offset=3", "query"),
        ("cursor=2026-11-22-00000000.o.1.1&release=2026-11-22-00000000", "query"),
        ("release=latest", "query.release"),
    ],
)
def test_a_page_that_cannot_be_meant_is_refused(api: httpx.Client, query: str, field: str) -> None:
    for path in ("/v1/users/user_7/recommendations", "/v1/popular"):
        body = problem(api.get(f"{path}?{query}"), 422, "invalid-request")
        assert [error["field"] for error in body["errors"]] == [field]

"""The lists that the read API answers with, over real HTTP, from a really published release."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from api_client import recommendations, running_api
from redis import Redis
from sample_release import (
    WITHOUT_DISCOVER,
    sample_list,
    sample_release,
    sample_scores,
    sample_track,
)

from assets.publish.content import SlateBatch
from assets.publish.release import publish
from serving_api import contract
from serving_api.records import document

pytestmark = pytest.mark.own_redis


def expected_items(marker: str, slate: str, user: int) -> list[dict[str, Any]]:
    items = []
    drawn = zip(*sample_list(marker, slate, user), sample_scores(12).tolist(), strict=True)
    for rank, (key, anchor, score) in enumerate(drawn, 1):
        anchor_track = sample_track(marker, anchor)
        reason = {
            "type": "because_you_listened_to",
            "track_id": anchor_track.track_id,
            "title": anchor_track.title,
        }
        items.append(
            {
                "rank": rank,
                **document(sample_track(marker, key)),
                "score": pytest.approx(score, abs=1e-6),
                "reason": reason if anchor >= 0 else None,
            }
        )
    return items


@pytest.mark.parametrize("slate", ["for_you", "discover"])
def test_a_user_gets_their_own_list_with_where_it_comes_from(api: httpx.Client, client: Redis, slate: str) -> None:
    answer = recommendations(api, "user_7", slate=slate)
    live = client.get(contract.LIVE)
    assert isinstance(live, bytes)
    assert answer == {
        "user_id": "user_7",
        "slate": slate,
        "release": live.decode(),
        "model_version": f"{slate}-first",
        "as_of": "2026-11-22",
        "stale_reason": None,
        "generated_at": "2026-11-22T03:30:00Z",
        "source": "personal",
        "fallback_reason": None,
        "country": None,
        "items": expected_items("first", slate, 7),
        "next_offset": None,
        "next": None,
        "scenario": None,
    }


def test_scores_are_sent_with_the_digits_they_have(api: httpx.Client) -> None:
    body = api.get("/v1/users/user_7/recommendations", params={"limit": 2}).text
    assert re.findall(r'"score":([\d.]+)', body) == ["2.0", "1.9090909"]


def test_for_you_is_the_slate_of_those_who_name_none(api: httpx.Client) -> None:
    assert recommendations(api, "user_7") == recommendations(api, "user_7", slate="for_you")


def test_an_unknown_user_gets_the_popular_list_and_is_told_so(api: httpx.Client) -> None:
    answer = recommendations(api, "nobody", limit=3)
    assert (answer["source"], answer["fallback_reason"]) == ("popular", "unknown_user")
    assert answer["model_version"] is None
    assert [item["track_id"] for item in answer["items"]] == ["t-39", "t-38", "t-37"]
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3]
    assert {item["reason"] for item in answer["items"]} == {None}
    assert answer["next_offset"] == 3


def test_a_user_without_a_list_for_the_slate_is_known_all_the_same(api: httpx.Client) -> None:
    answer = recommendations(api, WITHOUT_DISCOVER, slate="discover")
    assert (answer["source"], answer["fallback_reason"]) == ("popular", "empty_slate")
    assert recommendations(api, WITHOUT_DISCOVER, slate="for_you")["source"] == "personal"


def test_user_ids_may_hold_whatever_the_source_put_there(client: Redis, redis_url: str) -> None:
    strange = ["a/b", "Zoë & co?", "50%", "user 1", "recommendations", "a//b/recommendations"]
    release = sample_release()

    def renamed(slate: str) -> Iterator[SlateBatch]:
        first, *others = release.batches(slate)
        yield replace(first, user_ids=[*strange, *first.user_ids[len(strange) :]])
        yield from others

    publish(client, replace(release, batches=renamed))
    with running_api(redis_url) as api:
        for user_id in strange:
            answer = recommendations(api, quote(user_id, safe=""))
            assert (answer["user_id"], answer["source"]) == (user_id, "personal")


def test_pages_add_up_to_the_list_and_the_last_one_has_no_next(api: httpx.Client) -> None:
    items: list[dict[str, Any]] = []
    offset: int | None = 0
    sizes = []
    while offset is not None:
        page = recommendations(api, "user_7", limit=5, offset=offset)
        items += page["items"]
        sizes.append(len(page["items"]))
        offset = page["next_offset"]
    assert sizes == [5, 5, 2]
    assert items == expected_items("first", "for_you", 7)
    assert recommendations(api, "user_7", limit=6, offset=6)["next_offset"] is None
    beyond = recommendations(api, "user_7", offset=500)
    assert (beyond["items"], beyond["next_offset"], beyond["source"]) == ([], None, "personal")


def test_excluded_tracks_are_left_out_and_the_pages_close_up(api: httpx.Client) -> None:
    whole = [item["track_id"] for item in recommendations(api, "user_7")["items"]]
    exclude = [f"{whole[0]},{whole[3]},", whole[11], "no-such-track"]
    first = recommendations(api, "user_7", exclude=exclude, limit=5)
    second = recommendations(api, "user_7", exclude=exclude, limit=5, offset=first["next_offset"])
    left = [track for track in whole if track not in (whole[0], whole[3], whole[11])]
    assert [item["track_id"] for item in first["items"] + second["items"]] == left
    assert [item["rank"] for item in first["items"] + second["items"]] == list(range(1, 10))
    assert second["next_offset"] is None
    everything = recommendations(api, "user_7", exclude=",".join(whole))
    assert (everything["items"], everything["source"]) == ([], "personal")
    popular = recommendations(api, "nobody", exclude=["t-39,t-37"], limit=2)
    assert [item["track_id"] for item in popular["items"]] == ["t-38", "t-36"]

"""Lists older than their release: a slate whose newest lists were refused, over real HTTP."""

from dataclasses import replace
from datetime import date
from typing import Any

import orjson
import pytest
from api_client import document, recommendations, running_api
from redis import Redis
from sample_release import AS_OF, sample_release

from assets.publish.content import ReleaseInput
from assets.publish.release import publish
from assets.publish.verification import verify
from serving_api import contract, models
from serving_api.contract import HeldSlate

OLDER = date(2026, 11, 20)
BECAUSE = ["50.0% of the 50 users expected have a list, where 95% is the least"]


def held_release(as_of: date | None) -> ReleaseInput:
    """The sample release, with `discover` refused: its lists of an older date, or none."""
    release = sample_release()
    versions = {slate: each for slate, each in release.model_versions.items() if as_of or slate != "discover"}
    return replace(release, model_versions=versions, held={"discover": HeldSlate(as_of, BECAUSE)})


def ages(body: dict[str, Any]) -> tuple[str, str | None]:
    return body["as_of"], body["stale_reason"]


def test_lists_that_stay_say_their_date_and_why(client: Redis, redis_url: str) -> None:
    published = publish(client, held_release(OLDER))
    assert published.meta.release != publish(client, sample_release()).meta.release, "another age is another release"
    publish(client, held_release(OLDER))
    newest, older = (AS_OF.isoformat(), None), (OLDER.isoformat(), "newer_refused")
    with running_api(redis_url) as api:
        held, other = (recommendations(api, "user_7", slate=slate) for slate in ("discover", "for_you"))
        assert (ages(held), ages(other)) == (older, newest)
        assert (held["source"], held["fallback_reason"], held["model_version"]) == ("personal", None, "discover-first")
        assert held["release"] == other["release"] == published.meta.release
        # What stands in for a list is as new as the release.
        nobody = recommendations(api, "nobody", slate="discover")
        assert (ages(nobody), nobody["fallback_reason"]) == (newest, "unknown_user")
        asked = {"user_ids": ["user_7", "nobody"], "slate": "discover"}
        batch = document(api.post("/v1/recommendations:batchGet", json=asked), models.Batch)
        assert [ages(each) for each in batch["lists"]] == [older, newest]
        home = document(api.get("/v1/users/user_7/home"), models.Home)
        assert home["as_of"] == AS_OF.isoformat()
        assert {shelf["slate"]: ages(shelf) for shelf in home["shelves"]} == {
            "for_you": newest,
            "discover": older,
            "popular": newest,
        }
        playlist = api.get("/v1/users/user_7/playlists/discover.jspf").raise_for_status().json()
        told = {name: text for each in playlist["playlist"]["meta"] for name, text in each.items()}
        assert told["urn:audotics:as_of"] == OLDER.isoformat()
        assert told["urn:audotics:stale_reason"] == "newer_refused"


def test_a_slate_without_older_lists_is_left_out_and_the_answer_says_why(client: Redis, redis_url: str) -> None:
    publish(client, held_release(None))
    with running_api(redis_url) as api:
        body = recommendations(api, "user_7", slate="discover")
        assert (body["source"], body["fallback_reason"], body["model_version"]) == ("popular", "slate_refused", None)
        assert ages(body) == (AS_OF.isoformat(), None)
        assert recommendations(api, "nobody", slate="discover")["fallback_reason"] == "unknown_user"
        # Of a slate that was not refused, nothing is said of it.
        assert recommendations(api, "user_7", slate="rediscover")["fallback_reason"] == "empty_slate"
        home = document(api.get("/v1/users/user_7/home"), models.Home)
        assert {each["slate"]: each["reason"] for each in home["left_out"]} == {
            "discover": "slate_refused",
            "rediscover": "empty_slate",
        }


@pytest.mark.parametrize("as_of", [OLDER, None])
def test_such_a_release_is_read_back_whole_and_another_age_of_it_is_damage(client: Redis, as_of: date | None) -> None:
    published = publish(client, held_release(as_of))
    name = published.meta.release
    assert verify(client, name).meta.held == {"discover": HeldSlate(as_of, BECAUSE)}
    again = publish(client, held_release(as_of))
    assert (again.already_live, again.repaired) == (True, None)
    meta = orjson.loads(client.get(contract.meta_key(name)) or b"")
    meta["held"]["discover"]["as_of"] = "2026-11-01"
    client.set(contract.meta_key(name), orjson.dumps(meta))
    assert "its content is not the one that was published" in (publish(client, held_release(as_of)).repaired or "")


def test_a_release_without_refused_slates_is_described_as_before_there_were_any(client: Redis) -> None:
    name = publish(client, sample_release()).meta.release
    packed = client.get(contract.meta_key(name)) or b""
    assert "held" not in orjson.loads(packed)
    assert contract.unpack_meta(packed).held == {}

"""Rules at read over HTTP: of a request, of a stored scenario, and of both, for lists of one's own and popular ones."""

import random
import time
from typing import Any

import httpx
import orjson
import pytest
from api_client import problem, recommendations, running_api, running_redis
from redis import Redis
from sample_release import COUNTRIES, WITHOUT_DISCOVER, sample_country, sample_list, sample_release, sample_track

from assets.publish.release import publish
from serving_api import contract
from serving_api.contract import Blocks, Track
from serving_api.rule_fields import RuleFields, Scenario, rules_of
from serving_api.rules import arranged
from serving_api.scenarios import READ_AGAIN_AFTER_SECONDS

pytestmark = pytest.mark.own_redis


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["track_id"] for item in answer["items"]]


def own(user: int = 7, slate: str = "for_you") -> list[Track]:
    return [sample_track("first", key) for key in sample_list("first", slate, user)[0]]


def store(client: Redis, name: str, **rules: Any) -> None:
    client.hset(contract.SCENARIOS, name, orjson.dumps(rules))


def paged(api: httpx.Client, user_id: str, limit: int, **query: Any) -> list[str]:
    found: list[str] = []
    offset: int | None = 0
    while offset is not None:
        answer = recommendations(api, user_id, limit=limit, offset=offset, **query)
        assert [item["rank"] for item in answer["items"]] == list(range(offset + 1, offset + 1 + len(answer["items"])))
        found += ids(answer)
        offset = answer["next_offset"]
    return found


@pytest.mark.parametrize(
    ("query", "passes"),
    [
        ({"include_artist": "a-1,a-5"}, lambda track: track.artist_id in ("a-1", "a-5")),
        ({"exclude_artist": ["a-1", "a-5"]}, lambda track: track.artist_id not in ("a-1", "a-5")),
        ({"include_tag": "Pop"}, lambda track: "pop" in track.details.tags),
        ({"exclude_tag": "jazz,rock"}, lambda track: not {"jazz", "rock"} & set(track.details.tags)),
        ({"include_year": "1990-1999,2010"}, lambda track: track.details.release_year in (*range(1990, 2000), 2010)),
        ({"exclude_year": "1990-2009"}, lambda track: track.details.release_year not in range(1990, 2010)),
        ({"include_explicit": "false"}, lambda track: track.details.explicit is False),
        ({"exclude_explicit": "true"}, lambda track: track.details.explicit is not True),
    ],
)
def test_a_request_says_which_tracks_its_list_may_hold(api: httpx.Client, query: dict[str, Any], passes: Any) -> None:
    left = [track.track_id for track in own() if passes(track)]
    assert 0 < len(left) < 12
    answer = recommendations(api, "user_7", **query)
    assert (answer["source"], answer["scenario"], ids(answer)) == ("personal", None, left)
    assert paged(api, "user_7", 2, **query) == left


def test_lists_under_drawn_scenarios_are_as_their_rules_say_page_by_page(api: httpx.Client, client: Redis) -> None:
    draw = random.Random(47)
    drawn = {}
    for number in range(12):
        pins = [{"track_id": f"t-{key}", "rank": 3 * key + draw.randint(1, 3)} for key in range(4)]
        drawn[number] = {
            "exclude_tag": draw.sample(["pop", "rock", "jazz"], draw.randint(0, 1)),
            "max_per_artist": draw.choice([None, 1, 2]),
            "rotate": draw.choice([None, f"2026-11-{number + 1:02d}"]),
            "pins": pins,
            "boosts": [{"scope": "tag", "value": "pop", "ranks": draw.randint(-5, 5)}],
        }
        store(client, f"drawn {number}", **drawn[number])
    pinned = {f"t-{key}": sample_track("first", key) for key in range(4)}
    for number, rules in drawn.items():
        ruled = rules_of(RuleFields(), None, Scenario.model_validate_json(orjson.dumps(rules)))
        expected = [track.track_id for track in arranged(own(number), ruled, pinned)]
        whole = recommendations(api, f"user_{number}", scenario=f"drawn {number}", limit=100)
        assert (ids(whole), whole["scenario"]) == (expected, f"drawn {number}")
        assert paged(api, f"user_{number}", 5, scenario=f"drawn {number}") == expected
        scores = {item["track_id"]: item["score"] for item in whole["items"]}
        listed = {track.track_id for track in own(number)}
        assert {track_id for track_id, score in scores.items() if score is None} == set(expected) - listed


def test_blocks_and_exclusions_win_over_pins_and_rules_hold_beside_both(api: httpx.Client, client: Redis) -> None:
    first = own()[0]
    outside = next(key for key in range(40) if key not in sample_list("first", "for_you", 7)[0])
    pins = [{"track_id": first.track_id, "rank": 5}, {"track_id": f"t-{outside}", "rank": 2}]
    store(client, "pinned", pins=pins, max_per_artist=1)
    answer = recommendations(api, "user_7", scenario="pinned")
    assert (ids(answer)[1], ids(answer)[4]) == (f"t-{outside}", first.track_id)
    assert (answer["items"][1]["score"], answer["items"][1]["reason"]) == (None, None)
    for blocked in (first.track_id, f"t-{outside}"):
        blocks = Blocks(frozenset({blocked}), frozenset())
        client.hset(contract.BLOCKS, "user_7", contract.pack_blocks(blocks))
        assert blocked not in ids(recommendations(api, "user_7", scenario="pinned"))
        client.delete(contract.BLOCKS)
        assert blocked not in ids(recommendations(api, "user_7", scenario="pinned", exclude=blocked))
    artists = [item["artist_id"] for item in answer["items"] if item["artist_id"]]
    assert max(map(artists.count, artists)) == 1


def test_rules_hold_for_popular_lists_that_stand_in(api: httpx.Client, client: Redis) -> None:
    country = [sample_track("first", key) for key in sample_country("first", COUNTRIES[0])]
    outside = next(key for key in range(1, 40) if key not in sample_country("first", COUNTRIES[0]))
    store(client, "pinned", pins=[{"track_id": f"t-{outside}", "rank": 3}], exclude_explicit=True)
    left = [track.track_id for track in country if track.details.explicit is not True]
    assert 3 < len(left) < 10
    shown = [*left[:2], f"t-{outside}", *left[2:]]
    if sample_track("first", outside).details.explicit:
        shown = left
    answer = recommendations(api, "new_0", scenario="pinned")
    assert (answer["source"], answer["fallback_reason"], ids(answer)) == ("popular", "unknown_user", shown)
    assert paged(api, "new_0", 3, scenario="pinned") == shown
    # Nothing of their own list is left, and something of the popular one that stands in.
    listed = sample_list("first", "for_you", 7)[0]
    key = next(key for key in range(39, 14, -1) if key not in listed and key % 5)
    stands_in = recommendations(api, "user_7", include_year=str(1990 + key))
    assert (stands_in["fallback_reason"], ids(stands_in)) == ("empty_slate", [f"t-{key}"])
    without = recommendations(api, WITHOUT_DISCOVER, slate="discover", include_tag="jazz")
    assert [item["tags"][-1] for item in without["items"]] == ["jazz"] * len(without["items"])
    assert len(without["items"]) > 2
    assert recommendations(api, "user_7", include_year="1950")["items"] == []


POPULAR = [sample_track("first", key) for key in range(39, 14, -1)]


def lists_of(api: httpx.Client, rules: dict[str, Any]) -> dict[str, list[str]]:
    """Ids in each list that is not `/recommendations`, under the rules of a request."""
    found = {"popular": ids(api.get("/v1/popular", params={"limit": 100, **rules}).json())}
    listed = api.get("/v1/users/user_7/playlists/for_you.jspf", params=rules).json()["playlist"]["track"]
    found["playlist"] = [each["identifier"][-1].rsplit(":", 1)[1] for each in listed]
    shelves = api.get("/v1/users/user_7/home", params={"limit": 50, "at_least": 1, **rules}).json()["shelves"]
    found |= {f"home {shelf['slate']}": ids(shelf) for shelf in shelves}
    body = {"user_ids": ["user_7"], "limit": 100, **rules}
    (found["batch"],) = map(ids, api.post("/v1/recommendations:batchGet", json=body).json()["lists"])
    return found


def test_rules_hold_in_every_list(api: httpx.Client, client: Redis) -> None:
    listed = sample_list("first", "for_you", 7)[0]
    clean = [key for key in range(15) if not sample_track("first", key).details.explicit]
    outside = next(key for key in clean if key not in listed)
    store(client, "pinned", pins=[{"track_id": f"t-{outside}", "rank": 1}], max_per_artist=2)
    rules = {"scenario": "pinned", "exclude_explicit": True}
    scenario = Scenario.model_validate({"pins": [{"track_id": f"t-{outside}", "rank": 1}], "max_per_artist": 2})
    ruled = rules_of(RuleFields(exclude_explicit=True), "pinned", scenario)
    pins = {f"t-{outside}": sample_track("first", outside)}
    expected = {
        name: [track.track_id for track in arranged(tracks, ruled, pins)]
        for name, tracks in (("popular", POPULAR), ("own", own()), ("discover", own(slate="discover")))
    }
    assert len(expected["popular"]) < len(POPULAR) and f"t-{outside}" == expected["popular"][0]
    found = lists_of(api, rules)
    assert found["popular"] == expected["popular"]
    assert found["playlist"] == found["batch"] == found["home for_you"] == expected["own"]
    assert found["home discover"] == [each for each in expected["discover"] if each not in expected["own"]]
    assert f"t-{outside}" not in found["home popular"], "it is on a shelf before"
    paged_popular: list[str] = []
    link = f"/v1/popular?limit=4&scenario=pinned&exclude_explicit=true&rotate=2026-11-{3:02d}"
    while link:
        page = api.get(link).json()
        paged_popular += ids(page)
        link = page["next"]
    assert sorted(paged_popular) == sorted(expected["popular"])
    client.hset(contract.BLOCKS, "user_7", contract.pack_blocks(Blocks(frozenset({f"t-{outside}"}), frozenset())))
    blocked = lists_of(api, rules)
    assert [name for name, listed in blocked.items() if f"t-{outside}" in listed] == ["popular"], "which is nobody's"


def test_every_list_refuses_rules_that_cannot_hold(api: httpx.Client) -> None:
    for path in ("/v1/popular", "/v1/users/user_7/home", "/v1/users/user_7/playlists/for_you.m3u8"):
        problem(api.get(path, params={"scenario": "nothing"}), 404, "unknown-scenario")
        refused = problem(api.get(path, params={"include_tag": "pop", "exclude_tag": "pop"}), 422, "invalid-request")
        assert [error["field"] for error in refused["errors"]] == ["query.exclude_tag"]
    body = {"user_ids": ["user_7"], "include_tag": ["pop"], "exclude_tag": ["pop"]}
    refused = problem(api.post("/v1/recommendations:batchGet", json=body), 422, "invalid-request")
    assert [error["field"] for error in refused["errors"]] == ["body.exclude_tag"]


def test_rotation_gives_one_order_a_day(api: httpx.Client) -> None:
    listed = [track.track_id for track in own()]
    days = [paged(api, "user_7", 5, rotate=f"2026-11-{day:02d}") for day in range(1, 8)]
    assert days == [paged(api, "user_7", 7, rotate=f"2026-11-{day:02d}") for day in range(1, 8)]
    assert len(set(map(tuple, days))) == 7
    assert {frozenset(order[:10]) for order in days} == {frozenset(listed[:10])}
    today = recommendations(api, "user_7", rotate="day")
    assert ids(today) != listed
    assert sorted(ids(today)) == sorted(listed)


@pytest.mark.slow
def test_a_scenario_is_read_again_a_second_later_and_kept_while_redis_is_away() -> None:
    with running_redis() as (server, url), Redis.from_url(url) as client, running_api(url) as api:
        store(client, "calm", max_per_artist=1)
        few = ids(recommendations(api, "user_7", scenario="calm"))
        assert len(few) < 12
        store(client, "calm", exclude_explicit=True, include_tag=["pop"])
        time.sleep(READ_AGAIN_AFTER_SECONDS)
        changed = recommendations(api, "user_7", scenario="calm")
        assert ids(changed) == [
            track.track_id for track in own() if "pop" in track.details.tags and not track.details.explicit
        ]
        client.hset(contract.SCENARIOS, "damaged", b'{"colour": 1}')
        time.sleep(READ_AGAIN_AFTER_SECONDS)
        problem(api.get("/v1/users/user_7/recommendations?scenario=damaged"), 503, "contract-mismatch")
        assert ids(recommendations(api, "user_7", scenario="calm")) == ids(changed)
        server.kill()
        server.wait()
        time.sleep(READ_AGAIN_AFTER_SECONDS)
        fallback = recommendations(api, "user_7", scenario="calm")
        assert fallback["fallback_reason"] == "store_unavailable"
        assert fallback["items"] and all("pop" in item["tags"] for item in fallback["items"])
    # Of a process that has never read any, none is taken for no rules at all.
    with running_api(url) as api:
        problem(api.get("/v1/users/user_7/recommendations?scenario=calm"), 503, "store-unavailable")


def test_what_cannot_hold_is_refused_by_its_field(api: httpx.Client, client: Redis) -> None:
    path = "/v1/users/user_7/recommendations"
    unknown = problem(api.get(path, params={"scenario": "nothing"}), 404, "unknown-scenario")
    assert unknown["detail"] == "no scenario is stored as nothing"
    store(client, "clean", exclude_explicit=True, exclude_tag=["pop"])
    time.sleep(READ_AGAIN_AFTER_SECONDS)
    for query, field in (
        ("include_tag=pop,jazz&exclude_tag=jazz", "exclude_tag"),
        ("include_explicit=true&exclude_explicit=true", "exclude_explicit"),
        ("include_year=1999-1990", "include_year"),
        ("include_year=ninety", "include_year.0"),
        ("include_artist=", "include_artist.0"),
        ("exclude_tag=pop,", "exclude_tag.1"),
        ("max_per_artist=0", "max_per_artist"),
        ("scenario=clean&include_tag=Pop", "include_tag"),
        ("scenario=clean&include_explicit=true", "include_explicit"),
    ):
        refused = problem(api.get(f"{path}?{query}"), 422, "invalid-request")
        assert [error["field"] for error in refused["errors"]] == [f"query.{field}"], query


def test_a_pin_that_the_release_does_not_know_is_left_out(client: Redis, redis_url: str) -> None:
    publish(client, sample_release())
    store(client, "pinned", pins=[{"track_id": "t-999", "rank": 1}, {"track_id": "track-of-before", "rank": 2}])
    with running_api(redis_url) as api:
        answer = recommendations(api, "user_7", scenario="pinned")
        others = [track.track_id for track in own() if track.track_id != "t-5"]
        assert ids(answer) == [others[0], "t-5", *others[1:]]

"""Whatever is wrong with a value in Redis, the API falls back as documented or says 503, and never 500."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import orjson
import pytest
import redis_damage
from api_client import running_api
from redis import Redis
from redis_damage import DETAILS, FIELDS, LISTS, RECORDS, USER_COUNTRIES
from sample_release import sample_release

from assets.publish.release import publish
from serving_api import contract, scenarios

pytestmark = pytest.mark.own_redis

USER = "user_7"
TRACK, ARTIST = "t-17", "a-3"
COUNTRY = "Finland"

SCENARIOS = {
    "empty": b"",
    "not JSON": b"{",
    "not UTF-8": b'{"include_tag":["\xff"]}',
    "an unknown rule": b'{"colour":1}',
    "text for a list": b'{"include_tag":"pop"}',
    "contradictory": b'{"include_tag":["pop"],"exclude_tag":["pop"]}',
    "NaN": b'{"max_per_artist":NaN}',
}
METAS = {
    "empty": b"",
    "not JSON": b"{",
    "an array": b"[]",
    "a number": b"3",
    "only a version": b'{"contract_version":1}',
    "models that are a list": None,
    "a number in models": None,
    "users that are text": None,
    "a date that is none": None,
    "no time zone": None,
    "another name": None,
    "version NaN": b'{"contract_version":NaN}',
}
POINTERS = {**redis_damage.POINTERS, "of no release": b"2026-12-31-00000000"}
BLOCKS = {
    "not JSON": b"{damaged",
    "not UTF-8": b'[1,["\xff"],[]]',
    "another version": b'[2,["t-1"],[]]',
    "text for a list": b'[1,"t-1",[]]',
    "numbers": b"[1,[1],[2]]",
    "null": b"null",
    "empty": b"",
}
BLOCK_CHANGES = {
    "not JSON": b"{damaged",
    "not UTF-8": b'[1,["track","\xff",true,"t",0]]',
    "another version": b'[2,["track","t-1",true,"t-1",0]]',
    "another kind": b'[1,["album","t-1",true,"t-1",0]]',
    "text for a change": b'[1,"track"]',
    "a number for true": b'[1,["track","t-1",1,"t-1",0]]',
    "null": b"null",
    "empty": b"",
    "nested without end": b"[" * 100_000,
}


def damaged_meta(packed: bytes, how: str) -> bytes:
    meta = orjson.loads(packed)
    meta |= {
        "models that are a list": {"models": ["for_you"]},
        "a number in models": {"models": {"for_you": 3}},
        "users that are text": {"users": "many"},
        "a date that is none": {"as_of": "2026-13-45"},
        "no time zone": {"generated_at": "2026-11-22T03:30:00"},
        "another name": {"release": "2026-01-01-00000000"},
    }[how]
    return orjson.dumps(meta)


def cases() -> Iterator[tuple[str, str]]:
    lists = ("slate", "popular", "trending", "country-popular", "similar-tracks", "similar-artists", "artist-tracks")
    lists += ("tag-tracks",)
    for key, table in [
        *((key, LISTS) for key in lists),
        ("tracks", RECORDS),
        ("track-details", DETAILS),
        ("artists", RECORDS),
        ("track-ids", FIELDS),
        ("artist-ids", FIELDS),
        ("meta", METAS),
        ("live", POINTERS),
        ("previous", POINTERS),
        ("blocks", BLOCKS),
        ("block-changes", BLOCK_CHANGES),
        ("scenarios", SCENARIOS),
        ("user-countries", USER_COUNTRIES),
    ]:
        for how in (*table, "another type", "missing"):
            yield key, how


def damage(client: Redis, release: str, key: str, how: str) -> None:
    """Damage one value of each kind that the requests below read."""
    name, field, table = {
        "slate": (contract.slate_key(release, "for_you"), USER, LISTS),
        "popular": (contract.popular_key(release), None, LISTS),
        "country-popular": (contract.country_popular_key(release), COUNTRY, LISTS),
        "similar-tracks": (contract.similar_tracks_key(release), contract.track_field(17), LISTS),
        "similar-artists": (contract.similar_artists_key(release), contract.artist_field(3), LISTS),
        "artist-tracks": (contract.artist_tracks_key(release), contract.artist_field(3), LISTS),
        "tag-tracks": (contract.tag_tracks_key(release), "jazz", LISTS),
        "trending": (contract.trending_key(release), None, LISTS),
        "tracks": (contract.tracks_key(release), None, RECORDS),
        "track-details": (contract.track_details_key(release), None, DETAILS),
        "artists": (contract.artists_key(release), None, RECORDS),
        "track-ids": (contract.track_ids_key(release), TRACK, FIELDS),
        "artist-ids": (contract.artist_ids_key(release), ARTIST, FIELDS),
        "meta": (contract.meta_key(release), None, METAS),
        "live": (contract.LIVE, None, POINTERS),
        "previous": (contract.PREVIOUS, None, POINTERS),
        "blocks": (contract.BLOCKS, USER, BLOCKS),
        "block-changes": (contract.BLOCK_CHANGES, USER, BLOCK_CHANGES),
        "scenarios": (contract.SCENARIOS, "calm", SCENARIOS),
        "user-countries": (contract.user_countries_key(release), "new_0", USER_COUNTRIES),
    }[key]
    if how == "another type":
        client.delete(name)
        client.lpush(name, "x")
    elif how == "missing":
        client.delete(name) if field is None else client.hdel(name, field)
    elif key == "meta" and METAS[how] is None:
        client.set(name, damaged_meta(client.get(name) or b"", how))
    elif key in ("tracks", "track-details", "artists"):
        # Of every record, as requests read different ones.
        for each in client.hkeys(name):
            client.hset(name, each, table[how])
    elif field is None:
        client.set(name, table[how])
    else:
        client.hset(name, field, table[how])


def asked(release: str) -> dict[str, str]:
    return {
        "personal": f"/v1/users/{USER}/recommendations",
        "page": f"/v1/users/{USER}/recommendations?cursor={release}.o.4.4",
        "pinned": f"/v1/users/{USER}/recommendations?release={release}",
        "ruled": f"/v1/users/{USER}/recommendations?scenario=calm",
        "home": f"/v1/users/{USER}/home",
        "newcomer": "/v1/users/new_0/recommendations",
        "unknown": f"/v1/users/nobody/recommendations?country={COUNTRY}",
        "popular": "/v1/popular",
        "popular in a country": f"/v1/popular?country={COUNTRY}",
        "track": f"/v1/tracks/{TRACK}",
        "similar tracks": f"/v1/tracks/{TRACK}/similar",
        "an artist": f"/v1/artists/{ARTIST}",
        "trending": "/v1/trending",
        "tags": "/v1/tags",
        "similar artists": f"/v1/artists/{ARTIST}/similar",
        "ready": "/readyz",
    }


@pytest.fixture(autouse=True)
def _read_scenarios_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios, "READ_AGAIN_AFTER_SECONDS", 0.0)


# Which request reads a list that no other does: it fails, or the process has it from before.
OF_LIST = {
    "similar-tracks": "similar tracks",
    "similar-artists": "similar artists",
    "artist-tracks": "an artist",
    "trending": "trending",
    "tag-tracks": "tags",
}
KEYS = list(dict.fromkeys(key for key, _ in cases()))


def require_documented(found: dict[str, httpx.Response], whole: dict[str, httpx.Response], key: str, how: str) -> None:
    """What every answer must be while one value is damaged."""
    for what, answer in found.items():
        case = (key, how, what, answer.text[:300])
        assert answer.status_code in ((200, 503) if what == "personal" else (200, 404, 410, 503)), case
        if answer.status_code == 503:
            assert answer.json()["type"].startswith("urn:audotics:problem:"), case
            assert answer.headers["retry-after"] == "5"
        elif (key, how) == ("track-details", "missing"):
            # As in a release from before there were any; verification finds it, as it knows how many were published.
            assert answer.status_code == 200, case
        elif answer.status_code == 200 and what in ("personal", "newcomer", "popular"):
            assert answer.json()["fallback_reason"] is not None or answer.content == whole[what].content, case
    if key == "slate" and how != "missing":
        assert found["personal"].json()["fallback_reason"] == "store_unavailable"
        assert found["similar tracks"].content == whole["similar tracks"].content
    if key in OF_LIST and how != "missing":
        of_list = found[OF_LIST[key]]
        # The page of tags counts the tracks of a list, and does not read them.
        counted = (key, how) == ("tag-tracks", "with a key without a record")
        assert counted or of_list.status_code == 503 or of_list.content == whole[OF_LIST[key]].content, (key, how)
        assert found["personal"].content == whole["personal"].content
    if key in ("blocks", "block-changes") and how != "missing":
        assert found["personal"].status_code == 503
        assert found["popular"].content == whole["popular"].content
    if key == "scenarios":
        others = (what for what in found if what != "ruled")
        assert all(found[what].content == whole[what].content for what in others)


@contextmanager
def damaged(client: Redis, release: str, key: str, how: str) -> Iterator[None]:
    """One value damaged, and all as before afterwards."""
    before = {name: client.dump(name) for name in client.scan_iter()}
    damage(client, release, key, how)
    yield
    client.flushdb()
    for name, dumped in before.items():
        client.restore(name, 0, dumped)


@pytest.mark.parametrize("key", KEYS)
def test_a_process_that_read_a_value_before_it_was_damaged_answers_as_documented(
    client: Redis, redis_url: str, key: str
) -> None:
    publish(client, sample_release("before"))
    release = publish(client, sample_release()).meta.release
    client.hset(contract.SCENARIOS, "calm", b'{"exclude_tag":["jazz"],"pins":[{"track_id":"t-1","rank":2}]}')
    paths = asked(release)
    with running_api(redis_url) as api:
        whole = {what: api.get(path) for what, path in paths.items()}
        assert {answer.status_code for answer in whole.values()} == {200}
        for how in (how for each, how in cases() if each == key):
            with damaged(client, release, key, how):
                require_documented({what: api.get(path) for what, path in paths.items()}, whole, key, how)
            for what, path in paths.items():
                assert api.get(path).content == whole[what].content, f"{what} is not whole again after {how}"


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_a_process_that_finds_a_value_damaged_answers_as_documented(client: Redis, redis_url: str, key: str) -> None:
    publish(client, sample_release("before"))
    release = publish(client, sample_release()).meta.release
    client.hset(contract.SCENARIOS, "calm", b'{"exclude_tag":["jazz"],"pins":[{"track_id":"t-1","rank":2}]}')
    paths = asked(release)
    with running_api(redis_url) as api:
        whole = {what: api.get(path) for what, path in paths.items()}
    for how in (how for each, how in cases() if each == key):
        with damaged(client, release, key, how), running_api(redis_url) as api:
            require_documented({what: api.get(path) for what, path in paths.items()}, whole, key, how)


def test_there_are_more_than_a_hundred_cases() -> None:
    listed = list(cases())
    assert len(listed) == len(set(listed)) > 100

"""Whatever is wrong with a value in Redis: it is said in words, not rolled back to, and put right by the next publish.

The table is key by damage, over every key of docs/contract.md; `test_api_damage.py` has the read API's half.
"""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from io import BytesIO

import orjson
import pytest
import redis_damage
from redis import Redis
from redis_damage import DETAILS, FIELDS, POINTERS, RECORDS, USER_COUNTRIES
from sample_release import contents, sample_release

from assets.publish.blocks import compare_blocks, publish_blocks, publish_users
from assets.publish.content import ReleaseError, ReleaseInput
from assets.publish.held import faults, list_releases, rollback
from assets.publish.release import publish
from assets.publish.warehouse_content import read_releases, record_releases
from orchestration.doctor_redis import redis_findings
from orchestration.findings import Finding
from serving_api import contract
from serving_api.contract import BLOCKS, LIVE, PREVIOUS, PUBLISH_LOCK, RELEASES, SearchDescription, search_entries
from warehouse.engine import create_engine

METAS = {
    "empty": b"",
    "not JSON": b"{",
    "an array": b"[]",
    "a text": b'"x"',
    "only a version": b'{"contract_version":1}',
    "with a version that is NaN": b'{"contract_version":NaN}',
    **{
        f"with {field} {value!r}": {field: value}
        for field, values in {
            "contract_version": (2, "1", None, [1]),
            "models": (["for_you"], {"for_you": 3}, {}, None),
            "users": ("many", {"for_you": -1}, {"for_you": True}, None),
            "as_of": ("2026-13-45", "2026-11-21", 5, None),
            "generated_at": ("2026-11-22T03:30:00", "0001-01-01T00:00:00+23:59", None),
            "release": (None, 7),
            "tracks": (39, "40", -1, 1e300),
            "popular": (24, None),
        }.items()
        for value in values
    },
}
# The digest alone can tell that it is not the one that was published.
LISTS = {**redis_damage.LISTS, "another list": redis_damage.ANOTHER_LIST}
BY_KEY = {
    "slate": (lambda name: contract.slate_key(name, "for_you"), LISTS),
    "popular": (contract.popular_key, LISTS),
    "country-popular": (contract.country_popular_key, LISTS),
    "similar-tracks": (contract.similar_tracks_key, LISTS),
    "similar-artists": (contract.similar_artists_key, LISTS),
    "artist-tracks": (contract.artist_tracks_key, LISTS),
    "tag-tracks": (contract.tag_tracks_key, LISTS),
    "trending": (contract.trending_key, LISTS),
    "tracks": (contract.tracks_key, RECORDS),
    "track-details": (contract.track_details_key, DETAILS),
    "artists": (contract.artists_key, RECORDS),
    "track-ids": (contract.track_ids_key, FIELDS),
    "artist-ids": (contract.artist_ids_key, FIELDS),
    "user-countries": (contract.user_countries_key, USER_COUNTRIES),
    "search": (contract.search_key, {"empty": b"", "not JSON": b"{", "of another part": b"x" * 100}),
    "meta": (contract.meta_key, METAS),
}
TYPES = ("string", "hash", "list", "set", "zset", "stream")


def of_type(client: Redis, key: str, kind: str) -> None:
    client.delete(key)
    {
        "string": lambda: client.set(key, b"\xff"),
        "hash": lambda: client.hset(key, b"\xff", b"\xff"),
        "list": lambda: client.lpush(key, b"\xff"),
        "set": lambda: client.sadd(key, b"\xff"),
        "zset": lambda: client.zadd(key, {b"\xff": 1}),
        "stream": lambda: client.xadd(key, {b"\xff": b"\xff"}),
    }[kind]()


def damages(client: Redis, key: str, table: dict[str, object]) -> Iterator[str]:
    """Damage a key in every way of the table, of its type and as a whole; what was done each time."""
    kind = client.type(key).decode()
    dumped = client.dump(key)
    for how, damage in table.items():
        value = orjson.dumps(orjson.loads(client.get(key)) | damage) if isinstance(damage, dict) else damage
        if kind == "string":
            client.set(key, value)  # type: ignore[arg-type]
        else:
            client.hset(key, min(client.hkeys(key)), value)  # type: ignore[arg-type]
        yield how
        client.restore(key, 0, dumped, replace=True)  # type: ignore[arg-type]
    if kind == "hash":
        field = min(client.hkeys(key))
        payload = client.hget(key, field)
        for how, other in (("under a field that is not UTF-8", b"\xff\xfe"), ("under an empty field", b"")):
            client.hdel(key, field)
            client.hset(key, other, payload)
            yield how
            client.restore(key, 0, dumped, replace=True)
    for other in (each for each in TYPES if each != kind):
        of_type(client, key, other)
        yield f"a {other}"
        client.restore(key, 0, dumped, replace=True)
    client.delete(key)
    yield "missing"
    client.restore(key, 0, dumped, replace=True)


def findings(redis_url: str, warehouse_url: str) -> dict[str, Finding]:
    return {each.name: each for each in redis_findings(redis_url, warehouse_url, 10)}


def with_search(marker: str) -> ReleaseInput:
    """A sample release with a search index."""
    archive = marker.encode() * 1000
    description = SearchDescription(40, 40, len(archive), sha256(archive).hexdigest(), "an engine 1.0")
    return replace(sample_release(marker), search=lambda: search_entries(description, BytesIO(archive)))


@pytest.fixture
def held(client: Redis, warehouse_url: str) -> tuple[str, str]:
    """The names of a live and of a previous release, on record."""
    published = [publish(client, with_search(marker)) for marker in ("a", "b")]
    with create_engine(warehouse_url).begin() as connection:
        record_releases(connection, list_releases(client), {each.meta.release: each.counts for each in published})
    return published[1].meta.release, published[0].meta.release


QUICK = {"slate", "tracks"}


@pytest.mark.parametrize("key", [pytest.param(key, marks=[] if key in QUICK else pytest.mark.slow) for key in BY_KEY])
def test_a_value_of_a_release_that_is_damaged(
    client: Redis, redis_url: str, warehouse_url: str, held: tuple[str, str], key: str
) -> None:
    """… is found by the doctor and by a rollback, and the same content published again puts it right."""
    live, previous = held
    whole = contents(client)
    key_of, table = BY_KEY[key]
    for how in damages(client, key_of(live), table):
        assert not findings(redis_url, warehouse_url)["live release"].ok, how
        assert {each.status for each in list_releases(client)} == {"live", "previous"}
        assert publish(client, with_search("b")).repaired, how
        assert contents(client) == whole, how
    for how in damages(client, key_of(previous), table):
        assert not findings(redis_url, warehouse_url)["previous release"].ok, how
        with pytest.raises(ReleaseError, match=f"{live} stays live: materialise `release` as of"):
            rollback(client)
        assert client.get(LIVE) == live.encode()
    assert contents(client) == whole


@pytest.mark.parametrize("key", [LIVE, PREVIOUS])
def test_a_pointer_that_is_damaged(
    client: Redis, redis_url: str, warehouse_url: str, held: tuple[str, str], key: str
) -> None:
    """… is named by all that meet it, and the same content published again puts it right without being loaded."""
    whole = contents(client)
    for how in damages(client, key, POINTERS):
        what = "live release" if key == LIVE else "previous release"
        missing = how == "missing"
        assert findings(redis_url, warehouse_url)[what].ok is (missing and key == PREVIOUS), how
        if not missing:
            assert faults(client)[0].startswith(f"{key} is "), how
        assert len(list_releases(client)) == 1
        with pytest.raises(ReleaseError, match="publish again"):
            rollback(client)
        again = publish(client, with_search("b"))
        assert (again.repaired, contents(client)) == (None, whole), how


def test_a_list_of_releases_that_is_damaged(
    client: Redis, redis_url: str, warehouse_url: str, held: tuple[str, str]
) -> None:
    live, previous = held
    whole = contents(client)
    dumped = client.dump(RELEASES)
    for how, entries in {
        "a member that is not UTF-8": {b"\xff": 1},
        "another member": {b"2026-01-01-00000000": 1},
        "no time": {live: "inf"},
        "a time before all time": {previous: -1e300},
    }.items():
        client.zadd(RELEASES, entries)  # type: ignore[arg-type]
        assert faults(client), how
        assert not findings(redis_url, warehouse_url)["list of releases"].ok, how
        listed = list_releases(client)
        assert {each.release for each in listed} == {live, previous}, how
        with create_engine(warehouse_url).begin() as connection:
            record_releases(connection, listed)
            assert {each["status"] for each in read_releases(connection, listed)} == {"live", "previous"}
        publish(client, with_search("b"))
        assert faults(client) == [], how
        assert contents(client) == whole, how
        client.restore(RELEASES, 0, dumped, replace=True)
    for kind in (each for each in TYPES if each != "zset"):
        of_type(client, RELEASES, kind)
        assert faults(client) == [f"{RELEASES} is a {kind} instead of a sorted set"]
        assert {each.release for each in list_releases(client)} == {live, previous}
        assert rollback(client) == previous
        assert rollback(client) == live
        publish(client, with_search("b"))
        assert contents(client) == whole, kind


@pytest.mark.parametrize("kind", TYPES)
def test_a_lock_that_something_else_left_without_an_end_is_waited_for_once(client: Redis, kind: str) -> None:
    of_type(client, PUBLISH_LOCK, kind)
    assert client.pttl(PUBLISH_LOCK) == -1
    name = publish(client, sample_release(), lock_seconds=0.3).meta.release
    assert client.get(LIVE) == name.encode()
    assert client.exists(PUBLISH_LOCK) == 0


def test_blocks_that_are_damaged_are_written_again(client: Redis, warehouse_url: str) -> None:
    engine = create_engine(warehouse_url)
    client.hset(BLOCKS, "user_1", b"\xff")
    client.hset(BLOCKS, b"\xff\x00", b"[1,[],[]]")
    assert compare_blocks(engine, client).fields == 2
    assert publish_blocks(engine, client) == 0
    assert client.exists(BLOCKS) == 0
    for kind in (each for each in TYPES if each != "hash"):
        of_type(client, BLOCKS, kind)
        with pytest.raises(ReleaseError, match="is not a hash in Redis; `audotics blocks publish`"):
            compare_blocks(engine, client)
        with pytest.raises(ReleaseError, match="`audotics doctor` names the key"):
            publish_users(engine, client, ["user_1"])
        publish_blocks(engine, client)
        assert client.exists(BLOCKS) == 0

"""A release that Redis holds and that is damaged in whatever way: found, not rolled back to, and loaded again."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import cast

import orjson
import pytest
from redis import Redis
from sample_release import AS_OF, contents, in_mid_load, sample_release

from assets.publish.content import ReleaseError
from assets.publish.held import list_releases, rollback
from assets.publish.plan import plan_release
from assets.publish.reading_back import DamagedReleaseError
from assets.publish.release import NewerReleaseLiveError, publish
from assets.publish.verification import verify
from serving_api import contract
from serving_api.contract import LIVE, RELEASES

Damage = Callable[[Redis, str], object]

KEYS = {
    "meta": contract.meta_key,
    "list of a slate": lambda name: contract.slate_key(name, "discover"),
    "track": contract.tracks_key,
    "details of a track": contract.track_details_key,
    "track id": contract.track_ids_key,
    "artist": contract.artists_key,
    "artist id": contract.artist_ids_key,
    "popular list": contract.popular_key,
    "popular list of a country": contract.country_popular_key,
    "country of a user": contract.user_countries_key,
    "list of similar tracks": contract.similar_tracks_key,
    "list of similar artists": contract.similar_artists_key,
    "list of a tag": contract.tag_tracks_key,
}
STRINGS = {"meta", "popular list"}


def first_field(client: Redis, key: str) -> bytes:
    return min(client.hkeys(key))


def payload(client: Redis, key: str, what: str) -> bytes:
    held = client.get(key) if what in STRINGS else client.hget(key, first_field(client, key))
    assert isinstance(held, bytes)
    return held


def write(client: Redis, key: str, what: str, value: bytes) -> None:
    if what in STRINGS:
        client.set(key, value)
    else:
        client.hset(key, first_field(client, key), value)


def deleted(what: str) -> Damage:
    return lambda client, name: client.delete(KEYS[what](name))


def without_one(what: str) -> Damage:
    return lambda client, name: client.hdel(KEYS[what](name), first_field(client, KEYS[what](name)))


def with_one_more(what: str) -> Damage:
    """One entry twice, under another name."""
    return lambda client, name: client.hset(KEYS[what](name), b"\x7f\0\0\0", payload(client, KEYS[what](name), what))


def truncated(what: str) -> Damage:
    return lambda client, name: write(client, KEYS[what](name), what, payload(client, KEYS[what](name), what)[:-3])


def garbage(what: str) -> Damage:
    return lambda client, name: write(client, KEYS[what](name), what, b"\xff{garbage")


def of_another_type(what: str) -> Damage:
    def exchange(client: Redis, name: str) -> None:
        client.delete(KEYS[what](name))
        client.lpush(KEYS[what](name), b"x")

    return exchange


def changed_score(client: Redis, name: str) -> None:
    """A list that can be read, of known tracks, as long as it was: not the one that was published."""
    key = contract.slate_key(name, "for_you")
    packed = bytearray(cast(bytes, client.hget(key, "user_7")))
    packed[-50] ^= 1
    client.hset(key, "user_7", bytes(packed))


def exchanged_lists(client: Redis, name: str) -> None:
    key = contract.slate_key(name, "for_you")
    lists = cast(list[bytes], client.hmget(key, ["user_7", "user_8"]))
    client.hset(key, mapping={"user_7": lists[1], "user_8": lists[0]})


def renamed_track(client: Redis, name: str) -> None:
    field = contract.track_field(5)
    record = orjson.loads(cast(bytes, client.hget(contract.tracks_key(name), field)))
    client.hset(contract.tracks_key(name), field, orjson.dumps([record[0], "another title", *record[2:]]))


def other_model(client: Redis, name: str) -> None:
    meta = orjson.loads(cast(bytes, client.get(contract.meta_key(name))))
    client.set(contract.meta_key(name), orjson.dumps(meta | {"models": meta["models"] | {"for_you": "theirs"}}))


def wiped(client: Redis, name: str) -> None:
    client.delete(*client.keys(contract.release_key_pattern(name)))


DAMAGES: dict[str, Damage] = {
    **{f"{what}: gone altogether": deleted(what) for what in KEYS},
    **{f"{what}: one lost": without_one(what) for what in KEYS.keys() - STRINGS},
    **{f"{what}: one too many": with_one_more(what) for what in KEYS.keys() - STRINGS},
    **{f"{what}: truncated": truncated(what) for what in KEYS},
    **{f"{what}: garbage": garbage(what) for what in KEYS},
    **{f"{what}: another type": of_another_type(what) for what in KEYS},
    "a changed score": changed_score,
    "exchanged lists": exchanged_lists,
    "a renamed track": renamed_track,
    "another model": other_model,
    "everything": wiped,
}


def test_a_live_release_that_is_damaged_in_any_way_is_found_and_published_again_is_whole(client: Redis) -> None:
    publish(client, sample_release("a"))
    name = publish(client, sample_release("b")).meta.release
    whole = contents(client)
    for how, damage in DAMAGES.items():
        damage(client, name)
        with pytest.raises(DamagedReleaseError, match=f"the release {name} is damaged in Redis"):
            verify(client, name)
        again = publish(client, sample_release("b"))
        assert again.repaired is not None, how
        assert again.already_live, how
        assert contents(client) == whole, how
    assert publish(client, sample_release("b")).repaired is None


def test_a_damaged_release_is_not_rolled_back_to_until_it_is_published_again(client: Redis) -> None:
    older = replace(sample_release("a"), as_of=AS_OF - timedelta(days=1))
    previous = publish(client, older).meta.release
    live = publish(client, sample_release("b")).meta.release
    whole = contents(client)
    for how, damage in DAMAGES.items():
        damage(client, previous)
        with pytest.raises(ReleaseError, match=f"{live} stays live: materialise `release` as of {older.as_of}"):
            rollback(client)
        assert client.get(LIVE) == live.encode(), how
        with pytest.raises(NewerReleaseLiveError) as refused:
            publish(client, older)
        assert refused.value.repaired, how
        assert contents(client) == whole, how
    assert rollback(client) == previous


def test_a_new_release_goes_live_beside_damaged_ones(client: Redis) -> None:
    for how, damage in DAMAGES.items():
        client.flushdb()
        names = [publish(client, sample_release(marker)).meta.release for marker in ("a", "b")]
        for name in names:
            damage(client, name)
        third = publish(client, sample_release("c")).meta.release
        assert client.get(LIVE) == third.encode(), how
        verify(client, third)


def test_what_was_published_says_which_lists_are_missing(client: Redis) -> None:
    published = publish(client, sample_release())
    name = published.meta.release
    for what, message in {
        "details of a track": "0 tracks with details, 32 were published",
        "list of similar tracks": "0 lists of similar tracks, 39 were published",
        "list of similar artists": "0 lists of similar artists, 6 were published",
        "popular list of a country": "0 popular lists of countries, 2 were published",
        "country of a user": "0 users with a country, 6 were published",
    }.items():
        deleted(what)(client, name)
        with pytest.raises(DamagedReleaseError, match=message):
            verify(client, name, asdict(published.counts))
        publish(client, sample_release())


@pytest.mark.parametrize("marker", ["a", "b"])
def test_pointers_that_are_lost_come_back_with_the_next_publish(client: Redis, marker: str) -> None:
    for each in ("a", "b"):
        publish(client, sample_release(each))
    names = {plan_release(sample_release(each)).release for each in ("a", "b")}
    client.delete(RELEASES)
    assert {(each.release, each.published_at) for each in list_releases(client)} == {(name, None) for name in names}
    live = publish(client, sample_release(marker)).meta.release
    assert {each.release for each in list_releases(client)} == names
    client.delete(LIVE)
    publish(client, sample_release(marker))
    assert client.get(LIVE) == live.encode()
    assert {each.status for each in list_releases(client)} == {"live", "previous"}


def test_a_repair_that_dies_leaves_what_was_there_and_is_made_by_the_next(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(client, sample_release("a"))
    name = publish(client, sample_release("b")).meta.release
    whole = contents(client)
    without_one("list of a slate")(client, name)
    damaged = contents(client)

    def fail() -> None:
        raise OSError("the disk went away")

    with monkeypatch.context() as patch:
        in_mid_load(patch, fail)
        with pytest.raises(OSError, match="went away"):
            publish(client, sample_release("b"))
    assert contents(client) == damaged
    publish(client, sample_release("b"))
    assert contents(client) == whole

"""Checks a release as it stands in Redis, before it can go live."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from redis import Redis
from redis.lock import Lock

from assets.publish.content import Plan, ReleaseError
from serving_api import contract
from serving_api.contract import NO_SEED, ReleaseMeta

LISTS_PER_READ = 1000

# By kind of item: the hash of its similar lists, and that of the records of what is in them.
SIMILAR_KEYS = {"track": contract.similar_tracks_key, "artist": contract.similar_artists_key}
_RECORDS = {"track": contract.tracks_key, "artist": contract.artists_key}


def verify(
    client: Redis, lock: Lock, plan: Plan, expected_users: Mapping[str, int], min_coverage: float
) -> tuple[dict[str, float], dict[str, int]]:
    """Compare what Redis holds of a release with its plan.

    Returns the share of the expected users with a list, and the number of different tracks in the lists, both
    per slate. Extends the publish lock as it goes. Raises ReleaseError for a difference or too little
    coverage, ContractError for bytes that cannot be read.
    """
    name = plan.release
    meta = read_meta(client, name)
    _require_count("track records", client.hlen(contract.tracks_key(name)), plan.meta.tracks)
    _require_count("public track ids", client.hlen(contract.track_ids_key(name)), plan.meta.tracks)
    _require_count("artist records", client.hlen(contract.artists_key(name)), plan.artists)
    _require_count("public artist ids", client.hlen(contract.artist_ids_key(name)), plan.artists)
    popular = contract.unpack_list(cast(bytes, client.get(contract.popular_key(name)) or b""))
    _require_count("popular tracks", len(popular.track_keys), meta.popular)
    _require_records(client, name, "popular list", popular.track_keys)
    _verify_countries(client, lock, plan)
    for item, key in SIMILAR_KEYS.items():
        _require_count(f"lists of similar {item}s", client.hlen(key(name)), plan.similar[item])
        keys = _distinct_similar(client, lock, key(name))
        _require_records(client, name, f"similar {item}s", keys, item)
    coverage, distinct_tracks = {}, {}
    for slate in plan.meta.slates:
        users = client.hlen(contract.slate_key(name, slate))
        _require_count(f"users with a list in the slate {slate}", users, plan.meta.users[slate])
        coverage[slate] = users / max(expected_users[slate], 1)
        if coverage[slate] < min_coverage:
            raise ReleaseError(
                f"slate {slate}: {users} of {expected_users[slate]} users have a list, {coverage[slate]:.1%} of them"
                f" where {min_coverage:.1%} is the least; the live release stays"
            )
        track_keys, seed_keys = _distinct_keys(client, lock, contract.slate_key(name, slate))
        _require_records(client, name, f"slate {slate}", np.union1d(track_keys, seed_keys))
        distinct_tracks[slate] = len(track_keys)
    return coverage, distinct_tracks


def _verify_countries(client: Redis, lock: Lock, plan: Plan) -> None:
    """Compare the popular lists of countries, and the countries of users, with the plan."""
    lists, users = contract.country_popular_key(plan.release), contract.user_countries_key(plan.release)
    _require_count("popular lists of countries", client.hlen(lists), len(plan.country_popular))
    _require_records(client, plan.release, "popular lists of countries", _distinct_keys(client, lock, lists)[0])
    _require_count("users with a country", client.hlen(users), plan.user_countries)
    countries = client.hscan_iter(users, count=LISTS_PER_READ)
    while chunk := {country for _, country in islice(countries, LISTS_PER_READ)}:
        if unknown := chunk - plan.country_popular.keys():
            raise ReleaseError(
                f"a user in Redis is of {unknown.pop().decode(errors='replace')}, which has no popular list;"
                " the live release stays, publish again"
            )
        lock.reacquire()


def _distinct_keys(client: Redis, lock: Lock, key: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The different track keys, and the different seed keys, of all lists of a hash."""
    track_keys = seed_keys = np.empty(0, np.int32)
    lists = client.hscan_iter(key, count=LISTS_PER_READ)
    while chunk := [contract.unpack_list(packed) for _, packed in islice(lists, LISTS_PER_READ)]:
        track_keys = np.union1d(track_keys, np.concatenate([ranked.track_keys for ranked in chunk]))
        seed_keys = np.union1d(seed_keys, np.concatenate([ranked.seed_keys for ranked in chunk]))
        lock.reacquire()
    return track_keys, seed_keys[seed_keys != NO_SEED]


def _distinct_similar(client: Redis, lock: Lock, key: str) -> NDArray[np.int32]:
    """The different keys of all similar lists, and of the tracks or artists that have one."""
    keys = np.empty(0, np.int32)
    lists = client.hscan_iter(key, count=LISTS_PER_READ)
    while chunk := list(islice(lists, LISTS_PER_READ)):
        listed = [contract.unpack_list(packed).track_keys for _, packed in chunk]
        having = np.array([contract.track_key(field) for field, _ in chunk], np.int32)
        keys = np.union1d(keys, np.concatenate([having, *listed]))
        lock.reacquire()
    return keys


def _require_records(client: Redis, name: str, where: str, keys: NDArray[np.int32], item: str = "track") -> None:
    for start in range(0, len(keys), LISTS_PER_READ):
        chunk = keys[start : start + LISTS_PER_READ].tolist()
        fields = [contract.track_field(key) for key in chunk]
        records = cast(list[bytes | None], client.hmget(_RECORDS[item](name), fields))
        if None in records:
            raise ReleaseError(
                f"{where}: the {item} key {chunk[records.index(None)]} has no record in Redis;"
                " the live release stays, publish again"
            )


def _require_count(what: str, found: Any, sent: int) -> None:
    if found != sent:
        raise ReleaseError(
            f"Redis has {found} {what} of {sent} sent, so some were sent twice or lost; the live release stays"
        )


def read_meta(client: Redis, name: str) -> ReleaseMeta:
    """The description of a release, from Redis. Raises ContractError when it is missing or unreadable."""
    return contract.unpack_meta(cast(bytes, client.get(contract.meta_key(name)) or b""))

"""Reads what a release knows of single tracks and artists from Redis."""

from collections.abc import Awaitable, Sequence
from typing import TypeVar, cast

from redis.asyncio import Redis

from serving_api import contract
from serving_api.catalogue import Kind
from serving_api.contract import Artist, Track

_Record = TypeVar("_Record", bound=Track | Artist)


async def key_of(redis: Redis, kind: Kind[_Record], release: str, public_id: str) -> int | None:
    """The key of a public id in a release, None when that is not the live one. Raises UnknownItemError."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.get(contract.LIVE)
        pipe.hget(kind.ids_key(release), public_id)
        live, field = await pipe.execute()
    if live != release.encode():
        return None
    if field is None:
        raise kind.unknown(public_id)
    return contract.track_key(field)


async def read_records(
    redis: Redis, kind: Kind[_Record], release: str, keys: Sequence[int]
) -> dict[int, _Record] | None:
    """Tracks or artists by key; None when one is missing, which means that the release has been removed."""
    if not keys:
        return {}
    fields = [contract.track_field(key) for key in keys]
    packed = await cast(Awaitable[list[bytes | None]], redis.hmget(kind.records_key(release), fields))
    records = {}
    for key, field, record in zip(keys, fields, packed, strict=True):
        if record is None:
            return None
        records[key] = kind.unpack(field, record)
    return records

"""What a release knows of single tracks and artists: read from Redis once, and kept ready to be shown."""

from collections.abc import Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import orjson
from redis.asyncio import Redis

from serving_api import contract
from serving_api.catalogue import Kind
from serving_api.contract import Artist, Track
from serving_api.errors import UnreadableReleaseError
from serving_api.reading import is_kept, reads

_Record = TypeVar("_Record", bound=Track | Artist)

# A record takes about 1 KB in a process.
MOST_KEPT = 100_000


class Known(NamedTuple, Generic[_Record]):
    """A track or an artist as a process keeps it."""

    record: _Record
    shown: bytes
    """Its document as JSON, without the braces."""
    public_id: str
    """The id that apps know it by."""
    reason: bytes
    """How a list says that an item follows from it, as JSON; null of an artist, from whom none does."""


@dataclass
class CacheUse:
    """How many records a process has asked for that it had kept, how many it had to read, and how many it keeps."""

    hits: int = 0
    misses: int = 0
    kept: int = 0


class Records(Generic[_Record]):
    """The tracks, or the artists, of one release that a process has read; of too many, the first read go."""

    def __init__(self, kind: Kind[_Record], release: str, most: int = MOST_KEPT, use: CacheUse | None = None) -> None:
        self._kind = kind
        self._hashes = [key(release) for key in kind.records_keys]
        self._most = most
        self._kept: dict[int, Known[_Record]] = {}
        self._use = use or CacheUse()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    async def of(self, redis: Redis, keys: Set[int]) -> dict[int, Known[_Record]]:
        """Those of these keys that have a record that can be read; needs Redis for those that are not kept."""
        kept = self._kept
        found = {key: kept[key] for key in keys if key in kept}
        self._use.hits += len(found)
        self._use.misses += len(keys) - len(found)
        if len(found) < len(keys):
            found |= await self._read(redis, list(keys - found.keys()))
        return found

    async def _read(self, redis: Redis, keys: Sequence[int]) -> dict[int, Known[_Record]]:
        fields = [contract.track_field(key) for key in keys]
        # A release is removed with all of its hashes at once: where the records are still there, what belongs to them
        # was there before.
        async with reads(redis) as pipe:
            for name in reversed(self._hashes):
                pipe.hmget(name, fields)
            columns = reversed(await pipe.execute())
        found = {}
        for key, field, record, *rest in zip(keys, fields, *columns, strict=True):
            # A record that cannot be read is missing to the lists that name it, and to no other.
            with suppress(contract.ContractError):
                if record is not None:
                    found[key] = known(self._kind.unpack(field, record, *rest))
        self._kept |= found
        if len(self._kept) > self._most:
            # Many at once: a dictionary that loses its first entries one by one gets slow.
            for key in list(islice(self._kept, len(self._kept) - self._most * 9 // 10)):
                del self._kept[key]
        return found


def document(record: Track | Artist) -> dict[str, Any]:
    """What an app is shown of a track or an artist: everything but the key, which never leaves the platform."""
    shown = record._asdict()
    if isinstance(record, Track):
        shown |= record.details._asdict() | {"tags": list(record.details.tags)}
        del shown["track_key"], shown["details"]
    else:
        del shown["artist_key"]
    return shown


def known(record: _Record) -> Known[_Record]:
    """A record as a process keeps it."""
    shown = orjson.dumps(document(record))[1:-1]
    if isinstance(record, Artist):
        return Known(record, shown, record.artist_id, b"null")
    reason = {"type": contract.ANCHOR_REASON_TYPE, "track_id": record.track_id, "title": record.title}
    # Copied, as what is dumped keeps the room that it was written in: 1 KB at least.
    return Known(record, shown, record.track_id, b"{%b}" % orjson.dumps(reason)[1:-1])


async def require(
    redis: Redis, release: str, records: Records[_Record], keys: Iterable[int], where: str
) -> dict[int, Known[_Record]] | None:
    """What these keys are of; None when a record is missing because the release is not kept (any more).

    `where` is what names the keys. Raises UnreadableReleaseError where a release that is kept has no record of one that
    can be read.
    """
    wanted = set(keys)
    found = await records.of(redis, wanted)
    if missing := wanted - found.keys():
        if not await is_kept(redis, release):
            return None
        raise no_record(where, missing)
    return found


def no_record(where: str, missing: Iterable[int]) -> UnreadableReleaseError:
    """The error of a list that names what has no record."""
    return UnreadableReleaseError(f"{where}: the key {min(missing)} has no record that can be read")


async def key_of(redis: Redis, kind: Kind[_Record], release: str, public_id: str) -> int | None:
    """The key of a public id in a release, None when that is not the live one.

    Raises UnknownItemError, or UnreadableReleaseError.
    """
    async with reads(redis) as pipe:
        pipe.hget(kind.ids_key(release), public_id)
        pipe.get(contract.LIVE)
        field, live = await pipe.execute()
    if live != release.encode():
        return None
    if field is None:
        raise kind.unknown(public_id)
    try:
        return contract.track_key(field)
    except contract.ContractError as error:
        raise UnreadableReleaseError(f"the public id {public_id}: {error}") from error

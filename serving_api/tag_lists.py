"""Reads tags: which ones may be chosen, and the tracks of those that were."""

from collections.abc import Iterable, Mapping, Sequence

import orjson
from redis.asyncio import Redis

from serving_api import contract
from serving_api.answers import Release
from serving_api.contract import ContractError, RankedList
from serving_api.errors import UnreadableReleaseError
from serving_api.pages import Item
from serving_api.reading import is_shown, reads


async def release_tags(redis: Redis, release: Release) -> list[Item] | None:
    """The tags of a release, those that are heard most first; None when it is not kept (any more).

    Empty in a release that was published before there were any. Raises UnreadableReleaseError.
    """
    if release.tags:
        return release.tags[0]
    async with reads(redis) as pipe:
        # A publisher puts no more than 1,000 there.
        pipe.hgetall(contract.tag_tracks_key(release.name))
        pipe.mget(contract.LIVE, contract.PREVIOUS)
        packed, pointers = await pipe.execute()
    if not is_shown(pointers, release.name, pinned=True):
        return None
    lists = unpacked_tags(packed)
    heard = sorted(lists, key=lambda tag: (-float(lists[tag].scores.sum(dtype=float)), -len(lists[tag].scores), tag))
    found = [Item(tag, orjson.dumps({"tag": tag, "tracks": len(lists[tag].track_keys)})[1:-1]) for tag in heard]
    release.tags.append(found)
    return found


def fields_of(tag: str) -> Sequence[bytes]:
    """Under which fields a tag may lie that somebody gave in any case.

    As it was given first: the warehouse and Python agree on the lower case of almost every letter.
    """
    return [each.encode() for each in dict.fromkeys((tag, tag.lower()))]


def chosen_tags(tags: Iterable[str], packed: Mapping[bytes, bytes | None]) -> tuple[dict[str, RankedList], list[str]]:
    """The lists of tags that somebody gave, by the tag as the release has it, and the tags that it does not know.

    packed: what Redis has under the fields of all of them. Raises UnreadableReleaseError.
    """
    known: dict[bytes, bytes] = {}
    unknown = []
    for tag in tags:
        for field in fields_of(tag):
            if (found := packed[field]) is not None:
                known[field] = found
                break
        else:
            unknown.append(tag)
    return unpacked_tags(known), unknown


def unpacked_tags(packed: Mapping[bytes, bytes]) -> dict[str, RankedList]:
    """The lists of tags. Raises UnreadableReleaseError."""
    try:
        return {field.decode(): contract.unpack_list(each) for field, each in packed.items()}
    except (ContractError, UnicodeDecodeError) as error:
        raise UnreadableReleaseError(f"the lists of tags: {error}") from error

"""Reads popular lists, overall and of countries."""

from redis.asyncio import Redis

from serving_api import contract
from serving_api.answers import PopularItem, PopularList, Release
from serving_api.contract import ContractError, Track
from serving_api.errors import UnreadableReleaseError
from serving_api.ranked import named_keys, shown_tracks
from serving_api.reading import is_shown, reads
from serving_api.records import Records, require


async def popular_in(redis: Redis, release: Release, country: str | None) -> PopularList | None:
    """The popular list of a country, the overall one where it has none, of a release that was there a moment ago.

    None when it has to be read of Redis, and the release is not kept (any more). Raises UnreadableReleaseError.
    """
    if country is None:
        return release.popular
    if country in release.countries:
        return release.countries[country]
    async with reads(redis) as pipe:
        pipe.hget(contract.country_popular_key(release.name), country)
        pipe.mget(contract.LIVE, contract.PREVIOUS)
        packed, pointers = await pipe.execute()
    if not is_shown(pointers, release.name, pinned=True):
        return None
    if packed is None:
        return release.popular
    where = f"the popular list of {country}"
    popular = await popular_list(redis, release.name, release.tracks, country, packed, where)
    if popular is not None:
        release.countries[country] = popular
    return popular


async def trending(redis: Redis, release: Release) -> PopularList | None:
    """What is trending; None when the release is not kept (any more). Raises UnreadableReleaseError.

    Empty in a release that was published before there was such a list.
    """
    if release.trending:
        return release.trending[0]
    async with reads(redis) as pipe:
        pipe.get(contract.trending_key(release.name))
        pipe.mget(contract.LIVE, contract.PREVIOUS)
        packed, pointers = await pipe.execute()
    if not is_shown(pointers, release.name, pinned=True):
        return None
    if packed is None:
        return PopularList(None, [])
    found = await popular_list(redis, release.name, release.tracks, None, packed, "the list of what is trending")
    if found is not None:
        release.trending.append(found)
    return found


async def popular_list(
    redis: Redis, release: str, tracks: Records[Track], country: str | None, packed: bytes, where: str
) -> PopularList | None:
    """A public list with its tracks; None when the release is not kept (any more). Raises UnreadableReleaseError."""
    try:
        ranked = contract.unpack_list(packed)
    except ContractError as error:
        raise UnreadableReleaseError(f"{where}: {error}") from error
    known = await require(redis, release, tracks, named_keys(ranked), where)
    if known is None:
        return None
    items = shown_tracks(ranked, known)
    return PopularList(
        country,
        [PopularItem(known[key].record, item) for key, item in zip(ranked.track_keys.tolist(), items, strict=True)],
    )

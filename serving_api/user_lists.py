"""Reads the lists of many users at once, in the round trips of one."""

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from serving_api import contract
from serving_api.answers import ListAsked, Release, UserSlate
from serving_api.contract import NO_BLOCKS, Blocks, ContractError, RankedList, Track
from serving_api.errors import ReleaseGoneError, StoreUnavailableError, UnreadableReleaseError
from serving_api.pages import page, part
from serving_api.popular_lists import popular_in
from serving_api.ranked import NO_LIST, at, blocked_keys, kept_places, named_keys, shown_tracks
from serving_api.reading import Reply, is_kept, is_shown, refused, replies, unpacked_blocks, value
from serving_api.records import Known, no_record

Read = UserSlate | StoreUnavailableError | ReleaseGoneError

_NOTHING: frozenset[int] = frozenset()


class _OwnList:
    """What a user has in a slate."""

    def __init__(self, asked: ListAsked, blocks: Blocks, ranked: RankedList, excluded: frozenset[int]) -> None:
        self.asked = asked
        self.blocks = blocks
        self._ranked = ranked
        self._excluded = excluded
        # Whether a track is blocked, only its record says.
        needed = ranked if blocks != NO_BLOCKS else at(ranked, part(kept_places(ranked, excluded), asked.window))
        self.named = named_keys(needed)
        """The tracks whose records are needed."""

    def answer(self, release: Release, tracks: Mapping[int, Known[Track]]) -> "Read | _OwnList":
        """The page that is asked for; the list itself where a popular one is to answer.

        That is where the user has none, or has blocked all of it, or reads on in a popular one.
        """
        if not self.named <= tracks.keys():
            return no_record(self.asked.what, self.named - tracks.keys())
        ranked, window = self._ranked, self.asked.window
        blocked = blocked_keys(ranked, tracks, self.blocks) if self.blocks != NO_BLOCKS else _NOTHING
        if not (window.after.own if window.after is not None else len(kept_places(ranked, blocked))):
            return self
        kept = kept_places(ranked, blocked | self._excluded)
        shown = page(kept, window, lambda places: shown_tracks(at(ranked, places), tracks, blocked))
        return UserSlate(release, shown, "personal", known=True, country=None)


async def user_lists(redis: Redis, release: Release, pinned: bool, asks: Sequence[ListAsked]) -> list[Read] | None:
    """What is asked of a release, with an error in the place of what cannot be read.

    None when it is not live any more; of one that is pinned, when it is not even kept.

    Everybody's list and blocks come in one transaction, so that all of it, and that the release is there, are of one
    instant. Users without a list cost a second one.
    """
    own = await _own_lists(redis, release, pinned, asks)
    if own is None:
        return None
    needed = set[int]().union(*(each.named for each in own if isinstance(each, _OwnList)))
    tracks = await release.tracks.of(redis, needed)
    if len(tracks) < len(needed) and not await is_kept(redis, release.name):
        return None
    answers = [each.answer(release, tracks) if isinstance(each, _OwnList) else each for each in own]
    listless = [each for each in answers if isinstance(each, _OwnList)]
    stand_ins = await _stand_ins(redis, release, listless) if listless else []
    if stand_ins is None:
        return None
    rest = iter(stand_ins)
    return [next(rest) if isinstance(each, _OwnList) else each for each in answers]


async def _own_lists(
    redis: Redis, release: Release, pinned: bool, asks: Sequence[ListAsked]
) -> list[_OwnList | StoreUnavailableError] | None:
    of_slate: dict[str, list[str]] = {}
    for asked in asks:
        if asked.slate is not None:
            of_slate.setdefault(asked.slate, []).append(asked.user_id)
    excluded = list(dict.fromkeys(track_id for asked in asks for track_id in asked.window.exclude))
    async with redis.pipeline(transaction=True) as pipe:
        pipe.mget(contract.LIVE, contract.PREVIOUS)
        pipe.hmget(contract.BLOCKS, [asked.user_id for asked in asks])
        for slate, users in of_slate.items():
            pipe.hmget(contract.slate_key(release.name, slate), users)
        if excluded:
            pipe.hmget(contract.track_ids_key(release.name), excluded)
        pointers, blocks, *rest = await pipe.execute(raise_on_error=False)
    if not is_shown(pointers, release.name, pinned):
        return None
    lists = {slate: iter(replies(reply, len(of_slate[slate]))) for slate, reply in zip(of_slate, rest, strict=False)}
    fields = dict(zip(excluded, replies(rest[-1], len(excluded)), strict=True)) if excluded else {}
    return [
        _own_list(asked, packed_blocks, next(lists[asked.slate]) if asked.slate is not None else None, fields)
        for asked, packed_blocks in zip(asks, replies(blocks, len(asks)), strict=True)
    ]


def _own_list(
    asked: ListAsked, packed_blocks: Reply, packed: Reply, fields: Mapping[str, Reply]
) -> _OwnList | StoreUnavailableError:
    try:
        blocks = unpacked_blocks(packed_blocks)
        ranked = contract.unpack_list(found) if (found := value(packed)) is not None else NO_LIST
        named = [field for track_id in asked.window.exclude if (field := value(fields[track_id])) is not None]
        return _OwnList(asked, blocks, ranked, frozenset(map(contract.track_key, named)))
    except StoreUnavailableError as error:
        return error
    except ContractError as error:
        return UnreadableReleaseError(f"{asked.what}: {error}")
    except RedisError as error:
        return refused(error)


async def _stand_ins(redis: Redis, release: Release, listless: Sequence[_OwnList]) -> list[Read] | None:
    """The popular lists that answer those of whose own list nothing is left; None when the release is not kept."""
    slates = release.meta.slates
    async with redis.pipeline(transaction=True) as pipe:
        pipe.mget(contract.LIVE, contract.PREVIOUS)
        pipe.hmget(contract.user_countries_key(release.name), [each.asked.user_id for each in listless])
        for each in listless:
            for slate in slates:
                pipe.hexists(contract.slate_key(release.name, slate), each.asked.user_id)
        pointers, stated, *having = await pipe.execute(raise_on_error=False)
    if not is_shown(pointers, release.name, pinned=True):
        return None
    answers: list[Read] = []
    for number, (each, said) in enumerate(zip(listless, replies(stated, len(listless)), strict=True)):
        try:
            country = _country(said) or each.asked.country
            known = any(map(value, having[number * len(slates) :][: len(slates)]))
            popular = await popular_in(redis, release, country)
        except StoreUnavailableError as error:
            answers.append(error)
            continue
        except RedisError as error:
            answers.append(refused(error))
            continue
        if popular is None:
            return None
        shown = popular.page(each.asked.window, each.blocks)
        answers.append(UserSlate(release, shown, "popular", known, popular.country))
    return answers


def _country(stated: Reply) -> str | None:
    packed: bytes | None = value(stated)
    if packed is None:
        return None
    try:
        return packed.decode()
    except UnicodeDecodeError as error:
        raise UnreadableReleaseError(f"a user is of the country {packed[:40]!r}, which is not UTF-8") from error

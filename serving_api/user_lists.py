"""Reads the lists of many users at once, in the round trips of one."""

from collections.abc import Mapping, Sequence, Set

from redis.asyncio import Redis
from redis.exceptions import RedisError

from serving_api import contract
from serving_api.answers import ListAsked, PopularItem, Release, UserSlate
from serving_api.contract import NO_BLOCKS, Blocks, ContractError, RankedList, Track
from serving_api.errors import ReleaseGoneError, StoreUnavailableError, UnreadableReleaseError
from serving_api.pages import page, part
from serving_api.popular_lists import popular_in
from serving_api.ranked import (
    NO_LIST,
    at,
    blocked_keys,
    kept_places,
    named_keys,
    picked,
    shown_tracks,
    tracks_of,
    unranked,
)
from serving_api.reading import Reply, is_kept, is_shown, reads, refused, replies, unpacked_blocks, value
from serving_api.records import Known, no_record
from serving_api.rules import arranged

Read = UserSlate | StoreUnavailableError | ReleaseGoneError

_NOTHING: frozenset[int] = frozenset()
_NO_PINS: Mapping[str, int] = {}


class _OwnList:
    """What a user has in a slate."""

    def __init__(
        self,
        asked: ListAsked,
        blocks: Blocks,
        ranked: RankedList,
        excluded: frozenset[int],
        pins: Mapping[str, int] = _NO_PINS,
    ) -> None:
        self.asked = asked
        self.blocks = blocks
        self._ranked = ranked
        self._excluded = excluded
        self._pins = pins
        # Whether a track is blocked, or passes rules, only its record says.
        whole = blocks != NO_BLOCKS or asked.window.rules is not None
        needed = ranked if whole else at(ranked, part(kept_places(ranked, excluded), asked.window))
        self.named = named_keys(needed).union(pins.values())
        """The tracks whose records are needed."""

    def answer(self, release: Release, tracks: Mapping[int, Known[Track]]) -> "Read | _OwnList":
        """The page that is asked for; the list itself where a popular one is to answer.

        That is where the user has none, or nothing of it is left, or they read on in a popular one.
        """
        if not self.named <= tracks.keys():
            return no_record(self.asked.what, self.named - tracks.keys())
        ranked, window = self._ranked, self.asked.window
        blocked = blocked_keys(ranked, tracks, self.blocks) if self.blocks != NO_BLOCKS else _NOTHING
        if not (window.after.own if window.after is not None else self._is_left(tracks, blocked)):
            return self
        if window.rules is not None:
            # Blocks come last: one between two pages hides what it is of, and moves nothing else.
            listed = at(ranked, kept_places(ranked, self._excluded))
            pinned = {track_id: pin.record for track_id, pin in self.pinned(tracks).items()}
            ruled = arranged(tracks_of(listed, tracks), window.rules, pinned)
            ranked = picked(listed, [track.track_key for track in ruled])
            blocked = blocked_keys(ranked, tracks, self.blocks) if self.blocks != NO_BLOCKS else _NOTHING
        kept = kept_places(ranked, blocked | self._excluded)
        shown = page(kept, window, lambda places: shown_tracks(at(ranked, places), tracks, blocked))
        return UserSlate(release, shown, "personal", known=True, country=None)

    def pinned(self, tracks: Mapping[int, Known[Track]]) -> dict[str, Known[Track]]:
        """What pins name and is not excluded, by the ids that they name it by."""
        return {track_id: tracks[key] for track_id, key in self._pins.items() if key not in self._excluded}

    def _is_left(self, tracks: Mapping[int, Known[Track]], blocked: Set[int]) -> bool:
        """Whether anything of the list is neither blocked nor filtered out; what a request excludes counts."""
        left = at(self._ranked, kept_places(self._ranked, blocked))
        rules = self.asked.window.rules
        return len(left.track_keys) > 0 if rules is None else any(map(rules.admit, tracks_of(left, tracks)))


async def user_lists(redis: Redis, release: Release, pinned: bool, asks: Sequence[ListAsked]) -> list[Read] | None:
    """What is asked of a release, with an error in the place of what cannot be read.

    None when it is not live any more; of one that is pinned, when it is not even kept.

    Everybody's list and blocks come in one round trip, with the word that the release is there. Users without a list
    cost a second one.
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
    stand_ins = await _stand_ins(redis, release, listless, tracks) if listless else []
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
    named = list(dict.fromkeys(track_id for asked in asks for track_id in asked.window.named_ids))
    async with reads(redis) as pipe:
        pipe.hmget(contract.BLOCK_CHANGES, users := [asked.user_id for asked in asks])
        pipe.hmget(contract.BLOCKS, users)
        for slate, having in of_slate.items():
            pipe.hmget(contract.slate_key(release.name, slate), having)
        if named:
            pipe.hmget(contract.track_ids_key(release.name), named)
        pipe.mget(contract.LIVE, contract.PREVIOUS)
        changes, blocks, *rest, pointers = await pipe.execute(raise_on_error=False)
    if not is_shown(pointers, release.name, pinned):
        return None
    lists = {slate: iter(replies(reply, len(of_slate[slate]))) for slate, reply in zip(of_slate, rest, strict=False)}
    fields = dict(zip(named, replies(rest[-1], len(named)), strict=True)) if named else {}
    return [
        _own_list(asked, packed_blocks, next(lists[asked.slate]) if asked.slate is not None else None, fields)
        for asked, *packed_blocks in zip(asks, replies(blocks, len(asks)), replies(changes, len(asks)), strict=True)
    ]


def _own_list(
    asked: ListAsked, packed_blocks: Sequence[Reply], packed: Reply, fields: Mapping[str, Reply]
) -> _OwnList | StoreUnavailableError:
    try:
        blocks = unpacked_blocks(*packed_blocks)
        ranked = contract.unpack_list(found) if (found := value(packed)) is not None else NO_LIST
        window = asked.window
        named = {track_id: field for track_id in window.named_ids if (field := value(fields[track_id])) is not None}
        keys = {track_id: contract.track_key(field) for track_id, field in named.items()}
        excluded = frozenset(key for track_id, key in keys.items() if track_id in window.exclude)
        if window.rules is None:
            return _OwnList(asked, blocks, ranked, excluded)
        pins = {track_id: keys[track_id] for track_id in window.rules.pins if track_id in keys}
        return _OwnList(asked, blocks, ranked, excluded, pins)
    except StoreUnavailableError as error:
        return error
    except ContractError as error:
        return UnreadableReleaseError(f"{asked.what}: {error}")
    except RedisError as error:
        return refused(error)


async def _stand_ins(
    redis: Redis, release: Release, listless: Sequence[_OwnList], tracks: Mapping[int, Known[Track]]
) -> list[Read] | None:
    """The popular lists that answer those of whose own list nothing is left; None when the release is not kept."""
    slates = release.meta.slates
    async with reads(redis) as pipe:
        pipe.hmget(contract.user_countries_key(release.name), [each.asked.user_id for each in listless])
        for each in listless:
            for slate in slates:
                pipe.hexists(contract.slate_key(release.name, slate), each.asked.user_id)
        pipe.mget(contract.LIVE, contract.PREVIOUS)
        stated, *having, pointers = await pipe.execute(raise_on_error=False)
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
        pinned = {track_id: PopularItem(pin.record, unranked(pin)) for track_id, pin in each.pinned(tracks).items()}
        shown = popular.page(each.asked.window, each.blocks, pinned)
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

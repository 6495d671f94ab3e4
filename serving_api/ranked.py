"""From a ranked list to what is shown of it: without what is excluded or blocked, with names and reasons."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TypeVar

import numpy as np
import orjson

from serving_api.contract import NO_ANCHOR, Artist, Blocks, RankedList, Track
from serving_api.pages import Item, positions
from serving_api.records import Known

_Record = TypeVar("_Record", bound=Track | Artist)

NO_LIST = RankedList(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int32))


def named_keys(ranked: RankedList) -> set[int]:
    """The keys of every track that a list names: its items and the anchors of their reasons."""
    named: set[int] = {*ranked.track_keys.tolist(), *ranked.anchor_keys.tolist()}
    named.discard(NO_ANCHOR)
    return named


def kept_places(ranked: RankedList, hidden: Set[int]) -> Sequence[int]:
    """The places of the list whose tracks are not hidden."""
    return positions(ranked.track_keys.tolist(), hidden.__contains__) if hidden else range(len(ranked.track_keys))


def at(ranked: RankedList, places: Sequence[int]) -> RankedList:
    """The part of the list at these places."""
    if isinstance(places, range):
        return ranked.take(slice(places.start, places.stop))
    return ranked.take(np.array(places, np.intp))


def tracks_of(ranked: RankedList, tracks: Mapping[int, Known[Track]]) -> list[Track]:
    """The track of each item of a list."""
    return [tracks[key].record for key in ranked.track_keys.tolist()]


def picked(ranked: RankedList, keys: Sequence[int]) -> RankedList:
    """A list of these tracks in this order; those that the list lacks come without a score and a reason."""
    places = {key: place for place, key in enumerate(ranked.track_keys.tolist())}
    # One item more, which is what a track gets that the list lacks.
    chosen = np.array([places.get(key, len(places)) for key in keys], np.intp)
    scores = np.append(ranked.scores, np.float32("nan"))
    anchors = np.append(ranked.anchor_keys, np.int32(NO_ANCHOR))
    return RankedList(np.array(keys, np.int32), scores[chosen], anchors[chosen])


def unranked(track: Known[Track]) -> Item:
    """How a track is shown in a list that lacks it."""
    return next(shown_tracks(picked(NO_LIST, [track.record.track_key]), {track.record.track_key: track}))


def blocked_keys(ranked: RankedList, tracks: Mapping[int, Known[Track]], blocks: Blocks) -> set[int]:
    """Which of the tracks that a list names are blocked; tracks: all that it names, by key."""
    return {key for key in named_keys(ranked) if blocks.hold(tracks[key].record)}


def shown_tracks(
    ranked: RankedList, tracks: Mapping[int, Known[Track]], blocked: Set[int] = frozenset()
) -> Iterator[Item]:
    """The tracks of a list, each with its score and its reason, unless that names a blocked track."""
    listed = zip(ranked.track_keys.tolist(), _score_texts(ranked), ranked.anchor_keys.tolist(), strict=False)
    for key, score, anchor in listed:
        track = tracks[key]
        reason = tracks[anchor].reason if anchor != NO_ANCHOR and anchor not in blocked else b"null"
        yield Item(track.public_id, b'%b,"score":%b,"reason":%b' % (track.shown, score, reason))


def shown_items(ranked: RankedList, known: Mapping[int, Known[_Record]]) -> Iterator[Item]:
    """The tracks or artists of a list, each with its score."""
    for key, score in zip(ranked.track_keys.tolist(), _score_texts(ranked), strict=False):
        each = known[key]
        yield Item(each.public_id, b'%b,"score":%b' % (each.shown, score))


def _score_texts(ranked: RankedList) -> list[bytes]:
    """The scores as JSON, of an empty list one empty text; as float32, with the shortest digits that say which."""
    return orjson.dumps(np.ascontiguousarray(ranked.scores), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")

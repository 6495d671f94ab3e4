"""From a ranked list to what is shown of it: without what is excluded or blocked, with names and reasons."""

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

import numpy as np
import orjson

from serving_api.contract import ANCHOR_REASON_TYPE, NO_ANCHOR, Artist, Blocks, RankedList, Track
from serving_api.records import Known

_Record = TypeVar("_Record", bound=Track | Artist)

NO_LIST = RankedList(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int32))


def named_keys(ranked: RankedList) -> set[int]:
    """The keys of every track that a list names: its items and the anchors of their reasons."""
    named: set[int] = {*ranked.track_keys.tolist(), *ranked.anchor_keys.tolist()}
    named.discard(NO_ANCHOR)
    return named


def without(ranked: RankedList, excluded: Collection[int]) -> RankedList:
    """The list without these tracks."""
    return ranked.take(~np.isin(ranked.track_keys, list(excluded))) if excluded else ranked


def without_blocked(ranked: RankedList, tracks: Mapping[int, Known[Track]], blocks: Blocks) -> RankedList:
    """The list without blocked items, and without the reasons that name a blocked track.

    tracks: every track that the list names, by key.
    """
    blocked = [key for key in named_keys(ranked) if blocks.hold(tracks[key].record)]
    kept = without(ranked, blocked)
    return kept._replace(anchor_keys=np.where(np.isin(kept.anchor_keys, blocked), NO_ANCHOR, kept.anchor_keys))


def shown_tracks(ranked: RankedList, tracks: Mapping[int, Known[Track]]) -> Iterator[bytes]:
    """Of each item of a list the JSON fields that an app is shown, but for its rank: the track, score and reason."""
    anchors = ranked.anchor_keys.tolist()
    for shown, anchor in zip(shown_items(ranked, tracks), anchors, strict=True):
        yield b'%b,"reason":%b' % (shown, _reason(tracks[anchor].record) if anchor != NO_ANCHOR else b"null")


def shown_items(ranked: RankedList, known: Mapping[int, Known[_Record]]) -> Iterator[bytes]:
    """As `shown_tracks`, without reasons: what is shown of lists of similar tracks and artists."""
    # As float32, so that JSON shows their shortest text rather than the digits of a double.
    scores = orjson.dumps(np.ascontiguousarray(ranked.scores), option=orjson.OPT_SERIALIZE_NUMPY)
    for key, score in zip(ranked.track_keys.tolist(), scores[1:-1].split(b","), strict=False):
        yield b'%b,"score":%b' % (known[key].shown, score)


def _reason(anchor: Track) -> bytes:
    return orjson.dumps({"type": ANCHOR_REASON_TYPE, "track_id": anchor.track_id, "title": anchor.title})

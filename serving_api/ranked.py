"""From a ranked list to what is shown of it: without what is excluded or blocked, with names and reasons."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from serving_api.answers import Item, record_document
from serving_api.contract import ANCHOR_REASON_TYPE, NO_ANCHOR, Blocks, RankedList, Track

NO_LIST = RankedList(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int32))


def named_keys(ranked: RankedList) -> list[int]:
    """The keys of every track that a list names: its items and the anchors of their reasons."""
    anchors = ranked.anchor_keys[ranked.anchor_keys != NO_ANCHOR]
    return [int(key) for key in np.union1d(ranked.track_keys, anchors)]


def without(ranked: RankedList, excluded: NDArray[np.int32]) -> RankedList:
    """The list without these tracks."""
    return ranked.take(~np.isin(ranked.track_keys, excluded)) if len(excluded) else ranked


def without_blocked(ranked: RankedList, tracks: Mapping[int, Track], blocks: Blocks) -> RankedList:
    """The list without blocked items, and without the reasons that name a blocked track.

    tracks: the record of every track that the list names, by key.
    """
    blocked = [key for key, track in tracks.items() if blocks.hold(track)]
    kept = without(ranked, np.array(blocked, np.int32))
    return kept._replace(anchor_keys=np.where(np.isin(kept.anchor_keys, blocked), NO_ANCHOR, kept.anchor_keys))


def shown_items(ranked: RankedList, tracks: Mapping[int, Track]) -> Iterator[Item]:
    """What an app is shown of each item, but for its rank."""
    # Scores stay float32, so that JSON shows their shortest text rather than the digits of a double.
    for key, score, anchor in zip(ranked.track_keys.tolist(), ranked.scores, ranked.anchor_keys.tolist(), strict=True):
        yield {**record_document(tracks[key]), "score": score, "reason": _reason(tracks.get(anchor))}


def _reason(anchor: Track | None) -> dict[str, str | None] | None:
    if anchor is None:
        return None
    return {"type": ANCHOR_REASON_TYPE, "track_id": anchor.track_id, "title": anchor.title}

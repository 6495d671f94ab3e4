"""A list for somebody new: what follows from artists, tracks and tags that they chose."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving_api.contract import RankedList, Track
from serving_api.ranked import NO_LIST
from serving_api.records import Known

# As the slates are spread: docs/adr/0015-lists.md. A test compares them.
MOST_OF_AN_ARTIST = 20
ARTIST_DISCOUNT = 0.98
# Of an artist who is similar to a chosen one, so many tracks count.
TRACKS_OF_A_SIMILAR_ARTIST = 20
# Of a chosen tag, what is similar to so many of its tracks counts.
TRACKS_OF_A_TAG = 20
# So many tracks are spread, the best ones: a list goes on to its end from page to page, and that is where it is.
LONGEST_LIST = 1000


class Support(NamedTuple):
    """What one seed says for some tracks. Both arrays have shape (n,), best first."""

    seed: int
    """The place of the seed among all that were chosen."""
    track_keys: NDArray[np.int32]
    values: NDArray[np.float64]


def of_similar_tracks(seed: int, similar: RankedList) -> Support:
    """A chosen track speaks for those similar to it, for the most similar one by 1."""
    values = similar.scores.astype(np.float64)
    return Support(seed, similar.track_keys, values / values.max(initial=1e-12))


def of_artist(
    seed: int, own: RankedList, similar: RankedList, tracks_of: Mapping[int, RankedList]
) -> Iterable[Support]:
    """A chosen artist speaks for their own tracks, and for those of similar artists by how similar these are.

    The n-th track of an artist counts 1 / log2(n + 1), as its rank does in NDCG. tracks_of: by artist key.
    """
    yield Support(seed, own.track_keys, _by_rank(len(own.track_keys)))
    most = max(similar.scores.max(initial=0), 1e-12)
    for artist, score in zip(similar.track_keys.tolist(), similar.scores.tolist(), strict=True):
        if artist in tracks_of:
            keys = tracks_of[artist].track_keys[:TRACKS_OF_A_SIMILAR_ARTIST]
            yield Support(seed, keys, _by_rank(len(keys)) * (score / most))


def of_tag(seed: int, own: RankedList, similar_to: Mapping[int, RankedList]) -> Iterable[Support]:
    """A chosen tag speaks for the tracks that have it, as an artist does for their own, and for what is similar to the
    first of them.

    What is similar to the n-th track counts 1 / log2(n + 1) of what it would if that track was chosen; all of that
    together counts as one chosen track does: for the most similar one 1. similar_to: by track key.
    """
    yield Support(seed, own.track_keys, _by_rank(len(own.track_keys)))
    first = own.track_keys[:TRACKS_OF_A_TAG].tolist()
    said = [
        (similar.track_keys, similar.values * weight)
        for key, weight in zip(first, _by_rank(len(first)), strict=True)
        if key in similar_to and (similar := of_similar_tracks(seed, similar_to[key]))
    ]
    if said:
        keys, place = np.unique(np.concatenate([keys for keys, _ in said]), return_inverse=True)
        values = np.bincount(place, weights=np.concatenate([values for _, values in said]))
        order = np.argsort(-values, kind="stable")
        yield Support(seed, keys[order], values[order] / values.max(initial=1e-12))


def ranked(supports: Sequence[Support], left_out: Iterable[int]) -> tuple[RankedList, NDArray[np.int32]]:
    """Tracks by the sum of what the seeds say for them, best first; and of each the seed that says most for it.

    left_out: track keys. The list has no anchors.
    """
    if not supports:
        return NO_LIST, np.empty(0, np.int32)
    keys = np.concatenate([each.track_keys for each in supports])
    values = np.concatenate([each.values for each in supports])
    seeds = np.concatenate([np.full(len(each.track_keys), each.seed) for each in supports])
    tracks, place = np.unique(keys, return_inverse=True)
    said = np.zeros((seeds.max(initial=0) + 1, len(tracks)))
    np.add.at(said, (seeds, place), values)
    scores = said.sum(axis=0)
    order = np.lexsort((tracks, -scores))
    order = order[~np.isin(tracks[order], np.fromiter(left_out, np.int32))][:LONGEST_LIST]
    anchors = np.full(len(order), -1, np.int32)
    return (
        RankedList(tracks[order].astype(np.int32), scores[order].astype(np.float32), anchors),
        said.argmax(axis=0)[order].astype(np.int32),
    )


def spread(listed: RankedList, tracks: Mapping[int, Known[Track]]) -> NDArray[np.intp]:
    """The places of the list in an order that spreads artists: the n-th track of one counts ARTIST_DISCOUNT ** n."""
    met: dict[str, int] = {}
    factors = np.ones(len(listed.track_keys))
    for place, key in enumerate(listed.track_keys.tolist()):
        artist = tracks[key].record.artist_id
        if artist is not None:
            before = met.get(artist, 0)
            met[artist] = before + 1
            factors[place] = ARTIST_DISCOUNT**before if before < MOST_OF_AN_ARTIST else 0.0
    order = np.argsort(-listed.scores * factors, kind="stable")
    return order[factors[order] > 0]


def _by_rank(length: int) -> NDArray[np.float64]:
    return 1 / np.log2(np.arange(length) + 2)

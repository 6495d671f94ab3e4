"""A list from seeds: who says what for a track, and how artists are spread."""

import numpy as np
import pytest

from assets.ranker.chosen_lists import LISTS
from assets.slates import Slate
from serving_api import seeds
from serving_api.contract import RankedList, Track
from serving_api.records import known


def listed(*tracks: tuple[int, float]) -> RankedList:
    keys, scores = zip(*tracks, strict=True) if tracks else ((), ())
    return RankedList(np.array(keys, np.int32), np.array(scores, np.float32), np.full(len(keys), -1, np.int32))


TRACKS_OF = {7: listed((3, 1), (1, 1)), 8: listed((4, 1))}


def test_seeds_add_up_and_the_one_that_says_most_is_the_reason() -> None:
    supports = [
        *seeds.of_artist(0, listed((1, 9), (2, 3)), listed((7, 4.0), (8, 1.0)), TRACKS_OF),
        seeds.of_similar_tracks(1, listed((4, 0.5), (2, 0.25))),
    ]
    found, seed_of = seeds.ranked(supports, left_out=())
    second = 1 / np.log2(3)
    assert dict(zip(found.track_keys.tolist(), found.scores.tolist(), strict=True)) == pytest.approx(
        {1: 1 + second, 2: second + 0.5, 3: 1.0, 4: 0.25 + 1}
    )
    assert found.track_keys.tolist() == [1, 4, 2, 3]
    assert seed_of.tolist() == [0, 1, 0, 0]
    assert seeds.ranked(supports, left_out=[1, 3])[0].track_keys.tolist() == [4, 2]
    assert len(seeds.ranked([], left_out=())[0].track_keys) == 0


def test_artists_are_spread_as_in_the_slate_of_what_is_new_to_a_user() -> None:
    rules = LISTS[Slate.DISCOVER]
    assert (rules.per_artist, rules.artist_discount) == (seeds.MOST_OF_AN_ARTIST, seeds.ARTIST_DISCOUNT)
    tracks = {
        key: known(Track(key, f"t-{key}", None, None, None if key >= 90 else f"a-{key % 2}", None))
        for key in range(100)
    }
    ranked = listed(*((key, 100 - key / 10) for key in range(100)))
    order = seeds.spread(ranked, tracks).tolist()
    artists = [tracks[key].record.artist_id for key in order]
    assert artists.count("a-0") == artists.count("a-1") == 20
    assert set(range(90, 100)) <= set(order), "tracks of nobody known are of different people"
    one = seeds.spread(listed((0, 1.0), (2, 0.99), (1, 0.985)), tracks).tolist()
    assert one == [0, 2, 1], "the second track of an artist counts .9702, and stands behind .985"

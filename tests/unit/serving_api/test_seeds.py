"""A list from seeds: who says what for a track, and how artists are spread."""

import math

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


def test_a_tag_speaks_for_its_tracks_and_for_what_is_similar_to_the_first_of_them() -> None:
    similar = {1: listed((8, 0.9), (9, 0.3)), 2: listed((9, 0.5)), 30: listed((7, 1.0))}
    own = listed((1, 5), (2, 4), *((key, 1) for key in range(12, 40)))
    assert own.track_keys.tolist().index(30) >= seeds.TRACKS_OF_A_TAG
    has_it, like_them = seeds.of_tag(4, own, similar)
    assert (has_it.seed, like_them.seed) == (4, 4)
    assert has_it.values.tolist() == pytest.approx([1 / np.log2(place + 2) for place in range(30)])
    # The most similar track of a chosen one counts 1; that to the second track of the tag 1 / log2(3) of it.
    eight, nine = 1.0, 0.3 / 0.9 + 1 / np.log2(3)
    assert nine < eight
    assert like_them.track_keys.tolist() == [8, 9]
    assert like_them.values.tolist() == pytest.approx([1.0, nine / eight])
    assert len(list(seeds.of_tag(0, own, {}))) == 1


def test_the_merge_of_drawn_seeds_equals_a_slow_reference() -> None:
    for number in range(200):
        draw = np.random.default_rng(number)

        def drawn(most: int, keys: int = 40, draw: np.random.Generator = draw) -> RankedList:
            length = int(draw.integers(1, most))
            scores = -np.sort(-draw.random(length)) + 0.01
            return listed(*zip(draw.permutation(keys)[:length].tolist(), scores.tolist(), strict=True))

        similar = {key: drawn(8) for key in range(40) if draw.random() < 0.7}
        similar_artists, own = drawn(4, 5), drawn(9)
        artists_tracks = {key: drawn(30) for key in range(5) if draw.random() < 0.8}
        track, tags = int(draw.integers(40)), [drawn(35) for _ in range(2)]
        supports = [*seeds.of_artist(0, own, similar_artists, artists_tracks)]
        if track in similar:
            supports.append(seeds.of_similar_tracks(1, similar[track]))
        for place, tag in enumerate(tags, 2):
            supports += seeds.of_tag(place, tag, similar)
        said = [
            slow_artist(own, similar_artists, artists_tracks),
            slow_track(similar[track]) if track in similar else {},
            *(slow_tag(tag, similar) for tag in tags),
        ]
        total = {key: sum(each.get(key, 0.0) for each in said) for key in {key for each in said for key in each}}
        left_out = set(draw.permutation(40)[:5].tolist())
        found, seed_of = seeds.ranked(supports, left_out)
        scores = dict(zip(found.track_keys.tolist(), found.scores.tolist(), strict=True))
        assert scores == pytest.approx({key: value for key, value in total.items() if key not in left_out}, rel=1e-5)
        assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
        for key, seed in zip(found.track_keys.tolist(), seed_of.tolist(), strict=True):
            assert said[seed].get(key, 0.0) == pytest.approx(max(each.get(key, 0.0) for each in said))


Said = dict[int, float]


def slow_track(similar: RankedList) -> Said:
    most = max(similar.scores.tolist())
    return {key: score / most for key, score in zip(similar.track_keys.tolist(), similar.scores.tolist(), strict=True)}


def slow_artist(own: RankedList, similar: RankedList, tracks_of: dict[int, RankedList]) -> Said:
    said: Said = {}
    lists = [(own.track_keys.tolist(), 1.0)]
    for artist, share in slow_track(similar).items():
        if artist in tracks_of:
            lists.append((tracks_of[artist].track_keys.tolist()[:20], share))
    for keys, share in lists:
        for n, key in enumerate(keys, 1):
            said[key] = said.get(key, 0.0) + share / math.log2(n + 1)
    return said


def slow_tag(own: RankedList, similar: dict[int, RankedList]) -> Said:
    said: Said = {key: 1 / math.log2(n + 1) for n, key in enumerate(own.track_keys.tolist(), 1)}
    like_them: Said = {}
    for n, key in enumerate(own.track_keys.tolist()[:20], 1):
        for other, share in slow_track(similar[key]).items() if key in similar else ():
            like_them[other] = like_them.get(other, 0.0) + share / math.log2(n + 1)
    for other, value in like_them.items():
        said[other] = said.get(other, 0.0) + value / max(like_them.values())
    return said


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

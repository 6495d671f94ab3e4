"""Blocked tracks, versions of one recording, and artists in a list."""

import numpy as np
import pandas as pd
import pytest

from assets.ranker.lists import ListRules, ListsConfig
from assets.recordings import namesakes, recordings
from assets.slates import Slate

AS_SCORED = ListsConfig()
NO_BLOCKS = pd.DataFrame({"user_key": [], "item_kind": [], "item_key": []})


def catalogue(rows: list[tuple[int, int | None, str | None]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["track_key", "artist_key", "title"])
    return frame.astype({"artist_key": "Int64"})


# Ten tracks of artist 0, five of artist 1, and two of nobody known.
CATALOGUE = catalogue(
    [(key, 0, f"zero {key}") for key in range(10)]
    + [(key, 1, f"one {key}") for key in range(10, 15)]
    + [(15, None, "unknown"), (16, None, "unknown")]
)


def listed(
    scores: dict[int, dict[int, float]],
    config: ListsConfig = AS_SCORED,
    blocks: pd.DataFrame = NO_BLOCKS,
    tracks: pd.DataFrame = CATALOGUE,
    k: int = 100,
) -> dict[int, list[int]]:
    """Tracks by user, best first."""
    rows = [(user, track, score) for user, of_user in scores.items() for track, score in of_user.items()]
    user, track, score = (np.array(column) for column in zip(*rows, strict=True))
    row, rank, _ = ListRules(tracks, blocks).spread(config).ranked(user, track, score.astype(np.float32), k)
    frame = pd.DataFrame({"user": user[row], "track": track[row], "rank": rank})
    for _, of_user in frame.groupby("user"):
        assert of_user["rank"].tolist() == list(range(1, len(of_user) + 1))
    return {int(name): of_user["track"].tolist() for name, of_user in frame.groupby("user")}


def test_without_rules_a_list_is_the_k_best_by_score_and_equals_in_the_order_given() -> None:
    scores = {7: {3: 0.2, 1: 0.9, 15: 0.2, 12: 0.5}, 2: {4: 0.1, 11: 0.3}}
    assert listed(scores, k=3) == {2: [11, 4], 7: [1, 12, 3]}


def test_a_blocked_track_goes_for_that_user_only_and_a_blocked_artist_with_all_tracks() -> None:
    blocks = pd.DataFrame({"user_key": [1, 2], "item_kind": ["track", "artist"], "item_key": [0, 0]})
    scores = {user: {0: 0.9, 1: 0.8, 10: 0.7} for user in (1, 2, 3)}
    assert listed(scores, blocks=blocks) == {1: [1, 10], 2: [10], 3: [0, 1, 10]}


def test_a_blocked_artist_goes_with_the_tracks_on_which_they_are_a_guest() -> None:
    blocks = pd.DataFrame({"user_key": [1, 2], "item_kind": ["artist", "track"], "item_key": [7, 7]})
    guests = pd.DataFrame({"track_key": [0, 11, 12], "artist_key": [7, 7, 8]})
    rules = ListRules(CATALOGUE, blocks, guests)
    user, track = np.repeat([1, 2], 3), np.tile([0, 11, 12], 2)
    assert rules.blocked(user, track).tolist() == [True, True, False, False, False, False]


def test_a_blocked_track_leaves_its_place_to_the_next_one() -> None:
    blocks = pd.DataFrame({"user_key": [1], "item_kind": ["track"], "item_key": [3]})
    assert listed({1: {3: 0.9, 4: 0.8, 5: 0.7}}, blocks=blocks, k=2) == {1: [4, 5]}


def test_whoever_blocks_a_track_gets_no_version_of_it() -> None:
    tracks = catalogue([(0, 5, "Slow River"), (1, 5, "Slow River - 2011 Remaster"), (2, 6, "Slow River")])
    blocks = pd.DataFrame({"user_key": [1], "item_kind": ["track"], "item_key": [0]})
    scores = {1: {0: 0.9, 1: 0.8, 2: 0.7}, 2: {1: 0.8, 2: 0.7}}
    assert listed(scores, blocks=blocks, tracks=tracks) == {1: [2], 2: [1, 2]}


def test_another_version_of_what_a_user_has_heard_is_not_a_discovery_and_may_be_in_the_other_slates() -> None:
    tracks = catalogue([(0, 5, "Slow River"), (1, 5, "Slow River (Live)"), (2, 6, "Slow River"), (3, None, None)])
    heard = pd.DataFrame({"user_key": [1, 2, 1], "track_key": [0, 2, 77]})
    user, track = np.repeat([1, 2], 4), np.tile([0, 1, 2, 3], 2)
    shown = {}
    for slate in Slate:
        rules = ListRules(tracks, NO_BLOCKS).of_slate(slate, heard)
        row, _, _ = rules.ranked(user, track, np.tile([0.9, 0.8, 0.7, 0.6], 2).astype(np.float32))
        shown[slate] = list(zip(user[row].tolist(), track[row].tolist(), strict=True))
    assert shown[Slate.DISCOVER] == [(1, 2), (1, 3), (2, 0), (2, 3)]
    assert shown[Slate.FOR_YOU] == shown[Slate.REDISCOVER] == [(1, 0), (1, 2), (1, 3), (2, 0), (2, 2), (2, 3)]


def test_an_artist_has_at_most_so_many_tracks_and_an_unknown_artist_is_not_one_artist() -> None:
    scores = {1: {key: 1.0 - key / 100 for key in range(17)}}
    capped = listed(scores, ListsConfig(per_artist=2, artist_discount=1.0))
    assert capped == {1: [0, 1, 10, 11, 15, 16]}


def test_the_discount_is_greedy_maximal_marginal_relevance_over_artists() -> None:
    draw = np.random.default_rng(5)
    # Nobody knows who plays 15 and 16: each counts as somebody else.
    artist_of = {key: "zero" if key < 10 else "one" if key < 15 else key for key in range(17)}
    scores = {user: {key: float(draw.uniform(0.1, 1)) for key in range(17)} for user in range(20)}

    def greedy(of_user: dict[int, float]) -> list[int]:
        left, chosen = dict(of_user), []
        while left:
            worth = {}
            for track, score in left.items():
                before = sum(artist_of[other] == artist_of[track] for other in chosen)
                worth[track] = score * 0.7**before
            chosen.append(max(worth, key=lambda track: worth[track]))
            del left[chosen[-1]]
        return chosen

    expected = {user: greedy(of_user) for user, of_user in scores.items()}
    assert listed(scores, ListsConfig(per_artist=100, artist_discount=0.7)) == expected
    assert expected != listed(scores)


def test_of_two_versions_of_a_recording_the_better_scored_one_is_listed() -> None:
    tracks = catalogue([(0, 5, "Slow River"), (1, 5, "Slow River - 2011 Remaster"), (2, 6, "Slow River")])
    assert listed({1: {0: 0.1, 1: 0.5, 2: 0.3}, 2: {0: 0.5, 1: 0.1, 2: 0.3}}, tracks=tracks) == {1: [1, 2], 2: [0, 2]}


@pytest.mark.parametrize(
    "title",
    [
        "Slow River (Live)",
        "Slow River [Live at the Barn, 1998]",
        "slow river - Remastered 2009",
        "Slow River (Mono) - 2011 Remaster",
        "Slow River (Radio Edit)",
        "Slow River - Bonus Track",
        "Slow River (Deluxe Edition) [Remastered]",
    ],
)
def test_a_version_is_known_by_what_its_title_ends_with(title: str) -> None:
    same, version = recordings(catalogue([(0, 5, "Slow River"), (1, 5, title)]))
    assert same == version


@pytest.mark.parametrize(
    "title",
    [
        "Slow River (Live Your Life)",
        "Slow River (Tin Man Remix)",
        "Slow River, Pt. 2",
        "Live",
        "Alive - Part II",
        "(Live)",
    ],
)
def test_another_track_is_another_recording(title: str) -> None:
    same, other = recordings(catalogue([(0, 5, "Slow River"), (1, 5, title)]))
    assert same != other


def test_tracks_without_title_or_artist_are_recordings_of_their_own() -> None:
    rows = [(0, 5, None), (1, 5, None), (2, None, "Slow River"), (3, None, "Slow River"), (4, 5, "(Live)")]
    assert len(set(recordings(catalogue(rows)).tolist())) == 5


def test_namesakes_have_the_same_title_but_for_the_version_whoever_the_artist_is() -> None:
    titles = ["Slow River", "slow river (Live at the Quay)", "Slow Rivers", " SLOW RIVER ", None, None, "", "(Live)"]
    rows = [(key, None if key == 3 else key % 2, title) for key, title in enumerate(titles)]
    song, live, others, unknown_artist, *untitled = namesakes(catalogue(rows)).tolist()
    assert song == live == unknown_artist
    assert len({song, others, *untitled}) == 6


def test_a_track_outside_the_catalogue_is_listed_as_one_of_nobody() -> None:
    assert listed({1: {99: 0.9, 98: 0.8, 0: 0.5}}, ListsConfig(per_artist=1, artist_discount=0.5)) == {1: [99, 98, 0]}

"""What lists are like, against figures worked out by hand."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from assets.listens import SECONDS_PER_DAY, Listens, epoch_seconds
from assets.metrics.heard import Heard, heard_before
from assets.metrics.lists import FIGURES, gini, list_figures

AS_OF = date(2020, 3, 1)
# Track -> who had heard it: of four users all, two, one, one.
LISTENERS = {10: [1, 2, 3, 4], 11: [1, 2], 12: [1], 13: [2]}
ARTIST_OF = {10: 7, 11: 7, 12: 8, 13: 9, 14: 8, 20: None}


def heard(listeners: dict[int, list[int]] = LISTENERS) -> Heard:
    rows = [(user, track) for track, users in listeners.items() for user in users]
    # The first listen of all is heard once more: plays do not count, listeners do.
    frame = pd.DataFrame([*rows, rows[0]], columns=["user_key", "track_key"])
    frame["listened_at"] = epoch_seconds(AS_OF) - SECONDS_PER_DAY * (1 + np.arange(len(frame)))
    return heard_before(Listens.from_frame(frame.assign(session_key=0)))


def figures(
    lists: dict[int, list[int]], users: list[int] | None = None, artist_of: dict[int, int | None] = ARTIST_OF
) -> dict[str, float | None]:
    rows = [(user, track, rank) for user, tracks in lists.items() for rank, track in enumerate(tracks, start=1)]
    frame = pd.DataFrame(rows, columns=["user_key", "track_key", "rank"])
    track_artist = pd.DataFrame({"track_key": list(artist_of), "artist_key": list(artist_of.values())}).astype(
        {"artist_key": "Int32"}
    )
    return list_figures(frame, np.array(users or sorted(lists), np.int32), heard(), track_artist)


def test_who_had_heard_what() -> None:
    known = heard()
    assert known.tracks.tolist() == [10, 11, 12, 13]
    assert known.listeners.tolist() == [4, 2, 1, 1]
    assert known.listeners_of(np.array([13, 9, 11, 99, 10])).tolist() == [1, 0, 2, 0, 4]
    assert (known.users.tolist(), known.listens.tolist()) == ([1, 2, 3, 4], [4, 3, 1, 1])
    # The first user's repeat was their first listen, nine days before.
    assert known.first_listen[0] == epoch_seconds(AS_OF) - 9 * SECONDS_PER_DAY
    assert ((epoch_seconds(AS_OF) - known.first_heard) / SECONDS_PER_DAY).tolist() == [9, 6, 7, 8]
    since = epoch_seconds(AS_OF) - 8 * SECONDS_PER_DAY
    assert known.first_heard_since(np.array([10, 13, 9, 99]), since).tolist() == [False, True, False, False]
    assert known.own_popularity.tolist() == pytest.approx([(1 + 1 / 2 + 1 / 4) / 3, (1 + 1 / 2 + 1 / 4) / 3, 1, 1])


def test_coverage_is_of_the_tracks_heard_before_in_the_lists_of_evaluated_users() -> None:
    long = [*range(100, 109), 10, 11]
    found = figures({1: long, 2: [10], 3: [12, 13]}, users=[1, 2])
    assert (found["coverage@10"], found["coverage@100"]) == (1 / 4, 2 / 4)


def test_novelty_is_in_bits_a_mean_of_each_list_and_then_of_the_users() -> None:
    # Of four users: 4 heard it, 0 bits; 2, 1 bit; 1, 2 bits.
    assert figures({1: [10, 11], 2: [12]})["novelty@10"] == pytest.approx((0.5 + 2) / 2)


def test_a_track_that_nobody_had_heard_is_as_novel_as_one_that_a_single_user_had() -> None:
    assert figures({1: [14]})["novelty@10"] == figures({1: [12]})["novelty@10"] == 2.0


def test_artists_of_lists_by_hand() -> None:
    found = figures({1: [10, 11, 12, 14], 2: [13]})
    assert found["artist_diversity@10"] == pytest.approx((2 / 4 + 1) / 2)
    assert found["top_artist_share@10"] == pytest.approx((2 / 4 + 1) / 2)
    # Places of the artists 7, 8 and 9: 2, 2 and 1.
    assert found["artist_gini@10"] == pytest.approx(gini(np.array([2, 2, 1])))


def test_an_artist_heard_before_and_not_listed_makes_shares_less_equal() -> None:
    assert figures({1: [10], 2: [13]})["artist_gini@10"] == pytest.approx(1 / 3)


def test_tracks_without_an_artist_are_not_one_artist() -> None:
    with_unknown = figures({1: [10, 12, 20, 21, 22]})
    assert with_unknown["artist_diversity@10"] == 1.0
    assert with_unknown["top_artist_share@10"] == 0.5
    of_none = figures({1: [20, 21], 2: [10, 11]})
    assert (of_none["artist_diversity@10"], of_none["top_artist_share@10"]) == (0.5, 1.0)


@pytest.mark.parametrize("artist_of", [{}, dict.fromkeys(ARTIST_OF)])
def test_without_any_artist_only_the_figures_of_artists_are_missing(artist_of: dict[int, int | None]) -> None:
    found = figures({1: [10, 11]}, artist_of=artist_of)
    assert {name for name in FIGURES if found[name] is None} == {name for name in FIGURES if "artist" in name}


def test_popularity_by_hand() -> None:
    found = figures({1: [10, 11], 3: [12]})
    # Percentiles of 4, 2, 1, 1 listeners: 7/8, 5/8, 1/4, 1/4.
    assert found["popularity_percentile@10"] == pytest.approx((6 / 8 + 1 / 4) / 2)
    listed, own = ((1 + 1 / 2) / 2 + 1 / 4) / 2, ((1 + 1 / 2 + 1 / 4) / 3 + 1) / 2
    assert found["popularity_ratio@10"] == pytest.approx(listed / own)
    assert figures({1: [14]})["popularity_percentile@10"] == 0.0


def test_only_the_first_ten_places_count_and_a_track_listed_twice_once() -> None:
    assert figures({1: [12] * 5 + [11] * 6})["novelty@10"] == pytest.approx((2 + 1) / 2)
    assert figures({1: [12] * 10 + [10]})["novelty@10"] == 2.0


def test_tracks_that_the_warehouse_does_not_know_and_users_without_a_list_are_left_out() -> None:
    assert figures({1: [-1, 11], 2: [-1]}, users=[1, 2, 3]) == figures({1: [11]})


def test_no_lists_at_all_have_no_figures_and_cover_nothing() -> None:
    found = figures({9: [10]}, users=[1, 2])
    assert found == {name: 0.0 if name.startswith("coverage") else None for name in FIGURES}


def test_the_figures_come_in_the_order_that_they_are_shown_in() -> None:
    assert tuple(figures({1: [10]})) == FIGURES


def test_gini_of_known_shares() -> None:
    assert gini(np.array([3, 3, 3])) == pytest.approx(0.0)
    assert gini(np.array([0, 0, 0, 8])) == pytest.approx(3 / 4)
    assert gini(np.array([1, 3])) == pytest.approx(1 / 4)

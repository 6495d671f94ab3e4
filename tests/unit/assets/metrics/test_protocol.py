"""The evaluation protocol against figures worked out by hand, and what it leaves out."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from assets.candidates.als import AlsConfig
from assets.candidates.pool import SourcesConfig, fit_sources
from assets.candidates.registry import BASELINES
from assets.evaluation.baselines import baseline_lists, reported, source_lists
from assets.listens import SECONDS_PER_DAY, Listens, UnlikelyListeners, epoch_seconds
from assets.metrics.intervals import bootstrap_interval
from assets.metrics.protocol import evaluate, per_user_metrics, relevant_tracks
from assets.slates import LIST_LENGTH, Slate

AS_OF = date(2020, 3, 1)


def listens(pairs: list[tuple[int, int]]) -> Listens:
    frame = pd.DataFrame(pairs, columns=["user_key", "track_key"])
    return Listens.from_frame(frame.assign(listened_at=epoch_seconds(AS_OF) - SECONDS_PER_DAY, session_key=0))


def pairs(rows: list[tuple[int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user_key", "track_key"])


def lists(tracks_of: dict[int, list[int]]) -> pd.DataFrame:
    rows = [(user, track, rank) for user, tracks in tracks_of.items() for rank, track in enumerate(tracks, start=1)]
    return pd.DataFrame(rows, columns=["user_key", "track_key", "rank"])


def test_ndcg_and_recall_of_one_list_by_hand() -> None:
    users, metrics = per_user_metrics(lists({7: [1, 2, 3, 4]}), pairs([(7, 1), (7, 3), (7, 50)]))
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    assert users.tolist() == [7]
    assert metrics["ndcg@10"] == pytest.approx([(1 + 1 / 2) / ideal])
    assert metrics["ndcg@100"] == pytest.approx([(1 + 1 / 2) / ideal])
    assert metrics["recall@100"] == pytest.approx([2 / 3])


@pytest.mark.parametrize("slate", list(Slate))
def test_who_was_known_not_to_be_a_person_is_not_judged(slate: Slate) -> None:
    heard = listens([(1, 10), (2, 10), (3, 10)])
    long_ago = replace(heard, listened_at=heard.listened_at - 100 * SECONDS_PER_DAY)
    instant = epoch_seconds(AS_OF)
    known = UnlikelyListeners(np.array([2, 3], np.int32), np.array([instant, instant + SECONDS_PER_DAY]))
    later = listens([(user, 11 if slate is Slate.DISCOVER else 10) for user in (1, 2, 3)])
    relevant = relevant_tracks(replace(long_ago, unlikely=known), later, AS_OF, slate)
    assert relevant["user_key"].tolist() == [1, 3], "3 was found out on the next day"


def test_ndcg_at_10_sees_no_hit_below_rank_10() -> None:
    _, metrics = per_user_metrics(lists({0: list(range(20))}), pairs([(0, 10), (0, 11)]))
    assert metrics["ndcg@10"].tolist() == [0.0]
    assert metrics["ndcg@100"] == pytest.approx([(1 / np.log2(12) + 1 / np.log2(13)) / (1 + 1 / np.log2(3))])
    assert metrics["recall@100"].tolist() == [1.0]


def test_a_full_list_of_hits_scores_one_even_with_more_relevant_tracks_than_places() -> None:
    _, metrics = per_user_metrics(lists({0: list(range(100))}), pairs([(0, track) for track in range(140)]))
    assert [metrics[name].tolist() for name in ("ndcg@10", "ndcg@100", "recall@100")] == [pytest.approx([1.0])] * 3


def test_hits_below_rank_100_do_not_count() -> None:
    _, metrics = per_user_metrics(lists({0: list(range(101))}), pairs([(0, 100)]))
    assert metrics["recall@100"].tolist() == metrics["ndcg@100"].tolist() == [0.0]


def test_a_track_listed_twice_counts_once_at_its_better_rank() -> None:
    _, metrics = per_user_metrics(lists({0: [5, 5, 6]}), pairs([(0, 5), (0, 6)]))
    assert metrics["ndcg@100"] == pytest.approx([(1 + 1 / 2) / (1 + 1 / np.log2(3))])
    assert metrics["recall@100"].tolist() == [1.0]


def test_a_user_without_a_list_counts_as_zero_and_a_user_without_relevant_tracks_not_at_all() -> None:
    users, metrics = per_user_metrics(lists({0: [1], 9: [1]}), pairs([(0, 1), (3, 1)]))
    assert users.tolist() == [0, 3]
    assert metrics["ndcg@100"].tolist() == [1.0, 0.0]


def test_users_who_never_listened_before_as_of_are_dropped() -> None:
    relevant = relevant_tracks(listens([(1, 10)]), listens([(1, 11), (2, 11)]), AS_OF, Slate.FOR_YOU)
    assert relevant.to_numpy().tolist() == [[1, 11]]


def test_for_you_counts_each_track_of_the_horizon_once_heard_before_or_not() -> None:
    relevant = relevant_tracks(listens([(1, 10)]), listens([(1, 10), (1, 10), (1, 12)]), AS_OF, Slate.FOR_YOU)
    assert relevant.to_numpy().tolist() == [[1, 10], [1, 12]]


def test_discover_drops_heard_tracks_and_users_left_with_none() -> None:
    before = listens([(1, 10), (2, 10)])
    relevant = relevant_tracks(before, listens([(1, 10), (1, 12), (2, 10)]), AS_OF, Slate.DISCOVER)
    assert relevant.to_numpy().tolist() == [[1, 12]]


def test_rediscover_counts_what_was_heard_before_but_not_in_the_60_days_before_as_of() -> None:
    instant, day = epoch_seconds(AS_OF), SECONDS_PER_DAY
    rows = [
        (1, 10, instant - 200 * day),
        (1, 10, instant - 60 * day),
        (1, 11, instant - 60 * day - 1),
        (1, 12, instant - day),
        (2, 10, instant - 90 * day),
    ]
    frame = pd.DataFrame(rows, columns=["user_key", "track_key", "listened_at"]).assign(session_key=0)
    horizon = listens([(1, 10), (1, 11), (1, 12), (1, 13), (2, 10), (3, 11)])
    relevant = relevant_tracks(Listens.from_frame(frame), horizon, AS_OF, Slate.REDISCOVER)
    assert relevant.to_numpy().tolist() == [[1, 11], [2, 10]]


def test_a_track_nobody_had_heard_before_as_of_stays_relevant() -> None:
    relevant = relevant_tracks(listens([(1, 10)]), listens([(1, 99)]), AS_OF, Slate.DISCOVER)
    assert relevant.to_numpy().tolist() == [[1, 99]]


def test_the_summary_compares_the_ranker_with_the_best_baseline() -> None:
    relevant = pairs([(user, user) for user in range(40)])
    right = {user: [user] for user in range(40)}
    second = {user: [100, user] for user in range(40)}
    wrong = {user: [100] for user in range(40)}
    summary = evaluate({"ranker": lists(right), "als": lists(second), "popular": lists(wrong)}, relevant).summary()
    assert summary["users"] == 40
    assert summary["models"]["als"]["ndcg@100"] == pytest.approx(1 / np.log2(3))  # type: ignore[index]
    assert summary["models"]["popular"] == {"ndcg@10": 0.0, "ndcg@100": 0.0, "recall@100": 0.0}  # type: ignore[index]
    paired = summary["paired"]
    assert isinstance(paired, dict)
    assert (paired["against"], paired["metric"]) == ("als", "ndcg@100")
    assert paired["delta"] == pytest.approx(1 - 1 / np.log2(3))
    assert paired["ci95"] == pytest.approx([paired["delta"]] * 2)


def test_nobody_to_evaluate_gives_zero_users_and_no_comparison() -> None:
    nobody = pairs([]).astype(np.int32)
    summary = evaluate({"ranker": lists({0: [1]}), "popular": lists({0: [1]})}, nobody).summary()
    assert summary["users"] == 0
    assert summary["paired"] is None


def test_the_bootstrap_interval_is_that_of_the_normal_approximation_and_repeats_by_seed() -> None:
    values = np.random.default_rng(0).normal(0.3, 1.0, 4000)
    low, high = bootstrap_interval(values, seed=1)
    error = values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)
    assert bootstrap_interval(values, seed=1) == (low, high)
    assert bootstrap_interval(values, seed=2) != (low, high)


def test_the_bootstrap_interval_of_equal_values_is_a_point() -> None:
    assert bootstrap_interval(np.full(50, 0.25), seed=1) == (0.25, 0.25)


@pytest.fixture(scope="module")
def all_baselines() -> dict[Slate, dict[str, pd.DataFrame]]:
    draw = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "user_key": draw.integers(0, 10, 900),
            "track_key": draw.integers(0, 250, 900),
            "listened_at": epoch_seconds(AS_OF) - draw.integers(1, 60 * SECONDS_PER_DAY, 900),
        }
    )
    frame["session_key"] = frame["user_key"]
    before = Listens.from_frame(frame)
    sources = fit_sources(before, AS_OF, SourcesConfig(configs={"als": AlsConfig(factors=4)}))
    names, users = reported(sources.sizes), sources.history.users
    return {slate: baseline_lists(source_lists(sources, names, slate, users)) for slate in Slate}


@pytest.mark.parametrize("slate", [Slate.FOR_YOU, Slate.DISCOVER])
@pytest.mark.parametrize("name", list(BASELINES))
def test_every_baseline_fills_a_list_of_100_without_a_track_twice(
    all_baselines: dict[Slate, dict[str, pd.DataFrame]], slate: Slate, name: str
) -> None:
    listed = all_baselines[slate][name]
    assert listed.groupby("user_key").size().eq(LIST_LENGTH).all()
    assert listed["user_key"].nunique() == 10
    assert not listed.duplicated(["user_key", "track_key"]).any()
    for _, one in listed.groupby("user_key"):
        assert one["rank"].tolist() == list(range(1, LIST_LENGTH + 1))


def test_own_plays_lists_own_tracks_first_and_then_what_is_popular(
    all_baselines: dict[Slate, dict[str, pd.DataFrame]],
) -> None:
    own, popular = (all_baselines[Slate.FOR_YOU][name] for name in ("own_plays", "popular"))
    of_user, order = own[own["user_key"] == 0], popular[popular["user_key"] == 0]["track_key"].tolist()
    filled = of_user[of_user["score"] < 0]["track_key"].tolist()
    assert 0 < len(filled) < LIST_LENGTH
    assert of_user["score"].is_monotonic_decreasing
    assert filled == [track for track in order if track in set(filled)]


def test_own_plays_for_discover_are_popular_alone(all_baselines: dict[Slate, dict[str, pd.DataFrame]]) -> None:
    columns = ["user_key", "track_key", "rank"]
    own, popular = (all_baselines[Slate.DISCOVER][name][columns] for name in ("own_plays", "popular"))
    pd.testing.assert_frame_equal(own, popular)

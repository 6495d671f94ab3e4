"""The order of lists while no ranker serves: that of a baseline, however few people listen and however long ago."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assets.candidates.pool import Sources, SourcesConfig, fit_sources
from assets.evaluation.baselines import baseline_lists, reported, source_lists
from assets.features.join import FeatureMatrix
from assets.listens import Listens
from assets.ranker.lists import ListRules
from assets.ranker.registry import NoChampion, ordering_of_version
from assets.ranker.scoring import rank
from assets.ranker.untrained import UNTRAINED, Untrained
from assets.slates import Slate
from serving_api.contract import UNTRAINED as NAMED_SO
from tests.unit.assets.candidates.small_listens import AS_OF, EVERYTHING, UNKNOWN_USER, listens_of, random_listens
from warehouse.lake import Lake

NO_FEATURES = FeatureMatrix([], np.empty((0, 0), np.float32))


def listed(sources: Sources, slate: Slate, users: list[int] | None = None) -> pd.DataFrame:
    everyone = sources.history.users if users is None else np.array(users)
    pool = sources.candidates(everyone.astype(np.int32), slate)
    return rank(UNTRAINED[slate], pool, NO_FEATURES, ListRules.none())


def fitted(listens: Listens) -> Sources:
    return fit_sources(listens, AS_OF, SourcesConfig(), EVERYTHING)


@pytest.mark.parametrize("slate", Slate)
def test_lists_are_those_of_the_baseline_as_far_as_the_pool_has_its_tracks(slate: Slate) -> None:
    sources = fitted(random_listens())
    users = sources.history.users.astype(np.int32)
    pool = sources.candidates(users, slate)[["user_key", "track_key"]]
    alone = source_lists(sources, reported(sources.sizes), slate, users)
    expected = baseline_lists(alone)[UNTRAINED[slate].baseline].merge(pool)
    found = listed(sources, slate)
    assert len(found) > 50
    for user, of_user in found.groupby("user_key"):
        baseline = expected[expected["user_key"] == user].sort_values("rank")["track_key"].tolist()
        assert of_user["track_key"].tolist()[: len(baseline)] == baseline
        assert of_user["rank"].tolist() == list(range(1, len(of_user) + 1))
        assert (np.diff(of_user["score"]) < 0).all() and (of_user["score"] > 0).all()


def test_what_was_played_years_ago_keeps_its_order() -> None:
    ages = [4000 - 70.0 * track for track in range(40)]
    sources = fitted(listens_of([(1, track, age, track) for track, age in enumerate(ages)]))
    for slate in (Slate.FOR_YOU, Slate.REDISCOVER):
        found = listed(sources, slate)
        assert found["track_key"].nunique() == 40
        # Older than 34.5 times the decay they weigh the same, and come last.
        told_apart = [track for track, age in enumerate(ages) if age < 2000]
        assert found["track_key"].tolist()[: len(told_apart)] == told_apart[::-1]
        assert found["score"].is_monotonic_decreasing and found["score"].iloc[-1] > 0


def test_one_listen_makes_a_list_of_one_track_and_nothing_to_discover() -> None:
    sources = fitted(listens_of([(1, 5, 700.0, 1)]))
    assert listed(sources, Slate.FOR_YOU)[["user_key", "track_key", "rank", "source"]].to_numpy().tolist() == [
        [1, 5, 1, "own_tracks"]
    ]
    assert listed(sources, Slate.REDISCOVER)["track_key"].tolist() == [5]
    assert listed(sources, Slate.DISCOVER).empty


def test_of_two_listeners_each_discovers_what_the_other_plays() -> None:
    together = [(1, 5, 3.0, 1), (1, 6, 3.0, 1), (2, 6, 2.0, 2), (2, 7, 2.0, 2)]
    found = listed(fitted(listens_of(together)), Slate.DISCOVER)
    assert found[["user_key", "track_key"]].to_numpy().tolist() == [[1, 7], [2, 5]]


def test_who_had_not_listened_is_listed_what_is_popular() -> None:
    found = listed(fitted(random_listens()), Slate.FOR_YOU, [UNKNOWN_USER])
    assert found["source"].unique().tolist() == ["popular"]


def test_the_version_of_an_order_is_none_of_a_model_and_names_the_order(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for order in UNTRAINED.values():
        assert order.version.startswith(NAMED_SO)
        assert Untrained.of_version(order.version) == order
        # Nothing is asked of the warehouse: there is no such model in it.
        assert ordering_of_version(None, lake, order.version)[Slate.DISCOVER] == NoChampion(order)  # type: ignore[arg-type]
    for version in ("for_you-2026-01-01-0123abcd", "untrained/", "untrained/no_baseline"):
        assert Untrained.of_version(version) is None

"""What moved a score: SHAP values of a real booster, summed up for people."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from assets.candidates.anchors import ANCHOR_COLUMNS, NO_ANCHOR, STRENGTH_COLUMNS
from assets.features.join import FeatureMatrix
from assets.ranker.dataset import Fold
from assets.ranker.lists import ListRules
from assets.ranker.scoring import rank
from assets.ranker.training import RankerConfig, RankerModel, train
from assets.ranker.untrained import Untrained
from assets.recommendations.reasons import (
    EXPLAINED,
    REPEATED,
    STRONGEST,
    WEAKEST,
    chosen_anchors,
    contributions,
    strongest,
    with_reasons,
)
from assets.recommendations.store import as_rows
from assets.slates import Slate
from warehouse.errors import AudoticsError

AS_OF = date(2020, 3, 1)
NAMES = ["rank_als", "user_listens", "track_listens", "noise"]
USERS, PER_USER = 40, 30
NO_RULES = ListRules.none()


@pytest.fixture(scope="module")
def fold() -> Fold:
    """Labels that follow the first feature, the second where the first is unknown, and never the last."""
    draw = np.random.default_rng(2)
    x = draw.normal(size=(USERS * PER_USER, len(NAMES))).astype(np.float32)
    x[::5, 0] = np.nan
    says = np.where(np.isnan(x[:, 0]), x[:, 1], 2 * x[:, 0] + 0.3 * x[:, 2])
    label = (says + draw.normal(0, 0.3, len(x)) > 0.5).astype(np.int8)
    return Fold(AS_OF, NAMES, x, label, np.repeat(np.arange(USERS, dtype=np.int32), PER_USER))


@pytest.fixture(scope="module")
def model(fold: Fold) -> RankerModel:
    return train([fold], RankerConfig(trees=30, min_child_samples=5, lambda_l2=0.1, learning_rate=0.1))


def pool_of(fold: Fold) -> pd.DataFrame:
    """The fold's rows as candidates; the anchor of a track is the next one, and the one after it far weaker."""
    track = np.tile(np.arange(PER_USER, dtype=np.int32), USERS)
    pool = pd.DataFrame({"user_key": fold.user_key, "track_key": track, "rank_als": fold.x[:, 0]})
    for nth, (anchor, strength) in enumerate(zip(ANCHOR_COLUMNS, STRENGTH_COLUMNS, strict=True), start=1):
        there = (track + nth < PER_USER) & (nth < 3)
        pool[anchor] = np.where(there, track + nth, NO_ANCHOR).astype(np.int32)
        pool[strength] = np.where(there, 0.1 ** (nth - 1), 0).astype(np.float16)
    return pool


def test_contributions_and_the_expected_value_add_up_to_the_raw_score(fold: Fold, model: RankerModel) -> None:
    values = contributions(model, fold.x)
    assert values.shape == (len(fold.x), len(NAMES) + 1)
    raw = np.asarray(model.booster.predict(fold.x, raw_score=True))
    np.testing.assert_allclose(values.sum(axis=1), raw, rtol=0, atol=1e-9)
    # What is expected of nothing in particular is the same for every row, and the rows differ.
    assert np.ptp(values[:, -1]) == 0
    assert np.ptp(raw) > 1


def test_the_feature_that_labels_follow_is_named_first(fold: Fold, model: RankerModel) -> None:
    known = np.abs(fold.x[:, 0]) > 1
    texts = strongest(model.names, contributions(model, fold.x[known])[:, :-1])
    first = [json.loads(text)[0] for text in texts]
    assert {each["feature"] for each in first} == {"rank_als"}
    assert [each["contribution"] > 0 for each in first] == (fold.x[known, 0] > 0).tolist()


def test_the_strongest_features_are_named_by_size_whatever_their_sign_and_those_without_any_are_not() -> None:
    values = np.array([[0.1, -0.5, 0.25, 0.00001], [0, 0, 1.23456, 0], [0, 0, 0, 0], [0.5, -0.5, 0.5, 0.5]])
    assert [
        [(each["feature"], each["contribution"]) for each in json.loads(text)] for text in strongest(NAMES, values)
    ] == [
        [("user_listens", -0.5), ("track_listens", 0.25), ("rank_als", 0.1)],
        [("track_listens", 1.2346)],
        [],
        [("rank_als", 0.5), ("user_listens", -0.5), ("track_listens", 0.5)],
    ]


def test_lists_get_the_anchors_of_their_candidates_and_their_first_tracks_an_explanation(
    fold: Fold, model: RankerModel
) -> None:
    pool, features = pool_of(fold), FeatureMatrix(NAMES, fold.x)
    lists = with_reasons(model, rank(model, pool, features, NO_RULES, k=20), pool, features, NO_RULES)
    assert len(lists) == USERS * 20
    expected = np.where(lists["track_key"] < PER_USER - 1, lists["track_key"] + 1, -1)
    assert lists["anchor_track_key"].tolist() == expected.tolist()
    assert lists["contributions"].notna().tolist() == (lists["rank"] <= EXPLAINED).tolist()
    # A row of the pool alone has the same explanation.
    of_pool = strongest(model.names, contributions(model, fold.x)[:, :-1])
    row = lists["user_key"] * PER_USER + lists["track_key"]
    top = lists["rank"] <= EXPLAINED
    assert lists.loc[top, "contributions"].tolist() == [of_pool[at] for at in row[top]]
    assert all(0 < len(json.loads(text)) <= STRONGEST for text in lists.loc[top, "contributions"])


def test_features_in_another_order_and_more_of_them_are_explained_alike(fold: Fold, model: RankerModel) -> None:
    pool, features = pool_of(fold), FeatureMatrix(NAMES, fold.x)
    more = FeatureMatrix(["moon_phase", *NAMES[::-1]], np.hstack([fold.x[:, :1], fold.x[:, ::-1]]))
    first, second = (
        with_reasons(model, rank(model, pool, each, NO_RULES), pool, each, NO_RULES) for each in (features, more)
    )
    assert_frame_equal(first, second)


def test_lists_that_no_ranker_ordered_have_anchors_and_nothing_that_moved_a_score(fold: Fold) -> None:
    pool = pool_of(fold).assign(rank_own_tracks=np.nan, rank_popular=np.tile(np.arange(PER_USER, 0, -1.0), USERS))
    features, order = FeatureMatrix(NAMES, fold.x), Untrained("own_plays")
    found = with_reasons(order, rank(order, pool, features, NO_RULES), pool, features, NO_RULES)
    assert found["track_key"].tolist() == list(range(PER_USER - 1, -1, -1)) * USERS
    assert (found["anchor_track_key"] != NO_ANCHOR).mean() > 0.9
    assert found["contributions"].isna().all()


def test_no_candidates_give_no_reasons(fold: Fold, model: RankerModel) -> None:
    pool, features = pool_of(fold)[:0], FeatureMatrix(NAMES, fold.x[:0])
    lists = rank(model, pool, features, NO_RULES)
    assert with_reasons(model, lists, pool, features, NO_RULES).empty


def test_candidates_of_a_version_without_anchors_are_refused(fold: Fold, model: RankerModel) -> None:
    pool, features = pool_of(fold).drop(columns="strength_2"), FeatureMatrix(NAMES, fold.x)
    with pytest.raises(AudoticsError, match="materialise `candidates` of this date again"):
        with_reasons(model, rank(model, pool, features, NO_RULES), pool, features, NO_RULES)


def test_rows_have_null_for_no_anchor_and_the_binary_form_of_jsonb(fold: Fold, model: RankerModel) -> None:
    pool, features = pool_of(fold), FeatureMatrix(NAMES, fold.x)
    lists = with_reasons(model, rank(model, pool, features, NO_RULES, k=20), pool, features, NO_RULES)
    rows = as_rows(lists, AS_OF, Slate.FOR_YOU, "m1").to_pylist()
    assert [row["anchor_track_key"] for row in rows] == [
        None if anchor < 0 else anchor for anchor in lists["anchor_track_key"]
    ]
    assert None in {row["anchor_track_key"] for row in rows}
    texts = [None if text is None else b"\x01" + text.encode() for text in lists["contributions"]]
    assert [row["contributions"] for row in rows] == texts


def test_what_a_user_has_blocked_is_not_a_reason(model: RankerModel, fold: Fold) -> None:
    pool, features = pool_of(fold), FeatureMatrix(NAMES, fold.x)
    catalogue = pd.DataFrame({"track_key": range(PER_USER), "artist_key": 0, "title": None})
    blocks = pd.DataFrame({"user_key": [3], "item_kind": ["track"], "item_key": [7]})
    rules = ListRules(catalogue, blocks)
    lists = with_reasons(model, rank(model, pool, features, rules, k=PER_USER), pool, features, rules)
    anchors = {user: set(of_user["anchor_track_key"]) for user, of_user in lists.groupby("user_key")}
    assert 7 not in anchors[3]
    assert 7 in anchors[4]
    # Track 6 has another one left, weak as it is.
    assert lists.query("user_key == 3 and track_key == 6")["anchor_track_key"].tolist() == [8]
    assert lists.query("user_key == 4 and track_key == 6")["anchor_track_key"].tolist() == [7]
    assert 7 not in set(lists.loc[lists["user_key"] == 3, "track_key"])


def chosen(lists: list[list[dict[int, float]]]) -> list[list[int]]:
    """What is chosen of the anchors, with their strengths, of each track of each list."""
    rows = [[*each.items(), *[(NO_ANCHOR, 0.0)] * (3 - len(each))] for tracks in lists for each in tracks]
    user = np.repeat(np.arange(len(lists)), [len(tracks) for tracks in lists]).astype(np.int32)
    table = np.array(rows, dtype=np.float64).reshape(-1, 3, 2)
    found = chosen_anchors(user, table[:, :, 0].astype(np.int32), table[:, :, 1].astype(np.float32))
    assert found.dtype == np.int32
    return [found[user == each].tolist() for each in range(len(lists))]


def test_a_anchor_gives_way_once_it_is_named_as_long_as_the_next_one_is_strong_enough() -> None:
    just_below = {1: 1.0, 2: REPEATED - 0.01}
    assert chosen([[just_below, just_below, just_below]]) == [[1, 1, 2]]
    assert chosen([[{1: 1.0, 2: REPEATED + 0.01}] * 4]) == [[1, 2, 1, 2]]
    # However often it was named, what is less than half as strong does not come before it.
    assert chosen([[{1: 1.0, 2: WEAKEST - 0.01, 3: WEAKEST - 0.02}] * 30]) == [[1] * 30]
    assert set(chosen([[{1: 1.0, 2: WEAKEST, 3: WEAKEST}] * 30])[0]) == {1, 2, 3}


def test_of_equal_anchors_the_first_is_chosen_and_every_list_counts_for_itself() -> None:
    assert chosen([[{5: 1.0, 3: 1.0}], [{5: 1.0, 3: 1.0}] * 3, [{3: 1.0}], []]) == [[5], [5, 3, 5], [3], []]


def test_what_has_no_anchor_or_one_that_is_weak_after_a_block_is_left_with_that() -> None:
    assert chosen([[{}, {NO_ANCHOR: 0.0, 2: 0.1}, {}], [{7: 0.0, 4: 0.3, 6: 0.2}] * 2]) == [[-1, 2, -1], [4, 4]]
    assert chosen([]) == []

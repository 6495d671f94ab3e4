"""The whole fold that models are compared on, and what is measured on it."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from assets.features.join import (
    ARTIST_COLUMNS,
    TRACK_COLUMNS,
    USER_ARTIST_COLUMNS,
    USER_COLUMNS,
    USER_TRACK_COLUMNS,
    FeatureFrames,
    FeatureMatrix,
)
from assets.metrics.protocol import HEADLINE, per_user_metrics
from assets.ranker import holdout
from assets.ranker.card import calibration
from assets.ranker.chosen_lists import LISTS
from assets.ranker.dataset import Fold, LabelledPool
from assets.ranker.holdout import feature_names, holdout_of, holdout_rows, holdout_users
from assets.ranker.judging import judge, perform
from assets.ranker.lists import ListRules
from assets.ranker.scoring import predict, rank
from assets.ranker.training import RankerConfig, RankerModel, train
from assets.slates import Slate

USERS, TRACKS, IN_POOL = 12, 150, 120
AS_OF = date(2026, 3, 2)
CONFIG = RankerConfig(trees=5, min_child_samples=5, leaves=4, learning_rate=0.3, lambda_l2=0.1)


def empty(*columns: str) -> pd.DataFrame:
    return pd.DataFrame({column: np.zeros(0) for column in columns})


def features() -> FeatureFrames:
    user = pd.DataFrame({name: np.arange(USERS) + 1.0 for name in USER_COLUMNS}).assign(user_key=range(USERS))
    artists = pd.array([track % 7 if track % 2 else None for track in range(TRACKS)], dtype="Int32")
    return FeatureFrames(
        user=user,
        track=empty("track_key", *TRACK_COLUMNS),
        artist=empty("artist_key", *ARTIST_COLUMNS),
        user_track=empty("user_key", "track_key", *USER_TRACK_COLUMNS),
        user_artist=empty("user_key", "artist_key", *USER_ARTIST_COLUMNS),
        track_artist=pd.DataFrame({"track_key": range(TRACKS), "artist_key": artists}),
    )


def relevant() -> pd.DataFrame:
    """What users listened to, some of it beyond the pool, and user 3 nothing but that."""
    draw = np.random.default_rng(1)
    pairs = [(user, track) for user in range(USERS) for track in draw.choice(TRACKS, 6, replace=False)]
    pairs = [(user, track) for user, track in pairs if user != 3 or track >= IN_POOL] + [(3, TRACKS - 1)]
    frame = pd.DataFrame(pairs, columns=["user_key", "track_key"], dtype=np.int32).drop_duplicates()
    return frame.sort_values(["user_key", "track_key"], ignore_index=True)


def pool(users: range = range(USERS)) -> LabelledPool:
    """The first tracks of the catalogue for every user; the score rises with what was listened to, and with noise."""
    draw = np.random.default_rng(2)
    wanted = set(relevant().itertuples(index=False, name=None))
    pairs = [(user, track) for user in range(USERS) for track in range(IN_POOL)]
    label = np.array([pair in wanted for pair in pairs])
    score = label + draw.random(len(pairs))
    candidates = pd.DataFrame(pairs, columns=["user_key", "track_key"], dtype=np.int32).assign(
        score_als=score.astype(np.float32), rank_als=np.float32(1)
    )
    mine = candidates["user_key"].isin(users).to_numpy()
    return LabelledPool(candidates[mine].reset_index(drop=True), label[mine], features())


def rules(slate: Slate) -> ListRules:
    """Of a catalogue in which every third track is a version of the one before it, and some users heard one of them."""
    titles = [f"song {track - 1} (Live)" if track % 3 == 1 else f"song {track}" for track in range(TRACKS)]
    catalogue = features().track_artist.assign(artist_key=0, title=titles)
    catalogue["artist_key"] = [track // 20 for track in range(TRACKS)]
    heard = pd.DataFrame({"user_key": [0, 0, 5, 5], "track_key": [3, 7, 31, 90]})
    return ListRules(catalogue).of_slate(slate, heard).spread(LISTS[slate])


def stored(slate: Slate, users: range = range(USERS)) -> pd.DataFrame:
    return holdout_rows(pool(users), np.arange(USERS), relevant(), rules(slate)).to_pandas()


@pytest.fixture(scope="module")
def model() -> RankerModel:
    table = stored(Slate.FOR_YOU)
    names = feature_names(table.columns)
    fold = Fold(
        AS_OF,
        names,
        table[names].to_numpy(np.float32),
        table["label"].to_numpy(np.int8),
        table["user_key"].to_numpy(np.int32),
    )
    return train([fold], CONFIG)


@pytest.mark.parametrize("slate", Slate)
def test_models_are_judged_by_the_lists_that_a_night_serves_however_they_are_batched(
    model: RankerModel, slate: Slate
) -> None:
    table = stored(slate)
    names = feature_names(table.columns)
    matrix = FeatureMatrix(names, table[names].to_numpy(np.float32))
    of_night = rank(model, pool().candidates, matrix, rules(slate))
    users, expected = per_user_metrics(of_night, relevant())

    batches = [holdout_of(stored(slate, part), LISTS[slate]) for part in (range(5), range(5, USERS))]
    audience, by_name = perform({"challenger": model}, batches)
    judged = by_name["challenger"]
    assert audience.users.tolist() == users.tolist() == list(range(USERS))
    listed = ["user_key", "track_key", "rank"]
    assert judged.lists[listed].to_numpy().tolist() == of_night[listed].to_numpy().tolist()
    assert {name: values.tolist() for name, values in judged.metrics.items()} == {
        name: values.tolist() for name, values in expected.items()
    }
    # A search asks the same question of the same function.
    whole = holdout_of(table, LISTS[slate])
    assert judge(whole, model.config, predict(model, whole.x)).metrics[HEADLINE].tolist() == expected[HEADLINE].tolist()
    # The rules make a difference here, and what they hide depends on the slate.
    as_scored = rank(model, pool().candidates, matrix, ListRules.none())
    assert per_user_metrics(as_scored, relevant())[1][HEADLINE].mean() != expected[HEADLINE].mean() > 0
    assert table["hidden"].any() == (slate is Slate.DISCOVER)
    # One of the users listened to nothing that was put forward, and counts.
    assert expected[HEADLINE][3] == 0
    assert (audience.relevant.sum(), audience.reachable) == (len(relevant()), pool().label.sum())
    assert audience.listens.tolist() == [user + 1.0 for user in range(USERS)]


def test_what_would_be_ahead_as_scored_is_behind_as_served() -> None:
    """One user with one relevant track: the first of its artist in one order, the third in the other."""
    table = pd.DataFrame(
        {
            "user_key": 0,
            "track_key": range(4),
            "artist_key": [1, 1, 1, 2],
            "recording": [0, 0, 0, 3],
            "hidden": False,
            "label": [False, False, True, False],
            "relevant": 1,
            "user_listens": np.float32(1),
        }
    )
    holdout = holdout_of(table, LISTS[Slate.FOR_YOU])
    first, behind = np.array([0.9, 0.1, 0.8, 0.2]), np.array([0.1, 0.2, 0.7, 0.8])
    scored = [np.argsort(-score).tolist().index(2) for score in (first, behind)]
    served = [judge(holdout, CONFIG, score).metrics[HEADLINE][0] for score in (first, behind)]
    assert scored == [1, 1]
    # A version of it that is scored higher leaves it out of the list.
    assert served[0] == 0 and served[1] > 0


def test_a_performance_keeps_the_scores_of_all_candidates_and_the_artists_of_the_listed(model: RankerModel) -> None:
    _, by_name = perform({"a": model, "b": model}, [holdout_of(stored(Slate.FOR_YOU), LISTS[Slate.FOR_YOU])])
    performance = by_name["a"]
    assert len(performance.score) == len(performance.label) == USERS * IN_POOL
    assert performance.label.sum() == pool().label.sum()
    assert (performance.lists["artist_key"] == performance.lists["track_key"] // 20).all()
    assert by_name["b"].lists.equals(performance.lists)
    assert performance.rows_per_second > 0


def test_of_many_users_some_are_holdout_the_same_ones_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert holdout_users(relevant(), AS_OF).tolist() == list(range(USERS))
    monkeypatch.setattr(holdout, "HOLDOUT_USERS", 5)
    some = holdout_users(relevant(), AS_OF)
    assert len(set(some.tolist())) == 5
    assert some.tolist() == sorted(some.tolist()) == holdout_users(relevant(), AS_OF).tolist()
    assert some.tolist() != holdout_users(relevant(), date(2026, 3, 9)).tolist()
    kept = holdout_rows(pool(), some, relevant(), rules(Slate.FOR_YOU)).to_pandas()
    assert kept["user_key"].unique().tolist() == some.tolist()
    assert len(kept) == 5 * IN_POOL
    assert kept.groupby("user_key")["relevant"].first().tolist() == [
        len(relevant().query("user_key == @user")) for user in some
    ]


def test_calibration_takes_the_sampling_of_negatives_back() -> None:
    # Of ten candidates two are listened to; with half of the other eight left out the model says two of six.
    bins = calibration(np.full(1000, 1 / 3, np.float32), np.arange(1000) % 5 == 0, negatives=0.5)
    assert [each["rows"] for each in bins] == [100] * 10
    assert [each["predicted"] for each in bins] == pytest.approx([0.2] * 10)
    assert [each["listened"] for each in bins] == pytest.approx([0.2] * 10)


def test_calibration_bins_run_from_the_least_to_the_most_likely() -> None:
    score = np.linspace(0.9, 0.1, 100, dtype=np.float32)
    bins = calibration(score, score > 0.5, negatives=1.0)
    assert [each["score"] for each in bins] == sorted(each["score"] for each in bins)
    assert [each["listened"] for each in bins] == [0.0] * 5 + [1.0] * 5

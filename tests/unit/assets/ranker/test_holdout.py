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
from assets.metrics.protocol import per_user_metrics
from assets.ranker import dataset
from assets.ranker.card import calibration
from assets.ranker.dataset import Fold, LabelledPool, held_out_rows, held_out_users
from assets.ranker.holdout import feature_names, rehearse
from assets.ranker.lists import ListRules
from assets.ranker.scoring import rank
from assets.ranker.training import RankerConfig, RankerModel, train

USERS, TRACKS, IN_POOL = 12, 150, 120
AS_OF = date(2026, 3, 2)
CONFIG = RankerConfig(trees=5, min_child_samples=5, leaves=4, learning_rate=0.3, lambda_l2=0.1, threads=1)


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


@pytest.fixture(scope="module")
def model() -> RankerModel:
    table = held_out_rows(pool(), np.arange(USERS), relevant()).to_pandas()
    names = feature_names(table.columns)
    fold = Fold(
        AS_OF,
        names,
        table[names].to_numpy(np.float32),
        table["label"].to_numpy(np.int8),
        table["user_key"].to_numpy(np.int32),
    )
    return train([fold], CONFIG)


def test_a_rehearsal_measures_what_the_protocol_measures_however_it_is_batched(model: RankerModel) -> None:
    everybody = np.arange(USERS)
    whole = pool()
    table = held_out_rows(whole, everybody, relevant()).to_pandas()
    names = feature_names(table.columns)
    listed = rank(model, whole.candidates, FeatureMatrix(names, table[names].to_numpy(np.float32)), ListRules.none())
    users, expected = per_user_metrics(listed, relevant())

    batches = [held_out_rows(pool(part), everybody, relevant()) for part in (range(5), range(5, USERS))]
    audience, by_name = rehearse({"challenger": model}, batches)
    measured_users, measured = per_user_metrics(by_name["challenger"].lists, audience.relevant)
    assert measured_users.tolist() == users.tolist() == list(range(USERS))
    for metric, values in expected.items():
        assert measured[metric].tolist() == values.tolist()
    # One of the users listened to nothing that was put forward, and counts.
    assert 0 < expected["ndcg@100"].mean() < 1
    assert expected["ndcg@100"][3] == 0
    assert len(audience.relevant) == len(relevant())
    assert audience.listens.tolist() == [user + 1.0 for user in range(USERS)]


def test_a_rehearsal_keeps_the_scores_of_all_candidates_and_the_artists_of_the_listed(model: RankerModel) -> None:
    _, by_name = rehearse({"a": model, "b": model}, [held_out_rows(pool(), np.arange(USERS), relevant())])
    rehearsal = by_name["a"]
    assert len(rehearsal.score) == len(rehearsal.label) == USERS * IN_POOL
    assert rehearsal.label.sum() == pool().label.sum()
    assert rehearsal.lists.groupby("user_key").size().tolist() == [100] * USERS
    odd = rehearsal.lists["track_key"] % 2 == 1
    assert (rehearsal.lists["artist_key"] == np.where(odd, rehearsal.lists["track_key"] % 7, -1)).all()
    assert by_name["b"].lists.equals(rehearsal.lists)
    assert rehearsal.rows_per_second > 0


def test_of_many_users_some_are_held_out_the_same_ones_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert held_out_users(relevant(), AS_OF).tolist() == list(range(USERS))
    monkeypatch.setattr(dataset, "HELD_OUT_USERS", 5)
    some = held_out_users(relevant(), AS_OF)
    assert len(set(some.tolist())) == 5
    assert some.tolist() == sorted(some.tolist()) == held_out_users(relevant(), AS_OF).tolist()
    assert some.tolist() != held_out_users(relevant(), date(2026, 3, 9)).tolist()
    stored = held_out_rows(pool(), some, relevant()).to_pandas()
    assert stored["user_key"].unique().tolist() == some.tolist()
    assert len(stored) == 5 * IN_POOL
    assert stored.groupby("user_key")["relevant"].first().tolist() == [
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

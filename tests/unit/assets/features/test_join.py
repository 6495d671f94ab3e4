"""Candidates joined with the feature marts."""

from dataclasses import replace

import numpy as np
import pandas as pd

from assets.features.join import (
    join_features,
)
from tests.feature_frames import frames


def candidates(pairs: list[tuple[int, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(pairs, columns=["user_key", "track_key"], dtype=np.int32)
    return frame.assign(score_als=np.float32(0.5), rank_als=np.float32(1), share_als=np.float32(1))


def test_features_are_joined_by_key_whatever_the_order_of_the_marts() -> None:
    matrix = join_features(candidates([(3, 2), (8, 5)]), frames())
    joined = pd.DataFrame(matrix.values, columns=matrix.names)
    assert matrix.values.dtype == np.float32
    assert joined["user_listens"].tolist() == [1100.0, 1000.0]
    assert joined["track_listens"].tolist() == [2100.0, 2000.0]
    assert joined["score_als"].tolist() == [0.5, 0.5]
    first = joined.iloc[0]
    assert first["artist_listens"] == 3100.0
    assert first["user_track_listens"] == 4000.0
    assert first["user_artist_listens"] == 5000.0


def test_what_no_mart_knows_is_nan() -> None:
    matrix = join_features(candidates([(8, 5), (9, 7)]), frames())
    joined = pd.DataFrame(matrix.values, columns=matrix.names)
    assert joined["artist_listens"].isna().all()
    assert joined["user_track_listens"].isna().all()
    assert joined.loc[1, ["user_listens", "track_listens"]].isna().all()


def test_a_data_set_without_artists_keeps_all_feature_names() -> None:
    whole = frames()
    bare = replace(
        whole,
        artist=whole.artist[:0],
        user_artist=whole.user_artist[:0],
        track_artist=whole.track_artist.assign(artist_key=pd.array([None, None], dtype="Int32")),
    )
    without = join_features(candidates([(3, 2)]), bare)
    assert without.names == join_features(candidates([(3, 2)]), whole).names
    artist = [name.startswith(("artist_", "user_artist_")) for name in without.names]
    assert np.isnan(without.values[0, artist]).all()
    assert not np.isnan(without.values[0, ~np.array(artist)]).any()

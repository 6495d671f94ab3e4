"""Joins candidates with the feature marts of the same `as_of` into one float32 matrix."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.catalogue import artist_of
from assets.pairs import pack

USER_COLUMNS = (
    "listens",
    "tracks",
    "sessions",
    "listens_7d",
    "listens_30d",
    "listens_90d",
    "tracks_30d",
    "repeat_share",
    "new_share_30d",
    "days_since_last",
    "days_since_first",
    "listens_per_session",
    "skip_rate",
)
TRACK_COLUMNS = (
    "listens",
    "listeners",
    "listens_7d",
    "listens_30d",
    "listens_90d",
    "listeners_30d",
    "days_since_first",
    "days_since_last",
    "listens_per_listener",
    "skip_rate",
)
ARTIST_COLUMNS = ("listens", "listeners", "listens_30d", "listeners_30d", "tracks")
USER_TRACK_COLUMNS = (
    "listens",
    "listens_30d",
    "sessions",
    "decayed_listens",
    "days_since_first",
    "days_since_last",
    "skips",
)
USER_ARTIST_COLUMNS = ("listens", "listens_30d", "tracks", "days_since_last")
# By mart, in the order in which they are joined.
_COLUMNS = {
    "user": USER_COLUMNS,
    "track": TRACK_COLUMNS,
    "artist": ARTIST_COLUMNS,
    "user_track": USER_TRACK_COLUMNS,
    "user_artist": USER_ARTIST_COLUMNS,
}


@dataclass(frozen=True)
class FeatureFrames:
    """Rows of the feature marts for one `as_of`; every frame has its key columns and the columns above.

    user, user_track, user_artist need only hold the users being joined; track, artist and track_artist (columns
    track_key, artist_key; artist_key may be null) are whole. Rows in any order, one per key.
    """

    user: pd.DataFrame
    track: pd.DataFrame
    artist: pd.DataFrame
    user_track: pd.DataFrame
    user_artist: pd.DataFrame
    track_artist: pd.DataFrame


@dataclass(frozen=True)
class FeatureMatrix:
    """values: float32 (candidates, len(names)), NaN where unknown, rows in the order of the candidates."""

    names: list[str]
    values: npt.NDArray[np.float32]


def join_features(candidates: pd.DataFrame, features: FeatureFrames) -> FeatureMatrix:
    """Features of each candidate row: what its sources say, then user, track, artist and pair marts."""
    user = candidates["user_key"].to_numpy(np.int64)
    track = candidates["track_key"].to_numpy(np.int64)
    artist = artist_of(track, features.track_artist)
    pair_columns = [name for name in candidates.columns if name.startswith(("score_", "rank_", "share_"))]
    joined = [
        (features.user, ["user_key"], [user], USER_COLUMNS),
        (features.track, ["track_key"], [track], TRACK_COLUMNS),
        (features.artist, ["artist_key"], [artist], ARTIST_COLUMNS),
        (features.user_track, ["user_key", "track_key"], [user, track], USER_TRACK_COLUMNS),
        (features.user_artist, ["user_key", "artist_key"], [user, artist], USER_ARTIST_COLUMNS),
    ]
    blocks = [candidates[pair_columns].to_numpy(np.float32)]
    blocks += [_look_up(frame, keys, wanted, columns) for frame, keys, wanted, columns in joined]
    return FeatureMatrix(matrix_names(pair_columns), np.hstack(blocks))


def matrix_names(pair_columns: Iterable[str]) -> list[str]:
    """The names of the features that `join_features` joins to candidates with these columns of their sources."""
    return [*pair_columns, *(f"{mart}_{column}" for mart, columns in _COLUMNS.items() for column in columns)]


def _look_up(
    frame: pd.DataFrame,
    keys: list[str],
    wanted: list[npt.NDArray[np.int64]],
    columns: tuple[str, ...],
    dtype: type[np.float32 | np.float64] = np.float32,
) -> npt.NDArray[np.floating]:
    """Values of `columns` for each wanted key (one or two int32-sized parts), NaN where the frame has no row."""
    values = np.full((len(wanted[0]), len(columns)), np.nan, dtype=dtype)
    if len(frame) == 0:
        return values
    have = pack(*(frame[key].to_numpy(np.int64) for key in keys))
    want = pack(*wanted)
    order = np.argsort(have, kind="stable")
    have = have[order]
    place = np.minimum(np.searchsorted(have, want), len(have) - 1)
    found = have[place] == want
    rows = order[place[found]]
    for position, column in enumerate(columns):
        values[found, position] = frame[column].to_numpy(dtype, na_value=np.nan)[rows]
    return values

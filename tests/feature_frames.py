"""Feature marts as frames, small enough to know every value."""

import numpy as np
import pandas as pd

from assets.features.join import (
    ARTIST_COLUMNS,
    TRACK_COLUMNS,
    USER_ARTIST_COLUMNS,
    USER_COLUMNS,
    USER_TRACK_COLUMNS,
    FeatureFrames,
)
from assets.listens import Ints


def mart(keys: dict[str, list[int]], columns: tuple[str, ...], start: float) -> pd.DataFrame:
    """Rows whose columns count up: row r, column c holds start + 100 r + c."""
    rows = len(next(iter(keys.values())))
    values = {column: start + 100.0 * np.arange(rows) + c for c, column in enumerate(columns)}
    return pd.DataFrame({**keys, **values})


def frames() -> FeatureFrames:
    """Two users, tracks and artists; user 9, track 7 and the artist of track 5 are unknown."""
    return FeatureFrames(
        user=mart({"user_key": [8, 3]}, USER_COLUMNS, 1000.0),
        track=mart({"track_key": [5, 2]}, TRACK_COLUMNS, 2000.0),
        artist=mart({"artist_key": [40, 41]}, ARTIST_COLUMNS, 3000.0),
        user_track=mart({"user_key": [3, 8], "track_key": [2, 2]}, USER_TRACK_COLUMNS, 4000.0),
        user_artist=mart({"user_key": [3], "artist_key": [41]}, USER_ARTIST_COLUMNS, 5000.0),
        track_artist=pd.DataFrame({"track_key": [2, 5], "artist_key": pd.array([41, None], dtype="Int32")}),
    )


def no_marts(user_keys: Ints) -> FeatureFrames:
    """Marts that know nothing of anybody."""
    empty = frames()
    return FeatureFrames(*(getattr(empty, name)[:0] for name in empty.__dataclass_fields__))

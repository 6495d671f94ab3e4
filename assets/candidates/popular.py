"""What everyone listens to lately: the same for all users, and the fill for lists that come out short."""

from dataclasses import dataclass

import numpy as np

from assets.candidates.history import History
from assets.listens import Floats, Ints


@dataclass(frozen=True)
class PopularConfig:
    window_days: float = 30.0


class Popular:
    """Score of a track: listens in the last `window_days`, all-time listens deciding between equals."""

    name = "popular"

    def __init__(self, history: History, config: PopularConfig) -> None:
        recent = history.age_days <= config.window_days
        tracks = len(history.tracks)
        in_window = np.bincount(history.track_code[recent], minlength=tracks)
        ever = np.bincount(history.track_code, minlength=tracks)
        # The all-time share stays below 1, so it never outweighs one listen in the window.
        self._score = (in_window + ever / (ever.max() + 1.0)).astype(np.float32)

    def scores(self, user_codes: Ints) -> Floats:
        return np.tile(self._score, (len(user_codes), 1))

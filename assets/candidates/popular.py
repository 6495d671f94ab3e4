"""What everyone listens to lately: the same for all users, and the fill for lists that come out short."""

from dataclasses import dataclass

import numpy as np

from assets.candidates.history import History
from assets.candidates.source import ABSENT
from assets.listens import Floats, Ints


@dataclass(frozen=True)
class PopularConfig:
    window_days: float = 30.0


class Popular:
    """Score of a track: listens in the last `window_days`, all-time listens deciding between equals."""

    name = "popular"

    def __init__(self, history: History, config: PopularConfig) -> None:
        learned, tracks = history.learned, len(history.tracks)
        recent = learned.age_days <= config.window_days
        in_window = np.bincount(learned.track_code[recent], minlength=tracks)
        ever = np.bincount(learned.track_code, minlength=tracks)
        # The all-time share stays below 1, so it never outweighs one listen in the window.
        score = in_window + ever / (ever.max() + 1.0)
        self._score = np.where(ever > 0, score, ABSENT).astype(np.float32)

    def scores(self, user_codes: Ints) -> Floats:
        return np.tile(self._score, (len(user_codes), 1))

"""What has moved in the training set: the share of the candidates that were listened to, by slate and segment."""

import math
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from statistics import median
from typing import NamedTuple

import numpy as np
import pandas as pd

from assets.listens import Ints
from assets.metrics.segments import NEW_LISTENER_DAYS, by_activity, by_country
from assets.ranker.training import RankerConfig
from assets.ranker.training_set import fold_frames
from assets.slates import HORIZON_DAYS, Slate
from quality.bands import Dated
from quality.column_drift import History
from quality.levels import Level, judge_level
from quality.observations import ALL, Observation
from warehouse.lake import Lake

# Trainings are weekly.
LEARNED_DAYS = 200
COLUMNS = ["user_key", "label", "user_listens", "user_days_since_first"]
# From week to week: a source more or less, or a holiday, may do as much.
_FLOOR = 1 / 3
# By chance, in standard deviations of the number of tracks that were listened to.
_CHANCE_DEVIATIONS = 5.0

Countries = Callable[[Ints], "pd.Series[str]"]


class LabelRate(NamedTuple):
    """The share of the candidates of a fold that were listened to, and how many candidates there were."""

    rate: float
    candidates: float


def measure_training_set(
    lake: Lake, as_of: date, history: History, countries: Countries, config: RankerConfig
) -> list[Observation]:
    """The label rate of the newest fold by slate and segment, held against older folds and those of older trainings.

    history: by the dates of trainings, whose newest folds were over by then. countries: of users, by user key.
    """
    found = []
    for slate in Slate:
        rates = {
            fold: label_rates(frame, countries, config.negatives)
            for fold, frame in fold_frames(lake, as_of, slate, config, COLUMNS)
        }
        newest = as_of - timedelta(days=HORIZON_DAYS)
        metric = f"{slate}/label_rate"
        for segment, now in rates.get(newest, {}).items():
            older = {fold: known[segment].rate for fold, known in rates.items() if segment in known and fold < newest}
            kept = {day - timedelta(days=HORIZON_DAYS): value for day, value in history.get((metric, segment), ())}
            before = sorted((kept | older).items(), reverse=True)
            level = Level(metric, now.rate, segment, part=_part(now, before))
            found.append(judge_level(level, {(metric, segment): before}))
    return found


def label_rates(frame: pd.DataFrame, countries: Countries, negatives: float) -> Mapping[str, LabelRate]:
    """By segment, of a fold with COLUMNS that keeps the share `negatives` of what was not listened to."""
    if frame.empty:
        return {}
    users, first, position = np.unique(frame["user_key"].to_numpy(np.int32), return_index=True, return_inverse=True)
    positives = np.bincount(position, weights=frame["label"])
    candidates = positives + (np.bincount(position) - positives) / negatives
    masks = {
        ALL: np.ones(len(users), bool),
        **by_activity(frame["user_listens"].to_numpy()[first]),
        "new": frame["user_days_since_first"].to_numpy()[first] <= NEW_LISTENER_DAYS,
        **{f"country: {name}": mask for name, mask in by_country(users, countries(users)).items()},
    }
    return {
        name: LabelRate(float(positives[mask].sum() / candidates[mask].sum()), float(candidates[mask].sum()))
        for name, mask in masks.items()
        if mask.any()
    }


def _part(now: LabelRate, before: Dated) -> float:
    """How much more or less than usual it may be: where few tracks were listened to, chance may bring much."""
    if not before:
        return _FLOOR
    expected = median(rate for _, rate in before) * now.candidates
    return max(_FLOOR, _CHANCE_DEVIATIONS / math.sqrt(max(expected, 1.0)))

"""Label rates, calibration and evaluations: what is measured, and what is told of."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assets.drift.evaluations import measure_evaluation
from assets.drift.rankers import calibration_figures, levels
from assets.drift.training import label_rates, measure_training_set
from assets.features.dates import fold_dates
from assets.listens import Ints
from assets.ranker.training import RankerConfig
from quality.column_drift import History
from quality.observations import ALL, Observation
from warehouse.lake import Lake

AS_OF = date(2026, 3, 2)
CONFIG = RankerConfig()
USERS = 90
# Of each user's rows in a fold.
ROWS, POSITIVES = 40, 10


def countries(users: Ints) -> "pd.Series[str]":
    return pd.Series(np.where(users % 2, "Peru", "Finland"), index=users)


def fold(positives: int = POSITIVES) -> pd.DataFrame:
    """Rows of USERS, each with so many tracks listened to; every third is new, a third each listens little and much."""
    user = np.repeat(np.arange(USERS), ROWS)
    return pd.DataFrame(
        {
            "user_key": user.astype(np.int32),
            "label": np.tile(np.arange(ROWS) < positives, USERS).astype(np.int8),
            "user_listens": (user % 3).astype(np.float32),
            "user_days_since_first": np.where(user % 3, 200, 10).astype(np.float32),
        }
    )


def failed(found: list[Observation]) -> set[tuple[str, str]]:
    return {(each.metric, each.segment) for each in found if not each.passed}


def dated(metric: str, *values: float, segment: str = ALL, days: int = 7) -> History:
    return {(metric, segment): [(AS_OF - timedelta(days=days * ago), each) for ago, each in enumerate(values, start=1)]}


def test_negatives_that_training_left_out_count_in_the_label_rate() -> None:
    rates = label_rates(fold(), countries, 0.25)
    candidates = POSITIVES + (ROWS - POSITIVES) / 0.25
    assert rates[ALL].rate == pytest.approx(POSITIVES / candidates)
    assert rates[ALL].candidates == pytest.approx(USERS * candidates)
    assert set(rates) == {ALL, "light", "medium", "heavy", "new", "country: Peru", "country: Finland"}
    assert rates["new"].candidates == pytest.approx(USERS / 3 * candidates)
    assert label_rates(fold()[:0], countries, 0.25) == {}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Six folds of `for_you`."""
    lake = Lake(str(tmp_path))
    for day in fold_dates(AS_OF, CONFIG.folds):
        write(lake, day, fold())
    return lake


def write(lake: Lake, day: date, frame: pd.DataFrame) -> None:
    lake.write_parquet(f"training/as_of={day}/for_you-1.parquet", [pa.Table.from_pandas(frame, preserve_index=False)])


def test_the_newest_fold_is_held_against_older_ones_from_the_first_training_on(lake: Lake) -> None:
    healthy = measure_training_set(lake, AS_OF, {}, countries, CONFIG)
    assert failed(healthy) == set()
    (label_rate,) = (each for each in healthy if each.segment == ALL)
    assert label_rate.metric == "for_you/label_rate"
    newest, *older = fold_dates(AS_OF, CONFIG.folds)
    assert (label_rate.learned_from, label_rate.learned_to) == (older[-1], older[0])
    write(lake, newest, fold(positives=3))
    assert ("for_you/label_rate", ALL) in failed(measure_training_set(lake, AS_OF, {}, countries, CONFIG))


def test_of_folds_that_are_gone_what_was_kept_is_learned_from(lake: Lake) -> None:
    history = dated("for_you/label_rate", *[0.5] * 20)
    (label_rate,) = (
        each for each in measure_training_set(lake, AS_OF, history, countries, CONFIG) if each.segment == ALL
    )
    # What lies in the lake goes before what was kept of the same fold.
    assert label_rate.learned_from == AS_OF - timedelta(days=7 * 20 + 14)
    assert not label_rate.passed


def calibration(predicted: float, listened: float) -> list[dict[str, float]]:
    return [
        {"rows": 100, "score": 0.1, "predicted": predicted, "listened": listened},
        {"rows": 100, "score": 0.5, "predicted": 3 * predicted, "listened": 3 * listened},
    ]


def holdout(predicted: float, listened: float, ndcg: float = 0.2) -> Mapping[str, Any]:
    segment = {"segment": "all", "ndcg@100": {"mean": ndcg, "ci95": [ndcg - 0.02, ndcg + 0.02]}}
    return {"calibration": calibration(predicted, listened), "candidate_recall": 0.6, "segments": [segment]}


def test_calibration_is_what_was_predicted_over_what_came() -> None:
    assert calibration_figures(calibration(0.2, 0.1)) == pytest.approx((2.0, 1.0))
    assert calibration_figures(calibration(0.1, 0.1)) == pytest.approx((1.0, 0.0))
    assert calibration_figures([{"rows": 10, "predicted": 0.1, "listened": 0.0}]) == pytest.approx((1.0, 1.0))


def test_the_figures_of_a_ranker_are_those_of_its_holdout() -> None:
    found = {(each.metric, each.segment): each.value for each in levels("discover", holdout(0.2, 0.1))}
    assert found == {
        ("discover/calibration", ALL): pytest.approx(2.0),
        ("discover/calibration_error", ALL): pytest.approx(1.0),
        ("discover/candidate_recall", ALL): 0.6,
        ("discover/ndcg@100", ALL): 0.2,
    }
    assert not any("calibration" in each.metric for each in levels("x", {**holdout(1, 1), "calibration": None}))


EVALUATED = {
    "slates": {
        "for_you": {
            "models": {"ranker": {"ndcg@100": 0.1}, "popular": {"ndcg@100": 0.02}},
            "lists": {"ranker": {"coverage@100": 0.5, "popularity_percentile@10": 0.9, "artist_gini@10": None}},
            "segments": [
                {
                    "by": "country",
                    "segment": "Peru",
                    "metric": "ndcg@100",
                    "models": {"ranker": {"mean": 0.1, "ci95": [0.09, 0.11]}},
                }
            ],
            "pool": {"recall": {"mean": 0.6}, "sources": [{"source": "als", "recall": 0.4}]},
        }
    }
}


@pytest.mark.parametrize(
    ("metric", "segment", "usual"),
    [
        ("for_you/ndcg@100", ALL, 0.2),
        ("for_you/ndcg@100 of country", "country: Peru", 0.2),
        ("for_you/coverage@100", ALL, 0.2),
        ("for_you/popularity_percentile@10", ALL, 0.5),
        ("for_you/candidate_recall", ALL, 0.75),
        ("for_you/candidate_recall", "source: als", 0.55),
    ],
)
def test_an_evaluation_unlike_those_before_is_told_of(metric: str, segment: str, usual: float) -> None:
    before = dated(metric, *[usual] * 10, segment=segment, days=1)
    assert failed(measure_evaluation(EVALUATED, before)) == {(metric, segment)}
    (same,) = (
        each.value for each in measure_evaluation(EVALUATED, {}) if (each.metric, each.segment) == (metric, segment)
    )
    assert same is not None
    alike = dated(metric, *[same] * 10, segment=segment, days=1)
    assert failed(measure_evaluation(EVALUATED, alike)) == set()

"""What has moved in the rankers that serve a date: calibration, candidate recall and NDCG on their holdouts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection

from assets.metrics.protocol import HEADLINE
from assets.ranker.registry import serving
from assets.slates import Slate
from quality.column_drift import History
from quality.levels import Level, judge_level
from quality.observations import Observation

# Trainings are weekly.
LEARNED_DAYS = 200
# A fifth more or fewer listens than were predicted orders lists no worse, but says that something is other.
_CALIBRATION_FLOOR = 0.2
_RECALL_FLOOR = 0.1
_METRIC_FLOOR = 0.3


def measure_rankers(connection: Connection, as_of: date, history: History) -> list[Observation]:
    """The figures of each slate's ranker; nothing of a slate without one, or of a ranker that has no holdout."""
    found = []
    for slate in Slate:
        row = serving(connection, slate, as_of)
        if row is not None and row.card["holdout"]:
            found += [judge_level(level, history) for level in levels(slate, row.card["holdout"])]
    return found


def levels(slate: str, holdout: Mapping[str, Any]) -> Iterator[Level]:
    """The figures of the holdout of a card (`card.build_card`)."""
    if bins := holdout["calibration"]:
        ratio, error = calibration_figures(bins)
        yield Level(f"{slate}/calibration", ratio, part=_CALIBRATION_FLOOR)
        yield Level(f"{slate}/calibration_error", error, floor=_CALIBRATION_FLOOR)
    yield Level(f"{slate}/candidate_recall", holdout["candidate_recall"], floor=_RECALL_FLOOR, below=True)
    for each in holdout["segments"]:
        mean, (low, high) = each[HEADLINE]["mean"], each[HEADLINE]["ci95"]
        # The whole interval: twice what chance alone takes it away in one of twenty weeks.
        yield Level(f"{slate}/{HEADLINE}", mean, each["segment"], floor=high - low, part=_METRIC_FLOOR, below=True)


def calibration_figures(bins: Sequence[Mapping[str, float]]) -> tuple[float, float]:
    """Of calibration bins (`card.calibration`): how many listens were predicted for each that there was, and by what
    part of them predictions were wrong on average, bin by bin. Without a listen, both as if there was one.
    """
    listened = max(sum(each["rows"] * each["listened"] for each in bins), 1.0)
    predicted = sum(each["rows"] * each["predicted"] for each in bins)
    wrong = sum(each["rows"] * abs(each["predicted"] - each["listened"]) for each in bins)
    return predicted / listened, wrong / listened

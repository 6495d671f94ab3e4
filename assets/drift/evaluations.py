"""What has moved in how good lists are: the evaluation of a date, held against those of the dates before."""

from collections.abc import Iterator, Mapping
from typing import Any

from assets.evaluation.store import RANKER
from quality.column_drift import History
from quality.levels import Level, judge_level
from quality.observations import Observation

LEARNED_DAYS = 90
# Two weeks of listening differ from the next: a third less may be a holiday.
_METRIC_FLOOR = 0.3
_RECALL_FLOOR = 0.1
# Coverage, novelty, popularity and how artists share the places.
_LIST_FLOOR = 0.3


def measure_evaluation(evaluated: Mapping[str, Any], history: History) -> list[Observation]:
    """Every figure of the lists of a date (`evaluation.store.read_evaluation`)."""
    return [
        judge_level(level, history)
        for slate, figures in evaluated["slates"].items()
        for level in levels(slate, figures)
    ]


def levels(slate: str, figures: Mapping[str, Any]) -> Iterator[Level]:
    """The figures of a slate: of the lists that were served, for whom, and of what they were chosen from."""
    for metric, value in figures["models"][RANKER].items():
        yield Level(f"{slate}/{metric}", value, part=_METRIC_FLOOR, below=True)
    for figure, value in figures["lists"][RANKER].items():
        if value is not None:
            yield Level(f"{slate}/{figure}", value, part=_LIST_FLOOR)
    for each in figures["segments"] or ():
        mean, (low, high) = each["models"][RANKER]["mean"], each["models"][RANKER]["ci95"]
        metric = f"{slate}/{each['metric']} of {each['by']}"
        # The whole interval: twice what chance alone takes it away on one of twenty dates.
        yield Level(metric, mean, _segment(each), floor=high - low, part=_METRIC_FLOOR, below=True)
    if pool := figures["pool"]:
        yield Level(f"{slate}/candidate_recall", pool["recall"]["mean"], floor=_RECALL_FLOOR, below=True)
        for source in pool["sources"]:
            segment = f"source: {source['source']}"
            yield Level(f"{slate}/candidate_recall", source["recall"], segment, floor=_RECALL_FLOOR, below=True)


def _segment(each: Mapping[str, Any]) -> str:
    return f"country: {each['segment']}" if each["by"] == "country" else str(each["segment"])

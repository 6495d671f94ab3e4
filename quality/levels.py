"""Figures that stay about the same from date to date: what each may be, by what it was before."""

from dataclasses import dataclass

from quality.bands import level_bounds
from quality.column_drift import History, judged
from quality.observations import ALL, Observation


@dataclass(frozen=True)
class Level:
    """A figure, and how far it may be in any case from the median of the dates before.

    part: likewise, as a part of that median. below: only too little is a fault.
    """

    metric: str
    value: float
    segment: str = ALL
    floor: float = 0.0
    part: float = 0.0
    below: bool = False


def judge_level(level: Level, history: History) -> Observation:
    """The figure with its bounds; only kept where no date before is known."""
    before = history.get((level.metric, level.segment), ())
    bounds = level_bounds(before, level.floor, level.part, below=level.below)
    of = "" if level.segment == ALL else f" of {level.segment}"
    if bounds is None:
        return judged(level.metric, level.value, None, f"{level.metric}{of}: no date before is known", level.segment)
    most = "" if bounds.high is None else f" and at most {bounds.high:.3g}"
    expectation = f"{level.metric}{of} is at least {bounds.low:.3g}{most}, {bounds.origin}"
    told = expectation if bounds.hold(level.value) else f"{expectation}: {level.value:.3g}"
    return judged(level.metric, level.value, bounds, told, level.segment)

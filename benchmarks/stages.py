"""The stages of a night: the steps of its run, and the parts of those that recommend, each with its time and rows."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest import mock

import assets.candidates.assets as candidates_assets
import assets.recommendations.lists as lists_module
from assets.candidates.anchors import Anchors
from assets.candidates.pool import Sources
from assets.features.marts import feature_reader
from orchestration.runs import RunReport


@dataclass(frozen=True)
class Stage:
    """A part of the night: wall seconds, rows it made, and peak MB with the servers, where it is a step of the run."""

    name: str
    seconds: float
    rows: int | None = None
    peak_mb: float | None = None

    @property
    def rows_per_second(self) -> float | None:
        return None if self.rows is None else self.rows / max(self.seconds, 1e-9)


@contextmanager
def stopwatches() -> Iterator[dict[str, float]]:
    """Seconds spent in functions of the pipeline meanwhile, by the name given here, less those in others of them."""
    seconds: dict[str, float] = defaultdict(float)
    within: list[str] = []

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            within.append(name)
            try:
                return function(*arguments, **options)
            finally:
                within.pop()
                taken = time.perf_counter() - started
                seconds[name] += taken
                if within:
                    seconds[within[-1]] -= taken

        return call

    def timed_reader(*arguments: Any) -> Any:
        return timed("read features", feature_reader(*arguments))

    watched: list[tuple[str, ModuleType | type, str]] = [
        ("read listens", candidates_assets, "read_listens"),
        ("index listens", candidates_assets, "fit_sources"),
        ("fit", Sources, "source"),
        ("pools", Sources, "candidates_by_slate"),
        ("anchors", Anchors, "add_to"),
        ("join", lists_module, "join_features"),
        ("score", lists_module, "rank"),
        ("reasons", lists_module, "with_reasons"),
    ]
    with ExitStack() as stack:
        for stage, owner, name in watched:
            stack.enter_context(mock.patch.object(owner, name, timed(stage, getattr(owner, name))))
        stack.enter_context(mock.patch.object(lists_module, "feature_reader", timed_reader))
        yield seconds


def stages_of(report: RunReport, seconds: dict[str, float], rows: dict[str, int]) -> list[Stage]:
    """Steps of the run, those that recommend followed by their parts."""
    made = {"candidates": rows["pool"], "recommendations": rows["listed"], "release": rows["lists"]}
    parts: dict[str, dict[str, tuple[float, int | None]]] = {
        "candidates": {
            "read listens": (seconds["read listens"], None),
            "index listens": (seconds["index listens"], None),
            "fit": (seconds["fit"], None),
            "pools": (seconds["pools"], rows["pool"]),
            "anchors": (seconds["anchors"], rows["pool"]),
        },
        "recommendations": {
            "read features": (seconds["read features"], rows["pool"]),
            "join": (seconds["join"], rows["pool"]),
            "score": (seconds["score"], rows["pool"]),
            "reasons": (seconds["reasons"], rows["listed"]),
        },
    }
    stages = []
    checks = [step for step in report.stages if step.name.endswith("_suite")]
    for step in report.stages:
        if step in checks:
            continue
        name = step.name.removesuffix("_models")
        made_here = rows["features"] if name == "feature" else made.get(name)
        stages.append(Stage(name, step.seconds, made_here, step.peak_mb))
        within = parts.get(name, {})
        stages += [Stage(f"  {part}", spent, count) for part, (spent, count) in within.items()]
        if within:
            stages.append(Stage("  write and the rest", step.seconds - sum(spent for spent, _ in within.values())))
    stages.append(Stage("checks", sum(step.seconds for step in checks), None, max(step.peak_mb for step in checks)))
    return [*stages, Stage("night", sum(step.seconds for step in report.stages), rows["listed"], report.peak_mb)]

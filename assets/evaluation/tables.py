"""A stored evaluation (`store.read_evaluation`) as rows of tables, for people to read."""

from collections.abc import Mapping
from typing import Any

from quality.checks.tables import Row

_DIGITS = 4


def metric_rows(stored: Mapping[str, Any]) -> list[Row]:
    """One row per slate and model: its metrics."""
    return _by_model(stored, "models")


def list_rows(stored: Mapping[str, Any]) -> list[Row]:
    """One row per slate and model: the figures of its lists."""
    return _by_model(stored, "lists")


def segment_rows(stored: Mapping[str, Any]) -> list[Row]:
    """One row per slate, segment and model: the mean with its 95 % interval.

    The row of the model in question also has how far it is ahead of the best baseline, with the interval of that.
    """
    rows: list[Row] = []
    for slate, evaluated in stored["slates"].items():
        for segment in evaluated["segments"]:
            paired = segment["paired"]
            against = paired["against"] if paired else None
            # The one in question first.
            for model, measured in sorted(segment["models"].items(), key=lambda each: each[0] == against):
                ahead = paired if model != against else None
                rows.append(
                    {
                        "slate": slate,
                        "by": segment["by"],
                        "segment": segment["segment"],
                        "users": segment["users"],
                        "relevant": segment["relevant"],
                        "metric": segment["metric"],
                        "model": model,
                        "mean": round(measured["mean"], _DIGITS),
                        "ci95": _interval(measured["ci95"]),
                        "ahead_by": round(ahead["delta"], _DIGITS) if ahead else None,
                        "ahead_ci95": _interval(ahead["ci95"]) if ahead else None,
                    }
                )
    return rows


def candidate_recall_rows(stored: Mapping[str, Any]) -> list[Row]:
    """One row per slate for its pool of candidates, and one per source: what it has, and what the pool has by it alone.

    Where in_pool is "no", marginal is what the pool would gain by the source.
    """
    rows: list[Row] = []
    for slate, evaluated in stored["slates"].items():
        if (pool := evaluated["pool"]) is None:
            continue
        whole = {"source": "pool", "in_pool": None, "offered": pool["size"], "recall": pool["recall"]["mean"]}
        rows.append(_pool_row(slate, {**whole, "marginal": None}, pool["recall"]["ci95"]))
        for source in pool["sources"]:
            of_source = {**source, "in_pool": "yes" if source["in_pool"] else "no"}
            marginal = source["marginal"]
            rows.append(_pool_row(slate, {**of_source, "marginal": marginal["mean"]}, marginal["ci95"]))
    return rows


def _pool_row(slate: str, figures: Mapping[str, Any], ci95: list[float]) -> Row:
    """The interval is that of the last figure there is."""
    return {
        "slate": slate,
        "source": figures["source"],
        "in_pool": figures["in_pool"],
        "tracks_per_user": round(figures["offered"], 1),
        "recall": _rounded(figures["recall"]),
        "marginal": _rounded(figures["marginal"]),
        "ci95": _interval(ci95),
    }


def _by_model(stored: Mapping[str, Any], part: str) -> list[Row]:
    return [
        {"slate": slate, "model": model, **{name: _rounded(value) for name, value in values.items()}}
        for slate, evaluated in stored["slates"].items()
        for model, values in evaluated[part].items()
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _interval(ends: list[float]) -> str:
    return f"{ends[0]:.{_DIGITS}f} to {ends[1]:.{_DIGITS}f}"

"""Candidates and training sets, which lie in the lake: their columns summed up in one pass, and what these may be."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from quality.suites.suite import Expectation, Suite

# A source may bring much less on a quiet night; a tenth of what it brought is a source that is broken.
_FELL_SILENT = 0.9
_LOST = 0.5
# A fold of a handful of listeners may have heard everything that was put forward.
_LEAST_ROWS = 1_000


def candidates(profiles: Mapping[str, pd.DataFrame]) -> Suite:
    """The candidates of a date: as many for a user as before, from every source that brought some, and no infinite
    number.

    profiles: by slate, of `profile`.
    """
    silent = "a source of candidates that fell silent: rankers were trained with it"
    figures, expectations = _columns(profiles, "score_", silent)
    figures["rows"] = sum(columns["rows"].max() for columns in profiles.values())
    return _suite("candidates", figures, [_figure("rows", 1, None, "a night that serves nobody"), *expectations])


def training_set(profiles: Mapping[str, pd.DataFrame]) -> Suite:
    """The newest fold of a date: rows of both labels, no infinite number, and every feature that had values has some.

    profiles: by slate, of `profile`.
    """
    empty = "a feature that is empty now: rankers would learn to do without"
    figures, expectations = _columns(profiles, "", empty)
    labels = [
        _figure(f"{slate} {name}", least, most, protects_from)
        for slate, columns in profiles.items()
        if columns["rows"].max() >= _LEAST_ROWS
        for name, least, most, protects_from in (
            ("least label", 0, 0, "labels that are all positive, as where a join keeps only what was listened to"),
            ("greatest label", 1, 1, "labels that are all negative, as where the weeks after the date are not there"),
        )
    ]
    return _suite("training_set", figures, [*expectations, *labels])


def profile(tables: Iterable[pa.Table]) -> pd.DataFrame:
    """What is in the columns of tables, a table in memory at a time: a row per column of numbers.

    Columns: rows, values (neither null nor NaN), infinite, least, greatest; NaN for the last two without a value.
    """
    columns: dict[str, list[dict[str, float]]] = {}
    for table in tables:
        for name in table.column_names:
            columns.setdefault(name, []).append(_summed_up(table[name]))
    return pd.DataFrame(
        {
            name: {
                "rows": sum(part["rows"] for part in parts),
                "values": sum(part["values"] for part in parts),
                "infinite": sum(part["infinite"] for part in parts),
                "least": np.fmin.reduce([part["least"] for part in parts]),
                "greatest": np.fmax.reduce([part["greatest"] for part in parts]),
            }
            for name, parts in columns.items()
        }
    ).T


def _summed_up(column: pa.ChunkedArray) -> dict[str, float]:
    # A column without a row may have no type.
    values = column.to_numpy() if len(column) else np.empty(0)
    finite = np.isfinite(values)
    known = values[finite]
    return {
        "rows": len(values),
        "values": int(finite.sum()),
        "infinite": int(np.isinf(values).sum()),
        "least": float(known.min()) if len(known) else np.nan,
        "greatest": float(known.max()) if len(known) else np.nan,
    }


def _columns(
    profiles: Mapping[str, pd.DataFrame], prefix: str, if_empty: str
) -> tuple[dict[str, float], list[Expectation]]:
    """Rows, infinite numbers, and the columns with a prefix that had values and have none."""
    figures: dict[str, float] = {}
    expectations: list[Expectation] = []
    for slate, columns in profiles.items():
        rows = columns["rows"].max()
        figures |= {
            f"{slate} rows": rows,
            f"{slate} infinite numbers": columns["infinite"].sum(),
            f"{slate} least label": columns["least"].get("label", np.nan),
            f"{slate} greatest label": columns["greatest"].get("label", np.nan),
        }
        expectations += [
            # Nobody may have a track for this slate: few listened long enough ago, or have not heard everything.
            _figure(f"{slate} rows", 0, None, "a night that is made of half of what there is", _LOST),
            _figure(f"{slate} infinite numbers", 0, 0, "a division by nothing, which no ranker can sort"),
        ]
        for column, share in (columns["values"] / max(rows, 1)).items():
            if str(column).startswith(prefix) and rows:
                figures[f"{slate} share with {column}"] = share
                expectations.append(_figure(f"{slate} share with {column}", 0, None, if_empty, _FELL_SILENT))
    return figures, expectations


def _suite(name: str, figures: Mapping[str, float], expectations: Sequence[Expectation]) -> Suite:
    # As Python's own numbers: Data Docs cannot write NumPy's.
    frame = pd.DataFrame([{figure: float(value) for figure, value in figures.items()}]).astype(object)
    return Suite(name, frame, tuple(expectations))


def _figure(
    metric: str, least: float | None, most: float | None, protects_from: str, floor: float | None = None
) -> Expectation:
    """A figure is between two; and where a floor is given, not less than usual by more than that part."""
    arguments: dict[str, Any] = {"column": metric, "min_value": least, "max_value": most}
    return Expectation(metric, "ExpectColumnMinToBeBetween", arguments, protects_from, learned_floor=floor)

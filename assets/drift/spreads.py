"""How the columns of a relation lie as of two dates, counted in PostgreSQL: no row of it comes here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from quality.drift import Counts, Spread

_BINS = 10
PARTS = 2**20
# Of so many rows a share is known to .2 %, and PSI of ten bins to .0001; all rows of millions would take a minute.
_SAMPLED_ROWS = 200_000

Edges = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Rows:
    """What is measured: a relation with a column as_of as SQL, the integers that tell its rows of a date apart, and the
    numeric columns. ages: those that grow by a day each day, whoever does what.
    """

    relation: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    ages: tuple[str, ...] = ()

    @property
    def sampled(self) -> str:
        """SQL: whether a row is among `:part` of PARTS; by the hash of its keys, so that it is on each date."""
        digest = "0"
        for key in self.keys:
            digest = f"hashint4extended({key}, {digest})"
        return f"{digest} & {PARTS - 1} < :part"


def measure_spreads(connection: Connection, rows: Rows, reference: date, as_of: date) -> dict[date, dict[str, Spread]]:
    """How each column lies as of both dates, over the deciles of the reference; a date without rows is left out.

    Of a large relation the bins are counted on a sample. All else is of every row.
    """
    whole = _of_all_rows(connection, rows, reference, as_of)
    if reference not in whole:
        return whole
    count = next(iter(whole[reference].values())).rows
    part = PARTS * _SAMPLED_ROWS // count if count > _SAMPLED_ROWS else PARTS
    edges = quantile_edges(connection, rows, reference, part)
    binned = bin_counts(connection, rows, reference, as_of, edges, part)
    return {
        day: {
            name: replace(spread, bins=binned.get(day, {}).get(name, spread.bins)) for name, spread in columns.items()
        }
        for day, columns in whole.items()
    }


def quantile_edges(connection: Connection, rows: Rows, as_of: date, part: int = PARTS) -> dict[str, list[float]]:
    """The values at which the bins of each column begin, float64 and ascending: its deciles as of a date.

    Where the highest decile is one value, what is above it is a bin of its own. A column without a finite value is cut
    at 0.
    """
    deciles = ", ".join(
        f"percentile_disc(cast(:at as double precision[])) within group (order by {_value(name)})"
        f" filter (where {_finite(name)})"
        for name in rows.columns
    )
    query = text(f"select {deciles} from {rows.relation} where as_of = :as_of and {rows.sampled}")
    given = {"as_of": as_of, "at": [place / _BINS for place in range(1, _BINS)], "part": part}
    found: Sequence[Any] = connection.execute(query, given).one()
    return {name: _edges(values) for name, values in zip(rows.columns, found, strict=True)}


def _edges(deciles: Sequence[float | None] | None) -> list[float]:
    known = [each for each in deciles or () if each is not None]
    if not known:
        return [0.0]
    edges = sorted(set(known))
    return [*edges, math.nextafter(edges[-1], math.inf)] if known.count(edges[-1]) > 1 else edges


def bin_counts(
    connection: Connection, rows: Rows, reference: date, as_of: date, edges: Edges, part: int = PARTS
) -> dict[date, dict[str, Counts]]:
    """Finite values of each column by bin, int64[len(edges) + 1]: below the first edge, from each one on.

    part: how many of PARTS of the rows are counted.
    Ages are counted as they were on the reference: what is older by the days since then has not moved.
    """
    values = ", ".join(
        f"({place}, {_value(name)}{_SINCE if name in rows.ages else ''}, cast(:edges_{place} as double precision[]))"
        for place, name in enumerate(rows.columns)
    )
    given = {f"edges_{place}": list(map(float, edges[name])) for place, name in enumerate(rows.columns)}
    query = text(_COUNTED.format(values=values, relation=rows.relation, sampled=rows.sampled))
    counted: dict[date, dict[str, Counts]] = {}
    for row in connection.execute(query, given | {"dates": [reference, as_of], "reference": reference, "part": part}):
        columns = counted.setdefault(
            row.as_of, {name: np.zeros(len(edges[name]) + 1, np.int64) for name in rows.columns}
        )
        columns[rows.columns[row.place]][row.bin] = row.rows
    return counted


def _of_all_rows(connection: Connection, rows: Rows, reference: date, as_of: date) -> dict[date, dict[str, Spread]]:
    """All of the spreads but the bins."""
    figures = ", ".join(
        f"count({value}) as known_{place}, min({value}) as lowest_{place}, max({value}) as highest_{place},"
        f" sum({value}) as total_{place}"
        for place, value in enumerate(map(_value, rows.columns))
    )
    query = text(
        f"select as_of, count(*) as rows, {figures} from {rows.relation}"
        " where as_of = any(cast(:dates as date[])) group by as_of"
    )
    found = {}
    for row in connection.execute(query, {"dates": [reference, as_of]}).mappings():
        columns = {}
        for place, name in enumerate(rows.columns):
            known, lowest, highest, total = (row[f"{each}_{place}"] for each in ("known", "lowest", "highest", "total"))
            values = known
            if known and not (math.isfinite(lowest) and math.isfinite(highest)):
                query = text(_FINITE.format(value=_value(name), relation=rows.relation, finite=_finite(name)))
                values, lowest, highest, total = connection.execute(query, {"as_of": row["as_of"]}).one()
            columns[name] = Spread(
                bins=np.zeros(1, np.int64),
                values=values,
                nulls=row["rows"] - known,
                not_finite=known - values,
                lowest=lowest,
                highest=highest,
                mean=total / values if values else None,
            )
        found[row["as_of"]] = columns
    return found


def _value(column: str) -> str:
    return f'cast("{column}" as double precision)'


def _finite(column: str) -> str:
    # PostgreSQL orders NaN above infinity.
    return f"{_value(column)} > '-infinity' and {_value(column)} < 'infinity'"


_FINITE = "select count(*), min({value}), max({value}), sum({value}) from {relation} where as_of = :as_of and {finite}"

_SINCE = " - (as_of - cast(:reference as date))"

_COUNTED = """
select as_of, place, width_bucket(value, edges) as bin, count(*) as rows
from {relation}
cross join lateral (values {values}) as measured (place, value, edges)
where
    as_of = any(cast(:dates as date[])) and {sampled}
    and value > '-infinity' and value < 'infinity'
group by as_of, place, bin
"""

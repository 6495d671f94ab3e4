"""In which units texts are times, as the parser reads them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assets.ingest.duck import connect_offline
from assets.ingest.records import PER_SECOND
from assets.ingest.time_sql import units_query

_DATES = ("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d.%m.%Y", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y")
_HOURS = (" %H:%M", " %H:%M:%S", ", %H:%M", ", %H:%M:%S")
_HALF_DAYS = (" %I:%M %p", " %I:%M:%S %p", ", %I:%M %p", ", %I:%M:%S %p")
# Where no value tells the day from the month, the first that fits counts: who writes AM and PM writes the month first.
_FORMATS = (
    *(date + time for date in _DATES for time in (*_HOURS, "")),
    *(date + time for date in ("%m/%d/%Y", *_DATES) for time in _HALF_DAYS),
    "%Y-%m-%d",
)
_OF_NUMBERS = (*PER_SECOND, "%Y%m%d%H%M%S")
_UNITS = (*_OF_NUMBERS, "iso8601", *dict.fromkeys(_FORMATS))
_FEWEST_DIGITS = 3
_VALUES_TRIED = 300
_MOST_UNITS = 3


def fitting_units(values: Sequence[str]) -> list[str]:
    """Return the units that read most of the values together, the one that reads most first; none if half are not."""
    if 2 * sum(sum(map(str.isdigit, value)) >= _FEWEST_DIGITS for value in values) < len(values) or not values:
        return []
    fits = _fits(values)
    rest, units = np.ones(len(fits), bool), list[str]()
    while rest.any() and len(units) < _MOST_UNITS:
        # Of equals the first.
        best = int(fits[rest].sum(axis=0).argmax())
        if not fits[rest, best].any():
            break
        units.append(_UNITS[best])
        rest &= ~fits[:, best]
    return units if 2 * rest.sum() < len(fits) else []


def days_and_months_swapped(unit: str, values: Sequence[str]) -> str | None:
    """Return the format with day and month in each other's place, if it reads the same values as well."""
    swapped = unit.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
    if swapped == unit or swapped not in _UNITS:
        return None
    fits = _fits(values)
    return swapped if fits[fits[:, _UNITS.index(unit)], _UNITS.index(swapped)].all() else None


def _fits(values: Sequence[str]) -> NDArray[np.bool_]:
    """Whether the first values, a row each, are times in each of the units."""
    tried = list(dict.fromkeys(values))[:_VALUES_TRIED]
    # A number is a time in a few of them, and a query for all of them takes a while to plan.
    units = _OF_NUMBERS if all(map(str.isdecimal, tried)) else _UNITS
    connection = connect_offline()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("batch", pa.table({"listened_at": pa.array(tried, pa.string())}))
    found = connection.sql(units_query(units, datetime.now(UTC) + timedelta(days=1))).fetchnumpy()
    fits = np.zeros((len(tried), len(_UNITS)), bool)
    for at, unit in enumerate(units):
        fits[:, _UNITS.index(unit)] = found[f"u{at}"]
    return fits

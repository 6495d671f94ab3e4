"""A date as SQL: what every query that is put together from text writes."""

from datetime import date


def sql_date(day: date) -> str:
    """The literal of a date: date '2015-01-01'."""
    return f"date '{day.isoformat()}'"


def sql_instant(day: date) -> str:
    """The literal of the instant at which a UTC date begins: timestamptz '2015-01-01 00:00:00+00'."""
    return f"timestamptz '{day.isoformat()} 00:00:00+00'"

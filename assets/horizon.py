"""The 14 days after `as_of`, in which lists are judged: whether they are over in the data."""

from datetime import date

from adbc_driver_postgresql import dbapi

from assets.listens import unlikely_as_of
from assets.slates import HORIZON_DAYS
from warehouse.dates import sql_date
from warehouse.errors import AudoticsError


def require_closed_horizon(connection: dbapi.Connection, as_of: date, end: date) -> None:
    """Raise AudoticsError unless the horizon is over in the data."""
    day = sql_date(as_of)
    with connection.cursor() as cursor:
        cursor.execute(f"select {horizon_is_closed(day)}, ({_days_with_listens(day)})::integer")
        closed, days = cursor.fetchone() or (False, 0)
    if not closed:
        raise AudoticsError(
            f"cannot evaluate as of {as_of}: the {HORIZON_DAYS} days after it are not over in the data, which has"
            f" listens on {days} of them and none from {end} on; ingest later ones or choose an earlier --as-of"
        )


def horizon_is_closed(day: str) -> str:
    """SQL: listening went on after the horizon of a date, or was heard on every day of it up to the last.

    One listen on the last day proves nothing: it may come from a file that has hardly begun. The outcomes
    (`ml.recommendation_outcomes`, docs/adr/0009) are stricter and always wait for a listen after the horizon.
    """
    return (
        f"(exists (select from core.fct_listens where listened_at >= {_midnight(f'{day} + {HORIZON_DAYS}')})"
        f" or ({_days_with_listens(day)}) = {HORIZON_DAYS})"
    )


def in_horizon(day: str, listens: str) -> str:
    """SQL: a row of `listens` is of the horizon of a date."""
    end = f"{day} + {HORIZON_DAYS}"
    return f"{listens}.listened_at >= {_midnight(day)} and {listens}.listened_at < {_midnight(end)}"


def somebody_to_judge(day: str) -> str:
    """SQL: somebody listened in the horizon of a date who had listened before it, and was not known then not to be a
    person.
    """
    return (
        "exists (select from core.fct_listens as later"
        f" where {in_horizon(day, 'later')}"
        " and exists (select from core.fct_listens as earlier"
        f" where earlier.user_key = later.user_key and earlier.listened_at < {_midnight(day)})"
        f" and not {unlikely_as_of(day, 'later')})"
    )


def _days_with_listens(day: str) -> str:
    return (
        "select count(distinct (listened_at at time zone 'UTC')::date) from core.fct_listens"
        f" where listened_at >= {_midnight(day)} and listened_at < {_midnight(f'{day} + {HORIZON_DAYS}')}"
    )


def _midnight(day: str) -> str:
    return f"(({day})::timestamp at time zone 'UTC')"

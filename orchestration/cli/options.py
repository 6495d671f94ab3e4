"""Options that several commands share."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from warehouse.errors import AudoticsError

if TYPE_CHECKING:
    from assets.ranker.slates import Slate

# Listens before it are refused at ingest, and no partition of the jobs is older.
FIRST_YEAR = 2000

AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of", formats=["%Y-%m-%d"], help="Learn from listens before this date, midnight UTC. Default: today."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def as_of_date(as_of: datetime | None) -> date:
    """The date asked for, today in UTC when none was.

    Raises:
        AudoticsError: the date is in the future, or before any listen can be.
    """
    today = datetime.now(UTC).date()
    chosen = as_of.date() if as_of else today
    if chosen > today:
        raise AudoticsError(f"--as-of {chosen} is in the future; the latest possible date is {today}")
    if chosen.year < FIRST_YEAR:
        raise AudoticsError(f"--as-of {chosen} is before {FIRST_YEAR}, and so before any listen; choose a later date")
    return chosen


def slate_named(name: str) -> "Slate":
    """The slate asked for; AudoticsError when there is no such slate."""
    from assets.ranker.slates import Slate

    if name not in list(Slate):
        raise AudoticsError(f"there is no slate {name!r}; choose one of {', '.join(Slate)}")
    return Slate(name)

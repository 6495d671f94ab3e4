"""Options that several commands share."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from warehouse.errors import AudoticsError
from warehouse.history import EARLIEST_DAY

if TYPE_CHECKING:
    from assets.slates import Slate


def as_of_option(help: str) -> Any:
    """The option --as-of, described."""
    return typer.Option("--as-of", metavar="YYYY-MM-DD", help=help)


AsOf = Annotated[str | None, as_of_option("Learn from listens before this date, midnight UTC. Default: today.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def as_of_date(as_of: str | None) -> date:
    """The date asked for, today in UTC when none was.

    Raises:
        AudoticsError: it is not a valid date, in the future, or before any listen can be.
    """
    today = datetime.now(UTC).date()
    try:
        chosen = datetime.strptime(as_of, "%Y-%m-%d").date() if as_of is not None else today
    except ValueError as error:
        raise AudoticsError(f"--as-of {as_of!r} is not a valid date; write YYYY-MM-DD, such as {today}") from error
    if chosen > today:
        raise AudoticsError(f"--as-of {chosen} is in the future; the latest possible date is {today}")
    if chosen < EARLIEST_DAY:
        raise AudoticsError(
            f"--as-of {chosen} is before {EARLIEST_DAY.year}, and so before any listen; choose a later date"
        )
    return chosen


def slate_named(name: str) -> "Slate":
    """The slate asked for; AudoticsError when there is no such slate."""
    from assets.slates import Slate

    if name not in list(Slate):
        raise AudoticsError(f"there is no slate {name!r}; choose one of {', '.join(Slate)}")
    return Slate(name)

"""How much of what each source tells, others have told as well: by day, for people who look after the sources."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

MODEL = "core.fct_duplicate_listens"
DAYS_SHOWN = 14


@dataclass(frozen=True)
class SourceDay:
    """A source on a UTC day: its listens as they were loaded, and those of plays that another listen tells of."""

    day: date
    source: str
    listens: int
    duplicates: int

    @property
    def rate(self) -> float:
        """Share of duplicates, from 0 to 1."""
        return self.duplicates / self.listens


def duplicate_rates(connection: Connection, days: int = DAYS_SHOWN) -> list[SourceDay]:
    """The newest days that have listens, newest first, and their sources by name. The role has to be the
    transformer's.
    """
    found = connection.execute(_RATES, {"days": days})
    return [SourceDay(row.day, row.source, row.listens, row.duplicates) for row in found]


_RATES = text(
    "select (listened_at at time zone 'UTC')::date as day, listens.source, count(*) as listens,"
    " count(duplicates.user_key) as duplicates"
    f" from raw.listens as listens left join {MODEL} as duplicates using (user_key, listened_at, track_key)"
    " where listened_at >= (select min(listened_on)::timestamp at time zone 'UTC' from"
    " (select listened_on from raw.listen_days order by listened_on desc limit :days) as newest)"
    " group by day, listens.source order by day desc, listens.source"
)

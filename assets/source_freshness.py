"""How long ago the sources of the models were last written, against what their YAML allows.

The limits are those of `dbt source freshness`: `loaded_at_field` or `loaded_at_query`, and `warn_after`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from warehouse.wording import counted

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class WatchedSource:
    """A source that is written regularly."""

    name: str
    """schema.table"""
    last_written: str
    """Query of one instant."""
    at_most: timedelta
    age_on_as_of: bool
    """Whether its rows tell of the days up to a run's date, so that its age is the one on that date."""


@dataclass(frozen=True)
class SourceAge:
    """A source and its age; None where nothing was ever written."""

    source: WatchedSource
    last_written: datetime | None
    age: timedelta | None

    @property
    def stale(self) -> bool:
        """What was never written has not begun: it is not late."""
        return self.age is not None and self.age > self.source.at_most


def watched_sources(manifest: Mapping[str, Any]) -> list[WatchedSource]:
    """The sources of dbt's manifest that have a freshness, by name."""
    return sorted(_watched(manifest["sources"].values()), key=lambda source: source.name)


def _watched(sources: Sequence[Mapping[str, Any]]) -> Iterator[WatchedSource]:
    for source in sources:
        limit = (source["freshness"] or {}).get("warn_after") or {}
        if limit.get("count"):
            name = f"{source['schema']}.{source['identifier']}"
            yield WatchedSource(
                name,
                source["loaded_at_query"] or f"select max({source['loaded_at_field']}) from {name}",
                timedelta(**{f"{limit['period']}s": limit["count"]}),
                source["meta"].get("age_on") == "as_of",
            )


def source_ages(
    connection: Connection, sources: Sequence[WatchedSource], now: datetime, as_of: datetime
) -> list[SourceAge]:
    """The ages of sources at `now`, and on `as_of` of those whose rows tell of days."""
    # Most ask the same of the list of files.
    queries = {source.last_written for source in sources}
    written: dict[str, datetime | None] = {query: connection.scalar(text(query)) for query in queries}
    return [
        SourceAge(source, last, (as_of if source.age_on_as_of else now) - last if last else None)
        for source in sources
        for last in [written[source.last_written]]
    ]


def said_of_stale(ages: Sequence[SourceAge]) -> list[str]:
    """A sentence for each query that found stale sources; of several, it names the one that it asks."""
    asked: dict[str, list[SourceAge]] = {}
    for age in ages:
        if age.stale:
            asked.setdefault(age.source.last_written, []).append(age)
    return [_said(sorted(each, key=lambda age: age.source.name not in query)) for query, each in asked.items()]


def _said(ages: Sequence[SourceAge]) -> str:
    """ages: of one query, not empty, all with an age."""
    source, age = ages[0].source, ages[0].age or timedelta()
    more = f" (and so {counted(len(ages) - 1, 'more source')})" if ages[1:] else ""
    return (
        f"{source.name}{more} was last written {age / HOUR:,.0f} hours ago, at {ages[0].last_written:%F %H:%M} UTC;"
        f" {source.at_most / HOUR:,.0f} are usual"
    )

"""Limits and ages of sources, from dbt's manifest."""

import json
from datetime import UTC, datetime, timedelta

from assets.dbt_project import manifest_path
from assets.source_freshness import SourceAge, WatchedSource, said_of_stale, watched_sources

NOW = datetime(2026, 3, 2, tzinfo=UTC)
FILES = "select max(finished_at) from raw.ingest_files"


def aged(name: str, hours: float | None, query: str = FILES) -> SourceAge:
    source = WatchedSource(name, query, timedelta(hours=36), age_on_as_of=False)
    age = None if hours is None else timedelta(hours=hours)
    return SourceAge(source, age and NOW - age, age)


def test_the_sources_are_those_of_the_project_with_the_limits_of_their_yaml() -> None:
    sources = {each.name: each for each in watched_sources(json.loads(manifest_path().read_text()))}
    assert sources["raw.ingest_files"] == WatchedSource("raw.ingest_files", FILES, timedelta(hours=36), False)
    assert sources["raw.listens"] == WatchedSource(
        "raw.listens", "select max(listened_at) from raw.listens", timedelta(days=3), True
    )
    assert sources["raw.users"].last_written == FILES
    assert "raw.blocks" not in sources


def test_an_age_is_stale_above_its_limit_and_never_where_nothing_was_written() -> None:
    assert [aged("raw.users", hours).stale for hours in (None, 36, 36.1)] == [False, False, True]


def test_what_is_known_by_one_query_is_one_sentence_that_names_what_is_asked() -> None:
    ages = [aged("raw.artists", 48), aged("raw.ingest_files", 48), aged("ml.models", 1, "of models")]
    ages += [aged("ml.releases", 72, "of releases"), aged("raw.users", 48)]
    assert said_of_stale(ages) == [
        "raw.ingest_files (and so 2 more sources) was last written 48 hours ago, at 2026-02-28 00:00 UTC; 36 are usual",
        "ml.releases was last written 72 hours ago, at 2026-02-27 00:00 UTC; 36 are usual",
    ]

"""How a fault is planted in a healthy world before a night: in the warehouse, in files, or in what the night makes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
from pipeline_process import Pipeline
from sample_pipeline import FOLLOWING

from assets.candidates.anchors import Anchors
from assets.recommendations.store import as_rows

Frame = pd.DataFrame
Change = Callable[[Frame], Frame]
Planted = Callable[[Pipeline], AbstractContextManager[Any]]
Row = list[str]
NIGHT = ("run", "--as-of", FOLLOWING)


@dataclass(frozen=True)
class Fault:
    """What is planted, the check or the step that has to stop the night, and what it has to say.

    sql: run in the warehouse before the night. lands: what is put in the landing folder before it, or elsewhere.
    during: what is otherwise while the night runs. after_a_week: the gate learns from the nights before, so there has
    to be a week of them. night: the command.
    """

    name: str
    gate: str
    says: str
    sql: str = ""
    lands: Callable[[Pipeline], object] = lambda pipeline: None
    during: Planted = lambda pipeline: nullcontext()
    after_a_week: bool = False
    night: tuple[str, ...] = NIGHT

    @contextmanager
    def planted(self, pipeline: Pipeline, before: date) -> Iterator[None]:
        """The world with the fault, while the block runs."""
        if self.after_a_week:
            pipeline.query(a_week_like(before))
        self.plant(pipeline)
        with self.during(pipeline):
            yield

    def plant(self, pipeline: Pipeline) -> None:
        """What is there before the night begins."""
        if self.sql:
            pipeline.query(f"{self.sql}; select 1")
        self.lands(pipeline)


def a_week_like(day: date) -> str:
    """SQL: on each of the nine days before one, the checks have observed what they observed as of it."""
    days = f"generate_series(date '{day - timedelta(days=9)}', date '{day - timedelta(days=1)}', interval '1 day')"
    return (
        "with earlier as (insert into quality.validations"
        " (asset, check_name, as_of, run_id, validated_at, passed, blocks)"
        " select asset, check_name, date::date, run_id || date, validated_at, passed, blocks from quality.validations"
        f" cross join {days} as date where as_of = date '{day}' returning validation_id, asset, check_name, as_of)"
        " insert into quality.observations select earlier.validation_id, metric, segment, value, low, high,"
        " learned_from, learned_to, expectation, severity, observations.passed from earlier"
        " inner join quality.validations as made on made.asset = earlier.asset"
        f" and made.check_name = earlier.check_name and made.as_of = date '{day}'"
        " inner join quality.observations as observations on observations.validation_id = made.validation_id"
        " returning 1"
    )


def in_new_rows(table: str, change: str) -> str:
    """SQL: whatever is written to a table of features from now on comes out otherwise."""
    return (
        f"create function {table}_fault() returns trigger language plpgsql as"
        f" $$ begin {change}; return new; end $$;"
        f" create trigger fault before insert on {table} for each row execute function {table}_fault()"
    )


def in_candidates(change: Change) -> Planted:
    """The candidates of every batch of users come out otherwise."""
    add_to = Anchors.add_to
    return lambda pipeline: patch.object(Anchors, "add_to", lambda self, pool: change(add_to(self, pool)))


def in_lists(change: Change) -> Planted:
    """The lists of every slate come out otherwise."""

    def rows(lists: Frame, as_of: date, slate: str, version: str) -> Any:
        return as_rows(change(lists), as_of, slate, version)  # type: ignore[arg-type]

    return lambda pipeline: patch("assets.recommendations.assets.as_rows", rows)


def cut_after(function: str, files: str) -> Planted:
    """Of the files of the lake, the second half is gone once a function of the night has ended."""
    module, _, name = function.rpartition(".")
    ends = getattr(import_module(module), name)

    def planted(pipeline: Pipeline) -> AbstractContextManager[Any]:
        def then_cut(*given: Any, **named: Any) -> Any:
            made = ends(*given, **named)
            found = list((pipeline.home / "lake").glob(files))
            assert found, f"nothing in the lake is named {files}"
            for path in found:
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            return made

        return patch(function, then_cut)

    return planted


def in_landed_day(change: Callable[[Row], Row]) -> Callable[[Pipeline], object]:
    """The newest day of the world lands once more, a second later, and each row is otherwise."""

    def lands(pipeline: Pipeline) -> Path:
        since = "(select max(listened_at) from raw.listens) - interval '1 day'"
        return land(pipeline, [change(row) for row in landed_rows(pipeline, since, "1 second")])

    return lands


def landed_rows(pipeline: Pipeline, since: str, later: str) -> list[Row]:
    """Listens of the day after an instant, so much later, as rows of a Last.fm file with the ids they came with."""
    mbid = "case when {0}.natural_key like 'mbid:%' then substr({0}.natural_key, 6) else '' end"
    return [
        [user, f"{moment:%Y-%m-%dT%H:%M:%SZ}", artist_mbid, artist, recording_mbid, title]
        for user, moment, artist_mbid, artist, recording_mbid, title in pipeline.query(
            f"select user_id, listened_at + interval '{later}', {mbid.format('artists')}, name,"
            f" {mbid.format('tracks')}, title from raw.listens"
            " inner join raw.users using (user_key) inner join raw.tracks as tracks using (track_key)"
            " inner join raw.artists as artists using (artist_key)"
            " where title is not null and name is not null"
            f" and listened_at >= {since} and listened_at < {since} + interval '1 day'"
        )
    ]


def land(pipeline: Pipeline, rows: list[Row]) -> Path:
    """Put a file of the Last.fm layout in the landing folder."""
    path = pipeline.home / "landing" / "lastfm-1k" / "night.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in rows), "utf-8")
    return path

"""Raw tables: whatever has landed and is not loaded yet."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from sqlalchemy import Connection, text

from assets import plots
from assets.ingest.landing import load_landed
from assets.ingest.landing_layout import LAYOUT
from assets.ingest.landing_ledger import Noted
from assets.ingest.records import LoadReport
from assets.ingest.rejected import expire_rejects
from assets.partitions import OWNERS, Materialized
from quality.checks.tables import table_of
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.resource import PostgresResource
from warehouse.roles import Role
from warehouse.row_counts import row_count
from warehouse.settings import load_settings
from warehouse.wording import about, counted

_DAYS_SHOWN = 90
_FAULTS_NAMED = 3

_TABLES = {
    "listens": "Listens, one row per (user, start of playback, track), each with the file it came from.",
    "rejected_listens": "Rows that could not be loaded: file, line, reason and the mapped fields.",
    "ingest_files": "Files loaded, with rows read = loaded + rejected + duplicates + left out.",
    "users": "Users, with the profile where a source gives one.",
    "tracks": "Tracks, with their dense key and public id.",
    "artists": "Artists, with their dense key and public id.",
}


class LandingOptions(dg.Config):
    """Which files of the landing folder a run comes to.

    only: their paths, as raw.landed_files has them; by default all. retry: also what is set aside.
    """

    only: list[str] | None = None
    retry: bool = False


@dg.multi_asset(
    name="raw_tables",
    specs=[
        dg.AssetSpec(
            ["raw", table],
            description=description,
            group_name="raw",
            kinds={"python", "postgres"},
            owners=OWNERS,
            metadata={"dagster/table_name": f"raw.{table}"},
        )
        for table, description in _TABLES.items()
    ],
)
def raw_tables(
    context: dg.AssetExecutionContext, config: LandingOptions, warehouse: PostgresResource
) -> Iterator[Materialized]:
    """Load every file in the landing folder that is not in the warehouse yet; what cannot be loaded is set aside."""
    settings = load_settings()
    landing = settings.landing
    loaded_by = f"run {context.run.run_id}"
    done = load_landed(warehouse.url, landing, loaded_by, only=config.only, retry=config.retry)
    with create_engine(warehouse.url, Role.LOADER).begin() as connection:
        # Where nothing has landed, no load has done so.
        expire_rejects(connection.connection.cursor(), settings.rejects_days)
        if not connection.scalar(text("select exists (select from raw.listens)")):
            raise AudoticsError(
                f"there are no listens to work with: put files into the landing folder {landing}"
                f" ({LAYOUT}) or load them with `audotics ingest`{_why_not(done.faults)}"
            )
        for table in _TABLES:
            rows = row_count(connection, "raw", table)
            metadata: dict[str, Any] = {**rows.metadata()} if rows else {}
            if table == "listens":
                metadata["per_day"] = dg.MetadataValue.md(_listens_per_day(connection))
            if table == "ingest_files":
                metadata["files"] = _files(done.reports)
                metadata["not_loaded"] = _not_loaded(done.faults)
            yield dg.MaterializeResult(asset_key=["raw", table], metadata=metadata)


def _why_not(faults: list[Noted]) -> str:
    """What lies there and is not loaded, after an error that says that nothing is."""
    more = f"; and {counted(len(faults) - _FAULTS_NAMED, 'more file')}" if len(faults) > _FAULTS_NAMED else ""
    return "".join(f"; not loaded: {about(each.path, str(each.fault))}" for each in faults[:_FAULTS_NAMED]) + more


def _not_loaded(faults: list[Noted]) -> dg.TableMetadataValue:
    return table_of([{"file": each.path, "reason": str(each.fault)} for each in faults], ("file", "reason"))


def _listens_per_day(connection: Connection) -> str:
    """A plot of the last days that have listens: counting all of history takes longer every night."""
    days = connection.execute(
        text(
            "select (listened_at at time zone 'UTC')::date as day, count(*) as listens from raw.listens"
            f" where listened_at >= (select max(listened_at) from raw.listens) - interval '{_DAYS_SHOWN} days'"
            " group by day order by day"
        )
    ).all()
    return plots.line("listens per day", [row.day for row in days], [row.listens for row in days], "listens")


def _files(reports: list[LoadReport]) -> dg.TableMetadataValue:
    counts = ("rows_read", "rows_loaded", "rows_rejected", "rows_duplicate", "rows_left_out")
    names = ("file", "format", *counts, "already_loaded")
    return table_of([{name: getattr(report, name) for name in names} for report in reports], names)

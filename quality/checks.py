"""The suites as blocking asset checks: a failing one stops everything downstream in the run."""

from collections.abc import Callable
from datetime import date, timedelta

import dagster as dg
from sqlalchemy import Connection, text

from quality import suites
from quality.arrivals import LEARNED_DAYS, Arrival, judge_day, read_days
from quality.suites import Suite
from quality.validate import ValidationOutcome, validate
from warehouse.engine import create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role
from warehouse.wording import about, counted


@dg.asset_check(
    asset=["raw", "listens"],
    name="raw_listens_suite",
    blocking=True,
    description="Great Expectations on the listens of the files loaded in the 7 days up to the last load that brought"
    " any: plausible, keyed, every row accounted for. Of older files, the counts on record.",
)
def raw_listens_check(warehouse: PostgresResource) -> dg.AssetCheckResult:
    """Validate the raw listens."""
    return _as_check_result(validate(warehouse.url, suites.raw_listens(), Role.TRANSFORMER))


@dg.asset_check(
    asset=["raw", "ingest_files"],
    name="landed_files_loaded",
    description="Everything in the landing folder is loaded, or goes with what is. It stops nothing: what could not be"
    " loaded is set aside, with its reason, until it is repaired or gone.",
)
def landed_files_check(warehouse: PostgresResource) -> dg.AssetCheckResult:
    """List what lies in the landing folder and is not loaded."""
    with create_engine(warehouse.url, Role.LOADER).connect() as connection:
        faulty = connection.execute(_FAULTY).all()
    if not faulty:
        return dg.AssetCheckResult(
            passed=True, description="everything that has landed is loaded", metadata={"not_loaded": 0}
        )
    kinds = {"file": "string", "reason": "string", "set_aside": "bool", "tries": "int", "since": "string"}
    columns = [dg.TableColumn(name, kind) for name, kind in kinds.items()]
    records = [dg.TableRecord({name: getattr(row, name) for name in kinds}) for row in faulty[:_FAULTY_SHOWN]]
    first = "; ".join(about(row.file, row.reason) for row in faulty[:_FAULTY_NAMED])
    more = f"; and {len(faulty) - _FAULTY_NAMED:,} more" if len(faulty) > _FAULTY_NAMED else ""
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{counted(len(faulty), 'file', ('has a fault', 'have a fault'))}: {first}{more}",
        metadata={"files": dg.MetadataValue.table(records, dg.TableSchema(columns)), "not_loaded": len(faulty)},
    )


_FAULTY_SHOWN, _FAULTY_NAMED = 500, 3
_FAULTY = text(
    "select path as file, fault as reason, is_set_aside as set_aside, tries,"
    " to_char(since, 'YYYY-MM-DD HH24:MI \"UTC\"') as since"
    " from raw.landed_files where fault is not null order by path"
)


@dg.asset_check(
    asset=["core", "fct_listens"],
    name="newest_day_is_whole",
    description=f"The day before the run's date has the listens, the listens of a listener and the hours that the"
    f" {LEARNED_DAYS} days before it lead to expect. It stops nothing: the day may be a holiday.",
)
def arrivals_check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
    """Compare the newest day with those before it."""
    run = context.op_execution_context
    if not run.has_partition_key:
        return dg.AssetCheckResult(passed=True, description="the run has no date, so no day is the newest")
    day = date.fromisoformat(run.partition_key) - timedelta(days=1)
    with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
        arrivals = judge_day(read_days(connection, day))
    odd = [_odd(each) for each in arrivals if each.odd]
    learned = f"from {day - timedelta(days=LEARNED_DAYS)} to {day - timedelta(days=1)}"
    usual = f"{day} is as the days {learned} lead to expect" if arrivals else f"too few listens {learned} to tell"
    return dg.AssetCheckResult(
        passed=not odd,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{day} is unlike the days {learned}: {'; '.join(odd)}" if odd else usual,
        metadata={
            f"{each.figure}{name}": value
            for each in arrivals
            for name, value in (("", each.value), ("/least", each.low), ("/most", each.high))
        },
    )


def _odd(arrival: Arrival) -> str:
    bound = f"at least {arrival.low:,.1f}" if arrival.value < arrival.low else f"at most {arrival.high:,.1f}"
    return f"{arrival.value:,.1f} {arrival.figure}, where {bound} is usual"


def build_feature_checks(partitions: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """One blocking check per feature model that rankers read, on the run's own `as_of`."""
    build_suites = (
        suites.feat_user,
        suites.feat_track,
        suites.feat_user_track,
        suites.feat_user_artist,
        suites.feat_artist,
    )
    return [_feature_check(build_suite.__name__, build_suite, partitions) for build_suite in build_suites]


def _feature_check(
    model: str, build_suite: Callable[[date], Suite], partitions: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=["features", model],
        name=f"{model}_suite",
        blocking=True,
        partitions_def=partitions,
        description=build_suite.__doc__,
    )
    def check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
        as_of = date.fromisoformat(context.op_execution_context.partition_key)
        return _as_check_result(validate(warehouse.url, build_suite(as_of), Role.SERVICE))

    return check


def build_blocks_check(partitions: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    """A blocking check that no list of the run's `as_of` holds what its user has blocked."""

    @dg.asset_check(
        asset="recommendations",
        name="no_blocked_items",
        blocking=True,
        partitions_def=partitions,
        description="No list holds a track, or a track that credits an artist, that its user has blocked.",
    )
    def check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
        as_of = date.fromisoformat(context.op_execution_context.partition_key)
        with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
            blocks, blocked, example = blocked_items(connection, as_of)
        broken = f"{counted(blocked, 'blocked item')} in lists, such as {example}: materialise recommendations again"
        return dg.AssetCheckResult(
            passed=blocked == 0,
            description=broken if blocked else counted(blocks, "block", ("holds", "hold")),
            metadata={"blocks": blocks, "blocked_items_in_lists": blocked},
        )

    return check


def blocked_items(connection: Connection, as_of: date) -> tuple[int, int, str]:
    """Blocks there are, items of the lists of a date that their users had blocked before these were made, and one.

    A block that comes later is of the next lists; the release leaves its items out.
    """
    found = connection.execute(_BLOCKED_ITEMS, {"as_of": as_of}).one()
    return found.blocks, found.blocked, found.example or ""


_BLOCKED_ITEMS = text(
    "with guests as materialized (select track_key, artist_key from core.dim_track_artists where position > 1)"
    " select (select count(*) from raw.blocks) as blocks, count(*) as blocked,"
    " min(format('track %s for user %s', track_id, user_id)) as example"
    " from ml.recommendations as lists inner join core.dim_tracks using (track_key)"
    " inner join core.dim_users using (user_key) inner join core.dim_blocks as blocks using (user_key)"
    " inner join ml.recommendation_batches using (as_of, slate)"
    " where as_of = :as_of and blocks.created_at <= blocks_read_at"
    " and case item_kind when 'track' then item_key = lists.track_key else item_key = dim_tracks.artist_key"
    " or exists (select from guests where guests.track_key = lists.track_key and guests.artist_key = item_key) end"
)


def _as_check_result(outcome: ValidationOutcome) -> dg.AssetCheckResult:
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn("expectation", "string"),
            dg.TableColumn("passed", "bool"),
            dg.TableColumn("observed", "string"),
        ]
    )
    records = [
        dg.TableRecord({"expectation": each.expectation, "passed": each.passed, "observed": each.detail})
        for each in outcome.outcomes
    ]
    failed = [each.expectation for each in outcome.outcomes if not each.passed]
    return dg.AssetCheckResult(
        passed=outcome.passed,
        description="failed: " + "; ".join(failed) if failed else f"{len(records)} expectations hold",
        metadata={
            "expectations": dg.MetadataValue.table(records, schema),
            "evaluated": len(records),
            "failed": len(failed),
        },
    )

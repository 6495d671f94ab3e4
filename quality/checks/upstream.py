"""Blocking across runs: a step does not build on what a blocking check refused in an earlier run.

Within a run Dagster holds back what comes after a blocking check. In a run of its own, a step downstream would start.
"""

from collections.abc import Callable, Collection
from datetime import date

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES

from quality.checks import newest_day
from quality.checks.accepted import ACCEPT_TAG, may_be_accepted, names_accepted

# By dagster-dbt, of each model.
_MATERIALIZATION = "dagster-dbt/materialization_type"

_graph: Callable[[], AssetGraph] | None = None


def know_checks(graph: Callable[[], AssetGraph]) -> None:
    """Tell which checks there are: a job knows those of what it makes only."""
    global _graph
    _graph = graph


def stop_on_failed_checks(
    context: dg.AssetExecutionContext, besides: Collection[str] = (), also: Collection[dg.AssetCheckKey] = ()
) -> None:
    """Raise where a blocking check of something that this step reads failed when it last ran, in whatever run.

    Checks of dbt models are among them. A check of a date counts for that date, as that of the newest day does. The
    run's tag `audotics/accept` names checks that are let through. besides: checks that the step itself asks about.
    also: checks of what lies further up.

    Raises:
        dagster.Failure: it names the check and says what it found.
    """
    graph = _graph() if _graph is not None else context.job_def.asset_layer.asset_graph
    made_here = context.selected_asset_keys
    accepted = names_accepted(context.run.tags) | set(besides)
    asked = {key for asset in _read(graph, made_here) for key in graph.get(asset).check_keys if graph.get(key).blocking}
    refused = [
        (key, run_id, found)
        for key in sorted(asked | set(also))
        if key.name not in accepted
        for run_id, found in _refusal(context, key, dated=graph.get(key).partitions_def is not None)
    ]
    if refused:
        key, run_id, found = refused[0]
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise dg.Failure(
            f"{_name(key)} failed in run {run_id}{more}, so nothing is built on it: {found}. Put it right and run what"
            f" it judges again{_or_accept(key)}",
            metadata={_name(each): dg.MetadataValue.dagster_run(of_run) for each, of_run, _ in refused},
            allow_retries=False,
        )


def _read(graph: AssetGraph, made_here: Collection[dg.AssetKey]) -> set[dg.AssetKey]:
    """What a step reads that is made elsewhere: behind a view, which holds nothing of its own, what that reads."""
    read: set[dg.AssetKey] = set()
    behind = set(made_here)
    while behind:
        parents = {parent for key in behind for parent in graph.get(key).parent_keys} - read - set(made_here)
        read |= parents
        behind = {key for key in parents if graph.get(key).metadata.get(_MATERIALIZATION) == "view"}
    return read


def _refusal(context: dg.AssetExecutionContext, key: dg.AssetCheckKey, *, dated: bool) -> list[tuple[str, str]]:
    """The run whose verdict stands against building on what a check judges, and what it found; none where none does.

    The last verdict counts, of the run's date where the check has dates. An asset that an earlier run made, and did not
    live to judge, has none.
    """
    run_date = context.partition_key if context.has_partition_key else None
    of_date = run_date if dated else None
    history = context.instance.event_log_storage.get_asset_check_execution_history
    for newest in history(key, limit=1, partition_filter=_of(of_date)):
        unjudged = newest.status not in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
        if (
            unjudged
            and newest.run_id != context.run.run_id
            and _made_in(context, key.asset_key, of_date, newest.run_id)
        ):
            return [(newest.run_id, "it was made there, and the check did not come to an end")]
    if key == newest_day.KEY:
        as_of = date.fromisoformat(run_date) if run_date else None
        verdict = newest_day.last_verdict(context.instance, context.resources.warehouse.url, as_of)
        return [(verdict.run_id, verdict.said)] if verdict and verdict.blocks else []
    last = history(key, limit=1, status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES, partition_filter=_of(of_date))
    return [
        (record.run_id, record.evaluation.description or "it says no more than that")
        for record in last
        if record.evaluation is not None
        and not record.evaluation.passed
        and record.evaluation.severity is dg.AssetCheckSeverity.ERROR
    ]


def _of(of_date: str | None) -> PartitionKeyFilter | None:
    return None if of_date is None else PartitionKeyFilter(key=of_date)


def _made_in(context: dg.AssetExecutionContext, asset: dg.AssetKey, of_date: str | None, run_id: str) -> bool:
    """Whether an asset, of the date where there is one, was last materialised in a run."""
    wanted = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=None if of_date is None else [of_date])
    return any(each.run_id == run_id for each in context.instance.fetch_materializations(wanted, limit=1).records)


def _or_accept(key: dg.AssetCheckKey) -> str:
    if not may_be_accepted(key.name):
        return ""
    return f"; or, where it is right as it is, run this with the tag {ACCEPT_TAG}={key.name}"


def _name(key: dg.AssetCheckKey) -> str:
    return f"{key.asset_key.to_user_string()}:{key.name}"

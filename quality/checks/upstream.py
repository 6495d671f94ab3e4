"""Blocking across runs: a step does not build on what a blocking check refused in an earlier run.

Within a run Dagster holds back what comes after a blocking check. In a run of its own, a step downstream would start.
"""

from collections.abc import Callable, Collection

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    AssetCheckExecutionRecord,
)

from quality.checks.accepted import ACCEPT_TAG, names_accepted

_graph: Callable[[], AssetGraph] | None = None


def know_checks(graph: Callable[[], AssetGraph]) -> None:
    """Tell which checks there are: a job knows those of what it makes only."""
    global _graph
    _graph = graph


def stop_on_failed_checks(context: dg.AssetExecutionContext, besides: Collection[str] = ()) -> None:
    """Raise where a blocking check of something that this step reads failed when it last ran, in whatever run.

    Checks of dbt models are among them. A check of a date counts for that date. The run's tag `audotics/accept` names
    checks that are let through. besides: checks that the step itself asks about.

    Raises:
        dagster.Failure: it names the check and says what it found.
    """
    graph = _graph() if _graph is not None else context.job_def.asset_layer.asset_graph
    made_here = context.selected_asset_keys
    read = {parent for key in made_here for parent in graph.get(key).parent_keys} - made_here
    accepted = names_accepted(context.run.tags) | set(besides)
    refused = [
        (key, record)
        for asset in sorted(read)
        for key in sorted(graph.get(asset).check_keys)
        if graph.get(key).blocking and key.name not in accepted
        for record in _last(context, key, dated=graph.get(key).partitions_def is not None)
        if _blocks(record)
    ]
    if refused:
        key, record = refused[0]
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise dg.Failure(
            f"{_name(key)} failed in run {record.run_id}{more}, so nothing is built on it: {_found(record)}. Put it"
            " right and run what it judges again; or, where it is right as it is, run this with the tag"
            f" {ACCEPT_TAG}={key.name}",
            metadata={_name(each): dg.MetadataValue.dagster_run(found.run_id) for each, found in refused},
            allow_retries=False,
        )


def _last(context: dg.AssetExecutionContext, key: dg.AssetCheckKey, *, dated: bool) -> list[AssetCheckExecutionRecord]:
    """The last time that a check said anything, of the run's date where it has dates; none where it never did."""
    return last_verdict(context.instance, key, context.partition_key if dated and context.has_partition_key else None)


def last_verdict(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, of_date: str | None = None
) -> list[AssetCheckExecutionRecord]:
    """What a check said last, of a date or of any; none where it never said anything."""
    return list(
        instance.event_log_storage.get_asset_check_execution_history(
            key,
            limit=1,
            status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
            partition_filter=PartitionKeyFilter(key=of_date) if of_date is not None else None,
        )
    )


def _blocks(record: AssetCheckExecutionRecord) -> bool:
    evaluation = record.evaluation
    return evaluation is not None and not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR


def _name(key: dg.AssetCheckKey) -> str:
    return f"{key.asset_key.to_user_string()}:{key.name}"


def _found(record: AssetCheckExecutionRecord) -> str:
    evaluation = record.evaluation
    return (evaluation.description if evaluation else None) or "it says no more than that"

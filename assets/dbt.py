"""The dbt project as assets: from staging to analytics by changed days, and what became of the recommendations."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any, Literal

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliInvocation,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)
from packaging.version import Version
from sqlalchemy import Connection

from assets import duplicates
from assets.dbt_project import (
    BUILD,
    DBT,
    MANIFEST,
    PROJECT,
    TARGET,
    ProjectCode,
    dates_environment,
    dbt_environment,
    manifest_path,
    project_code,
)
from assets.partitions import NIGHTLY
from assets.source_freshness import HOUR, SourceAge, WatchedSource, said_of_stale, source_ages, watched_sources
from quality.checks.tables import Row, table_of
from quality.checks.upstream import stop_on_failed_checks
from warehouse.engine import MODELS_LOCK, create_engine, exclusive
from warehouse.locks import HeldLock
from warehouse.resource import PostgresResource
from warehouse.roles import Role
from warehouse.row_counts import row_count
from warehouse.settings import load_settings

DBT_PROJECT = DbtProject(project_dir=PROJECT, target_path=MANIFEST.parent)


@cache
def _code_when_loaded() -> ProjectCode:
    """The code of the models that these assets were made of: Dagster asks for each of them. What builds or compares
    asks `project_code`, which knows of files that have changed since.
    """
    return project_code()


class WarehouseDbtTranslator(DagsterDbtTranslator):
    """Gives each model the version of its code, and marts how often they are made; groups and owners are the project's
    own (models/groups.yml).
    """

    def get_code_version(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return _code_when_loaded().digests.get(dbt_resource_props["unique_id"])

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        path = self.get_resource_props(manifest, unique_id)["fqn"]
        return spec.replace_attributes(freshness_policy=NIGHTLY) if "marts" in path else spec


# One asset of ours may write several tables that dbt reads.
TRANSLATOR = WarehouseDbtTranslator(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))


class InstalledDbt(DbtCliResource):
    """dbt as installed beside this Python, run as a command and in no other way.

    The command takes a second to tell its version, and asks the internet. An adapter in this process takes longer, and
    only fetches what is not asked for.
    """

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]
        """No adapter."""

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))


@cache
def _dbt_cli() -> InstalledDbt:
    """The warehouse's address is not in it: a call reads that from the environment.

    Its target is: whoever has exported DBT_TARGET for work by hand still builds what is served here.
    """
    return InstalledDbt(project_dir=str(PROJECT), profiles_dir=str(PROJECT), target=TARGET, dbt_executable=str(DBT))


def build(
    context: dg.AssetExecutionContext,
    warehouse: PostgresResource,
    lock: HeldLock,
    as_of_dates: Sequence[date] = (),
    tests: Literal["eager", "buildable"] = "eager",
) -> Iterator[Any]:
    """Build and test what the context selects, features as of the dates. Hold MODELS_LOCK."""
    variables = {
        **dbt_environment(warehouse.url),
        **dates_environment(as_of_dates),
        "DBT_INDIRECT_SELECTION": tests,
    }
    with create_engine(warehouse.url, Role.TRANSFORMER).connect() as connection:
        with _exported(variables):
            # Where dbt finds what it parsed the last time.
            target = load_settings().home / "dbt"
            invocation = _dbt_cli().cli(list(BUILD), context=context, target_path=target)
        for event in _under(lock, invocation):
            if isinstance(event, dg.Output):
                schema, model = context.asset_key_for_output(event.output_name).path
                counted = row_count(connection, schema, model)
                more = _duplicates_by_source(connection) if f"{schema}.{model}" == duplicates.MODEL else {}
                yield event.with_metadata({**event.metadata, **(counted.metadata() if counted else {}), **more})
            else:
                yield event


def _duplicates_by_source(connection: Connection) -> dict[str, Any]:
    """As metadata of the model that keeps them."""
    found = duplicates.duplicate_rates(connection)
    rows: list[Row] = [
        {
            "day": f"{each.day}",
            "source": each.source,
            "listens": each.listens,
            "duplicates": each.duplicates,
            "rate": round(each.rate, 4),
        }
        for each in found
    ]
    listens = sum(each.listens for each in found)
    return {
        f"duplicates_by_source_of_{duplicates.DAYS_SHOWN}_days": table_of(rows),
        "duplicate_rate": sum(each.duplicates for each in found) / listens if listens else 0.0,
    }


def _under(lock: HeldLock, invocation: DbtCliInvocation) -> Iterator[Any]:
    """The events of a dbt command, which is stopped when the lock that it works under is lost.

    Raises:
        AudoticsError: it was lost.
    """
    try:
        for event in invocation.stream():
            lock.require()
            yield event
        lock.require()
    finally:
        if invocation.process.poll() is None:
            invocation.process.send_signal(signal.SIGINT)
            try:
                invocation.process.wait(invocation.termination_timeout_seconds)
            except subprocess.TimeoutExpired:
                invocation.process.kill()


@contextmanager
def _exported(variables: Mapping[str, str]) -> Iterator[None]:
    """Export variables for the processes started within."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


@dbt_assets(
    manifest=manifest_path(),
    name="core_models",
    selector="core_models",
    project=DBT_PROJECT,
    dagster_dbt_translator=TRANSLATOR,
)
def core_models(context: dg.AssetExecutionContext, warehouse: PostgresResource) -> Iterator[Any]:
    """Staging, intermediate, core and analytics models with their tests, rebuilt on the days that changed."""
    stop_on_failed_checks(context)
    # Not eager: that would run the tests that compare features with dimensions before there are features.
    with exclusive(warehouse.url, MODELS_LOCK, Role.TRANSFORMER) as lock:
        yield from build(context, warehouse, lock, tests="buildable")


@dbt_assets(
    manifest=manifest_path(),
    name="ml_models",
    selector="ml_models",
    project=DBT_PROJECT,
    dagster_dbt_translator=TRANSLATOR,
)
def ml_models(context: dg.AssetExecutionContext, warehouse: PostgresResource) -> Iterator[Any]:
    """What became of the recommendations, judged once the days after them are over; and similar items by name."""
    stop_on_failed_checks(context)
    with exclusive(warehouse.url, MODELS_LOCK, Role.TRANSFORMER) as lock:
        yield from build(context, warehouse, lock)


@cache
def _sources() -> tuple[WatchedSource, ...]:
    return tuple(watched_sources(json.loads(manifest_path().read_text())))


@dg.asset_check(
    asset=["raw", "ingest_files"],
    name="sources_are_fresh",
    description="What the models read was written lately, as the freshness of each source in the dbt project says. It"
    " stops nothing: a data set that has ended, or a platform that rested, is not an error.",
)
def sources_check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
    """Compare the age of each source with what its YAML allows."""
    run = context.op_execution_context
    now = datetime.now(UTC)
    as_of = datetime.fromisoformat(run.partition_key).replace(tzinfo=UTC) if run.has_partition_key else now
    with create_engine(warehouse.url, Role.TRANSFORMER).connect() as connection:
        ages = source_ages(connection, _sources(), now, as_of)
    stale = said_of_stale(ages)
    return dg.AssetCheckResult(
        passed=not stale,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(stale) or f"{len(ages)} sources are as fresh as they should be",
        metadata={
            "sources": table_of([_row(each) for each in ages]),
            "stale": sum(each.stale for each in ages),
        },
    )


def _row(age: SourceAge) -> Row:
    return {
        "source": age.source.name,
        "last_written": "never" if age.last_written is None else f"{age.last_written:%F %H:%M} UTC",
        "hours": None if age.age is None else round(age.age / HOUR, 1),
        "at_most_hours": age.source.at_most / HOUR,
        "stale": age.stale,
    }

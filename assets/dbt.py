"""The dbt project as assets: from staging to analytics by changed days, features one `as_of` at a time."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
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
from filelock import FileLock
from psycopg2.extensions import parse_dsn
from sqlalchemy import Engine

from assets.features.dates import FOLDS, MARTS, begin_features, finish_features, fold_dates
from assets.listens import require_listens_before
from assets.partitions import AS_OF_PARTITIONS, ONE_DATE_PER_RUN, OWNERS
from warehouse.connections import plain_url
from warehouse.engine import MODELS_LOCK, create_engine, exclusive
from warehouse.errors import AudoticsError
from warehouse.locks import HeldLock
from warehouse.resource import WarehouseResource
from warehouse.roles import Role
from warehouse.row_counts import row_count

FEATURE_KEYS = [dg.AssetKey(["features", mart]) for mart in MARTS]

# Variable: the name in a connection string and the value when it is left out.
_LIBPQ = {
    "PGHOST": ("host", "127.0.0.1"),
    "PGPORT": ("port", "5432"),
    "PGUSER": ("user", ""),
    "PGPASSWORD": ("password", ""),
    "PGDATABASE": ("dbname", ""),
    "PGSSLMODE": ("sslmode", "prefer"),
    "PGSSLROOTCERT": ("sslrootcert", ""),
}

_DBT = Path(sys.executable).with_name("dbt")
# A folder of its own: every dbt command by hand writes a manifest into target/.
DBT_PROJECT = DbtProject(project_dir=Path(__file__).parents[1] / "dbt_project", target_path="target/assets")


class WarehouseDbtTranslator(DagsterDbtTranslator):
    """Names groups after the project's layers where a model names none, and gives each model its owner."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        if dbt_resource_props["resource_type"] == "snapshot":
            return "snapshots"
        if named := super().get_group_name(dbt_resource_props):
            return named
        layers = [part for part in dbt_resource_props["fqn"][1:-1] if part != "marts"]
        return layers[0] if layers else None

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        return OWNERS


# One asset of ours may write several tables that dbt reads.
TRANSLATOR = WarehouseDbtTranslator(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))


def manifest_path(project: DbtProject) -> Path:
    """The project's manifest, parsed anew when a file of the project is not the one it was parsed from.

    A process that reads it meanwhile finds the one before, whole.
    """
    manifest = project.manifest_path
    folder = project.project_dir
    manifest.parent.mkdir(parents=True, exist_ok=True)
    parsed_from = manifest.with_suffix(".digest")
    with FileLock(manifest.parent / "manifest.lock"):
        digest = _digest(folder, [folder / name for name in ("models", "macros", "snapshots", "tests")])
        if not (manifest.exists() and parsed_from.exists() and parsed_from.read_text() == digest):
            _parse(folder, manifest)
            parsed_from.write_text(digest)
    return manifest


def features_version() -> str:
    """Digest of the project: whatever changes in it may change the values of the feature models."""
    folder = DBT_PROJECT.project_dir
    return _digest(folder, [folder / name for name in ("models", "macros")])


def _digest(folder: Path, parts: Sequence[Path]) -> str:
    files = [folder / "dbt_project.yml", folder / "profiles.yml"]
    files += sorted(path for part in parts for path in part.rglob("*") if path.suffix in (".sql", ".yml"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _parse(project: Path, artefact: Path, environment: Mapping[str, str] = MappingProxyType({})) -> None:
    """Parse the project and put the artefact of that name in its place, whole."""
    artefact.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=artefact.parent) as target:
        command = dbt_command("parse", "--quiet", "--target-path", target, project=project)
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AudoticsError(f"dbt cannot parse {project}:\n{done.stdout}{done.stderr}")
        Path(target, artefact.name).replace(artefact)


def libpq_environment(warehouse_url: str) -> dict[str, str]:
    """The warehouse's address as the variables that libpq programs and `profiles.yml` read."""
    given = parse_dsn(plain_url(warehouse_url))
    return {variable: given.get(name, default) for variable, (name, default) in _LIBPQ.items()}


def dbt_environment(warehouse_url: str) -> dict[str, str]:
    """The variables by which dbt and mf find the warehouse and this project from any folder."""
    folder = str(DBT_PROJECT.project_dir)
    return {**libpq_environment(warehouse_url), "DBT_PROJECT_DIR": folder, "DBT_PROFILES_DIR": folder}


def prepare_metrics(warehouse_url: str, project: Path = DBT_PROJECT.project_dir) -> None:
    """Parse the project for `mf`, which reads the names of this warehouse's relations from the project's `target/`."""
    _parse(project, project / "target" / "semantic_manifest.json", libpq_environment(warehouse_url))


def dbt_command(*arguments: str, project: Path = DBT_PROJECT.project_dir) -> list[str]:
    """Command line of dbt on the project, for a process whose environment has the variables of the warehouse."""
    return [str(_DBT), *arguments, "--project-dir", str(project), "--profiles-dir", str(project)]


def dbt_arguments(as_of_dates: Sequence[date] = ()) -> list[str]:
    """Arguments of one `dbt build`: models and the tests of their rows, for the given instants.

    Unit tests look at the SQL and not at the rows: `dbt test --select test_type:unit` runs them where the SQL changes.
    """
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    if as_of_dates:
        arguments += ["--vars", json.dumps({"as_of_dates": [each.isoformat() for each in as_of_dates]})]
    return arguments


@cache
def _dbt_cli() -> DbtCliResource:
    """One for the process, because each asks dbt for its version.

    The warehouse's address is not in it: a call reads that from the environment.
    """
    return DbtCliResource(project_dir=DBT_PROJECT, profiles_dir=str(DBT_PROJECT.project_dir), dbt_executable=str(_DBT))


def _build(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    lock: HeldLock,
    as_of_dates: Sequence[date] = (),
    tests: Literal["eager", "buildable"] = "eager",
) -> Iterator[Any]:
    with create_engine(warehouse.url, Role.TRANSFORMER).connect() as connection:
        with _exported({**libpq_environment(warehouse.url), "DBT_INDIRECT_SELECTION": tests}):
            # Under MODELS_LOCK. dbt finds there what it parsed the last time; other variables would make it parse anew.
            target = warehouse.settings.home / "dbt" / ("dates" if as_of_dates else "models")
            invocation = _dbt_cli().cli(dbt_arguments(as_of_dates), context=context, target_path=target)
        for event in _under(lock, invocation):
            if isinstance(event, dg.Output):
                schema, model = context.asset_key_for_output(event.output_name).path
                counted = row_count(connection, schema, model)
                yield event.with_metadata({**event.metadata, **(counted.metadata() if counted else {})})
            else:
                yield event


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


# Of what is written after the core models are built.
_STAGING_OF_ML = "stg_recommendations stg_recommendation_batches stg_releases stg_similar_tracks stg_similar_artists"


@dbt_assets(
    manifest=manifest_path(DBT_PROJECT),
    name="core_models",
    select="staging intermediate marts.core marts.analytics resource_type:snapshot",
    exclude=_STAGING_OF_ML,
    project=DBT_PROJECT,
    dagster_dbt_translator=TRANSLATOR,
)
def core_models(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[Any]:
    """Staging, intermediate, core and analytics models with their tests, rebuilt from the first changed day on."""
    # Not eager: that would run the tests that compare features with dimensions before there are features.
    with exclusive(warehouse.url, MODELS_LOCK, Role.TRANSFORMER) as lock:
        yield from _build(context, warehouse, lock, tests="buildable")


@dbt_assets(
    manifest=manifest_path(DBT_PROJECT),
    name="ml_models",
    select=f"{_STAGING_OF_ML} marts.ml",
    project=DBT_PROJECT,
    dagster_dbt_translator=TRANSLATOR,
)
def ml_models(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[Any]:
    """What became of the recommendations, judged once the days after them are over; and similar items by name."""
    with exclusive(warehouse.url, MODELS_LOCK, Role.TRANSFORMER) as lock:
        yield from _build(context, warehouse, lock)


@dbt_assets(
    manifest=manifest_path(DBT_PROJECT),
    name="feature_models",
    select="marts.features",
    project=DBT_PROJECT,
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    dagster_dbt_translator=TRANSLATOR,
)
def feature_models(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[Any]:
    """Features as of the partition's date; in a run that also updates the training set, as of its folds as well.

    Only what is missing or stale is built. In steady state the folds were built when they were the night's own date,
    so a night builds one date, be there a training in it or not. Features expire some days after a run last needed
    them, those that the next weekly trainings need excepted.
    """
    as_of = date.fromisoformat(context.partition_key)
    needed = [as_of, *(fold_dates(as_of) if updates_training_set(context.job_def) else ())]
    engine = create_engine(warehouse.url, Role.TRANSFORMER)
    # From the question of what is stale to the deletion: another run may build and delete in between.
    with exclusive(warehouse.url, MODELS_LOCK, Role.TRANSFORMER) as lock:
        with engine.begin() as connection:
            require_listens_before(connection, as_of)
            build = begin_features(connection, needed, features_version())
        if build.stale:
            yield from _build(context, warehouse, lock, build.stale)
        else:
            yield from _found(context, engine)
        if _builds_and_tests_all(context):
            with engine.begin() as connection:
                expired = finish_features(connection, build, FOLDS)
                lock.require()
            context.log.info("features built as of %s; deleted those as of %s", build.stale, expired)


def updates_training_set(job: dg.JobDefinition) -> bool:
    """Whether `training_set` is among the assets that a run of this job, or of this subset of one, materialises."""
    return dg.AssetKey("training_set") in job.asset_layer.selected_asset_keys


def _builds_and_tests_all(context: dg.AssetExecutionContext) -> bool:
    """Whether every feature model and all their tests are selected.

    A run may leave out either. What it builds is then not noted as built: nobody would know that tests passed.
    """
    tests = {check.key for check in feature_models.check_specs}
    return context.selected_asset_keys.issuperset(FEATURE_KEYS) and context.selected_asset_check_keys.issuperset(tests)


# A date is noted as built after all tests have passed, and is stale as soon as its listens or the models change. When
# that was is not on record: built_at is when a run last needed the date.
_STANDING = (
    "not run now: passed when the features of this date were built; neither their listens nor the models have changed"
    " since"
)


def _found(context: dg.AssetExecutionContext, engine: Engine) -> Iterator[dg.MaterializeResult]:
    """Report the selected feature models as they stand, and of their tests that they passed when they were built."""
    with engine.connect() as connection:
        # Dagster refuses an asset before its dependencies.
        for key in (key for key in FEATURE_KEYS if key in context.selected_asset_keys):
            counted = row_count(connection, *key.path)
            metadata = counted.metadata() if counted else {}
            # Without results, Dagster warns at every later step that nothing gates it.
            checks = [
                dg.AssetCheckResult(
                    asset_key=key,
                    check_name=check.name,
                    passed=True,
                    description=_STANDING,
                    metadata={"tested_now": False},
                )
                for check in sorted(context.selected_asset_check_keys, key=lambda check: check.name)
                if check.asset_key == key
            ]
            yield dg.MaterializeResult(asset_key=key, metadata={**metadata, "built_now": False}, check_results=checks)

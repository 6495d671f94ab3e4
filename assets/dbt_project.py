"""The dbt project without Dagster: its manifest, its commands and their environment, the code of its models."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import yaml  # type: ignore[import-untyped]
from filelock import FileLock
from psycopg2.extensions import parse_dsn

from assets.staleness import is_by_day, model_digests, read_by_day
from warehouse.connections import plain_url
from warehouse.errors import AudoticsError

PROJECT = Path(__file__).parents[1] / "dbt_project"
# The target that the platform itself builds; others are developers' and CI's.
TARGET = "warehouse"
# A folder of its own: every dbt command by hand writes a manifest into target/.
MANIFEST = Path("target", "assets", "manifest.json")
DBT = Path(sys.executable).with_name("dbt")

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


@dataclass(frozen=True)
class ProjectCode:
    """The code of the project's models, as digests (assets/staleness.py)."""

    project: str
    """Of everything that dbt sees of it, to tell whether it is this project that dbt runs (`project_digest`)."""
    variables: Mapping[str, Any]
    """Those of dbt_project.yml: they belong to the code. What differs from run to run is in the environment."""
    digests: Mapping[str, str]
    """By unique id."""
    by_day: frozenset[str]
    """Unique ids of the models that are rebuilt by day."""
    read: Mapping[str, frozenset[str]]
    """By unique id of a model, the relations of such models that it reads, as schema.name."""

    def environment(self) -> dict[str, str]:
        """The variable by which dbt knows it (`known_code` in dbt_project/macros/known_code.sql)."""
        known = {
            "project": self.project,
            "variables": dict(self.variables),
            "models": {each: self.digests[each] for each in sorted(self.by_day)},
        }
        return {"AUDOTICS_DBT_CODE": json.dumps(known)}


def project_code(project: Path = PROJECT) -> ProjectCode:
    """The code of the models as their files stand now.

    Raises:
        AudoticsError: dbt cannot parse them.
    """
    manifest = manifest_path(project)
    variables = yaml.safe_load((project / "dbt_project.yml").read_text()).get("vars", {})
    return _code(manifest.read_text(), json.dumps(variables))


@cache
def _code(manifest_text: str, variables_text: str) -> ProjectCode:
    manifest, variables = json.loads(manifest_text), json.loads(variables_text)
    digests = model_digests(manifest, variables)
    return ProjectCode(
        _project_digest(manifest),
        variables,
        digests,
        frozenset(each for each in digests if is_by_day(manifest, each)),
        {each: frozenset(read_by_day(manifest, [each])) for each in digests},
    )


def _project_digest(manifest: Mapping[str, Any]) -> str:
    """The same text, from the manifest, as `project_digest` in dbt_project/macros/known_code.sql."""
    parts = []
    for unique_id, node in sorted(manifest["nodes"].items()):
        if node["resource_type"] in ("model", "snapshot", "seed"):
            config = node["config"]
            settings = [config["materialized"], config["incremental_strategy"], config["unique_key"]]
            parts.append(" ".join(map(str, (unique_id, node["checksum"]["checksum"], *settings))))
    own = manifest["metadata"]["project_name"]
    macros = {
        macro["name"]: macro["macro_sql"] for macro in manifest["macros"].values() if macro["package_name"] == own
    }
    parts += [macros[name] for name in sorted(macros)]
    return hashlib.md5("\n".join(parts).encode(), usedforsecurity=False).hexdigest()


def manifest_path(project: Path = PROJECT) -> Path:
    """The project's manifest, parsed again when a file of the project is not the one it was parsed from.

    A process that reads it meanwhile finds the one before, whole.

    Raises:
        AudoticsError: dbt cannot parse the project.
    """
    with _parsed(project, MANIFEST.name) as manifest:
        return manifest


# What writes the artefacts: another release writes others.
_PARSERS = ("dbt-core", "dbt-postgres", "dbt-semantic-interfaces")


@contextmanager
def _parsed(project: Path, name: str, environment: Mapping[str, str] = MappingProxyType({})) -> Iterator[Path]:
    """What dbt writes under that name when it parses the project with these variables; kept until one of them, a file
    of the project or a release of dbt is another. No other process replaces it meanwhile.
    """
    artefact = project / MANIFEST.parent / name
    artefact.parent.mkdir(parents=True, exist_ok=True)
    parsed_from = artefact.with_suffix(".digest")
    with FileLock(artefact.with_suffix(".lock")):
        releases = {each: version(each) for each in _PARSERS}
        inputs = "\n".join([_files_digest(project), *map("=".join, sorted((releases | dict(environment)).items()))])
        if not (artefact.exists() and parsed_from.exists() and parsed_from.read_text() == inputs):
            _parse(project, artefact, environment)
            parsed_from.write_text(inputs)
        yield artefact


def _files_digest(project: Path) -> str:
    files = sorted(path for path in project.glob("*.yml"))
    for folder in ("models", "macros", "snapshots", "tests"):
        files += sorted(path for path in (project / folder).rglob("*") if path.suffix in (".sql", ".yml", ".md"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(project)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _parse(project: Path, artefact: Path, environment: Mapping[str, str]) -> None:
    """Parse the project for the platform's target and put the artefact of that name in its place, whole."""
    with TemporaryDirectory(dir=artefact.parent) as target:
        command = dbt_command("parse", "--quiet", "--target", TARGET, "--target-path", target, project=project)
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AudoticsError(f"dbt cannot parse {project}:\n{done.stdout}{done.stderr}")
        Path(target, artefact.name).replace(artefact)


def libpq_environment(warehouse_url: str) -> dict[str, str]:
    """The warehouse's address as the variables that libpq programs and `profiles.yml` read."""
    given = parse_dsn(plain_url(warehouse_url))
    return {variable: given.get(name, default) for variable, (name, default) in _LIBPQ.items()}


def dbt_environment(warehouse_url: str, project: Path = PROJECT) -> dict[str, str]:
    """The variables by which dbt and mf find the warehouse and this project from any folder, and dbt its code."""
    folder = str(project)
    return {
        **libpq_environment(warehouse_url),
        **project_code(project).environment(),
        "DBT_PROJECT_DIR": folder,
        "DBT_PROFILES_DIR": folder,
    }


def dates_environment(as_of_dates: Iterable[date]) -> dict[str, str]:
    """The variable that says as of which dates features are built (dbt_project/macros/as_of_instants.sql)."""
    return {"AUDOTICS_AS_OF_DATES": ",".join(each.isoformat() for each in as_of_dates)}


def prepare_metrics(warehouse_url: str, project: Path = PROJECT) -> None:
    """Put what `mf` reads into the project's `target/`: the names of this warehouse's relations, with its database.

    Parsed only when the project or the database is another than before. It is copied on each call: a dbt command by
    hand writes there as well, for the target and the database of its own.

    Raises:
        AudoticsError: dbt cannot parse the project.
    """
    database = {"PGDATABASE": libpq_environment(warehouse_url)["PGDATABASE"]}
    parsing = _parsed(project, "semantic_manifest.json", database)
    with parsing as parsed, TemporaryDirectory(dir=parsed.parent) as folder:
        Path(shutil.copy(parsed, folder)).replace(project / "target" / parsed.name)


def dbt_command(*arguments: str, project: Path = PROJECT) -> list[str]:
    """Command line of dbt on the project, for a process that has the variables of `dbt_environment`."""
    return [str(DBT), *arguments, "--project-dir", str(project), "--profiles-dir", str(project)]


# Unit tests check the SQL and not the rows: `dbt test --select test_type:unit` runs them where the SQL changes.
BUILD: Sequence[str] = ("build", "--exclude-resource-type", "unit_test")

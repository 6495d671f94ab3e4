"""Runs dbt on a warehouse, in this process and on a manifest parsed once, and compares what its models hold."""

import hashlib
import io
import os
import subprocess
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg2
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from filelock import FileLock

from assets.dbt_project import PROJECT, dbt_command, dbt_environment

WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
MODELS = """
select table_schema || '.' || table_name from information_schema.tables
where table_schema in ('intermediate', 'core', 'analytics', 'features')
    or (table_schema, table_name) = ('ml', 'recommendation_outcomes')
order by 1
"""
# Stands for the database in the manifest, where it is part of every relation's name.
_ANY_DATABASE = "any_database"


@dataclass(frozen=True)
class Dbt:
    """dbt on a warehouse, with the project or a changed copy of it."""

    warehouse_url: str
    project: Path = PROJECT

    @property
    def environment(self) -> dict[str, str]:
        """What dbt finds in its environment."""
        # mf reads target/ in one test process while dbt writes in another.
        target = self.project / "target" / os.environ.get("PYTEST_XDIST_WORKER", "test")
        return {**dbt_environment(self.warehouse_url, self.project), "DBT_TARGET_PATH": str(target)}

    def __call__(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run dbt to its end; fails, showing what it printed, when it ends other than well and `check` is left on."""
        unchanged = self.project == PROJECT
        manifest = _manifest(self.environment["PGDATABASE"]) if unchanged else None
        command = dbt_command(*arguments, project=self.project)
        done = _run(command, self.environment | environment, manifest)
        assert not check or done.returncode == 0, done.stdout
        return done

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query; the connection is closed after it."""
        connection = psycopg2.connect(self.warehouse_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def contents(self) -> dict[str, str]:
        """Row count and order-free checksum of every model."""
        return {model: self._checksum(model) for (model,) in self.query(MODELS)}

    def rows_written(self) -> dict[str, dict[str, str]]:
        """By model that is built by day: which transaction wrote each row, by the row's content."""
        models = [model for (model,) in self.query("select model from builds.models")]
        return {model: dict(self.query(f"select each::text, xmin::text from {model} as each")) for model in models}

    def _checksum(self, model: str) -> str:
        rows = self.query(f"select md5(to_jsonb(each)::text) from {model} as each")
        return f"{len(rows)} rows {hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()}"


def assert_only_changes_written(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> None:
    """Of `rows_written` before and after a build: rows that are as they were stand where they stood, whatever day."""
    for model, rows in after.items():
        stand = rows.keys() & before[model].keys()
        assert {row for row in stand if rows[row] != before[model][row]} == set(), model


def _run(
    command: Sequence[str], environment: dict[str, str], manifest: Manifest | None = None
) -> subprocess.CompletedProcess[str]:
    """What the command line would do and print, without its process; dbt parses the project if no manifest is given."""
    printed = io.StringIO()
    with patch.dict(os.environ, environment | {"DBT_LOG_LEVEL_FILE": "none"}), redirect_stdout(printed):
        result = dbtRunner(manifest).invoke(list(command[1:]))
    if result.exception:
        printed.write(f"{result.exception}\n")
    code = 0 if result.success else 2 if result.exception else 1
    return subprocess.CompletedProcess(command, code, printed.getvalue(), "")


def _manifest(database: str) -> Manifest:
    """The project's manifest for a database. A run changes it, so each gets one of its own."""
    manifest = Manifest.from_msgpack(_parsed())
    for node in chain(manifest.nodes.values(), manifest.sources.values()):
        node.database = database
        if node.relation_name:
            node.relation_name = node.relation_name.replace(_ANY_DATABASE, database)
    return manifest


@cache
def _parsed() -> bytes:
    """The project's manifest, parsed by the first worker of the session that asks."""
    kept = Path(os.environ["TESTS_FOLDER"], "manifest.msgpack")
    with FileLock(kept.with_suffix(".lock")):
        if not kept.exists():
            kept.write_bytes(_parse())
        return kept.read_bytes()


def _parse() -> bytes:
    command = dbt_command("parse", "--quiet", "--no-partial-parse", "--no-write-json")
    with patch.dict(os.environ, {"PGDATABASE": _ANY_DATABASE, "DBT_LOG_LEVEL_FILE": "none"}):
        parsed = dbtRunner().invoke(command[1:])
    assert isinstance(parsed.result, Manifest), parsed.exception
    return bytes(parsed.result.to_msgpack())

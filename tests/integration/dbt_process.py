"""Runs dbt on a warehouse as a process of its own, and compares what its models hold."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from assets.dbt import DBT_PROJECT, dbt_command, libpq_environment

WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
MODELS = """
select table_schema || '.' || table_name from information_schema.tables
where table_schema in ('intermediate', 'core', 'analytics', 'features')
    or (table_schema, table_name) = ('ml', 'recommendation_outcomes')
order by 1
"""


@dataclass(frozen=True)
class Dbt:
    """dbt on a warehouse, with the project or a changed copy of it."""

    warehouse_url: str
    project: Path = DBT_PROJECT.project_dir

    @property
    def _target(self) -> Path:
        # mf reads target/ in one test process while dbt writes in another.
        return self.project / "target" / os.environ.get("PYTEST_XDIST_WORKER", "test")

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run dbt to its end; fails, showing what it printed, when it exits other than 0 and `check` is left on."""
        done = subprocess.run(
            dbt_command(*arguments, project=self.project),
            env={**os.environ, **libpq_environment(self.warehouse_url), "DBT_TARGET_PATH": str(self._target)},
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
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

    def _checksum(self, model: str) -> str:
        rows = self.query(f"select md5(to_jsonb(each)::text) from {model} as each")
        return f"{len(rows)} rows {hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()}"

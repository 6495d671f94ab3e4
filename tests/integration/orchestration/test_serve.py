"""`audotics serve`: the read API alone, with nothing but Redis."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish
from warehouse.local.server import any_free_port

AUDOTICS = str(Path(sys.executable).parent / "audotics")
# No warehouse answers there.
NO_WAREHOUSE = "postgresql://nobody:nothing@127.0.0.1:9/none"


@contextmanager
def serving(redis_url: str, *options: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """What the command says first, and the process."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUDOTICS_")}
    urls = {"AUDOTICS_REDIS_URL": redis_url, "AUDOTICS_WAREHOUSE_URL": NO_WAREHOUSE}
    process = subprocess.Popen(
        [AUDOTICS, "serve", *options], env=inherited | urls | environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        with process.stderr:
            said = process.stderr.readline()
            while process.poll() is None and "Uvicorn running" not in process.stderr.readline():
                pass
            yield said, process
            process.send_signal(signal.SIGINT)
            process.stderr.read()
        process.wait()
    finally:
        process.kill()
        process.wait()


def test_it_says_what_it_serves_and_needs_no_warehouse(client: Redis, redis_url: str) -> None:
    release = publish(client, sample_release()).meta.release
    port = any_free_port()
    with serving(redis_url, "--port", str(port), AUDOTICS_API_AUTH="off") as (said, process):
        assert f"release {release}" in said
        assert f"on http://127.0.0.1:{port}" in said and "nobody is asked" in said
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/users/user_7/recommendations")
        assert answer.json()["source"] == "personal"
    assert process.returncode == 0


def test_a_port_that_is_taken_is_said_before_anything_else(client: Redis, redis_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serving(redis_url, "--port", str(port), AUDOTICS_API_AUTH="off") as (said, process):
            pass
    assert said == f"error: port {port} of 127.0.0.1 is taken: stop what listens there, or choose another with --port\n"
    assert process.returncode == 1


def test_without_a_release_it_starts_and_asks_who_calls_unless_told_not_to(client: Redis, redis_url: str) -> None:
    port = any_free_port()
    with serving(redis_url, "--port", str(port)) as (said, _):
        assert "no release has been published" in said and "API key" in said
        assert httpx.get(f"http://127.0.0.1:{port}/v1/popular").status_code == 401
        assert httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        (("--host", "192.168.1.5"), {"AUDOTICS_API_AUTH": "off"}, "is for loopback only"),
        (("--host", "0.0.0.0"), {}, "AUDOTICS_API_ALLOWED_HOSTS"),
        ((), {"AUDOTICS_API_AUTH": "oidc"}, "AUDOTICS_API_OIDC_ISSUER"),
        ((), {"AUDOTICS_API_TLS_CERT": "/none.pem"}, "AUDOTICS_API_TLS_KEY"),
    ],
)
def test_what_would_be_unsafe_is_refused_in_one_line(
    redis_url: str, options: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUDOTICS_")}
    urls = {"AUDOTICS_REDIS_URL": redis_url, "AUDOTICS_WAREHOUSE_URL": NO_WAREHOUSE}
    refused = subprocess.run(
        [AUDOTICS, "serve", *options], env=inherited | urls | environment, capture_output=True, text=True, timeout=60
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert message in refused.stderr and "Traceback" not in refused.stderr

"""Who the API listens to: hosts, addresses, headers; what it tells, and what it writes down."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from api_client import problem, recommendations, running_api
from api_process import api_process
from identity_provider import SigningKey, key_server
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api.access.bound import told_host, waits_for_ever
from serving_api.access.hosts import HostMiddleware
from serving_api.access.key_admin import create_key
from serving_api.access.scopes import Scope
from serving_api.connections import BoundedProtocol
from serving_api.settings import ServingSettings
from tests.repository import ROOT

LISTS = "/v1/users/user_7/recommendations"


@pytest.fixture
def released(client: Redis, redis_url: str) -> str:
    publish(client, sample_release())
    return redis_url


def test_a_name_that_somebody_points_here_is_refused(released: str) -> None:
    served = {"127.0.0.1", "localhost", "[::1]", "LOCALHOST:1", "localhost.", "api.example.org:443", "a.example.net"}
    refused = {
        "evil.example.org",
        "example.net",
        "localhost.evil.example.org",
        "127.0.0.1.evil.example.org",
        "10.0.0.1",
    }
    refused |= {"localhost@evil.example.org", "evil.example.org#localhost", "127.0.0.1:80:80", "[::1", "", "a b", "*"}
    with running_api(released, api_allowed_hosts="api.example.org,*.example.net") as api:
        for host in served:
            assert api.get(LISTS, headers={"Host": host}).status_code == 200, host
        for host in refused:
            problem(api.get(LISTS, headers={"Host": host}), 421, "unknown-host")


def asked(url: str, request: bytes) -> bytes:
    """What is answered to bytes that no client of good manners would send."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, int(address.port or 0)), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return answer


def test_two_hosts_are_not_one(released: str) -> None:
    with running_api(released) as api:
        hosts = b"Host: localhost\r\nHost: evil.example.org\r\nConnection: close\r\n\r\n"
        answer = asked(str(api.base_url), b"GET %b HTTP/1.1\r\n" % LISTS.encode() + hosts)
        assert answer.split(b" ")[1] in (b"400", b"421"), answer


def test_requests_that_are_not_quite_http_open_nothing(released: str) -> None:
    with running_api(released, api_auth="keys") as api:
        url = str(api.base_url)
        host, line = b"Host: localhost\r\nConnection: close\r\n", b"GET %b HTTP/1.1\r\n" % LISTS.encode()
        for request in (
            b"GET %b HTTP/1.0\r\n\r\n" % LISTS.encode(),
            line + b"Connection: close\r\n\r\n",
            line + host + b"Authorization: Bearer a\r\n b\r\n\r\n",
            line + host + b"Authorization: Bearer \x00\r\n\r\n",
            line + host + b"Authorization: Bearer \xff\xfe\r\n\r\n",
            line + host + b"Authorization:\r\n\r\n",
            b"GET http://localhost%b HTTP/1.1\r\n" % LISTS.encode() + host + b"\r\n",
            b"GET //v1/users/user_7/recommendations HTTP/1.1\r\n" + host + b"\r\n",
            b"GET /v1/../v1/popular HTTP/1.1\r\n" + host + b"\r\n",
            b"GET /livez/../v1/popular HTTP/1.1\r\n" + host + b"\r\n",
            b"GET /livez%2f..%2fv1%2fpopular HTTP/1.1\r\n" + host + b"\r\n",
            b"GET /livez;/v1/popular HTTP/1.1\r\n" + host + b"\r\n",
            b"GET /docs/../v1/popular HTTP/1.1\r\n" + host + b"\r\n",
            b"GET /static-offline-docs/../../v1/popular HTTP/1.1\r\n" + host + b"\r\n",
            b"GET /static-offline-docs/%2e%2e/%2e%2e/app.py HTTP/1.1\r\n" + host + b"\r\n",
            b"POST /v1/recommendations:batchGet HTTP/1.1\r\n" + host + b"Content-Length: 2\r\n\r\n{}",
            line + host + b"X-Original-URL: /livez\r\nX-HTTP-Method-Override: OPTIONS\r\n\r\n",
            line + host + b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-User: admin\r\n\r\n",
        ):
            answer = asked(url, request)
            assert answer.split(b" ")[1] in (b"400", b"401", b"404", b"421"), (request, answer)
            assert b'"items":' not in answer and b'"lists":' not in answer, request


def test_a_request_line_counts_as_headers_do(released: str) -> None:
    with running_api(released) as api:
        assert api.get("/v1/popular?limit=5").status_code == 200
        problem(api.get(f"/v1/popular?limit=5&exclude={'x' * 33_000}"), 431, "oversized-headers")
        problem(api.get(f"/v1/tracks/{'x' * 33_000}"), 431, "oversized-headers")


def test_oversized_headers_are_refused_and_others_go_on(released: str) -> None:
    with running_api(released, api_auth="keys") as api:
        for headers in (
            {"Authorization": "Bearer " + "x" * 40_000},
            {f"X-{number}": "x" * 4000 for number in range(12)},
            {"Cookie": "x" * 60_000},
        ):
            answer = api.get(LISTS, headers=headers)
            assert answer.status_code == 431 or answer.status_code == 400, answer.text
        assert api.get("/livez").status_code == 200


def test_preflights_and_methods_tell_nothing(released: str) -> None:
    with running_api(released, api_auth="keys", api_cors_origins="https://app.example.org") as api:
        asking = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "GET"}
        assert api.options(LISTS, headers=asking).status_code == 200
        assert api.options(LISTS).status_code == 204
        assert api.head(LISTS).status_code == 401
        problem(api.delete(LISTS), 405, "about:blank")


@pytest.mark.slow
def test_off_answers_loopback_only_whatever_started_it(released: str, tmp_path: Path) -> None:
    command = ("-m", "uvicorn", "--factory", "serving_api.app:create_app", "--port", "{port}")
    with api_process(released, tmp_path, command=command) as api, httpx.Client(base_url=api.url) as connected:
        assert recommendations(connected, "user_7")["source"] == "personal"
        assert "uvicorn waits for slow clients for ever" in api.errors.read_text()
    bounded = (*command, "--http", "serving_api.connections:BoundedProtocol", "--ws", "none")
    with api_process(released, tmp_path, command=bounded) as api:
        assert httpx.get(f"{api.url}/livez").headers["server"] == "uvicorn"
        assert "for ever" not in api.errors.read_text()
        assert b"application/problem+json" in asked(api.url, b"nothing\r\n\r\n")
    environment = os.environ | {"AUDOTICS_REDIS_URL": released, "AUDOTICS_API_AUTH": "off"}
    arguments = [sys.executable, *command[:-1], "0", "--host", "0.0.0.0"]
    ended = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "AUDOTICS_API_AUTH=off is for loopback only" in ended.stdout + ended.stderr


def test_the_host_is_found_in_uvicorns_arguments_and_in_no_others() -> None:
    assert told_host(["/usr/bin/uvicorn", "app:a", "--host", "0.0.0.0"], {}) == "0.0.0.0"
    assert told_host(["/lib/uvicorn/__main__.py", "--host=::1"], {"UVICORN_HOST": "::"}) == "::1"
    assert told_host(["uvicorn", "app:a"], {"UVICORN_HOST": "::"}) == "::"
    assert told_host(["uvicorn", "app:a", "--host", "127.0.0.1", "--fd", "3"], {}) == "3"
    assert told_host(["uvicorn", "app:a"], {}) is None
    assert told_host(["pytest", "--host", "0.0.0.0"], {}) is None


def test_uvicorn_is_told_of_that_waits_for_ever() -> None:
    protocol = f"{BoundedProtocol.__module__}:{BoundedProtocol.__name__}"
    assert waits_for_ever(["/usr/bin/uvicorn", "app:a", "--http", "httptools"], {})
    assert not waits_for_ever(["/usr/bin/uvicorn", "app:a", "--http", protocol], {})
    assert not waits_for_ever(["/lib/uvicorn/__main__.py", f"--http={protocol}"], {})
    assert not waits_for_ever(["uvicorn", "app:a"], {"UVICORN_HTTP": protocol})
    assert not waits_for_ever(["pytest"], {})


@pytest.mark.parametrize("server", [("10.0.0.5", 80), ("0.0.0.0", 80), ("/run/api.sock", None), None, ("fe80::1", 80)])
def test_a_connection_to_another_address_is_refused_without_authentication(server: Any) -> None:
    answered: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answered.append({"status": 200})

    async def send(message: Any) -> None:
        answered.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"host", b"localhost")],
        "server": server,
        "state": {"request_id": "r"},
    }
    for auth, status in (("off", 421), ("keys", 200)):
        answered.clear()
        settings = ServingSettings(redis_url="redis://127.0.0.1/0", api_auth=auth)
        asyncio.run(HostMiddleware(app, settings)(scope, receive, send))
        assert answered[0]["status"] == status


def test_the_audit_says_who_asked_for_whose_list_and_no_secret(
    released: str, client: Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, signing = tmp_path / "access.jsonl", SigningKey("first")
    made = create_key(client, "app", [Scope.LISTS_READ], None)
    with key_server() as provider:
        provider.keys = [signing.jwk]
        token = provider.token(signing)
        given = provider.settings(api_auth="both", api_audit=str(file))
        with running_api(released, **given) as api:
            bearer = [{"Authorization": f"Bearer {each}"} for each in (token, made.secret, "aud_made_up", "x.y.z")]
            api.get(LISTS, headers=bearer[0] | {"X-Request-ID": "mine"})
            api.get("/v1/users/user_8/recommendations", headers=bearer[0])
            api.get('/v1/users/a%22%0a{"who":"key:1"}/home', headers=bearer[1])
            api.get("/v1/users/a%22%5C/recommendations", headers=bearer[1])
            api.get("/v1/popular", headers=bearer[1])
            api.get(LISTS, headers=bearer[2])
            api.get(LISTS, headers=bearer[3])
            api.get(LISTS)
            api.post("/v1/recommendations:batchGet", headers=bearer[1], json={"user_ids": ["user_7", "user_8"]})
            api.get("/livez")
    written = file.read_text()
    lines = [orjson.loads(line) for line in written.splitlines()]
    key, sub = f"key:{made.key.id}", "sub:user_7"
    assert [(each["who"], each["whose"], each["outcome"], each["cause"], each["status"]) for each in lines] == [
        (sub, "user_7", "allowed", None, 200),
        (sub, "user_8", "refused", "scope", 403),
        (key, 'a"\\', "allowed", None, 200),
        (key, None, "refused", "scope", 403),
        ("nobody", "user_7", "refused", "unknown key", 401),
        ("nobody", "user_7", "refused", "malformed token", 401),
        ("nobody", "user_7", "refused", "missing", 401),
        (key, ["user_7", "user_8"], "allowed", None, 200),
    ]
    assert lines[0]["request_id"] == "mine"
    assert lines[0]["route"] == "/v1/users/{user_id}/recommendations"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for secret in (token, token.split(".")[2], made.secret, made.secret.split("_", 2)[2], "made_up"):
        assert secret not in written and secret not in caplog.text

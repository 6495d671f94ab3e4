"""What the read API logs: a line of JSON for each request, which tells operators what callers are not told."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from api_client import problem, recommendations, running_api, running_redis
from api_process import api_process
from fastapi import FastAPI
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api import contract

pytestmark = pytest.mark.own_redis

WAIT_SECONDS = 30.0


def logged(captured: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in captured.readouterr().err.splitlines()]


def requests_of(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if "route" in line]


def test_every_request_is_one_line_soon_and_at_the_end_that_names_neither_user_nor_token(
    client: Redis, redis_url: str, tmp_path: Path
) -> None:
    publish(client, sample_release())
    with api_process(redis_url, tmp_path) as api:
        with httpx.Client(base_url=api.url, headers={"Authorization": "Bearer planted-token"}) as asking:
            headers = {"X-Request-ID": "mine"}
            asking.get("/v1/users/user_7/recommendations", params={"exclude": "t-39"}, headers=headers)
            asking.get("/v1/users/planted-stranger/recommendations")
            asking.get("/planted-path/%0a{}")
            asking.head("/v1/tracks/t-1")
            asking.post("/v1/popular")
            deadline = time.monotonic() + WAIT_SECONDS
            while not any(line["status"] == 405 for line in api.requests()):
                assert time.monotonic() < deadline, "lines are not written while the process runs"
                time.sleep(0.05)
            for number in range(20):
                asking.get("/livez", headers={"X-Request-ID": f"last-{number}"})
        api.end()
        assert [line["request_id"] for line in api.requests()[-20:]] == [f"last-{number}" for number in range(20)]
        assert {line["level"] for line in api.requests()} == {"info"}
        requests = [line for line in api.requests() if line["route"] != "/livez"]
        first = requests[0]
        assert first.pop("time").endswith("Z")
        assert first.pop("duration_ms") > 0
        assert first == {
            "level": "info",
            "request_id": "mine",
            "method": "GET",
            "route": "/v1/users/{user_id}/recommendations",
            "status": 200,
            "fallback": None,
            "cause": None,
        }
        assert [(each["method"], each["route"], each["status"], each["fallback"]) for each in requests[1:]] == [
            ("GET", "/v1/users/{user_id}/recommendations", 200, "unknown_user"),
            ("GET", "other", 404, None),
            ("HEAD", "/v1/tracks/{track_id}", 200, None),
            ("POST", "/v1/popular", 405, None),
        ]
        text = api.errors.read_text()
        for secret in ("user_7", "t-39", "planted"):
            assert secret not in text
        assert "Uvicorn running on" in text and "GET /" not in text, "uvicorn has no line of its own for a request"


@contextmanager
def wrong_password() -> Iterator[str]:
    with running_redis() as (_, url):
        with Redis.from_url(url) as client:
            client.config_set("requirepass", "right")
        yield url.replace("redis://", "redis://:planted-secret@")


@contextmanager
def refused() -> Iterator[str]:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{taken.getsockname()[1]}/0"


@contextmanager
def timeout() -> Iterator[str]:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        yield f"redis://127.0.0.1:{silent.getsockname()[1]}/0"


@contextmanager
def tls() -> Iterator[str]:
    class Plain(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(1)
            self.wfile.write(b"-ERR this is not how I speak\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Plain) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        try:
            yield f"rediss://127.0.0.1:{server.server_address[1]}/0"
        finally:
            server.shutdown()


@contextmanager
def no_live_release() -> Iterator[str]:
    with running_redis() as (_, url):
        with Redis.from_url(url) as client:
            client.flushdb()
        yield url


@contextmanager
def unreadable_release() -> Iterator[str]:
    with running_redis() as (_, url):
        with Redis.from_url(url) as client:
            client.set(contract.LIVE, b"\xffdamaged")
        yield url


@pytest.mark.parametrize("way", [wrong_password, refused, timeout, tls, no_live_release, unreadable_release])
def test_what_keeps_redis_from_answering_is_told_apart_in_the_log_and_not_to_callers(
    capfd: pytest.CaptureFixture[str], way: Any
) -> None:
    with way() as url, running_api(url) as api:
        told = api.get("/v1/users/user_7/recommendations")
        unready = api.get("/readyz")
    kind = {"no_live_release": "no-live-release", "unreadable_release": "contract-mismatch"}.get(
        way.__name__, "store-unavailable"
    )
    for answer in (told, unready):
        problem(answer, 503, kind)
    lines = logged(capfd)
    assert [line["cause"] for line in requests_of(lines)] == [way.__name__] * 2
    assert {line["level"] for line in lines if "uvicorn" not in str(line.get("logger"))} == {"warning"}
    assert any("no release to fall back to" in str(line.get("message")) for line in lines), "told at the start as well"
    assert "planted-secret" not in str(lines)


def test_what_keeps_keys_from_being_read_is_told_apart_as_well(capfd: pytest.CaptureFixture[str]) -> None:
    with wrong_password() as url, running_api(url, api_auth="keys") as api:
        refused = api.get("/v1/popular", headers={"Authorization": "Bearer aud_planted"})
    problem(refused, 503, "access-unavailable")
    lines = logged(capfd)
    (line,) = requests_of(lines)
    assert (line["route"], line["status"], line["cause"]) == ("/v1/popular", 503, "wrong_password")
    assert line["cause_text"].startswith("CannotTellError: keys not read yet <- AuthenticationError")
    assert "planted" not in str(lines)


def test_a_fallback_says_why_and_an_error_of_ours_has_its_traceback(
    api: httpx.Client, client: Redis, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(app: FastAPI) -> None:
        @app.get("/planted")
        async def planted() -> None:
            raise ZeroDivisionError("planted")

    with running_api(redis_url, fail, log_level="error") as failing:
        client.set(contract.slate_key((client.get(contract.LIVE) or b"").decode(), "for_you"), "x")
        assert recommendations(failing, "user_7")["fallback_reason"] == "store_unavailable"
        broken = failing.get("/planted", headers={"X-Request-ID": "broken"})
    assert "planted" not in problem(broken, 500, "about:blank")["detail"]
    lines = logged(capfd)
    fallback, failed = requests_of(lines)
    assert (fallback["level"], fallback["status"], fallback["fallback"]) == ("warning", 200, "store_unavailable")
    assert fallback["cause"] == "redis_error"
    assert "WRONGTYPE" in fallback["cause_text"] and "user_7" not in fallback["cause_text"]
    assert (failed["level"], failed["status"], failed["cause"]) == ("error", 500, "unexpected")
    assert failed["cause_text"] == "ZeroDivisionError: planted"
    (traced,) = (line for line in lines if "traceback" in line)
    assert traced["request_id"] == "broken" and "in planted" in traced["traceback"]

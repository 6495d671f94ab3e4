"""A Redis that takes connections and never answers, or stops answering: one line says so, and what is live stays."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from redis import Redis
from sample_release import contents, sample_release

from assets.publish.content import ReleaseError
from assets.publish.held import list_releases, rollback
from assets.publish.release import publish
from warehouse.redis_client import redis_client
from warehouse.settings import Settings

SECONDS = 0.3
# A client that waits for ever fails by then, with another error than the expected one.
PATIENCE_SECONDS = 30


@contextmanager
def stalling_redis(url: str | None, commands: int) -> Iterator[str]:
    """The address of a proxy to a Redis that lets some commands through and then keeps still; of none, without one."""
    left = [commands]
    ends: list[socket.socket] = []

    def carry(source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if counted:
                    left[0] -= data.count(b"*")
                    if left[0] < 0:
                        return
                target.sendall(data)

    def serve() -> None:
        with suppress(OSError):
            while True:
                taken, _ = listener.accept()
                taken.settimeout(PATIENCE_SECONDS)
                ends.append(taken)
                if url is not None:
                    to = urlsplit(url)
                    server = socket.create_connection((str(to.hostname), int(to.port or 0)))
                    ends.append(server)
                    threading.Thread(target=carry, args=(taken, server, True), daemon=True).start()
                    threading.Thread(target=carry, args=(server, taken, False), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=serve, daemon=True).start()
        here = f"127.0.0.1:{listener.getsockname()[1]}"
        yield url.replace(urlsplit(url).netloc.rpartition("@")[2], here) if url else f"redis://{here}/0"
    for end in ends:
        end.close()


@pytest.mark.parametrize(
    "action",
    [lambda client: publish(client, sample_release()), rollback, list_releases],
    ids=["publish", "rollback", "list"],
)
def test_a_redis_that_never_answers_is_one_line_that_says_what_to_do(action: Callable[[Redis], object]) -> None:
    with (
        stalling_redis(None, 0) as url,
        redis_client(url, SECONDS) as client,
        pytest.raises(ReleaseError, match=rf"did not answer within {SECONDS} s; .*AUDOTICS_REDIS_TIMEOUT_SECONDS"),
    ):
        action(client)


@pytest.mark.parametrize("commands", [3, 12, 20, 28, 36])
def test_a_redis_that_stops_answering_while_a_release_is_published_keeps_the_live_one(
    client: Redis, redis_url: str, commands: int
) -> None:
    publish(client, sample_release("first"))
    before = contents(client)
    with (
        stalling_redis(redis_url, commands) as url,
        redis_client(url, SECONDS) as stalled,
        pytest.raises(ReleaseError, match="did not answer within"),
    ):
        publish(stalled, sample_release("second"), lock_seconds=1)
    assert client.mget("audotics:live", "audotics:previous") == [before["audotics:live"], None]
    # The lock of the one that gave up runs out.
    second = publish(client, sample_release("second"), lock_seconds=1)
    assert second.previous == before["audotics:live"].decode()


def test_the_time_that_redis_is_waited_for_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().redis_timeout_seconds == 10
    monkeypatch.setenv("AUDOTICS_REDIS_TIMEOUT_SECONDS", "0.5")
    with redis_client("redis://127.0.0.1:1/0", Settings().redis_timeout_seconds) as client:
        options = client.connection_pool.connection_kwargs
        assert (options["socket_timeout"], options["socket_connect_timeout"]) == (0.5, 0.5)
        assert client.connection_pool.make_connection().socket_keepalive
    redis_client("unix:///run/redis.sock", 1).close()

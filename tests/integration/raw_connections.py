"""Connections on which a test sends whatever bytes it likes."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx


@contextmanager
def connected(url: httpx.URL | str, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that have sent the same."""
    to = httpx.URL(url)
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            opened.append(stack.enter_context(socket.create_connection((to.host, to.port or 0), timeout=30)))
            opened[-1].sendall(sent)
        yield opened


def ends(connection: socket.socket) -> bytes:
    """What is answered until the server closes the connection, in one way or the other."""
    answer = b""
    try:
        while part := connection.recv(1 << 20):
            answer += part
    except ConnectionResetError:
        pass
    return answer

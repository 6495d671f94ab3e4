"""Peak memory of a stretch of work, child processes included."""

import threading
import time
from collections.abc import Sequence
from types import TracebackType

import psutil

# Of the time that a sampler may take from the work that it watches.
_LARGEST_SHARE = 0.05


class MemorySampler:
    """Samples the memory of processes and their children while it is open: this one, and those given by id.

    A page shared between processes counts once (Linux' proportional set size). Where the system does not tell that, as
    of another user's processes, it counts once per process, and the figures are upper bounds. A process that has ended
    counts nothing, and a new one from the second sample on that finds it: until it runs a program of its own, it has
    all of its parent's memory, which would count twice. A sample walks the pages of PostgreSQL's processes: where that
    takes long, there are fewer of them than the interval says, so that the work gets 95 % of the time.
    """

    def __init__(self, pids: Sequence[int] = (), interval_seconds: float = 0.1) -> None:
        self._roots = [psutil.Process(), *(psutil.Process(pid) for pid in pids if psutil.pid_exists(pid))]
        self._interval_seconds = interval_seconds
        self._samples: list[tuple[float, int]] = []
        self._known: set[psutil.Process] = set(self._roots)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-sampler", daemon=True)

    def __enter__(self) -> "MemorySampler":
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def peak_bytes(self, start: float = 0.0, end: float = float("inf")) -> int:
        """Highest total between two instants (epoch seconds), the sample just before `start` included."""
        samples = list(self._samples)
        before = [size for at, size in samples if at <= start][-1:]
        within = [size for at, size in samples if start <= at <= end]
        return max(before + within, default=0)

    def _run(self) -> None:
        pause = self._interval_seconds
        while not self._stop.wait(pause):
            started = time.perf_counter()
            self._sample()
            pause = max(self._interval_seconds, (time.perf_counter() - started) / _LARGEST_SHARE)

    def _sample(self) -> None:
        at = time.time()
        processes = {each for root in self._roots for each in _family(root)}
        self._samples.append((at, sum(_size(process) for process in processes & self._known)))
        self._known = processes | set(self._roots)


def _family(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _size(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
        return int(getattr(info, "pss", info.rss))
    except psutil.AccessDenied:
        return _resident(process)
    except psutil.NoSuchProcess:
        return 0


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0

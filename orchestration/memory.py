"""Peak memory of a stretch of work, child processes included."""

import threading
import time
from types import TracebackType

import psutil

_INTERVAL_SECONDS = 0.1


class MemorySampler:
    """Samples the resident memory of this process and its children while it is open.

    A page shared between processes counts once per process, so the figures are upper bounds.
    """

    def __init__(self) -> None:
        self._samples: list[tuple[float, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-sampler", daemon=True)

    def __enter__(self) -> "MemorySampler":
        self._sample(psutil.Process())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def peak_bytes(self, start: float = 0.0, end: float = float("inf")) -> int:
        """Highest total between two instants (epoch seconds), the sample just before `start` included."""
        samples = list(self._samples)
        before = [size for at, size in samples if at <= start][-1:]
        within = [size for at, size in samples if start <= at <= end]
        return max(before + within, default=0)

    def _run(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(_INTERVAL_SECONDS):
            self._sample(process)

    def _sample(self, process: psutil.Process) -> None:
        total = process.memory_info().rss
        for child in process.children(recursive=True):
            try:
                total += child.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        self._samples.append((time.time(), total))

"""Ctrl-C during a run: taken by the main thread, by no process beside it, and never lost."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster as dg

# Long enough for the callback that took it to be over, short enough to seem at once.
_AGAIN_SECONDS = 0.05


@contextmanager
def taken_interrupts() -> Iterator[None]:
    """Send Ctrl-C to this process again where it was lost, until the run takes it.

    During a step Dagster raises an exception wherever the main thread is. In a finalizer, or a callback of the garbage
    collector, Python reports that exception and goes on: the step would go on as well.

    Raises KeyboardInterrupt at the end when one was lost right before it.
    """
    again = _Again(sys.unraisablehook)
    sys.unraisablehook = again.on_unraisable
    try:
        yield
    finally:
        sys.unraisablehook = again.report
    if again.due:
        again.due = False
        raise KeyboardInterrupt


class _Again:
    """Whether an interrupt is due to be sent again; what else cannot be raised is reported as before."""

    def __init__(self, report: Callable[["sys.UnraisableHookArgs"], Any]) -> None:
        self.report, self.due = report, False

    def on_unraisable(self, lost: "sys.UnraisableHookArgs") -> None:
        if not issubclass(lost.exc_type, dg.DagsterExecutionInterruptedError | KeyboardInterrupt):
            self.report(lost)
        elif not self.due:
            self.due = True
            # From another thread, and later: what is raised here is lost as well.
            threading.Thread(target=self._send, name="interrupt-again", daemon=True).start()

    def _send(self) -> None:
        time.sleep(_AGAIN_SECONDS)
        if self.due:
            self.due = False
            # To the thread itself: a system call in which it waits ends, too.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@contextmanager
def uninterrupted_helpers(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keep Ctrl-C from the processes that Dagster starts to capture what steps print.

    A terminal sends it to all processes of the command, and theirs would print tracebacks before this one has said that
    it was interrupted. Dagster ends them itself.
    """
    manager = instance.compute_log_manager
    capture_logs = manager.capture_logs

    @contextmanager
    def capture(log_key: Sequence[str]) -> Iterator[Any]:
        with ExitStack() as stack:
            # A process inherits which signals are blocked; one that comes meanwhile is delivered after it.
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                context = stack.enter_context(capture_logs(log_key))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            yield context

    manager.capture_logs = capture  # type: ignore[method-assign]
    try:
        yield
    finally:
        manager.capture_logs = capture_logs  # type: ignore[method-assign]

"""Ctrl-C during a run: taken by the main thread and by no process beside it, and sent again where it was lost."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import Any

import dagster as dg

# Long enough for the callback that took it to be over, short enough to seem at once.
_AGAIN_SECONDS = 0.05


@contextmanager
def taken_interrupts() -> Iterator[None]:
    """Send Ctrl-C to this process again where Python reports that it was lost, until the run takes it or is over.

    During a step Dagster raises an exception wherever the main thread is. In a finalizer, or a callback of the garbage
    collector, Python reports that exception and goes on: the step would go on as well. A run that was over before it
    could be sent again ends as it ended.
    """
    report = sys.unraisablehook
    # Of all queues the one that a finalizer may put into, even in the middle of another call.
    lost: SimpleQueue[None] = SimpleQueue()
    sending, over = threading.Lock(), threading.Event()

    def on_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
        if issubclass(unraisable.exc_type, dg.DagsterExecutionInterruptedError | KeyboardInterrupt):
            lost.put(None)
        else:
            report(unraisable)

    def send_again() -> None:
        while True:
            lost.get()
            over.wait(_AGAIN_SECONDS)
            while not lost.empty():
                lost.get()
            with sending:
                if over.is_set():
                    return
                # To the thread itself: a system call in which it waits ends, too.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=send_again, name="interrupt-again", daemon=True)
    thread.start()
    sys.unraisablehook = on_unraisable
    try:
        yield
    finally:
        sys.unraisablehook = report
        with sending:
            over.set()
        lost.put(None)
        thread.join()


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
            # A process inherits which signals are blocked.
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

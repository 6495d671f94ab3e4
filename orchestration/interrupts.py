"""Ctrl-C during a run: taken by the main thread and by no process beside it, and sent again where it was lost."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import Any

import dagster as dg

# Long enough for what lost it to be over, short enough to seem at once.
_AGAIN_SECONDS = 0.05


@contextmanager
def taken_interrupts() -> Iterator[None]:
    """Send Ctrl-C to this process again where it was lost, until the run takes it or is over.

    During a step Dagster raises an exception wherever the main thread is. In a finalizer, or a callback of the garbage
    collector, Python reports that exception and goes on; some libraries, dagster-dbt among them, pass over every
    exception: the step would go on as well. Dagster keeps one that it has taken, so one that is gone was lost. A run
    that was over before it could be sent again ends as it ended.
    """
    report, interrupt = sys.unraisablehook, dg.DagsterExecutionInterruptedError
    # Of all queues the one that a finalizer may put into, even in the middle of another call.
    lost: SimpleQueue[type[BaseException]] = SimpleQueue()
    sending, over = threading.Lock(), threading.Event()

    def on_gone(_: BaseException) -> None:
        lost.put(interrupt)

    def on_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            lost.put(KeyboardInterrupt)
        elif not issubclass(unraisable.exc_type, interrupt):
            report(unraisable)

    def send_again() -> None:
        while True:
            kind = lost.get()
            over.wait(_AGAIN_SECONDS)
            while not lost.empty():
                kind = lost.get()
            with sending:
                if over.is_set():
                    return
                if kind is interrupt and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                    # Dagster has let go of one that it had taken: it is done with the run.
                    continue
                # To the thread itself: a system call in which it waits ends, too.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=send_again, name="interrupt-again", daemon=True)
    thread.start()
    sys.unraisablehook = on_unraisable
    interrupt.__del__ = on_gone  # type: ignore[attr-defined]
    try:
        yield
    finally:
        with sending:
            over.set()
        sys.unraisablehook = report
        del interrupt.__del__  # type: ignore[attr-defined]
        lost.put(interrupt)
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

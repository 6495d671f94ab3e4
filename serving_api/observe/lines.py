"""Lines of JSON on the process's standard error: those of requests together, all others at once."""

import asyncio
import logging
import os
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

STANDARD_ERROR = 2
FLUSH_SECONDS = 0.25
_MOST_WAITING = 1000
_LOGGERS = ("serving_api", "uvicorn", "asyncio", "opentelemetry", "sentry_sdk")

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered, which every line says that is written meanwhile."""


class LineWriter:
    """Writes lines to a file descriptor, those that come within a quarter of a second with one call.

    It belongs to one event loop. A line that cannot be written is lost and counted: a full disk must not stop the API.
    """

    def __init__(self, descriptor: int = STANDARD_ERROR) -> None:
        self._descriptor = descriptor
        self._waiting: list[bytes] = []
        self.lost = 0
        """How many lines could not be written."""

    def put(self, line: bytes) -> None:
        """Write a line, which ends in a newline, within FLUSH_SECONDS; needs a running event loop."""
        self._waiting.append(line)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        elif len(self._waiting) >= _MOST_WAITING:
            self.flush()

    def write(self, line: bytes) -> None:
        """Write a line at once, after those that wait; needs no event loop."""
        self._waiting.append(line)
        self.flush()

    def flush(self) -> None:
        """Write what waits."""
        # Another thread may put a line meanwhile: it stays for the next time.
        count = len(self._waiting)
        lines = b"".join(self._waiting[:count])
        del self._waiting[:count]
        try:
            while lines:
                lines = lines[os.write(self._descriptor, lines) :]
        except OSError:
            self.lost += lines.count(b"\n")


class LineHandler(logging.Handler):
    """Writes records of the logging module as lines, at once and in the order of all lines."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, with the traceback of its error."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage()),
        }
        if request_id := REQUEST_ID.get():
            told["request_id"] = request_id
        if record.exc_info:
            told["traceback"] = printable(logging.Formatter().formatException(record.exc_info))
        self._writer.write(packed(told))


def printable(text: str) -> str:
    """The text, with what UTF-8 cannot hold of it escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def packed(told: dict[str, Any]) -> bytes:
    """A line of JSON; what JSON cannot hold is shown as Python would."""
    return orjson.dumps(told, default=repr, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)


def log_lines(writer: LineWriter) -> None:
    """Let the API and what it is made of log through the writer, and uvicorn say nothing of requests: each has a line.

    Whoever starts the process with handlers of their own for `serving_api` keeps these, and those of all others.
    """
    ours = logging.getLogger("serving_api").handlers
    if ours and not any(isinstance(handler, LineHandler) for handler in ours):
        return
    handler = LineHandler(writer)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
    # uvicorn asks whether anybody, its parents included, would hear of requests.
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False

"""Makes an app seen: its log, its metrics, and by setting its traces and its errors."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from multiprocessing import parent_process
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import Scope

from serving_api.observe.causes import UNEXPECTED, kind_of
from serving_api.observe.lines import LineWriter, log_lines
from serving_api.observe.metrics import SHARED_FOLDER, Metrics, shares_folder
from serving_api.observe.middleware import ObserveMiddleware
from serving_api.observe.request_log import log_request
from serving_api.observe.seen import Answered
from serving_api.settings import ServingSettings

if TYPE_CHECKING:
    from serving_api.observe.traces import Traces
    from serving_api.observe.tracked_errors import TrackedErrors

# Between scrapes, which one worker of many answers, the others say how they are.
SHARE_SECONDS = 5.0
# Whatever the environment says to OpenTelemetry, nothing is sent that the settings of the API do not name.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

_log = logging.getLogger(__name__)


class MissingExtraError(Exception):
    """A setting asks for what is not installed."""


class Observation:
    """All that sees an app. Raises MissingExtraError."""

    def __init__(self, settings: ServingSettings, version: str) -> None:
        self.metrics = Metrics()
        self._log = LineWriter()
        self._traces = _traces(settings.api_traces_url) if settings.api_traces_url else None
        dsn = settings.api_sentry_dsn
        self._errors = _tracked_errors(dsn.get_secret_value(), version) if dsn else None
        # Before uvicorn says that it starts.
        log_lines(self._log)

    @property
    def telemetry(self) -> TelemetryConfig:
        """What FastAPI is told."""
        return _NO_TELEMETRY | self._traces.telemetry if self._traces is not None else _NO_TELEMETRY

    def install(self, app: FastAPI) -> None:
        """See every request of the app, whatever answers it. The middleware of ids goes around it."""
        app.state.metrics, app.state.log = self.metrics, self._log
        note: Callable[[Scope], None] | None = self._traces.note if self._traces is not None else None
        app.add_middleware(ObserveMiddleware, tell=self._tell, note=note)

    @asynccontextmanager
    async def running(self, app: FastAPI) -> AsyncIterator[None]:
        """Log as long as the app runs, which has its store; nothing is left unwritten or unsent at its end."""
        # Whoever runs an app that was there already has set up uvicorn's log meanwhile.
        log_lines(self._log)
        if parent_process() is not None and not shares_folder():
            _log.warning("/metrics is of one worker only: give all of them an empty folder as %s", SHARED_FOLDER)
        sharing = asyncio.create_task(self._share(app)) if shares_folder() else None
        try:
            yield
        finally:
            if sharing is not None:
                sharing.cancel()
            for sent in (self._traces, self._errors):
                if sent is not None:
                    await asyncio.to_thread(sent.close)
            self._log.flush()

    def _tell(self, seen: Answered) -> None:
        self.metrics.count(seen)
        log_request(self._log, seen)
        if self._errors is not None and seen.cause is not None and kind_of(seen.cause) == UNEXPECTED:
            self._errors.report(seen)

    async def _share(self, app: FastAPI) -> None:
        while True:
            self.metrics.read(app.state.store, self._log)
            await asyncio.sleep(SHARE_SECONDS)


def _traces(url: str) -> "Traces":
    try:
        from serving_api.observe.traces import Traces
    except ImportError as error:
        raise _missing("AUDOTICS_API_TRACES_URL", "traces") from error
    return Traces(url)


def _tracked_errors(dsn: str, version: str) -> "TrackedErrors":
    try:
        from serving_api.observe.tracked_errors import TrackedErrors
    except ImportError as error:
        raise _missing("AUDOTICS_API_SENTRY_DSN", "errors") from error
    return TrackedErrors(dsn, version)


def _missing(setting: str, extra: str) -> MissingExtraError:
    return MissingExtraError(f"{setting} is set, and what it needs is not installed: pip install 'audotics[{extra}]'")

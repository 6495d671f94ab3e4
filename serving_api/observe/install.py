"""Makes an app seen: its log, its metrics."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing import parent_process

from fastapi import FastAPI

from serving_api.observe import scrape
from serving_api.observe.lines import LineWriter, log_lines
from serving_api.observe.metrics import SHARED_FOLDER, Metrics, shares_folder
from serving_api.observe.middleware import ObserveMiddleware
from serving_api.observe.request_log import log_request
from serving_api.observe.seen import Answered

# Between scrapes, which one worker of many answers, the others say how they are.
SHARE_SECONDS = 5.0

_log = logging.getLogger(__name__)


def install(app: FastAPI) -> Metrics:
    """Log and count every request of the app, and export what is counted. The middleware of ids goes around it."""
    app.state.metrics = metrics = Metrics()
    app.state.log = log = LineWriter()
    # Before uvicorn says that it starts.
    log_lines(log)

    def tell(seen: Answered) -> None:
        metrics.count(seen)
        log_request(log, seen)

    app.include_router(scrape.router)
    app.add_middleware(ObserveMiddleware, tell=tell)
    return metrics


@asynccontextmanager
async def observing(app: FastAPI) -> AsyncIterator[None]:
    """Log as long as the app runs, which has its store; nothing is left unwritten at its end."""
    # Whoever runs an app that was there already has set up uvicorn's log meanwhile.
    log_lines(app.state.log)
    if parent_process() is not None and not shares_folder():
        _log.warning("/metrics is of one worker only: give all of them an empty folder as %s", SHARED_FOLDER)
    sharing = asyncio.create_task(_share(app)) if shares_folder() else None
    try:
        yield
    finally:
        if sharing is not None:
            sharing.cancel()
        app.state.log.flush()


async def _share(app: FastAPI) -> None:
    while True:
        app.state.metrics.read(app.state.store, app.state.log)
        await asyncio.sleep(SHARE_SECONDS)

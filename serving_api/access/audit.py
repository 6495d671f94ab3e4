"""The audit: a JSON line for each request that was let in or not. No token or key, no list."""

import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

_log = logging.getLogger(__name__)


class Audit:
    """Writes to a file, each line at once and as a whole, so that several processes can share it; or to stderr.

    A file that log rotation copies and cuts goes on; one that it renames is written to until the process restarts.
    Where a line cannot be written, as on a full disk, requests are answered all the same, and the log says it once.
    """

    def __init__(self, where: str) -> None:
        self._own = where != "stderr"
        # Whose lists are read is for whoever runs this only.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = os.open(where, flags, 0o600) if self._own else sys.stderr.fileno()
        self._failing = False

    def write(
        self,
        *,
        who: str,
        whose: str | Sequence[str] | None,
        method: str,
        route: str,
        outcome: str,
        cause: str | None,
        status: int,
        request_id: str,
    ) -> None:
        """Write who asked for whose list, and what came of it: `allowed`, `refused` for a `cause`, or `failed`."""
        line = orjson.dumps(
            {
                "time": datetime.now(UTC),
                "event": "access",
                "who": who,
                "whose": whose,
                "method": method,
                "route": route,
                "outcome": outcome,
                "cause": cause,
                "status": status,
                "request_id": request_id,
            },
            option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z,
        )
        try:
            os.write(self._file, line)
            self._failing = False
        except OSError as error:
            if not self._failing:
                _log.error("the audit cannot be written: %s", error)
            self._failing = True

    def close(self) -> None:
        """Close the file."""
        if self._own:
            os.close(self._file)

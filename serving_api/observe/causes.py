"""Tells apart what keeps the store from answering, for operators; callers are told none of it."""

import re
import ssl
from collections.abc import Iterator
from socket import gaierror

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from serving_api.access.errors import AccessError
from serving_api.errors import (
    NoLiveReleaseError,
    SearchNotReadyError,
    StoreUnavailableError,
    UnreadableBlocksError,
    UnreadableReleaseError,
    UnreadableScenarioError,
)
from serving_api.observe.lines import printable

# The first that fits anything along the chain of causes, so the more telling ones stand first.
_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (NoLiveReleaseError, "no_live_release"),
    (ssl.SSLError, "tls"),
    (AuthenticationError, "wrong_password"),
    (AuthorizationError, "not_permitted"),
    (NoPermissionError, "not_permitted"),
    (BusyLoadingError, "loading"),
    (OutOfMemoryError, "out_of_memory"),
    (ReadOnlyError, "read_only"),
    (ConnectionRefusedError, "refused"),
    (gaierror, "unknown_host"),
    (RedisTimeoutError, "timeout"),
    (TimeoutError, "timeout"),
    (RedisConnectionError, "connection_lost"),
    (ResponseError, "redis_error"),
    (UnreadableBlocksError, "unreadable_blocks"),
    (UnreadableReleaseError, "unreadable_release"),
    (UnreadableScenarioError, "unreadable_scenario"),
    (SearchNotReadyError, "search_not_ready"),
    (StoreUnavailableError, "store_unavailable"),
    (AccessError, "access_unavailable"),
)
UNEXPECTED = "unexpected"
KINDS = (*dict.fromkeys(kind for _, kind in _KINDS), UNEXPECTED)
"""Every kind of cause that there is; `unexpected` is an error of ours."""

_LONGEST_TEXT = 1000
# The client names the failed command of a pipeline with all that it was given, user ids among it.
_GIVEN = re.compile(r"(Command # \d+ \(\S+).*(\) of pipeline caused error)", re.DOTALL)


def kind_of(error: BaseException) -> str:
    """Which of KINDS an error is, by itself or by what caused it."""
    chain = list(_chain(error))
    return next((kind for fitting, kind in _KINDS if any(isinstance(each, fitting) for each in chain)), UNEXPECTED)


def text_of(error: BaseException) -> str:
    """An error and what caused it, in one line for operators; at most 1,000 characters."""
    said = dict.fromkeys(_told(each) for each in _chain(error))
    return " <- ".join(said)[:_LONGEST_TEXT]


def _told(error: BaseException) -> str:
    # What somebody is told who is not let in says no more than it must.
    said = error.cause if isinstance(error, AccessError) else str(error)
    name, text = type(error).__name__, " ".join(_GIVEN.sub(r"\1 ...\2", said).split())
    return f"{name}: {printable(text)}" if text else name


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, or else what was being handled, and so on."""
    seen: BaseException | None = error
    met: set[int] = set()
    while seen is not None and id(seen) not in met:
        met.add(id(seen))
        yield seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)

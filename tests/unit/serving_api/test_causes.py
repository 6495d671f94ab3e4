"""Causes of a silent store are told apart, and say nothing of users."""

import ssl

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from serving_api.errors import NoLiveReleaseError, SilentStoreError, StoreUnavailableError, UnreadableReleaseError
from serving_api.observe.causes import KINDS, kind_of, text_of


def caused(error: Exception, *causes: Exception) -> Exception:
    """The error, raised from the first cause, while the next one was being handled, and so on."""
    raised = error
    for cause in causes:
        raised.__cause__ = cause
        raised = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (caused(SilentStoreError(), AuthenticationError()), "wrong_password"),
        (caused(SilentStoreError(), RedisConnectionError(), ConnectionRefusedError()), "refused"),
        (caused(SilentStoreError(), RedisConnectionError(), ssl.SSLError()), "tls"),
        (caused(SilentStoreError(), RedisTimeoutError()), "timeout"),
        (caused(SilentStoreError(), RedisConnectionError()), "connection_lost"),
        (caused(StoreUnavailableError(), NoPermissionError()), "not_permitted"),
        (caused(StoreUnavailableError(), ResponseError()), "redis_error"),
        (caused(UnreadableReleaseError("a fault"), ValueError()), "unreadable_release"),
        (NoLiveReleaseError(), "no_live_release"),
        (StoreUnavailableError(), "store_unavailable"),
        (ZeroDivisionError(), "unexpected"),
    ],
)
def test_what_keeps_the_store_from_answering_is_told_apart(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind
    assert kind in KINDS


def test_what_was_being_handled_counts_as_a_cause_unless_the_error_says_otherwise() -> None:
    lost = RedisConnectionError()
    lost.__context__ = ConnectionRefusedError()
    assert kind_of(lost) == "refused"
    lost.__suppress_context__ = True
    assert kind_of(lost) == "connection_lost"
    lost.__context__, lost.__suppress_context__ = lost, False
    assert kind_of(lost) == "connection_lost", "an error in its own context ends somewhere"


def test_the_text_has_the_whole_chain_in_one_line_and_no_id_of_a_user() -> None:
    of_pipeline = ResponseError(
        "Command # 2 (HMGET audotics:blocks ada\n) of pipeline bob) of pipeline caused error: no"
    )
    text = text_of(caused(StoreUnavailableError("Redis answers\nwith an error"), of_pipeline))
    assert text == (
        "StoreUnavailableError: Redis answers with an error"
        " <- ResponseError: Command # 2 (HMGET ...) of pipeline caused error: no"
    )
    assert text_of(KeyError()) == "KeyError"
    assert len(text_of(ValueError("x" * 5000))) == 1000

"""Errors that nobody expected, sent to a Sentry, or what speaks as one, where a setting names it."""

from sentry_sdk import Client
from sentry_sdk.utils import event_from_exception

from serving_api.observe.seen import Answered

_CLOSE_SECONDS = 2.0


class TrackedErrors:
    """Sends each error of ours with its traceback, route and request id: no request, no variables, no other events."""

    def __init__(self, dsn: str, release: str) -> None:
        self._client = Client(
            dsn=dsn,
            release=release,
            # Each of them would patch a library, and add what requests and variables hold.
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            send_default_pii=False,
            max_breadcrumbs=0,
            auto_session_tracking=False,
            send_client_reports=False,
        )

    def report(self, seen: Answered) -> None:
        """Send the error of a request, in the background."""
        if seen.cause is None:
            return
        event, hint = event_from_exception(seen.cause, client_options=self._client.options)
        event["transaction"] = f"{seen.method} {seen.route}"
        event["tags"] = {"request_id": seen.request_id}
        # Without a scope: the library's own ones are of the whole process.
        self._client.capture_event(event, hint)

    def close(self) -> None:
        """Send what is left; waits two seconds at most."""
        self._client.close(timeout=_CLOSE_SECONDS)

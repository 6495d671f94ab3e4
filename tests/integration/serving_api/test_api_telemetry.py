"""Traces and tracked errors: sent where a setting names a receiver, to nobody without, and never with a user."""

import gzip
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import orjson
import pytest
from api_client import recommendations, running_api
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import ValidationError
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api import contract
from serving_api.app import create_app
from serving_api.observe.install import MissingExtraError
from serving_api.settings import ServingSettings

pytestmark = pytest.mark.own_redis

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


@dataclass
class Receiver:
    """What was posted to a loopback port: paths and bodies."""

    url: str
    posted: list[tuple[str, bytes]] = field(default_factory=list)

    def spans(self) -> list[dict[str, Any]]:
        """The spans, each with its name, ids and attributes."""
        found = []
        for path, body in self.posted:
            assert path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                (service,) = (each.value for each in resource.resource.attributes if each.key == "service.name")
                assert service.string_value == "audotics-api"
                for span in (span for scope in resource.scope_spans for span in scope.spans):
                    values = {each.key: each.value for each in span.attributes}
                    told = {key: each.string_value or each.int_value for key, each in values.items()}
                    ids = {"trace": span.trace_id.hex(), "parent": span.parent_span_id.hex()}
                    found.append({"name": span.name, "failed": span.status.code == 2, **ids, **told})
        return found

    def events(self) -> list[dict[str, Any]]:
        """The events of Sentry's envelopes."""
        found = []
        for path, body in self.posted:
            assert path == "/api/7/envelope/"
            _, kind, event = body.split(b"\n")[:3]
            assert orjson.loads(kind)["type"] == "event"
            found.append(orjson.loads(event))
        return found


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
            received.posted.append((self.path, body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Takes) as server:
        received = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        try:
            yield received
        finally:
            server.shutdown()


def dsn(received: Receiver) -> str:
    return received.url.replace("http://", "http://planted-key@") + "/7"


def fail(app: FastAPI) -> None:
    @app.get("/failing/{user_id}")
    async def failing(user_id: str) -> None:
        raise ZeroDivisionError("nothing to divide by")


def ask(api: httpx.Client, client: Redis) -> None:
    """A list, somebody without one, one that Redis refuses, and a fault of ours."""
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-ID": "first"}
    api.get("/v1/users/planted-user/recommendations", params={"exclude": "planted-track"}, headers=headers)
    client.set(contract.slate_key((client.get(contract.LIVE) or b"").decode(), "for_you"), "x")
    assert recommendations(api, "user_7")["fallback_reason"] == "store_unavailable"
    headers = {"Authorization": "Bearer planted-token", "X-Request-ID": "broken"}
    assert api.get("/failing/planted-user", headers=headers).status_code == 500


def test_a_request_is_a_span_of_the_callers_trace_and_names_no_user(
    client: Redis, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    publish(client, sample_release())
    with receiver() as received:
        with running_api(redis_url, fail, api_traces_url=f"{received.url}/v1/traces") as api:
            ask(api, client)
        listed, refused, broken = received.spans()
    assert (listed["name"], listed["trace"], listed["parent"]) == (
        "GET /v1/users/{user_id}/recommendations",
        TRACE,
        CALLER,
    )
    assert (listed["http.response.status_code"], listed["failed"]) == (200, False)
    assert (listed["audotics.request_id"], listed["audotics.fallback"]) == ("first", "unknown_user")
    assert (refused["audotics.fallback"], refused["audotics.cause"]) == ("store_unavailable", "redis_error")
    assert refused["parent"] == "" and refused["trace"] != TRACE
    assert (broken["failed"], broken["audotics.cause"], broken["audotics.request_id"]) == (True, "unexpected", "broken")
    assert b"planted" not in b"".join(body for _, body in received.posted)
    lines = [orjson.loads(line) for line in capfd.readouterr().err.splitlines()]
    traced = [line["trace_id"] for line in lines if "route" in line]
    assert traced == [listed["trace"], refused["trace"], broken["trace"]]


def test_an_error_of_ours_is_tracked_with_its_place_and_without_its_request(client: Redis, redis_url: str) -> None:
    publish(client, sample_release())
    with receiver() as received:
        with running_api(redis_url, fail, api_sentry_dsn=dsn(received)) as api:
            ask(api, client)
        (event,) = received.events()
    (error,) = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("ZeroDivisionError", "nothing to divide by")
    assert error["stacktrace"]["frames"][-1]["function"] == "failing"
    assert (event["transaction"], event["tags"]["request_id"]) == ("GET /failing/{user_id}", "broken")
    assert "request" not in event and "user" not in event
    assert all("vars" not in frame for frame in error["stacktrace"]["frames"])
    assert "planted-user" not in str(event) and "planted-token" not in str(event)


def test_without_the_settings_nothing_is_sent_whatever_other_programs_are_told(
    client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(client, sample_release())
    with receiver() as received:
        for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
            monkeypatch.setenv(name, received.url)
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
        monkeypatch.setenv("SENTRY_DSN", dsn(received))
        with running_api(redis_url, fail) as api:
            ask(api, client)
    assert received.posted == []


def test_a_receiver_that_is_gone_holds_up_no_answer(client: Redis, redis_url: str) -> None:
    publish(client, sample_release())
    with receiver() as gone:
        pass
    with running_api(redis_url, fail, api_traces_url=f"{gone.url}/v1/traces", api_sentry_dsn=dsn(gone)) as api:
        ask(api, client)
        assert api.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("module", "setting", "extra"),
    [
        ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "api_traces_url", "traces"),
        ("sentry_sdk", "api_sentry_dsn", "errors"),
    ],
)
def test_a_setting_whose_extra_is_not_installed_says_which(
    monkeypatch: pytest.MonkeyPatch, module: str, setting: str, extra: str
) -> None:
    for name in ("serving_api.observe.traces", "serving_api.observe.tracked_errors"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    settings = ServingSettings.model_validate({"redis_url": "redis://127.0.0.1/0", setting: "http://key@127.0.0.1/1"})
    with pytest.raises(MissingExtraError, match=rf"AUDOTICS_{setting.upper()} is set.*audotics\[{extra}\]"):
        create_app(settings)


@pytest.mark.parametrize("setting", ["api_traces_url", "api_sentry_dsn"])
def test_what_is_not_an_address_is_refused_at_the_start(setting: str) -> None:
    with pytest.raises(ValidationError, match=setting):
        ServingSettings.model_validate({"redis_url": "redis://127.0.0.1/0", setting: "collector:4318"})


def test_the_key_of_a_sentry_is_in_no_repr() -> None:
    settings = ServingSettings.model_validate(
        {"redis_url": "redis://127.0.0.1/0", "api_sentry_dsn": "http://planted-key@127.0.0.1/1"}
    )
    assert "planted-key" not in repr(settings)

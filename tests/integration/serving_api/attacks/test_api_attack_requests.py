"""Requests that no client of good manners sends: what is not HTTP, what proxies read otherwise, bodies made to hurt."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import httpx
import orjson
import pytest
from api_client import recommendations, running_api
from raw_connections import connected, ends
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api.access.key_admin import create_key
from serving_api.access.scopes import ROLES

LIST = "/v1/users/user_7/recommendations"
BATCH = "/v1/recommendations:batchGet"
SEEDS = "/v1/recommendations:fromSeeds"
HOST = b"Host: localhost\r\n"
JSON = {"Content-Type": "application/json"}


def answers(api: httpx.Client, request: bytes) -> list[bytes]:
    """All that is answered on a connection that is not used further."""
    with connected(api.base_url, 1, request + b"GET /livez HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n") as (
        one,
    ):
        return ends(one).split(b"HTTP/1.1 ")[1:]


POST = b"POST %b HTTP/1.1\r\n" % BATCH.encode() + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
# What servers and proxies have read differently, so that what one takes for a body is a request to the other.
AMBIGUOUS = {
    "both lengths": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, turned": CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a signed length": POST + b"Content-Length: +2\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length in hex": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "a length beyond 64 bits": POST + b"Content-Length: 18446744073709551618\r\n\r\n{}",
    "a space before the colon": POST + b"Content-Length : 0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding on a line of its own": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "another coding last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two codings": CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a coding after a control": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": CHUNKED + b"\r\nFFFFFFFFFFFFFFFFF\r\n",
    "a chunk in 0x": CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n",
    "chunks without carriage returns": CHUNKED + b"\r\n2\n{}\n0\n\n",
    "more than the chunk": CHUNKED + b"\r\n2\r\n{}xx\r\n0\r\n\r\n",
    "an end of a line in an extension": CHUNKED + b"\r\n2;a\nb\r\n{}\r\n0\r\n\r\n",
    "a length in the trailers": CHUNKED + b"\r\n0\r\nContent-Length: 5\r\n\r\n",
    "lines without carriage returns": b"GET /livez HTTP/1.1\nHost: localhost\n\n",
    "a carriage return alone": b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\rY: b\r\n\r\n",
    "a line without a colon": b"GET /livez HTTP/1.1\r\n" + HOST + b"nothing\r\n\r\n",
    "a first line that goes on": b"GET /livez HTTP/1.1\r\n X: y\r\n" + HOST + b"\r\n",
    "a zero in a header": b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
    "another version": b"GET /livez HTTP/9.9\r\n" + HOST + b"\r\n",
    "the start of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "the start of TLS": bytes.fromhex("16030100a5010000a1030300"),
    "a tunnel": b"CONNECT localhost:6379 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method in small letters": b"get /livez HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes in the path": b"GET /v1/users/\xff/home HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes in the query": b"GET /v1/popular?country=\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "no path": b"GET http://localhost HTTP/1.1\r\n" + HOST + b"\r\n",
    "a hundred thousand parameters": b"GET /v1/popular?" + b"a&" * 50_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("shape", AMBIGUOUS)
def test_what_could_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read(api: httpx.Client, shape: str) -> None:
    (answer,) = answers(api, AMBIGUOUS[shape])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"400 ") and b"application/problem+json" in head, answer
    assert orjson.loads(body)["status"] == 400


def test_a_body_is_not_taken_for_a_request(api: httpx.Client) -> None:
    hidden = b"GET %b HTTP/1.1\r\n" % LIST.encode() + HOST + b"\r\n"
    for head in (b"GET /livez HTTP/1.1\r\n", b"POST %b HTTP/1.1\r\n" % BATCH.encode()):
        for length in (
            b"Content-Length: %d\r\n\r\n%b" % (len(hidden), hidden),
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden),
        ):
            first, second = answers(api, head + HOST + length)
            assert b'"alive"' in second and b'"items"' not in first + second


def test_trailers_are_not_headers(released_keys: tuple[httpx.Client, str]) -> None:
    api, secret = released_keys
    trailers = b"0\r\nAuthorization: Bearer %b\r\nX-Request-ID: mine\r\n\r\n" % secret.encode()
    body = b'{"user_ids":["user_7"]}'
    # The second comes after the app has been called.
    whole = b"%x\r\n%b\r\n" % (len(body), body)
    for parts in ([whole + trailers], [whole, trailers]):
        # The API may have answered and closed before it hears the second part, and then its answer can be lost.
        answer = next(filter(None, (answered(api, parts) for _ in range(50))))
        assert answer.startswith(b"HTTP/1.1 401"), answer
        assert b'"lists"' not in answer and b"mine" not in answer


def answered(api: httpx.Client, parts: list[bytes]) -> bytes:
    """The answer to a body that is sent in these parts; nothing where the connection was closed before the last."""
    with connected(api.base_url, 1, CHUNKED + b"Connection: close\r\nContent-Type: application/json\r\n\r\n") as (one,):
        try:
            for part in parts:
                one.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            return b""
        return ends(one)


@pytest.fixture
def released_keys(client: Redis, redis_url: str) -> Iterator[tuple[httpx.Client, str]]:
    publish(client, sample_release())
    made = create_key(client, "app", sorted(ROLES["app"]), None)
    with running_api(redis_url, api_auth="keys") as running:
        yield running, made.secret


def test_another_protocol_is_not_spoken(api: httpx.Client) -> None:
    for upgrade in (
        {"Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"},
        {"Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"},
    ):
        for path in ("/livez", LIST):
            assert api.get(path, headers=upgrade | {"Connection": "Upgrade, HTTP2-Settings"}).status_code == 200


PATHS = (
    "/v1/users/user_7%00/recommendations",
    "/v1/users/%252e%252e%252fuser_7/recommendations",
    "/v1/users/..%2f..%2fusers%2fuser_7/recommendations",
    "/v1/users/..%5c..%5cuser_7/recommendations",
    "/v1/users/%ff%fe%ed%a0%80/recommendations",
    "/v1/users/user_7;a=b/recommendations",
    "/v1/users/user_7%2frecommendations%3f/recommendations",
    "/v1/users/*/recommendations",
    "/v1/users/%25s%25n%7b0%7d/recommendations",
    "/v1/users/' OR 1=1 --/recommendations".replace(" ", "%20"),
    "/v1/users/audotics:live/recommendations",
    "/v1/users/" + "%F0%9D%94%B8" * 500 + "/recommendations",
)


@pytest.mark.parametrize("path", PATHS)
def test_an_id_is_an_id_whatever_is_in_it(api: httpx.Client, path: str) -> None:
    answer = api.send(httpx.Request("GET", api.base_url.copy_with(raw_path=path.encode())))
    assert answer.status_code == 200, answer.text
    asked = unquote(path.removeprefix("/v1/users/").removesuffix("/recommendations"))
    body = answer.json()
    assert (body["user_id"], body["source"], body["fallback_reason"]) == (asked, "popular", "unknown_user")


@pytest.mark.parametrize(
    "path",
    [
        "/livez%00",
        "/livez%2f",
        "/livez/",
        "/livez;a=b",
        "//livez",
        "/./livez",
        "/v1/popular/../../metrics/",
        "/v1/popular%23",
        "/LIVEZ",
        "/static-offline-docs/..%2f..%2fcore.py",
        "/static-offline-docs/%2e%2e/core.py",
        "/static-offline-docs/..%5ccore.py",
        "/static-offline-docs/%252e%252e/core.py",
        "/static-offline-docs//etc/passwd",
        "/static-offline-docs/%00",
        "/static-offline-docs/swagger-ui.css%00.js",
        "/static-offline-docs/",
        "/static-offline-docs/" + "a/" * 3000,
        "/static-offline-docs/" + "a" * 5000,
        "*",
    ],
)
def test_a_path_is_read_in_one_way_only(api: httpx.Client, path: str) -> None:
    request = b"GET %b HTTP/1.1\r\n" % path.encode() + HOST + b"Connection: close\r\n\r\n"
    with connected(api.base_url, 1, request) as (one,):
        head, _, body = ends(one).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 "), head
    assert orjson.loads(body)["status"] == 404


INJECTED = "%0d%0aX-Evil:%201%0d%0a%0d%0a%3Cscript%3E"


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/users/a{INJECTED}/recommendations",
        "/v1/users/a%0dX-Evil:%201/home",
        f"/v1/users/user_7/playlists/for_you.m3u8?country={INJECTED}",
        f"/v1/users/user_7/recommendations?limit=2&country={INJECTED}&exclude={INJECTED}",
        f"/v1/users/user_7/recommendations?scenario={INJECTED}",
        f"/v1/popular?limit=2&country={INJECTED}&{INJECTED}=1",
        f"/v1/popular?cursor={INJECTED}",
        f"/v1/tracks/{INJECTED}",
        f"/v1/artists/{INJECTED}/similar",
        f"/v1/search?q={INJECTED}",
        f"/{INJECTED}",
        f"/static-offline-docs/{INJECTED}",
    ],
)
def test_no_line_of_a_header_is_made_of_what_was_asked(api: httpx.Client, path: str) -> None:
    answer = api.send(httpx.Request("GET", api.base_url.copy_with(raw_path=path.encode())))
    assert answer.status_code < 500 or path.startswith("/v1/search")
    assert not [name for name, value in answer.headers.raw if b"evil" in (name + value).lower()]
    assert answer.headers["content-type"] != "text/html"
    # Whatever is in it, a body of JSON is one document.
    if "playlists" not in path:
        orjson.loads(answer.content)


@pytest.mark.parametrize(
    "path", [LIST, f"{LIST}?limit=2", "/v1/popular?limit=2", "/docs", "/openapi.json", "/v2", "/livez"]
)
def test_headers_for_proxies_change_nothing(api: httpx.Client, path: str) -> None:
    own = {"date", "x-request-id"}
    plain = api.get(path)
    for name, value in {
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "evil.example.org",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Server": "evil.example.org",
        "Forwarded": "for=10.0.0.1;host=evil.example.org;proto=https",
        "X-Real-IP": "10.0.0.1",
        "X-Original-URL": "/v1/popular",
        "X-Rewrite-URL": "/v1/popular",
        "X-HTTP-Method-Override": "DELETE",
        "X-Method-Override": "POST",
        "X-Host": "evil.example.org",
        "Range": "bytes=0-1",
        "Referer": "https://evil.example.org/",
    }.items():
        answer = api.get(path, headers={name: value})
        assert answer.status_code == plain.status_code, name
        assert {key: each for key, each in answer.headers.items() if key not in own} == {
            key: each for key, each in plain.headers.items() if key not in own
        }, name
        assert _without_id(answer.text) == _without_id(plain.text), name


def _without_id(text: str) -> str:
    return re.sub(r'"request_id":"\w+"', "", text)


def test_all_of_it_leaves_the_api_as_it_was(api: httpx.Client) -> None:
    assert recommendations(api, "user_7")["source"] == "personal"

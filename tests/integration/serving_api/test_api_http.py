"""What HTTP itself asks for: revalidation, compression, request ids."""

import httpx
import pytest
from api_client import problem, running_api
from redis import Redis
from sample_release import (
    sample_release,
)

from assets.publish.release import publish

pytestmark = pytest.mark.own_redis


def test_an_unchanged_answer_is_not_sent_again(api: httpx.Client, client: Redis) -> None:
    path = "/v1/users/user_7/recommendations"
    first = api.get(path)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert api.get("/v1/popular").headers["cache-control"] == "public, max-age=60"
    for known in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
        again = api.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    assert api.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    publish(client, sample_release("second"))
    changed = api.get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_answers_are_gzipped_for_those_who_can_read_that(api: httpx.Client) -> None:
    path = "/v1/users/user_7/recommendations"
    zipped = api.get(path, headers={"Accept-Encoding": "gzip"})
    plain = api.get(path, headers={"Accept-Encoding": "identity"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert zipped.content == plain.content
    assert int(zipped.headers["content-length"]) < len(plain.content) / 3
    known = api.get(path, headers={"If-None-Match": zipped.headers["etag"]})
    assert known.status_code == 304
    for answer in (zipped, plain, known):
        assert answer.headers.get_list("vary", split_commas=True) == ["Accept-Encoding"]


def test_every_answer_has_a_request_id_and_a_given_one_is_kept(api: httpx.Client) -> None:
    given = api.get("/livez", headers={"X-Request-ID": "trace-1.a_b"})
    assert given.headers["x-request-id"] == "trace-1.a_b"
    made_up = {api.get("/livez").headers["x-request-id"] for _ in range(2)}
    assert len(made_up) == 2
    for unsafe in ("a b", "x" * 129, "<script>"):
        assert api.get("/livez", headers={"X-Request-ID": unsafe}).headers["x-request-id"] != unsafe
    assert problem(api.get("/v2", headers={"X-Request-ID": "mine"}), 404, "about:blank")["request_id"] == "mine"


PATHS = [
    "/v1/users/user_7/recommendations",
    "/v1/users/user_7/home",
    "/v1/popular",
    "/v1/tracks/t-1",
    "/v1/tracks/t-1/similar",
    "/v1/artists/a-1/similar",
    "/livez",
    "/readyz",
    "/docs",
    "/openapi.json",
]


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body_and_options_say_what_there_is(api: httpx.Client, path: str) -> None:
    whole = api.get(path)
    head = api.head(path)
    assert (head.status_code, head.content) == (200, b"")
    own = {"date", "x-request-id"}
    assert {name: text for name, text in head.headers.items() if name not in own} == {
        name: text for name, text in whole.headers.items() if name not in own
    }
    options = api.options(path)
    assert (options.status_code, options.headers["allow"], options.content) == (204, "GET, HEAD, OPTIONS", b"")


def test_head_and_options_of_what_there_is_not(api: httpx.Client) -> None:
    assert api.head("/v1/tracks/unknown").status_code == 404
    assert api.options("/v2").status_code == 404
    assert api.options("/v1/recommendations:batchGet").headers["allow"] == "OPTIONS, POST"
    assert api.head("/v1/recommendations:batchGet").status_code == 405


def test_a_browser_may_call_from_the_origins_that_are_set_and_from_no_other(client: Redis, redis_url: str) -> None:
    publish(client, sample_release())
    mine, other = {"Origin": "https://app.example.org"}, {"Origin": "https://evil.example.org"}
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    with running_api(redis_url) as closed:
        assert "access-control-allow-origin" not in closed.get("/v1/popular", headers=mine).headers
        assert closed.options("/v1/popular", headers=mine | asked).status_code == 204
    with running_api(redis_url, api_cors_origins="https://app.example.org, http://127.0.0.1:3000/") as api:
        for origin in (mine, {"Origin": "http://127.0.0.1:3000"}):
            answer = api.get("/v1/popular", headers=origin)
            assert answer.headers["access-control-allow-origin"] == origin["Origin"]
            assert "ETag" in answer.headers["access-control-expose-headers"]
            assert "Origin" in answer.headers["vary"]
            preflight = api.options("/v1/users/user_7/recommendations", headers=origin | asked)
            assert preflight.status_code == 200
            assert preflight.headers["access-control-allow-origin"] == origin["Origin"]
            assert "access-control-allow-credentials" not in preflight.headers
        assert "access-control-allow-origin" not in api.get("/v1/popular", headers=other).headers
        assert api.options("/v1/popular", headers=other | asked).status_code == 400

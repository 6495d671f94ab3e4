"""What HTTP itself asks for: revalidation, compression, request ids."""

import httpx
import pytest
from api_client import problem
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

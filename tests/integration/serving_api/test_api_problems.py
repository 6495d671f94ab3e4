"""What the read API answers when it cannot: every error is a problem document, over real HTTP."""

import signal
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from api_client import document, problem, recommendations, running_api, running_redis
from redis import Redis
from redis.exceptions import OutOfMemoryError
from sample_release import sample_release

from assets.publish.release import publish
from serving_api import contract, models

pytestmark = pytest.mark.own_redis


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/users/user_7", "/v1/popular/", "/redoc", "/v1/users//recommendation"]
)
def test_a_path_without_anything_is_a_problem_document(api: httpx.Client, path: str) -> None:
    assert problem(api.get(path), 404, "about:blank")["title"] == "Not Found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_method_that_is_not_allowed_is_a_problem_document(api: httpx.Client, method: str) -> None:
    answer = api.request(method, "/v1/popular")
    assert problem(answer, 405, "about:blank")["detail"] == f"{method} is not allowed here"
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/users/user_7/recommendations?limit=0", "query.limit"),
        ("/v1/users/user_7/recommendations?limit=101", "query.limit"),
        ("/v1/users/user_7/recommendations?limit=ten", "query.limit"),
        ("/v1/users/user_7/recommendations?offset=-1", "query.offset"),
        ("/v1/users/user_7/recommendations?offset=70000", "query.offset"),
        ("/v1/users/user_7/recommendations?slate=best", "query.slate"),
        ("/v1/users//recommendations", "path.user_id"),
        (f"/v1/users/{'u' * 513}/recommendations", "path.user_id"),
        ("/v1/popular?limit=1.5", "query.limit"),
        ("/v1/popular?country=", "query.country"),
        (f"/v1/users/nobody/recommendations?country={'F' * 101}", "query.country"),
        ("/v1/tracks/t-1/similar?limit=101", "query.limit"),
        ("/v1/artists/a-1/similar?offset=-1", "query.offset"),
    ],
)
def test_an_invalid_parameter_is_named(api: httpx.Client, path: str, field: str) -> None:
    body = problem(api.get(path), 422, "invalid-request")
    assert [error["field"] for error in body["errors"]] == [field]
    assert body["detail"] == f"{field}: {body['errors'][0]['message']}"


def test_a_body_of_another_type_is_told_what_to_send_and_no_word_of_the_validator_is(api: httpx.Client) -> None:
    path, plain = "/v1/recommendations:fromSeeds", {"Content-Type": "text/plain"}
    form = problem(api.post(path, content='{"tracks":["t-1"]}', headers=plain), 422, "invalid-request")
    assert form["detail"] == "body: send it as `Content-Type: application/json`, not text/plain"
    nothing = problem(api.post(path, json={}), 422, "invalid-request")
    assert nothing["detail"] == "body: give at least one artist, track or tag"


def test_readiness_says_which_release_is_live_or_what_is_missing(client: Redis, redis_url: str) -> None:
    with running_api(redis_url) as api:
        problem(api.get("/readyz"), 503, "no-live-release")
        problem(api.get("/v1/users/user_7/recommendations"), 503, "no-live-release")
        name = publish(client, sample_release()).meta.release
        ready = document(api.get("/readyz"), models.Ready)
        assert (ready["status"], ready["release"], ready["contract_version"]) == ("ready", name, 1)
        assert api.get("/readyz").headers["cache-control"] == "no-store"

        meta = orjson.loads(client.get(contract.meta_key(name)) or b"")
        client.set(contract.meta_key("2026-12-24-00000000"), orjson.dumps(meta | {"contract_version": 2}))
        client.set(contract.popular_key("2026-12-24-00000000"), b"\x02 of another shape")
        client.set(contract.LIVE, "2026-12-24-00000000")
        newer = api.get("/readyz")
        problem(newer, 503, "contract-mismatch")
        assert newer.headers["retry-after"] == "5"
        assert recommendations(api, "user_7")["fallback_reason"] == "store_unavailable"

        client.set(contract.LIVE, "2026-12-31-00000000")
        problem(api.get("/readyz"), 503, "store-unavailable")
        assert document(api.get("/livez"), models.Alive) == {"status": "alive"}


def test_without_redis_a_process_answers_with_the_popular_list_it_saw_last() -> None:
    with running_redis() as (server, url), running_api(url) as api:
        personal = recommendations(api, "user_7")
        assert recommendations(api, "new_0")["country"] == "Finland"
        server.kill()
        server.wait()
        answer = api.get("/v1/users/user_7/recommendations", params={"limit": 2, "exclude": "t-39"})
        body = document(answer, models.Recommendations)
        assert (body["source"], body["fallback_reason"]) == ("popular", "store_unavailable")
        assert body["release"] == personal["release"]
        assert [item["track_id"] for item in body["items"]] == ["t-38", "t-37"]
        assert answer.headers["cache-control"] == "no-store"
        popular = document(api.get("/v1/popular", params={"country": "Finland"}), models.Popular)
        for overall in (body, popular, recommendations(api, "new_0")):
            assert (overall["fallback_reason"], overall["country"]) == ("store_unavailable", None)
        assert [item["track_id"] for item in popular["items"][:2]] == ["t-39", "t-38"]
        problem(api.get("/readyz"), 503, "store-unavailable")
        for path in ("/v1/tracks/t-1", "/v1/tracks/t-1/similar", "/v1/artists/a-1/similar"):
            problem(api.get(path), 503, "store-unavailable")
        assert api.get("/livez").status_code == 200
    with running_api(url) as fresh:
        answer = fresh.get("/v1/users/user_7/recommendations")
        problem(answer, 503, "store-unavailable")
        assert answer.headers["retry-after"] == "5"


@contextmanager
def falling_silent_at(command: bytes, redis_url: str) -> Iterator[str]:
    """URL of a way to a Redis that ends a connection, unanswered, when the command comes by itself."""
    there = urlsplit(redis_url)

    class Way(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((there.hostname, there.port)) as redis:
                back = threading.Thread(target=self.pass_on, args=[redis, self.request, b"none"])
                back.start()
                self.pass_on(self.request, redis, b"\r\n" + command + b"\r\n")
                redis.shutdown(socket.SHUT_RDWR)
                back.join()

        def pass_on(self, source: socket.socket, to: socket.socket, until: bytes) -> None:
            while (sent := source.recv(65_536)) and until not in sent[:20]:
                to.sendall(sent)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Way) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        yield redis_url.replace(f":{there.port}/", f":{server.server_address[1]}/")
        server.shutdown()


def test_a_redis_that_falls_silent_within_a_request_is_as_good_as_one_that_was_silent_before(
    client: Redis, redis_url: str
) -> None:
    publish(client, sample_release())
    client.hset(contract.BLOCKS, "user_7", contract.pack_blocks(contract.Blocks(frozenset({"t-39"}), frozenset())))
    with falling_silent_at(b"HGET", redis_url) as url, running_api(url) as api:
        assert recommendations(api, "user_7")["source"] == "personal"
        client.set(contract.LIVE, "2026-12-31-00000000")
        answer = recommendations(api, "user_7")
    assert answer["fallback_reason"] == "store_unavailable"
    assert answer["items"][0]["track_id"] == "t-39", "as it is when nothing is known of blocks"


def test_a_process_that_was_never_asked_before_has_a_popular_list_too() -> None:
    with running_redis() as (server, url), running_api(url) as api:
        server.kill()
        server.wait()
        assert recommendations(api, "user_7")["fallback_reason"] == "store_unavailable"


def test_a_redis_that_lost_its_data_is_as_good_as_a_silent_one_until_a_release_is_published(
    api: httpx.Client, client: Redis, redis_url: str
) -> None:
    assert recommendations(api, "user_7")["source"] == "personal"
    client.flushdb()
    answer = recommendations(api, "user_7")
    assert (answer["source"], answer["fallback_reason"]) == ("popular", "store_unavailable")
    problem(api.get("/readyz"), 503, "no-live-release")
    with running_api(redis_url) as fresh:
        problem(fresh.get("/v1/users/user_7/recommendations"), 503, "no-live-release")
        publish(client, sample_release())
        assert recommendations(fresh, "user_7")["source"] == "personal"
    assert recommendations(api, "user_7")["source"] == "personal"


def test_a_redis_that_hangs_is_not_waited_for_and_comes_back() -> None:
    with running_redis() as (server, url), running_api(url) as api:
        assert recommendations(api, "user_7")["source"] == "personal"
        server.send_signal(signal.SIGSTOP)
        # The client gives up after 10 seconds, Redis would never answer.
        assert recommendations(api, "user_7")["fallback_reason"] == "store_unavailable"
        problem(api.get("/readyz"), 503, "store-unavailable")
        server.send_signal(signal.SIGCONT)
        assert recommendations(api, "user_7")["source"] == "personal"


def test_a_redis_without_memory_left_answers_every_read(client: Redis, redis_url: str) -> None:
    publish(client, sample_release())
    paths = (
        "/v1/users/user_7/recommendations",
        "/v1/users/user_0/recommendations?slate=discover",
        "/v1/users/new_0/recommendations",
        "/v1/users/user_7/recommendations?exclude=t-1",
        "/v1/users/user_7/home",
        "/v1/popular?country=Finland",
        "/v1/trending",
        "/v1/tracks/t-1",
        "/v1/tracks/t-1/similar",
        "/v1/artists/a-1",
        "/v1/artists/a-1/similar",
    )
    posts = {
        "/v1/recommendations:batchGet": {"user_ids": ["user_1", "user_2"]},
        "/v1/recommendations:fromSeeds": {"artists": ["a-1"], "tracks": ["t-5"]},
    }
    with running_api(redis_url) as api:
        whole = [api.get(path).content for path in paths] + [api.post(path, json=posts[path]).content for path in posts]
    # A process that has kept nothing from before.
    with running_api(redis_url) as api:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(OutOfMemoryError):
                client.set("one-more", "value")
            answers = [api.get(path) for path in paths] + [api.post(path, json=posts[path]) for path in posts]
            problem(api.put("/v1/users/user_7/blocks/track/t-1"), 503, "store-unavailable")
        finally:
            client.config_set("maxmemory", 0)
    assert [answer.content for answer in answers] == whole
    assert {answer.status_code for answer in answers} == {200}

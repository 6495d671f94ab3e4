"""Bodies and queries that are made to hurt, and what must be told to nobody."""

import gzip
from pathlib import Path

import httpx
import pytest
from api_client import problem, recommendations
from api_process import api_process
from raw_connections import connected, ends
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api.access.key_admin import create_key
from serving_api.access.scopes import ROLES, Scope
from serving_api.problems import MOST_FAULTS

LIST = "/v1/users/user_7/recommendations"
BATCH = "/v1/recommendations:batchGet"
JSON = {"Content-Type": "application/json"}


def body_of(text: str) -> bytes:
    return b'{"user_ids":["user_7"],%b}' % text.encode()


BODIES = {
    "nested lists": (400, b"[" * 100_000),
    "nested objects": (400, b'{"a":' * 100_000),
    "closed lists": (400, b'{"user_ids":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "a number of 5,000 digits": (400, body_of('"limit":' + "9" * 5000)),
    "bytes": (400, b'{"user_ids":["\xff"]}'),
    "gzip": (400, gzip.compress(b'{"user_ids":["user_7"]}')),
    "nothing": (422, b""),
    "null": (422, b"null"),
    "half": (422, b'{"user_ids":["user_7"'),
    "two documents": (422, b'{"user_ids":["user_7"]}{}'),
    "a number beyond doubles": (422, body_of('"limit":1e400')),
    "not a number": (422, body_of('"limit":NaN')),
    "infinity": (422, body_of('"limit":-Infinity')),
    "half a pair": (422, b'{"user_ids":["\\ud800"]}'),
    "half a pair in a name": (422, body_of('"\\udfff":1')),
    "half a pair in bytes": (422, b'{"user_ids":["\xed\xa0\x80"]}'),
    "a prototype": (422, body_of('"__proto__":{"limit":1}')),
    "too many ids": (422, b'{"user_ids":[%b]}' % b",".join([b'"a"'] * 400_000)),
    "a million numbers as ids": (422, b'{"user_ids":[%b]}' % b",".join([b"1"] * 1_000_000)),
    "a long id": (422, b'{"user_ids":["%b"]}' % (b"x" * 2_000_000)),
    "a long number as text": (422, body_of('"limit":"' + "1" * 1_000_000 + '"')),
    "a long name": (422, body_of(f'"{"x" * 1_000_000}":1')),
    "many names": (422, body_of(",".join(f'"{number}":1' for number in range(150_000)))),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_made_to_hurt_gets_a_short_answer(api: httpx.Client, name: str) -> None:
    status, body = BODIES[name]
    answer = api.post(BATCH, content=body, headers=JSON)
    problem(answer, status, "about:blank" if status == 400 else "invalid-request")
    assert len(answer.content) < 20_000


@pytest.mark.parametrize(
    "query",
    [
        "include_year=" + "x," * 15_000,
        "include_year=x&" * 2000,
        "include_tag=" + "x," * 15_000,
        "cursor=" + "x" * 30_000,
        "limit=" + "9" * 30_000,
        "rotate=" + "x" * 30_000,
        "&".join(f"include_tag={number}&exclude_tag={number}" for number in range(900)),
    ],
    ids=lambda query: query[:20],
)
def test_a_query_that_is_made_to_hurt_gets_a_short_answer(api: httpx.Client, query: str) -> None:
    answer = api.get(f"{LIST}?{query}")
    assert len(problem(answer, 422, "invalid-request")["errors"]) <= MOST_FAULTS
    assert len(answer.content) < 20_000


def test_faults_beyond_the_first_are_counted(api: httpx.Client) -> None:
    told = problem(api.get(f"{LIST}?include_year={','.join(['x'] * 50)}"), 422, "invalid-request")
    assert len(told["errors"]) == MOST_FAULTS and told["detail"].endswith("; and 30 more")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_what_a_form_of_another_site_can_send_is_not_read_as_json(api: httpx.Client, kind: str) -> None:
    problem(api.post(BATCH, content=b'{"user_ids":["user_7"]}', headers={"Content-Type": kind}), 422, "invalid-request")


def test_of_a_name_that_is_given_twice_the_last_counts_everywhere(api: httpx.Client) -> None:
    twice = api.post(BATCH, content=b'{"user_ids":["user_8"],"user_ids":["user_7"]}', headers=JSON)
    assert [each["user_id"] for each in twice.json()["lists"]] == ["user_7"]
    assert len(api.get(f"{LIST}?limit=5&limit=2").json()["items"]) == 2


@pytest.mark.slow
def test_nothing_secret_is_in_the_log_in_errors_or_in_metrics(client: Redis, redis_url: str, tmp_path: Path) -> None:
    publish(client, sample_release())
    made = create_key(client, "app", [*sorted(ROLES["app"]), Scope.OPERATE], None)
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNyZXRfc3ViIn0.c2VjcmV0X3NpZ25hdHVyZQ"
    secrets = [made.secret.split("_", 2)[2], token.split(".")[1], token.split(".")[2], "hidden_person", "s3cr3t-query"]
    with api_process(redis_url, tmp_path, {"AUDOTICS_API_AUTH": "keys"}) as api:
        with httpx.Client(base_url=api.url) as asking:
            texts = []
            for shown in (made.secret, made.secret + "x", token):
                for headers in ({"Authorization": f"Bearer {shown}"}, {"X-API-Key": shown}, {"Cookie": shown}):
                    texts += [
                        asking.request(method, f"{path}?country=s3cr3t-query&cursor={shown}", headers=headers).text
                        for method in ("GET", "POST", "TRACE")
                        for path in ("/v1/popular", BATCH, "/v1/tracks/unknown", "/v2")
                    ]
                    asking.get("/v1/users/hidden_person/home?country=s3cr3t-query", headers=headers)
                    asking.post(BATCH, json={"user_ids": ["hidden_person"], "more": shown}, headers=headers)
                    # What cannot be read as HTTP is told of by the server itself.
                    asked = (
                        f"GET /v1/users/hidden_person/home HTTP/1.1\r\nAuthorization: Bearer {shown}\r\nnothing\r\n\r\n"
                    )
                    with connected(api.url, 1, asked.encode()) as (one,):
                        texts.append(ends(one).decode())
            scraped = asking.get("/metrics", headers={"Authorization": f"Bearer {made.secret}"})
        api.end()
        assert 'audotics_api_responses_total{route="/v1/users/{user_id}/home",status="200"} 2.0' in scraped.text
        assert len(api.requests()) > 100
        for secret in secrets:
            assert secret not in scraped.text
            assert secret not in api.errors.read_text()
        for secret in secrets[:4]:
            assert not [text for text in texts if secret in text and f"cursor={secret}" not in text]


def test_all_of_it_leaves_the_api_as_it_was(api: httpx.Client) -> None:
    assert recommendations(api, "user_7")["source"] == "personal"

"""API keys: what they open, and from when to when."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from subprocess import Popen

import httpx
import orjson
import pytest
from api_client import document, problem, running_api, running_redis
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api import contract, models
from serving_api.access import key_ring
from serving_api.access.errors import WhoError
from serving_api.access.guard import Access
from serving_api.access.key_admin import MadeKey, create_key, list_keys, revoke_key, rotate_key
from serving_api.access.key_ring import KeyRing
from serving_api.access.scopes import ROLES, Scope
from serving_api.settings import ServingSettings

pytestmark = pytest.mark.own_redis

LISTS = "/v1/users/user_7/recommendations"
APP = sorted(ROLES["app"])


@pytest.fixture
def api(client: Redis, redis_url: str) -> Iterator[httpx.Client]:
    publish(client, sample_release())
    with running_api(redis_url, api_auth="keys") as connected:
        yield connected


def bearer(made: MadeKey | str) -> dict[str, str]:
    return {"Authorization": f"Bearer {made if isinstance(made, str) else made.secret}"}


def until(condition: Callable[[], bool], seconds: float = 2.5) -> None:
    """Wait for what the API learns a second later."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def opens(api: httpx.Client, made: MadeKey | str) -> bool:
    return api.get(LISTS, headers=bearer(made)).status_code == 200


def test_without_a_key_only_health_and_the_description_answer(api: httpx.Client) -> None:
    for path in (LISTS, "/v1/popular", "/v1/tracks/t-1", "/v1/tracks/t-1/similar", "/v1/artists/a-1/similar"):
        refused = api.get(path)
        problem(refused, 401, "not-authenticated")
        assert refused.headers["www-authenticate"] == 'Bearer realm="audotics"'
    assert document(api.get("/livez"), models.Alive) == {"status": "alive"}
    assert document(api.get("/readyz"), models.ReadyShort) == {"status": "ready"}
    assert api.get("/openapi.json").status_code == 200


def test_a_key_opens_what_its_scopes_say_and_nothing_else(api: httpx.Client, client: Redis) -> None:
    reader = create_key(client, "reader", [Scope.LISTS_READ], None)
    catalogue = create_key(client, "catalogue", [Scope.CATALOGUE_READ], None)
    operator = create_key(client, "operator", [Scope.OPERATE], None)
    until(lambda: opens(api, reader))
    assert api.get(LISTS, headers={"X-API-Key": reader.secret}).status_code == 200
    refused = api.get("/v1/popular", headers=bearer(reader))
    assert problem(refused, 403, "forbidden")["detail"] == "this needs the scope catalogue:read"
    assert 'error="insufficient_scope", scope="catalogue:read"' in refused.headers["www-authenticate"]
    popular = api.get("/v1/popular", headers=bearer(catalogue))
    assert (popular.status_code, popular.headers["cache-control"]) == (200, "private, max-age=60")
    problem(api.get(LISTS, headers=bearer(catalogue)), 403, "forbidden")
    document(api.get("/readyz", headers=bearer(operator)), models.Ready)
    assert api.get("/readyz", headers=bearer(reader)).json() == {"status": "ready"}


def test_every_way_of_not_being_known_gets_the_same_answer(api: httpx.Client, client: Redis) -> None:
    good = create_key(client, "app", APP, None)
    expired = create_key(client, "old", APP, datetime.now(UTC) - timedelta(seconds=1))
    revoked = create_key(client, "gone", APP, None)
    revoke_key(client, revoked.key.id)
    until(lambda: opens(api, good))
    made_up = good.secret[:-1] + ("A" if good.secret[-1] != "A" else "B")
    answers = set()
    for secret in (expired.secret, revoked.secret, made_up, "aud_", "aud_" + "x" * 8000, "x.y.z", "x" * 9000):
        refused = api.get(LISTS, headers=bearer(secret))
        body = problem(refused, 401, "not-authenticated")
        assert secret not in refused.text
        answers.add((body["detail"], refused.headers["www-authenticate"]))
    assert answers == {
        ("the key or token is not valid, or no longer", 'Bearer realm="audotics", error="invalid_token"')
    }


def test_a_revoked_key_is_refused_within_two_seconds(api: httpx.Client, client: Redis) -> None:
    made = create_key(client, "app", APP, None)
    until(lambda: opens(api, made))
    revoke_key(client, made.key.id)
    until(lambda: not opens(api, made), seconds=2)


@pytest.mark.slow
def test_a_rotated_key_opens_with_both_secrets_and_then_with_the_new_one(api: httpx.Client, client: Redis) -> None:
    first = create_key(client, "app", APP, None)
    until(lambda: opens(api, first))
    second = rotate_key(client, first.key.id, timedelta(seconds=3))
    until(lambda: opens(api, second))
    assert opens(api, first)
    until(lambda: not opens(api, first), seconds=4)
    assert opens(api, second)
    third = rotate_key(client, first.key.id, timedelta(0))
    until(lambda: opens(api, third))
    assert not opens(api, second)
    assert list_keys(client).keys == [third.key]


def test_a_damaged_key_opens_nothing_and_holds_up_no_other(api: httpx.Client, client: Redis) -> None:
    damaged, good = create_key(client, "damaged", APP, None), create_key(client, "good", APP, None)
    client.hset(contract.API_KEYS, damaged.key.id, b'{"version": 1}')
    until(lambda: opens(api, good))
    assert not opens(api, damaged)
    assert [key.id for key in list_keys(client).keys] == [good.key.id]
    assert damaged.key.id in list_keys(client).unreadable[0]


def test_more_than_one_credential_is_refused(api: httpx.Client, client: Redis) -> None:
    made = create_key(client, "app", APP, None)
    until(lambda: opens(api, made))
    both = [("Authorization", f"Bearer {made.secret}"), ("X-API-Key", made.secret)]
    twice = [("Authorization", f"Bearer {made.secret}"), ("Authorization", f"Bearer {made.secret}")]
    for headers in (both, twice):
        problem(api.get(LISTS, headers=headers), 400, "many-credentials")
    for value in (f"Basic {made.secret}", f"Digest {made.secret}", made.secret, "Bearer", ""):
        problem(api.get(LISTS, headers={"Authorization": value}), 401, "not-authenticated")


def test_no_secret_is_in_redis(client: Redis) -> None:
    made = create_key(client, "app", APP, None)
    rotated = rotate_key(client, made.key.id, timedelta(hours=1))
    held = b"".join(client.hgetall(contract.API_KEYS).values()).decode()  # type: ignore[union-attr]
    for secret in (made.secret, rotated.secret):
        assert secret.split("_", 2)[2] not in held
    assert len(orjson.loads(held)["secrets"]) == 2


@pytest.fixture
def own_server() -> Iterator[tuple[Popen[bytes], str]]:
    with running_redis() as running:
        yield running


@pytest.mark.slow
def test_keys_go_on_while_redis_is_silent(own_server: tuple[Popen[bytes], str]) -> None:
    server, url = own_server
    with Redis.from_url(url) as client, running_api(url, api_auth="keys") as api:
        made = create_key(client, "app", APP, None)
        until(lambda: opens(api, made))
        server.kill()
        server.wait()
        time.sleep(1.5)
        answer = document(api.get(LISTS, headers=bearer(made)), models.Recommendations)
        assert answer["fallback_reason"] == "store_unavailable"
        problem(api.get(LISTS, headers=bearer("aud_other")), 401, "not-authenticated")
    with running_api(url, api_auth="keys") as api:
        refused = api.get(LISTS, headers=bearer(made))
        problem(refused, 503, "access-unavailable")
        assert refused.headers["retry-after"] == "5"
        problem(api.get(LISTS), 401, "not-authenticated")


def test_reading_keys_ends_at_whatever_instant_it_is_told_to(
    client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Python 3.12, one that comes between a command being sent and its sender hearing of it has no effect."""
    monkeypatch.setattr(key_ring, "READ_EVERY_SECONDS", 0.0)

    async def ended(turns: int) -> bool:
        access = Access(ServingSettings(redis_url=redis_url, api_auth="keys"), redis_url)
        await access.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        done, _ = await asyncio.wait([asyncio.create_task(access.close())], timeout=30)
        while not done and (others := asyncio.all_tasks() - {asyncio.current_task()}):
            # Or the test would not end either.
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=0.1)
        return bool(done)

    assert next((turns for turns in range(30) if not asyncio.run(ended(turns))), None) is None


def test_finding_out_takes_as_long_whatever_is_shared_with_a_good_secret(client: Redis, redis_url: str) -> None:
    good = create_key(client, "app", APP, None).secret

    async def work() -> dict[str, float]:
        async with AsyncRedis.from_url(redis_url) as connected:
            ring = KeyRing(connected)
            await ring.read()
            assert ring.caller(good).who.startswith("key:")
        tried = {"nothing": "aud_" + "#" * (len(good) - 4), "all but the last letter": good[:-1] + "#"}
        rounds: dict[str, list[float]] = {name: [] for name in tried}
        for _ in range(300):
            for name, secret in tried.items():
                started = time.perf_counter()
                for _ in range(30):
                    with suppress(WhoError):
                        ring.caller(secret)
                rounds[name].append(time.perf_counter() - started)
        # The shortest is what nothing else on the machine held up.
        return {name: min(taken) for name, taken in rounds.items()}

    taken = asyncio.run(work())
    assert max(taken.values()) < 1.15 * min(taken.values()), taken

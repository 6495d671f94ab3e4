"""Search while releases come and go, and over indexes that are damaged or missing."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from api_client import document, problem, running_api
from redis import Redis
from sample_release import sample_release
from search_catalogue import searchable_release

from assets.publish.held import rollback
from assets.publish.release import publish
from assets.publish.verification import DamagedReleaseError, verify
from serving_api import contract
from serving_api.search import indexes, models

pytestmark = pytest.mark.own_redis


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(indexes, "RETRY_SECONDS", 0.2)


def search(api: httpx.Client, q: str = "love") -> dict[str, Any]:
    return document(api.get("/v1/search", params={"q": q}), models.Found)


def markers(body: dict[str, Any]) -> set[str]:
    """What marks the records of an answer: that of their release."""
    return {item[f"{item['kind']}_id"].rsplit("-", 1)[1] for item in body["items"]}


def until(true: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def index_of(client: Redis, release: str) -> str:
    key = contract.search_key(release)
    assert client.hlen(key) == 2
    return key


@contextmanager
def at_last(event: threading.Event) -> Iterator[None]:
    """Set the event, so that what waits for it lets the process end."""
    try:
        yield
    finally:
        event.set()


def test_searches_see_one_release_or_another_while_releases_fly_by(client: Redis, redis_url: str) -> None:
    published = {publish(client, searchable_release("r0")).meta.release: "r0"}
    answers: list[dict[str, Any]] = []
    failed: list[str] = []
    finished = threading.Event()

    def ask(address: httpx.URL) -> None:
        with httpx.Client(base_url=address) as reader:
            while not finished.is_set():
                answer = reader.get("/v1/search", params={"q": "love"})
                if answer.status_code == 200:
                    answers.append(answer.json())
                elif answer.status_code != 503 or answer.json()["type"] != "urn:audotics:problem:search-not-ready":
                    failed.append(answer.text)

    with running_api(redis_url) as api:
        readers = [threading.Thread(target=ask, args=[api.base_url]) for _ in range(3)]
        for reader in readers:
            reader.start()
        for number in range(1, 9):
            published[publish(client, searchable_release(f"r{number}")).meta.release] = f"r{number}"
            if number % 3 == 0:
                rollback(client)
            time.sleep(0.1)
        finished.set()
        for reader in readers:
            reader.join()
    assert failed == []
    assert all(markers(body) == {published[body["release"]]} for body in answers), "an answer is of two releases"
    assert all(len(body["items"]) > 3 for body in answers), "an answer lacks what was removed meanwhile"
    assert len({body["release"] for body in answers}) > 3


def test_the_release_before_answers_until_the_new_index_is_open(
    client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = publish(client, searchable_release("old")).meta.release
    opening, go_on = threading.Event(), threading.Event()
    open_index = indexes.fetched_index

    async def held_up(*arguments: Any) -> Any:
        opening.set()
        while not go_on.is_set():
            await indexes.asyncio.sleep(0.01)
        return await open_index(*arguments)

    with running_api(redis_url) as api, at_last(go_on):
        assert search(api)["release"] == old
        monkeypatch.setattr(indexes, "fetched_index", held_up)
        new = publish(client, searchable_release("new")).meta.release
        assert opening.wait(5)
        answer = api.get("/v1/search", params={"q": "love"})
        body = document(answer, models.Found)
        assert (body["release"], body["fallback_reason"], markers(body)) == (old, "previous_release", {"old"})
        assert answer.headers["cache-control"] == "no-store"
        # After another flip nothing is left of the old release.
        publish(client, searchable_release("newest"))
        refused = api.get("/v1/search", params={"q": "love"})
        problem(refused, 503, "search-not-ready")
        assert refused.headers["retry-after"]
        go_on.set()
        until(lambda: api.get("/v1/search", params={"q": "love"}).status_code == 200)
        until(lambda: markers(search(api)) == {"newest"})
        assert new != search(api)["release"]


def damages() -> Iterator[tuple[str, Callable[[Redis, str], object]]]:
    yield "a part is gone", lambda client, key: client.hdel(key, "0")
    yield "a byte is another", lambda client, key: client.hset(key, "0", b"\0" + (client.hget(key, "0") or b"")[1:])
    yield "a part is cut off", lambda client, key: client.hset(key, "0", (client.hget(key, "0") or b"")[:-100])
    yield "it is not described", lambda client, key: client.hdel(key, "description")
    yield "the description is not JSON", lambda client, key: client.hset(key, "description", b"\xff{")
    yield (
        "it is of another format",
        lambda client, key: client.hset(
            key, "description", (client.hget(key, "description") or b"").replace(b'"format":1', b'"format":2')
        ),
    )
    yield (
        "it says to be endless",
        lambda client, key: client.hset(
            key, "description", (client.hget(key, "description") or b"").replace(b'"size":', b'"size":99999999999')
        ),
    )
    yield "it is gone", lambda client, key: client.delete(key)
    yield "it is a text", lambda client, key: client.set(key, "text")


@pytest.mark.parametrize(("what", "damage"), damages(), ids=[what for what, _ in damages()])
def test_a_damaged_index_is_said_to_be_so_and_found_by_whoever_verifies(
    client: Redis, redis_url: str, what: str, damage: Callable[[Redis, str], object]
) -> None:
    release = publish(client, searchable_release()).meta.release
    damage(client, index_of(client, release))
    with pytest.raises(DamagedReleaseError):
        verify(client, release)
    with running_api(redis_url) as api:
        for _ in range(2):
            problem(api.get("/v1/search", params={"q": "love"}), 503, "search-not-ready")
        assert api.get("/v1/popular").status_code == 200
        # Publishing the same again repairs it, and the process finds that by itself.
        assert publish(client, searchable_release()).repaired
        until(lambda: api.get("/v1/search", params={"q": "love"}).status_code == 200)


def test_while_the_new_index_is_damaged_the_one_before_answers(client: Redis, redis_url: str) -> None:
    old = publish(client, searchable_release("old")).meta.release
    with running_api(redis_url) as api:
        assert search(api)["release"] == old
        new = searchable_release("new")
        publish(client, new)
        until(lambda: search(api)["release"] != old)
    # Another process, that opened the old one, meets the new one damaged.
    rollback(client)
    live = publish(client, sample_release("other")).meta.release
    client.hset(contract.search_key(live), "description", b"nothing")
    rollback(client)
    with running_api(redis_url) as api:
        assert search(api)["release"] == old
        # Damaged before it is seen: one that has no index at all is another case.
        client.mset({contract.LIVE: live, contract.PREVIOUS: old})
        until(lambda: search(api)["fallback_reason"] == "previous_release")
        assert search(api)["release"] == old


def test_a_release_without_an_index_is_served_but_for_search(client: Redis, redis_url: str) -> None:
    publish(client, searchable_release())
    with running_api(redis_url) as api:
        search(api)
        release = publish(client, sample_release("older")).meta.release
        assert client.hlen(contract.search_key(release)) == 0
        verify(client, release)
        until(lambda: api.get("/v1/search", params={"q": "love"}).status_code == 503)
        problem(api.get("/v1/search", params={"q": "love"}), 503, "search-not-ready")
        assert api.get("/v1/users/user_7/recommendations").json()["release"] == release


def test_the_index_goes_with_its_release(client: Redis) -> None:
    first = publish(client, searchable_release("a")).meta.release
    for marker in "bc":
        publish(client, searchable_release(marker))
    assert not client.exists(contract.search_key(first))
    assert len(list(client.scan_iter("audotics:*:search"))) == 2


def test_the_same_names_make_the_same_release(client: Redis) -> None:
    first = publish(client, searchable_release())
    again = publish(client, searchable_release())
    assert again.already_live and again.meta.release == first.meta.release
    assert first.counts.search == 2

"""Readers of the API while releases come and go: one release or another, never a mixture."""

import asyncio
import re
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpx
import orjson
import pytest
from api_client import running_api
from redis import Redis
from sample_release import sample_country, sample_list, sample_release

from assets.publish.held import rollback
from assets.publish.release import publish
from serving_api.answers import ListAsked, UserSlate
from serving_api.contract import LIVE, Blocks
from serving_api.pages import Window
from serving_api.records import Records
from serving_api.store import REDIS_TIMEOUT_SECONDS, ReleaseStore

pytestmark = pytest.mark.own_redis


def made_of(body: dict[str, Any]) -> set[str]:
    """The markers of all releases that an answer has anything of."""
    texts = [body["model_version"]] if body["model_version"] else []
    texts += [item["title"] for item in body["items"]]
    texts += [item["reason"]["title"] for item in body["items"] if item["reason"]]
    return {re.split(r"-| of ", text)[-1] for text in texts}


def test_readers_see_one_release_or_another_while_releases_fly_by(client: Redis, redis_url: str) -> None:
    seen: set[tuple[str, ...]] = set()
    faults: list[dict[str, Any]] = []
    served: set[str] = set()
    finished = threading.Event()
    stand_ins = {"nobody": ("unknown_user", None), "new_0": ("unknown_user", "Finland")}
    # Only a Redis that did not answer for that long is given up: what is answered then is of one release as well.
    given_up = ("store_unavailable", None)

    def read(address: httpx.URL, user_id: str) -> None:
        with httpx.Client(base_url=address) as reader:
            while not finished.is_set():
                asked_at = time.monotonic()
                body = reader.get(f"/v1/users/{user_id}/recommendations").json()
                waited = time.monotonic() - asked_at
                said = (body.get("fallback_reason"), body.get("country"))
                if said == stand_ins.get(user_id, (None, None)):
                    served.add(user_id)
                elif said != given_up or waited < REDIS_TIMEOUT_SECONDS:
                    faults.append(body)
                    return
                seen.add((body["release"], *made_of(body)))

    published = {(publish(client, sample_release()).meta.release, "first")}
    with running_api(redis_url) as api:
        user_ids = ("user_7", "nobody", "new_0")
        readers = [threading.Thread(target=read, args=[api.base_url, user_id]) for user_id in user_ids]
        for reader in readers:
            reader.start()
        for number in range(12):
            marker = f"release{number}"
            published.add((publish(client, sample_release(marker)).meta.release, marker))
            if number % 3 == 0:
                rollback(client)
        finished.set()
        for reader in readers:
            reader.join()
    assert faults == []
    assert seen <= published, "an answer was made of more than one release"
    assert len(seen) > 2
    assert served == set(user_ids)


@pytest.mark.parametrize("user_id", ["user_7", "new_0"])
def test_a_release_that_vanishes_under_a_reader_is_left_for_the_live_one(
    client: Redis, redis_url: str, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a request's transaction and its read of the records, two other releases go live."""
    publish(client, sample_release("a"))
    read_records = Records.of

    async def overtaken(self: Records[Any], redis: Any, keys: Iterable[int]) -> Any:
        monkeypatch.undo()
        publish(client, sample_release("b"))
        publish(client, sample_release("c"))
        return await read_records(self, redis, keys)

    async def ask() -> UserSlate:
        store = ReleaseStore(redis_url)
        await store.live()
        monkeypatch.setattr(Records, "of", overtaken)
        found = await store.user_slate(ListAsked(user_id, "for_you", Window(limit=20, offset=0)))
        await store.close()
        return found

    found = asyncio.run(ask())
    assert found.release.meta.models["for_you"] == "for_you-c"
    items = orjson.loads(found.page.json())
    assert {item["title"].split(" of ")[1] for item in items} == {"c"}
    assert [item["track_id"] for item in items] == [
        f"t-{key}"
        for key in (sample_list("c", "for_you", 7)[0] if user_id == "user_7" else sample_country("c", "Finland"))
    ]


def test_a_batch_that_falls_back_is_of_one_release_when_another_goes_live_meanwhile(
    client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(client, sample_release("first")).meta.release
    read_blocks = ReleaseStore.blocks

    async def overtaken(self: ReleaseStore, user_id: str) -> Blocks:
        if user_id == "user_2":
            publish(client, sample_release("second"))
            assert (await self.live()).name != first
        return await read_blocks(self, user_id)

    monkeypatch.setattr(ReleaseStore, "blocks", overtaken)
    with running_api(redis_url) as api:
        client.set(LIVE, "2026-12-31-00000000")
        lists = api.post("/v1/recommendations:batchGet", json={"user_ids": ["user_1", "user_2", "user_3"]}).json()[
            "lists"
        ]
    assert {(each["fallback_reason"], each["release"]) for each in lists} == {("store_unavailable", first)}
    assert [item["title"].split(" of ")[1] for each in lists for item in each["items"]] == ["first"] * 60

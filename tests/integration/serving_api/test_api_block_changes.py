"""What users block over HTTP holds from the next request on, for themselves only, and none of it is lost."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from api_client import answers, problem, recommendations, running_api, running_redis
from identity_provider import SigningKey, key_server
from redis import Redis
from sample_release import sample_list, sample_release, sample_track

from assets.publish.release import publish
from serving_api import contract
from serving_api.access.key_admin import create_key
from serving_api.access.scopes import Scope
from serving_api.block_changes import MAX_BYTES
from serving_api.contract import BLOCK_CHANGES, BLOCKS, BlockChange, Blocks

pytestmark = pytest.mark.own_redis

LISTS = "/v1/users/user_7/recommendations"


@pytest.fixture
def api(client: Redis, redis_url: str) -> Iterator[httpx.Client]:
    publish(client, sample_release("first"))
    with running_api(redis_url) as connected:
        yield connected


def path_of(user_id: str, kind: str, item_id: str) -> str:
    return f"/v1/users/{quote(user_id, safe='')}/blocks/{kind}/{quote(item_id, safe='')}"


def block(api: httpx.Client, user_id: str, kind: str, item_id: str) -> None:
    answer = api.put(path_of(user_id, kind, item_id))
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (204, b"", "no-store")


def unblock(api: httpx.Client, user_id: str, kind: str, item_id: str) -> None:
    assert api.delete(path_of(user_id, kind, item_id)).status_code == 204


def kept(packed: bytes) -> list[tuple[object, ...]]:
    """The changes without their times."""
    return [each[:-1] for each in contract.unpack_block_changes(packed)]


def shown(answer: dict[str, Any]) -> list[str]:
    return [item["track_id"] for item in answer["items"]]


def listed(user: int) -> list[tuple[str, str | None]]:
    """Ids of the tracks of a list, and of their artists."""
    tracks = [sample_track("first", key) for key in sample_list("first", "for_you", user)[0]]
    return [(track.track_id, track.artist_id) for track in tracks]


def test_a_block_holds_from_the_next_request_on_in_every_list_until_it_is_taken_back(api: httpx.Client) -> None:
    whole = listed(7)
    (track_id, _), artist_id = whole[0], next(artist for _, artist in whole[1:] if artist)
    before = api.get(LISTS)
    block(api, "user_7", "track", track_id)
    block(api, "user_7", "artist", artist_id)
    left = [track for track, artist in whole if track != track_id and artist != artist_id]
    assert 0 < len(left) < len(whole) - 1
    answer = api.get(LISTS, headers={"If-None-Match": before.headers["etag"]})
    assert (answer.status_code, shown(answer.json())) == (200, left)
    assert track_id not in [
        item for shelf in api.get("/v1/users/user_7/home").json()["shelves"] for item in shown(shelf)
    ]
    (batch,) = api.post("/v1/recommendations:batchGet", json={"user_ids": ["user_7"]}).json()["lists"]
    assert shown(batch) == left
    assert shown(recommendations(api, "user_8")) == [track for track, _ in listed(8)], "what one blocks, others keep"
    unblock(api, "user_7", "track", track_id)
    unblock(api, "user_7", "artist", artist_id)
    again = api.get(LISTS)
    assert (again.content, again.headers["etag"]) == (before.content, before.headers["etag"])


def test_what_the_warehouse_says_is_taken_back_as_well(api: httpx.Client, client: Redis) -> None:
    (first, _), (second, _) = listed(7)[:2]
    client.hset(BLOCKS, "user_7", contract.pack_blocks(Blocks(frozenset({first, second}), frozenset())))
    unblock(api, "user_7", "track", first)
    assert first in shown(recommendations(api, "user_7")) and second not in shown(recommendations(api, "user_7"))


def test_somebody_unknown_blocks_as_well_and_what_no_release_knows(api: httpx.Client, client: Redis) -> None:
    popular = shown(recommendations(api, "came just now"))
    block(api, "came just now", "track", popular[0])
    block(api, "came just now", "track", "t/of another/day?")
    assert shown(recommendations(api, "came just now")) == popular[1:] + shown(
        recommendations(api, "came just now", offset=19, limit=1)
    )
    packed = client.hget(BLOCK_CHANGES, "came just now")
    assert packed is not None
    assert kept(packed) == [("track", item_id, True, item_id) for item_id in (popular[0], "t/of another/day?")]


def test_another_id_of_an_item_blocks_the_item_that_lists_show(api: httpx.Client, client: Redis) -> None:
    release, (track_id, _) = (client.get(contract.LIVE) or b"").decode(), listed(7)[0]
    field = client.hget(contract.track_ids_key(release), track_id)
    assert field is not None
    client.hset(contract.track_ids_key(release), "t-by-another-name", field)
    block(api, "user_7", "track", "t-by-another-name")
    assert track_id not in shown(recommendations(api, "user_7"))
    unblock(api, "user_7", "track", "t-by-another-name")
    assert track_id in shown(recommendations(api, "user_7"))


def test_the_same_again_changes_nothing_and_what_was_said_last_counts(api: httpx.Client, client: Redis) -> None:
    for change in (block, block, unblock, block, unblock, unblock):
        change(api, "user_7", "track", "t-1")
    packed = client.hget(BLOCK_CHANGES, "user_7")
    assert packed is not None
    assert kept(packed) == [("track", "t-1", False, "t-1")]


def test_of_many_changes_at_once_none_is_lost(api: httpx.Client, client: Redis) -> None:
    wanted = [f"t-{number}" for number in range(60)]
    with ThreadPoolExecutor(8) as many:
        list(many.map(lambda track_id: block(api, "user_7", "track", track_id), wanted))
    packed = client.hget(BLOCK_CHANGES, "user_7")
    assert packed is not None
    assert sorted(each.item_id for each in contract.unpack_block_changes(packed)) == sorted(wanted)


def test_a_user_has_room_for_so_many_changes_and_no_more(api: httpx.Client, client: Redis) -> None:
    names = [f"x-{number}-{'x' * 1000}" for number in range(300)]
    full = [BlockChange("track", name, True, name, 0) for name in names]
    while len(contract.pack_block_changes(full)) > MAX_BYTES:
        full.pop()
    client.hset(BLOCK_CHANGES, "user_7", contract.pack_block_changes(full))
    problem(api.put(path_of("user_7", "track", "x" * 1100)), 409, "too-many-changes")
    unblock(api, "user_7", "track", names[0])
    block(api, "user_8", "track", "t-1")
    packed = client.hget(BLOCK_CHANGES, "user_7")
    assert packed is not None and len(contract.unpack_block_changes(packed)) == len(full)


def test_with_a_redis_that_hangs_nobody_waits_for_all_others(redis_url: str) -> None:
    """What comes while one change waits for Redis is refused together."""
    with running_redis() as (server, url), running_api(url) as api:
        block(api, "user_7", "track", "t-1")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(40) as many:
                wanted = [path_of("user_7", "track", f"t-{number}") for number in range(40)]
                answers = list(many.map(lambda path: httpx.put(f"{api.base_url}{path}", timeout=10), wanted))
        finally:
            os.kill(server.pid, signal.SIGCONT)
        for answer in answers:
            problem(answer, 503, "store-unavailable")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/users/ann/blocks/track/x/blocks/track/y", "path.user_id"),
        ("/v1/users/ann/of/blocks/track/y", "path.user_id"),
        ("/v1/users/ann/blocks/track/x/y", "path.item_id"),
        ("/v1/users/ann/blocks/track/x%00", "path.item_id"),
        ("/v1/users/a%00nn/blocks/track/x", "path.user_id"),
        ("/v1/users/ann/blocks/album/x", "path.kind"),
        (f"/v1/users/ann/blocks/track/{'x' * 2049}", "path.item_id"),
        (f"/v1/users/{'x' * 513}/blocks/track/x", "path.user_id"),
    ],
)
def test_a_path_that_might_be_about_somebody_else_changes_nothing(
    api: httpx.Client, client: Redis, path: str, field: str
) -> None:
    for method in ("PUT", "DELETE"):
        errors = problem(api.request(method, path), 422, "invalid-request")["errors"]
        assert [error["field"] for error in errors] == [field]
    assert client.hlen(BLOCK_CHANGES) == 0


def test_ids_with_slashes_and_in_any_script_are_themselves(api: httpx.Client, client: Redis) -> None:
    for user_id, item_id in (("a/b", "c/d"), ("ann/blocks/track/x", "y/z"), ("Ünï %2F", "曲/☃")):
        block(api, user_id, "track", item_id)
        packed = client.hget(BLOCK_CHANGES, user_id)
        assert packed is not None
        assert kept(packed) == [("track", item_id, True, item_id)]
    assert client.hlen(BLOCK_CHANGES) == 3


def test_a_path_names_all_its_methods(api: httpx.Client) -> None:
    path = path_of("user_7", "track", "t-1")
    for answer in (api.options(path), api.get(path), api.post(path)):
        assert answer.headers["allow"] == "DELETE, OPTIONS, PUT"
    assert api.options(path).status_code == 204 and api.get(path).status_code == 405


def test_listeners_block_for_themselves_and_services_by_scope(client: Redis, redis_url: str) -> None:
    publish(client, sample_release())
    signing = SigningKey("first")
    with key_server() as provider:
        provider.keys = [signing.jwk]
        settings = provider.settings(api_auth="both")
        writer = create_key(client, "app", [Scope.BLOCKS_WRITE], None).secret
        reader = create_key(client, "reader", [Scope.LISTS_READ, Scope.CATALOGUE_READ], None).secret
        own, other = path_of("user_7", "track", "t-1"), path_of("user_8", "track", "t-1")
        with running_api(redis_url, **settings) as api:

            def status(method: str, path: str, secret: str | None) -> int:
                headers = {"Authorization": f"Bearer {secret}"} if secret else {}
                return api.request(method, path, headers=headers).status_code

            listener = provider.token(signing)
            for method in ("PUT", "DELETE"):
                assert [status(method, own, each) for each in (listener, writer, reader, None)] == [204, 204, 403, 401]
                assert [status(method, other, each) for each in (listener, reader, None)] == [403, 403, 401]
        assert client.hkeys(BLOCK_CHANGES) == [b"user_7"]


def changed(client: Redis) -> set[str]:
    packed = client.hget(BLOCK_CHANGES, "user_7")
    return {each.item_id for each in contract.unpack_block_changes(packed)} if packed is not None else set()


@pytest.mark.slow
def test_what_was_answered_is_kept_when_redis_is_killed_and_nothing_is_answered_without_it(tmp_path: Path) -> None:
    with running_redis("--appendonly", "yes", "--dir", str(tmp_path)) as (process, url), running_api(url) as api:
        block(api, "user_7", "track", "t-1")
        process.kill()
        process.wait()
        answer = api.put(path_of("user_7", "track", "t-2"))
        problem(answer, 503, "store-unavailable")
        assert answer.headers["retry-after"]
        with subprocess.Popen(process.args, stdout=subprocess.DEVNULL) as restarted, Redis.from_url(url) as client:
            try:
                while not answers(client):
                    assert restarted.poll() is None
                    time.sleep(0.01)
                block(api, "user_7", "track", "t-3")
                assert changed(client) == {"t-1", "t-3"}
            finally:
                restarted.kill()

"""A release whose description is damaged, or of another contract version: it blocks nothing and is shown as such."""

from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pytest
from api_client import problem, recommendations, running_api
from pipeline_process import Pipeline
from redis import Redis
from sample_release import contents, sample_release

from assets.publish.held import list_releases, rollback
from assets.publish.release import publish
from serving_api import contract
from serving_api.contract import LIVE, PREVIOUS
from serving_api.errors import UnreadableReleaseError
from warehouse.local.servers import Endpoints


def damage(client: Redis, pointer: str, how: str) -> str:
    """Make the meta of the live or the previous release unreadable; return the release."""
    name = (client.get(pointer) or b"").decode()
    key = contract.meta_key(name)
    if how == "missing":
        client.delete(key)
    elif how == "another version":
        client.set(key, orjson.dumps(orjson.loads(client.get(key) or b"") | {"contract_version": 2}))
    else:
        client.set(key, b"{damaged")
    return name


DAMAGES = ["missing", "damaged", "another version"]


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("pointer", [LIVE, PREVIOUS])
def test_it_is_listed_with_what_is_wrong_and_the_next_release_goes_live(client: Redis, pointer: str, how: str) -> None:
    for marker in ("a", "b"):
        publish(client, sample_release(marker))
    name = damage(client, pointer, how)
    unreadable = {each.release: each for each in list_releases(client) if each.meta is None}
    assert list(unreadable) == [name]
    assert unreadable[name].status == ("live" if pointer == LIVE else "previous")
    assert unreadable[name].fault
    third = publish(client, sample_release("c"))
    assert client.get(LIVE) == third.meta.release.encode()


@pytest.mark.parametrize("pointer", [LIVE, PREVIOUS])
def test_the_same_content_published_again_repairs_it(client: Redis, pointer: str) -> None:
    for marker in ("a", "b"):
        publish(client, sample_release(marker))
    before = contents(client)
    damage(client, pointer, "damaged")
    publish(client, sample_release("b" if pointer == LIVE else "a"))
    if pointer == PREVIOUS:
        rollback(client)
    assert contents(client) == before


def test_releases_list_shows_it_as_unreadable(
    client: Redis, endpoints: Endpoints, new_warehouse: Callable[[], str], redis_url: str, tmp_path: Path
) -> None:
    made = Pipeline(new_warehouse(), redis_url, tmp_path)
    first, second = (publish(client, sample_release(marker)).meta.release for marker in ("a", "b"))
    assert {each["unreadable"] for each in made.json("releases", "list")} == {None}
    third = publish(client, sample_release("c")).meta.release
    damage(client, LIVE, "another version")
    damage(client, PREVIOUS, "damaged")
    listed = {each["release"]: each for each in made.json("releases", "list")}
    assert {name: each["status"] for name, each in listed.items()} == {
        first: "retired",
        second: "previous",
        third: "live",
    }
    assert listed[first]["unreadable"] is None
    assert "no readable meta document" in listed[second]["unreadable"]
    assert listed[second]["counts"]["tracks"] == 40, "what was recorded while it could be read is kept"
    assert "contract version 2, not 1" in listed[third]["unreadable"]
    assert (listed[third]["as_of"], listed[third]["counts"]) == (None, None)
    table = made.run("releases", "list")
    assert table.returncode == 0, table.stderr
    assert f"{third} is unreadable in Redis" in table.stdout


@pytest.mark.parametrize("part", ["meta", "popular list", "popular track"])
def test_the_api_starts_says_so_and_recovers(client: Redis, redis_url: str, part: str) -> None:
    name = publish(client, sample_release()).meta.release
    if part == "meta":
        damage(client, LIVE, "damaged")
    elif part == "popular list":
        client.set(contract.popular_key(name), b"x")
    else:
        client.hset(contract.tracks_key(name), contract.track_field(39), b"{damaged")
    with running_api(redis_url) as api:
        assert api.get("/livez").status_code == 200
        for path in ("/readyz", "/v1/popular", "/v1/users/user_7/recommendations"):
            answer: httpx.Response = api.get(path)
            assert problem(answer, 503, "contract-mismatch")["detail"] == UnreadableReleaseError.detail
        publish(client, sample_release("second"))
        assert recommendations(api, "user_7")["source"] == "personal"

"""What users have blocked: the warehouse decides, Redis follows at once, whatever dies in between."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC

import pytest
from blocked_items import ARTIST, IDENTITIES, NO_COMMIT, TRACK, held
from loading import query, until_somebody_waits
from redis import Redis
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from assets.blocks import ItemKind, block, settled_blocks
from assets.publish.blocks import BlocksInRedis, add_block, compare_blocks, publish_blocks, remove_block
from assets.publish.content import ReleaseError
from serving_api import contract
from serving_api.contract import BLOCKS, Blocks
from warehouse.engine import adbc_connect, create_engine
from warehouse.roles import Role

WAIT_SECONDS = 60.0


def change(loader: Engine, client: Redis, user_id: str, kind: ItemKind, item_id: str, *, add: bool = True) -> None:
    """As the command line does it."""
    assert (add_block if add else remove_block)(loader, client, user_id, kind, item_id)


def test_a_block_is_in_redis_with_every_version_of_the_recording_and_goes_again(loader: Engine, client: Redis) -> None:
    change(loader, client, "user_1", TRACK, "t-1")
    change(loader, client, "user_1", ARTIST, "a-2")
    change(loader, client, "user_2", TRACK, "t-5")
    versions = ["t-0", "t-1", "t-2"]
    assert held(client) == {"user_1": (versions, ["a-2"]), "user_2": (["t-5"], [])}
    change(loader, client, "user_1", TRACK, "t-0")
    change(loader, client, "user_1", TRACK, "t-1", add=False)
    assert held(client)["user_1"] == (versions, ["a-2"]), "t-0 is still blocked, and t-1 is a version of it"
    change(loader, client, "user_1", TRACK, "t-0", add=False)
    change(loader, client, "user_2", TRACK, "t-5", add=False)
    assert held(client) == {"user_1": ([], ["a-2"])}


def test_a_block_of_one_name_of_a_track_or_artist_blocks_what_it_is(
    loader: Engine, client: Redis, warehouse_url: str
) -> None:
    change(loader, client, "user_1", TRACK, "t-4")
    change(loader, client, "user_1", ARTIST, "a-1")
    change(loader, client, "user_2", TRACK, "t-1")
    assert held(client) == {"user_1": (["t-4"], ["a-1"]), "user_2": (["t-0", "t-1", "t-2"], [])}
    with create_engine(warehouse_url).begin() as connection:
        connection.execute(text(IDENTITIES))
    publish_blocks(loader, client)
    names = ["t-0", "t-1", "t-2", "t-4"]
    assert held(client) == {"user_1": (names, ["a-0", "a-1"]), "user_2": (names, [])}


def test_whatever_redis_says_is_made_right_batch_by_batch_and_reported_before(loader: Engine, client: Redis) -> None:
    for number in range(5):
        change(loader, client, f"user_{number}", TRACK, f"t-{number}")
        change(loader, client, f"user_{number}", ARTIST, "a-0")
    right = held(client)
    assert right["user_3"] == (["t-3"], ["a-0"]) and len(right) == 5
    assert compare_blocks(loader, client) == BlocksInRedis(5, 5, 5, 0, None)
    stale = contract.pack_blocks(Blocks(frozenset({"t-6"}), frozenset()))
    client.hset(BLOCKS, mapping={"user_1": b"damaged", "user_3": stale, "user_5": stale, "of another warehouse": stale})
    client.hset(BLOCKS, mapping={b"\xff no UTF-8": stale, b"user_1\0": stale})
    client.hdel(BLOCKS, "user_2")
    assert compare_blocks(loader, client) == BlocksInRedis(5, 8, 5, 3, "user_1")
    assert compare_blocks(loader, client, sample=2).compared == 2
    assert publish_blocks(loader, client, blocks_per_batch=1) == 5
    assert held(client) == right
    client.delete(BLOCKS)
    assert [publish_blocks(loader, client, blocks_per_batch=3) for _ in range(2)] == [5, 5]
    assert held(client) == right
    with loader.begin() as connection:
        connection.execute(text("delete from raw.blocks"))
    assert publish_blocks(loader, client) == 0
    assert client.exists(BLOCKS) == 0


def test_a_track_that_comes_later_is_a_version_from_the_next_release_on(loader: Engine, client: Redis) -> None:
    change(loader, client, "user_1", TRACK, "t-4")
    with loader.begin() as connection:
        connection.execute(
            text(
                "insert into raw.tracks (track_key, natural_key, track_id, artist_key, title)"
                " values (7, 'source:7', 't-7', 1, 'Slow River (Mono)')"
            )
        )
    assert compare_blocks(loader, client) == BlocksInRedis(1, 1, 1, 1, "user_1")
    publish_blocks(loader, client)
    assert held(client) == {"user_1": (["t-4", "t-7"], [])}


def test_a_commit_that_fails_leaves_redis_with_a_block_too_many_and_never_one_too_few(
    loader: Engine, client: Redis, warehouse_url: str
) -> None:
    change(loader, client, "user_1", ARTIST, "a-0")
    with create_engine(warehouse_url).begin() as connection:
        connection.execute(text(NO_COMMIT))
    for add, artist_id in ((True, "a-1"), (False, "a-0")):
        with pytest.raises(DBAPIError, match="died before the commit"):
            change(loader, client, "user_1", ARTIST, artist_id, add=add)
    assert query(warehouse_url, "select item_key from raw.blocks") == [(0,)]
    assert held(client) == {"user_1": ([], ["a-0", "a-1"])}
    publish_blocks(loader, client)
    assert held(client) == {"user_1": ([], ["a-0"])}


@contextmanager
def reading_only(client: Redis) -> Iterator[Redis]:
    """A client of the same Redis that may not write hashes."""
    client.acl_setuser("reading", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-hset", "-hdel"])
    pool = client.connection_pool.connection_kwargs
    try:
        with Redis(host=pool["host"], port=pool["port"], db=pool["db"], username="reading", password="any") as reader:
            yield reader
    finally:
        client.acl_deluser("reading")


@pytest.mark.own_redis
def test_without_redis_nothing_changes_and_what_is_taken_back_while_it_fails_stays_hidden_until_the_same_again(
    loader: Engine, client: Redis, warehouse_url: str
) -> None:
    with Redis.from_url("redis://127.0.0.1:1/0") as nobody:
        with pytest.raises(ReleaseError, match=r"127\.0\.0\.1:1 failed"):
            change(loader, nobody, "user_1", ARTIST, "a-0")
        assert query(warehouse_url, "select count(*) from raw.blocks") == [(0,)]
        change(loader, client, "user_1", ARTIST, "a-0")
        # What the user asked for over HTTP meanwhile, nobody could know.
        with pytest.raises(ReleaseError, match=r"127\.0\.0\.1:1 failed"):
            change(loader, nobody, "user_1", ARTIST, "a-0", add=False)
    assert query(warehouse_url, "select count(*) from raw.blocks") == [(1,)]
    hidden = r"failed: .*; artist a-0 is hidden from user_1 until this is run again"
    with reading_only(client) as reader, pytest.raises(ReleaseError, match=hidden):
        change(loader, reader, "user_1", ARTIST, "a-0", add=False)
    assert query(warehouse_url, "select count(*) from raw.blocks") == [(0,)]
    assert held(client) == {"user_1": ([], ["a-0"])}
    assert not remove_block(loader, client, "user_1", ARTIST, "a-0")
    assert held(client) == {}


def test_two_changes_for_one_user_at_once_are_both_in_redis(loader: Engine, client: Redis, warehouse_url: str) -> None:
    with ThreadPoolExecutor(1) as others:
        with loader.begin() as connection:
            block(connection, "user_1", ARTIST, "a-0")
            other = others.submit(change, loader, client, "user_1", ARTIST, "a-1")
            until_somebody_waits(warehouse_url, other.done)
        other.result(WAIT_SECONDS)
    assert held(client) == {"user_1": ([], ["a-0", "a-1"])}


def test_an_instant_of_the_blocks_waits_for_one_that_is_not_committed_yet(
    loader: Engine, client: Redis, warehouse_url: str
) -> None:
    with adbc_connect(warehouse_url, Role.SERVICE) as reading, ThreadPoolExecutor(1) as others:
        with loader.begin() as connection:
            block(connection, "user_1", ARTIST, "a-0")
            settled = others.submit(settled_blocks, reading)
            until_somebody_waits(warehouse_url, settled.done)
        instant, blocks = settled.result(WAIT_SECONDS)
        change(loader, client, "user_2", ARTIST, "a-0")
    (first,), (second,) = query(warehouse_url, "select created_at from raw.blocks order by created_at")
    assert (blocks, instant.tzinfo) == (1, UTC)
    assert first <= instant < second


def test_who_blocks_an_artist_blocks_the_tracks_on_which_they_are_a_guest(
    loader: Engine, client: Redis, warehouse_url: str
) -> None:
    with loader.begin() as connection:
        connection.execute(
            text(
                "insert into raw.track_artists (file_id, track_key, position, artist_key) values"
                " (1, 0, 1, 0), (1, 0, 2, 2), (2, 3, 1, 0), (2, 3, 2, 1), (3, 3, 1, 0), (3, 3, 2, 2)"
            )
        )
    change(loader, client, "user_1", ARTIST, "a-2")
    change(loader, client, "user_2", ARTIST, "a-1")
    change(loader, client, "user_3", ARTIST, "a-0")
    assert held(client) == {"user_1": (["t-0"], ["a-2"]), "user_2": (["t-3"], ["a-1"]), "user_3": ([], ["a-0"])}
    with create_engine(warehouse_url).begin() as connection:
        # Artist 1 is artist 0 by another name, and track 4 is track 0.
        connection.execute(text(IDENTITIES))
        connection.execute(text("insert into raw.track_artists values (1, 4, 1, 1), (1, 4, 2, 2)"))
    publish_blocks(loader, client)
    assert held(client)["user_1"] == (["t-0"], ["a-2"])

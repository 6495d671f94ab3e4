"""What users changed over HTTP reaches the warehouse once, whatever dies in between, and readers never see less."""

import time

import pytest
from blocked_items import ARTIST, NO_COMMIT, TRACK, held
from loading import query
from redis import Redis
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from assets.publish import pulled_blocks
from assets.publish.blocks import add_block, publish_blocks, remove_block
from assets.publish.content import ReleaseError
from assets.publish.pulled_blocks import pending_changes, pull_blocks
from serving_api import contract
from serving_api.contract import BLOCK_CHANGES, BLOCKS, NO_BLOCKS, BlockChange, Blocks
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError

BLOCKED = (
    "select user_id, item_kind, coalesce(track_id, artist_id) from raw.blocks inner join raw.users using (user_key)"
    " left join raw.tracks on item_kind = 'track' and item_key = track_key"
    " left join raw.artists on item_kind = 'artist' and item_key = artists.artist_key order by 1, 2, 3"
)


NOW = int(time.time() * 1000)


def ask(client: Redis, user_id: str, *changes: tuple[str, str, bool], at: int = NOW) -> None:
    """As the API keeps it."""
    packed = client.hget(BLOCK_CHANGES, user_id)
    kept = contract.unpack_block_changes(packed) if packed is not None else []
    for kind, item_id, blocked in changes:
        kept = contract.with_change(kept, BlockChange(kind, item_id, blocked, item_id, at))  # type: ignore[arg-type]
    client.hset(BLOCK_CHANGES, user_id, contract.pack_block_changes(kept))


def seen(client: Redis, user_id: str) -> Blocks:
    """As the API sees it."""
    packed, changes = client.hget(BLOCKS, user_id), client.hget(BLOCK_CHANGES, user_id)
    blocks = contract.unpack_blocks(packed) if packed is not None else NO_BLOCKS
    return contract.changed_blocks(blocks, contract.unpack_block_changes(changes) if changes is not None else [])


def test_what_was_asked_for_is_in_the_warehouse_and_in_redis_with_all_that_belongs_to_it(
    loader: Engine, client: Redis, warehouse_url: str
) -> None:
    add_block(loader, client, "user_2", TRACK, "t-5")
    ask(client, "user_1", ("track", "t-1", True), ("artist", "a-2", True))
    ask(client, "user_2", ("track", "t-5", False), ("track", "t-6", False))
    pulled = pull_blocks(loader, client)
    assert (pulled.users, pulled.blocked, pulled.unblocked, pulled.waiting, pulled.unreadable) == (2, 2, 1, [], {})
    assert query(warehouse_url, BLOCKED) == [("user_1", "artist", "a-2"), ("user_1", "track", "t-1")]
    assert held(client) == {"user_1": (["t-0", "t-1", "t-2"], ["a-2"])}
    assert client.hlen(BLOCK_CHANGES) == 0
    assert vars(pull_blocks(loader, client)) == vars(pulled_blocks.PulledBlocks())


def test_who_is_new_gets_a_row_and_what_is_new_waits_until_it_is_known(
    loader: Engine, client: Redis, warehouse_url: str
) -> None:
    ask(client, "came just now", ("track", "t-3", True), ("track", "t-90", True), ("artist", "a-90", True))
    ask(client, "came and went", ("track", "t-3", False), ("track", "t-91", False))
    ask(client, "waits", ("track", "t-92", True))
    pulled = pull_blocks(loader, client)
    assert (pulled.users, pulled.blocked) == (2, 1)
    assert {(user_id, each.item_id) for user_id, each in pulled.waiting} == {
        ("came just now", "t-90"),
        ("came just now", "a-90"),
        ("waits", "t-92"),
    }
    users = "select user_key, user_id, file_id, listener_key = raw.listener_key(user_id) from raw.users"
    assert query(warehouse_url, f"{users} where user_key > 5") == [(6, "came just now", None, True)]
    assert seen(client, "came just now") == Blocks(frozenset({"t-3", "t-90"}), frozenset({"a-90"}))
    assert seen(client, "waits") == Blocks(frozenset({"t-92"}), frozenset())
    assert not client.hexists(BLOCK_CHANGES, "came and went")
    with loader.begin() as connection:
        connection.execute(
            text("insert into raw.tracks (track_key, natural_key, track_id) values (90, 'source:90', 't-90')")
        )
    assert pull_blocks(loader, client).blocked == 1
    assert ("came just now", "track", "t-90") in query(warehouse_url, BLOCKED)
    assert seen(client, "came just now") == Blocks(frozenset({"t-3", "t-90"}), frozenset({"a-90"}))


def test_a_block_that_a_file_states_is_taken_back_for_good_and_one_asked_for_outlives_the_file(
    loader: Engine, client: Redis, warehouse_url: str
) -> None:
    with loader.begin() as connection:
        for item in (1, 2):
            row = {"item": item}
            connection.execute(text("insert into raw.block_mentions values (7, 1, 'track', :item, now())"), row)
            connection.execute(text("insert into raw.blocks values (1, 'track', :item, now(), 7)"), row)
    ask(client, "user_1", ("track", "t-1", False), ("track", "t-2", True))
    pulled = pull_blocks(loader, client)
    assert (pulled.blocked, pulled.unblocked) == (0, 1)
    assert query(warehouse_url, "select item_key, file_id from raw.blocks") == [(2, None)]
    assert query(warehouse_url, "select item_key from raw.block_mentions") == [(2,)]


def test_what_is_said_meanwhile_stays(loader: Engine, client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(client, "user_1", ("track", "t-3", True), ("track", "t-5", True))
    write_blocks = pulled_blocks.write_blocks

    def and_meanwhile(*arguments: object) -> None:
        write_blocks(*arguments)  # type: ignore[arg-type]
        ask(client, "user_1", ("track", "t-3", False), ("track", "t-6", True))

    monkeypatch.setattr(pulled_blocks, "write_blocks", and_meanwhile)
    pull_blocks(loader, client)
    assert seen(client, "user_1") == Blocks(frozenset({"t-5", "t-6"}), frozenset())
    assert [list(changes) for changes in pending_changes(client)] == [["user_1"], []]
    monkeypatch.undo()
    pull_blocks(loader, client)
    assert held(client) == {"user_1": (["t-5", "t-6"], [])}


@pytest.mark.parametrize(
    "dies", ["before Redis is written", "after Redis is written", "at the commit", "after the commit"]
)
def test_wherever_it_dies_readers_see_the_same_and_the_next_one_ends_the_same(
    loader: Engine, client: Redis, monkeypatch: pytest.MonkeyPatch, warehouse_url: str, dies: str
) -> None:
    add_block(loader, client, "user_2", TRACK, "t-5")
    ask(client, "user_1", ("track", "t-3", True))
    ask(client, "user_2", ("track", "t-5", False), ("track", "t-6", True))
    ask(client, "new", ("track", "t-6", True))
    before = {user: seen(client, user) for user in ("user_1", "user_2", "new")}

    write_blocks = pulled_blocks.write_blocks

    def die(*arguments: object) -> None:
        raise ReleaseError("died")

    def write_and_die(*arguments: object) -> None:
        write_blocks(*arguments)  # type: ignore[arg-type]
        die()

    owner = create_engine(warehouse_url)
    if dies == "at the commit":
        with owner.begin() as connection:
            connection.execute(text(NO_COMMIT))
    elif dies == "after the commit":
        monkeypatch.setattr(pulled_blocks, "forget_changes", die)
    else:
        monkeypatch.setattr(pulled_blocks, "write_blocks", die if dies == "before Redis is written" else write_and_die)
    with pytest.raises((ReleaseError, DBAPIError), match="died"):
        pull_blocks(loader, client)
    assert {user: seen(client, user) for user in before} == before
    with owner.begin() as connection:
        connection.execute(text("drop function if exists raw.die() cascade"))
    monkeypatch.undo()
    # Nor does what a release writes in between take anything away.
    publish_blocks(loader, client)
    assert {user: seen(client, user) for user in before} == before
    pull_blocks(loader, client)
    assert {user: seen(client, user) for user in before} == before
    assert client.hlen(BLOCK_CHANGES) == 0
    assert query(warehouse_url, BLOCKED) == [
        ("new", "track", "t-6"),
        ("user_1", "track", "t-3"),
        ("user_2", "track", "t-6"),
    ]


def test_a_command_comes_after_what_was_asked_for_over_http(loader: Engine, client: Redis) -> None:
    ask(client, "user_1", ("track", "t-3", True), ("artist", "a-2", False))
    assert remove_block(loader, client, "user_1", TRACK, "t-3")
    assert add_block(loader, client, "user_1", ARTIST, "a-2")
    assert seen(client, "user_1") == Blocks(frozenset(), frozenset({"a-2"}))


def test_what_waits_is_taken_back_by_the_command_as_well(loader: Engine, client: Redis) -> None:
    ask(client, "user_1", ("track", "t-91", True), ("artist", "t-91", True))
    assert remove_block(loader, client, "user_1", TRACK, "t-91")
    assert seen(client, "user_1") == Blocks(frozenset(), frozenset({"t-91"}))
    with pytest.raises(AudoticsError, match="knows no track 't-91'"):
        remove_block(loader, client, "user_1", TRACK, "t-91")


def test_changes_that_cannot_be_read_are_told_and_hold_up_nobody_elses(loader: Engine, client: Redis) -> None:
    ask(client, "user_1", ("track", "t-3", True))
    client.hset(BLOCK_CHANGES, "user_2", b"{damaged")
    client.hset(BLOCK_CHANGES, b"\xff", contract.pack_block_changes([BlockChange("track", "t-3", True, "t-3", NOW)]))
    pulled = pull_blocks(loader, client)
    assert (pulled.users, sorted(pulled.unreadable)) == (1, ["\\xff", "user_2"])
    with pytest.raises(ReleaseError, match="no list is shown to them until"):
        pulled.require_readable()
    assert pending_changes(client) == ({}, ["\\xff", "user_2"])
    with pytest.raises(ReleaseError, match="not a JSON array"):
        add_block(loader, client, "user_2", TRACK, "t-3")
    client.delete(BLOCK_CHANGES)
    client.set(BLOCK_CHANGES, "x")
    with pytest.raises(ReleaseError, match="is not a hash"):
        pull_blocks(loader, client)

"""What a replay says has changed since the lists of a date were made."""

from datetime import UTC, date, datetime, timedelta

import pytest
from ranked_lists import lists
from sqlalchemy import Connection, text

from assets.recommendations.store import MadeFrom, replace_recommendations
from assets.replay.comparison import Change, SlateComparison, note_changes
from assets.slates import Slate
from warehouse.engine import adbc_connect, create_engine
from warehouse.roles import Role

AS_OF = date(2026, 6, 1)
# A load two days before the date; the models know of it.
LOADED = """
insert into raw.listens (user_key, track_key, listened_at, source, file_id)
select 1, 1, day, 'shop', 1 from unnest(cast(:days as timestamptz[])) as day;
insert into builds.models (model, definition, version, tested)
select 'core.fct_listens', '', max(version), true from raw.listen_days
on conflict (model) do update set version = excluded.version
"""
BLOCKED = "insert into raw.blocks (user_key, item_kind, item_key, created_at) values (1, 'track', :track, :at)"


def load(connection: Connection, *days: str) -> None:
    connection.execute(text(LOADED), {"days": [f"{day} 12:00+00" for day in days]})


@pytest.fixture
def made(warehouse_url: str) -> datetime:
    """Lists of both of two slates, of two days of listens and one block; the time at which the blocks were read."""
    read_at = datetime.now(UTC) - timedelta(hours=1)
    with create_engine(warehouse_url).begin() as connection:
        load(connection, "2026-05-01", "2026-05-02")
        connection.execute(text(BLOCKED), {"track": 1, "at": read_at})
        version = connection.scalar(text("select max(version) from raw.listen_days"))
    both = [lists(AS_OF, f"{slate}-1", slate=slate) for slate in (Slate.FOR_YOU, Slate.DISCOVER)]
    with adbc_connect(warehouse_url, Role.SERVICE) as connection:
        replace_recommendations(connection, AS_OF, both, MadeFrom(read_at, 1, version, "abc"))
    return read_at


def blocks(url: str) -> list[datetime]:
    """When each of the blocks was added, as a replay reads them."""
    with create_engine(url).connect() as connection:
        return list(connection.scalars(text("select created_at from raw.blocks")))


def changes(
    url: str, code: str = "abc", model: str = "for_you-1", replayed_with: list[datetime] | None = None
) -> list[Change]:
    held = blocks(url) if replayed_with is None else replayed_with
    slates = {Slate.FOR_YOU: SlateComparison(model, AS_OF, blocks=held)}
    with create_engine(url, Role.TRANSFORMER).connect() as connection:
        note_changes(connection, AS_OF, slates, code)
    return slates[Slate.FOR_YOU].changes


def test_nothing_has_changed_at_first_nor_by_listens_of_later_days(warehouse_url: str, made: datetime) -> None:
    assert changes(warehouse_url) == []
    with create_engine(warehouse_url).begin() as connection:
        load(connection, "2026-06-01")
    assert changes(warehouse_url) == []


def test_listens_that_came_or_went_are_told_by_day_once_the_models_know_of_them(
    warehouse_url: str, made: datetime
) -> None:
    engine = create_engine(warehouse_url)
    with engine.begin() as connection:
        load(connection, "2026-05-30", "2026-06-02")
    assert changes(warehouse_url) == [Change("listens", "listens on 2026-05-30 were added or taken back")]
    with engine.begin() as connection:
        connection.execute(text("delete from raw.listens where listened_at < '2026-05-02'"))
    assert len(changes(warehouse_url)) == 1 and "2026-05-30" in changes(warehouse_url)[0].detail
    with engine.begin() as connection:
        load(connection)
    assert changes(warehouse_url) == [
        Change("listens", "listens on 2 days from 2026-05-01 to 2026-05-30 were added or taken back")
    ]


def test_blocks_models_and_code_are_told_apart(warehouse_url: str, made: datetime) -> None:
    engine = create_engine(warehouse_url)
    with engine.begin() as connection:
        for track in (2, 3):
            connection.execute(text(BLOCKED), {"track": track, "at": made + timedelta(minutes=1)})
    assert changes(warehouse_url) == [Change("blocks", "2 blocks were added")]
    with engine.begin() as connection:
        connection.execute(text("delete from raw.blocks where item_key <> 2"))
    assert changes(warehouse_url, "def", "for_you-2") == [
        Change("blocks", "1 block was added"),
        Change("blocks", "1 block was taken back"),
        Change("model", "they were made by for_you-1"),
        Change("code", "the code is another one (abc then, def now)"),
    ]


def test_a_block_that_came_and_went_while_the_replay_ran_is_told(warehouse_url: str, made: datetime) -> None:
    then = blocks(warehouse_url)
    came = [*then, made + timedelta(minutes=1)]
    assert changes(warehouse_url, replayed_with=came) == [Change("blocks", "1 block was added")]
    assert changes(warehouse_url, replayed_with=[]) == [Change("blocks", "1 block was taken back")]


def test_a_block_that_is_taken_back_while_the_lists_are_made_is_told_as_well(warehouse_url: str) -> None:
    with adbc_connect(warehouse_url, Role.SERVICE) as connection:
        made_from = MadeFrom(datetime.now(UTC), 3, 0, "abc")
        replace_recommendations(connection, AS_OF, [lists(AS_OF, "for_you-1")], made_from)
    assert changes(warehouse_url) == [Change("blocks", "3 blocks were taken back")]

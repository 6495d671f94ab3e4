"""ml.releases keeps since when a release was shown, and notes which lists it was last found to hold."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from sample_release import LISTS_MADE_AT, sample_release
from sqlalchemy import text

from assets.publish.held import list_releases, rollback
from assets.publish.release import publish
from assets.publish.warehouse_content import note_lists, record_releases
from serving_api.contract import RELEASES
from warehouse.engine import create_engine


@pytest.fixture
def on_record(client: Redis, warehouse_url: str) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Records what Redis holds; gives the row of a release."""
    engine = create_engine(warehouse_url)

    def record(release: str) -> dict[str, Any]:
        with engine.begin() as connection:
            record_releases(connection, list_releases(client))
            query = text("select published_at, status, lists_made_at from ml.releases where release = :release")
            return dict(connection.execute(query, {"release": release}).mappings().one())

    yield record
    engine.dispose()


@pytest.mark.parametrize("again", ["after a rollback", "as the previous one", "when retired", "in an empty Redis"])
def test_a_release_that_goes_live_again_keeps_the_instant_at_which_it_first_did(
    client: Redis,
    on_record: Callable[[str], dict[str, Any]],
    again: str,
) -> None:
    name = publish(client, sample_release("a")).meta.release
    # As if it had been published an hour ago.
    client.zincrby(RELEASES, -3600, name)
    first = on_record(name)
    publish(client, sample_release("b"))
    if again == "after a rollback":
        rollback(client)
    if again == "when retired":
        publish(client, sample_release("c"))
    if again == "in an empty Redis":
        client.flushdb()
    on_record(name)
    publish(client, sample_release("a"))
    assert on_record(name) == first
    if again in ("after a rollback", "as the previous one"):
        (live,) = (each for each in list_releases(client) if each.status == "live")
        assert live.published_at == first["published_at"]


def test_the_lists_of_a_release_are_noted_and_stay_noted(
    client: Redis,
    warehouse_url: str,
    on_record: Callable[[str], dict[str, Any]],
) -> None:
    name = publish(client, sample_release("a")).meta.release
    first = on_record(name)
    assert first["lists_made_at"] is None
    for made_at in (LISTS_MADE_AT, LISTS_MADE_AT + timedelta(hours=6)):
        with create_engine(warehouse_url).begin() as connection:
            note_lists(connection, name, made_at)
            note_lists(connection, "no release", made_at)
        assert on_record(name) == first | {"lists_made_at": made_at}

"""An older date never replaces a newer live release, whatever happens while it is being published."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from redis import Redis
from sample_release import AS_OF, contents, sample_release

from assets.publish.content import ReleaseInput
from assets.publish.held import list_releases, rollback
from assets.publish.release import NewerReleaseLiveError, publish
from assets.publish.verification import verify
from serving_api.contract import LIVE


def as_of(day: date, marker: str) -> ReleaseInput:
    return replace(sample_release(marker), as_of=day)


def test_an_older_date_does_not_go_live_and_leaves_no_trace(client: Redis) -> None:
    live = publish(client, as_of(AS_OF, "new")).meta.release
    before = contents(client)
    with pytest.raises(NewerReleaseLiveError, match=f"the live release {live} is of a later date") as caught:
        publish(client, as_of(AS_OF - timedelta(days=1), "old"))
    assert caught.value.live == live
    assert contents(client) == before


def test_the_same_date_again_goes_live(client: Redis) -> None:
    publish(client, as_of(AS_OF, "a"))
    again = publish(client, as_of(AS_OF, "b"))
    assert client.get(LIVE) == again.meta.release.encode()


def test_a_newer_release_that_went_live_just_before_the_lock_stays(client: Redis) -> None:
    old = as_of(AS_OF - timedelta(days=1), "old")
    newer: list[str] = []

    def overtaken(slate: str) -> Iterator[Any]:
        # Lists are read first to name the release, before the lock is taken.
        if not newer:
            newer.append(publish(client, as_of(AS_OF, "new")).meta.release)
        yield from old.batches(slate)

    with pytest.raises(NewerReleaseLiveError):
        publish(client, replace(old, batches=overtaken))
    assert [(each.release, each.status) for each in list_releases(client)] == [(newer[0], "live")]


def test_a_newer_release_that_a_rollback_brought_back_while_loading_stays(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(client, as_of(AS_OF - timedelta(days=2), "oldest"))
    newest = publish(client, as_of(AS_OF, "newest")).meta.release
    rollback(client)
    before = contents(client)
    rolled_back: list[bool] = []

    def verify_then_roll_back(*arguments: Any, **options: Any) -> Any:
        if rolled_back:
            return verify(*arguments, **options)
        rolled_back.append(True)
        figures = verify(*arguments, **options)
        assert rollback(client) == newest
        return figures

    with monkeypatch.context() as patch:
        patch.setattr("assets.publish.release.verify", verify_then_roll_back)
        with pytest.raises(NewerReleaseLiveError, match=newest):
            publish(client, as_of(AS_OF - timedelta(days=1), "between"))
    assert client.get(LIVE) == newest.encode()
    rollback(client)
    assert contents(client) == before

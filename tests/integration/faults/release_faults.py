"""What happens to releases, to their publisher, and to readers who scroll across them."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from unittest.mock import patch

from killed_process import kill_when_it_says
from sample_release import release_ids

from assets.publish.content import ReleaseError
from assets.publish.release import publish
from assets.publish.spool import Spool
from faults.campaign import Campaign, Fault
from faults.clients import Scroll
from faults.known import NOTHING, USERS, KnownRelease

FLIPS = 8
ROLLBACKS = 6
READERS = 12
# So many read on only when their release is gone.
LATE = 40
COMMANDS_BEFORE = 4

# Loads a release, and stops in the middle for good.
_PUBLISHER = """
import sys, time
from redis import Redis
from assets.publish.release import publish
from assets.publish.spool import Spool
from faults.known import known_release

port, password, marker, before = sys.argv[1:]
whole = Spool.commands

def stalling(spool, release):
    for number, command in enumerate(whole(spool, release)):
        if number == int(before):
            print("in the middle", flush=True)
            time.sleep(600)
        yield command

Spool.commands = stalling
publish(Redis(port=int(port), password=password), known_release(marker).content, lock_seconds=1)
"""


async def calm(campaign: Campaign) -> None:
    """Nothing happens."""
    await asyncio.sleep(3)


async def flips(campaign: Campaign) -> None:
    """One release after the other goes live."""
    for _ in range(FLIPS):
        await campaign.flip()
        await asyncio.sleep(0.2)
    seen = {seen.release for seen in campaign.phases[-1].seen if seen.verdict.word == "right"} - {None}
    campaign.note(f"clients saw {len(seen)} releases")
    assert len(seen) > FLIPS // 2


async def rollbacks(campaign: Campaign) -> None:
    """Back to the release before, and forth."""
    for _ in range(ROLLBACKS):
        await campaign.roll_back()
        await asyncio.sleep(0.3)
    assert len({seen.release for seen in campaign.phases[-1].seen if seen.verdict.word == "right"} - {None}) > 1


async def out_of_memory(campaign: Campaign) -> None:
    """Redis reaches its limit in the middle of a load: the publisher says so, and the live release goes on."""
    release = campaign.another()
    held = {name for name in campaign.pointers.now if name}
    for _ in range(3):
        # The warehouse does not write blocks meanwhile; the app does, and is refused.
        async with campaign.blocking.writing:
            with campaign.judge.history.full.changing(True):
                refused = await asyncio.to_thread(_publish_without_memory, campaign, release)
            with campaign.judge.history.full.changing(False):
                pass
        assert held == await asyncio.to_thread(_held, campaign), "a load that was refused leaves nothing behind"
        await asyncio.sleep(0.3)
    campaign.note(f"the publisher said: {refused}")
    await campaign.flip()


def _publish_without_memory(campaign: Campaign, release: KnownRelease) -> str:
    whole = Spool.commands

    def limited(spool: Spool, name: str) -> Iterator[list[bytes]]:
        for number, command in enumerate(whole(spool, name)):
            if number == COMMANDS_BEFORE:
                with campaign.redis.client as other:
                    other.config_set("maxmemory", 1_000_000)
                # For clients to meet it.
                time.sleep(0.3)
            yield command

    with campaign.redis.client as client, patch.object(Spool, "commands", limited):
        try:
            publish(client, release.content, lock_seconds=1)
        except ReleaseError as error:
            return str(error)
        finally:
            client.config_set("maxmemory", 0)
    raise AssertionError("Redis had memory enough")


def _held(campaign: Campaign) -> set[str]:
    with campaign.redis.client as client:
        return release_ids(client)


async def publisher_killed(campaign: Campaign) -> None:
    """A publisher is killed in the middle of a load; the live release goes on, and the next one is published."""
    release = campaign.another()
    for _ in range(2):
        await asyncio.to_thread(_kill_publisher, campaign, release)
        assert release.name in await asyncio.to_thread(_held, campaign), "the kill came too late"
        await asyncio.sleep(0.5)
    await campaign.flip()
    assert {name for name in campaign.pointers.now if name} == await asyncio.to_thread(_held, campaign)


def _kill_publisher(campaign: Campaign, release: KnownRelease) -> None:
    redis = campaign.redis
    told = (str(redis.port), redis.password, release.marker, str(COMMANDS_BEFORE))
    kill_when_it_says("in the middle", _PUBLISHER, *told)


async def everybody_scrolls(campaign: Campaign) -> None:
    """All 340 users begin; another release goes live; most read on in theirs, the rest after it is removed."""
    async with campaign.blocking.still():
        scrolls = [Scroll(f"user_{number}") for number in range(USERS)]
        await _together(campaign, scrolls, pages=1)
        begun_with = {scroll.release for scroll in scrolls}
        await campaign.flip()
        await _together(campaign, scrolls[LATE:])
        await campaign.flip()
        await _together(campaign, scrolls[:LATE])
        whole = sum(_has_each_once(campaign, each) for each in scrolls)
    crossed = sum(scroll.release in begun_with for scroll in scrolls)
    begun_again = sum(scroll.begun_again > 0 for scroll in scrolls)
    campaign.note(
        f"{whole} of {USERS} users got each item once; {crossed} across a release change,"
        f" {begun_again} began again after 410"
    )
    assert (whole, crossed, begun_again) == (USERS, USERS - LATE, LATE)


async def _together(campaign: Campaign, scrolls: Sequence[Scroll], pages: int | None = None) -> None:
    """Several readers take the scrolls in turn, to their ends or for so many pages."""
    waiting = iter(scrolls)

    async def read() -> None:
        async with campaign.clients.connection() as http:
            for scroll in waiting:
                asked = 0
                while not scroll.ended and asked != pages:
                    await scroll.step(campaign.clients, http)
                    asked += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(READERS):
            group.create_task(read())


def _has_each_once(campaign: Campaign, scroll: Scroll) -> bool:
    release = campaign.judge.releases[scroll.release or ""]
    timeline = campaign.judge.blocked.get(scroll.user_id)
    may_be = timeline.possible if timeline is not None else [NOTHING]
    lists = [release.list_of(scroll.user_id, "for_you", blocked).items for blocked in may_be]
    return any(scroll.ids == [item.track_id for item in items] for items in lists)


RELEASE_FAULTS = (
    Fault("none", calm, frozenset({"personal", "popular", "search"})),
    Fault("releases flip", flips),
    Fault("rollbacks", rollbacks),
    Fault("out of memory in mid-load", out_of_memory, frozenset({"block 503 store-unavailable", "block block"})),
    Fault("publisher killed in mid-load", publisher_killed),
)
SCROLL = Fault("340 users scroll across releases", everybody_scrolls, frozenset({"410 release-gone"}))

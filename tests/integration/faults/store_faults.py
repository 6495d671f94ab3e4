"""What happens to Redis, and to the way there."""

import asyncio
import signal
from typing import cast

from faults.campaign import ANOTHER_PASSWORD, Campaign, Fault
from faults.timeline import Pointers
from serving_api.contract import API_KEYS

HOLD_SECONDS = 3.0
KEYS_READ_SECONDS = 2.0
HANG_SECONDS = 2.0
SLOW_SECONDS, TOO_SLOW_SECONDS = 0.05, 0.7
FELL_BACK = frozenset({"store_unavailable", "503 store-unavailable", "block 503 store-unavailable"})


async def killed(campaign: Campaign) -> None:
    """Redis is killed, and started again over its data."""
    async with campaign.broken(lambda: _kill(campaign)):
        await asyncio.sleep(HOLD_SECONDS)
        campaign.lifting()
        await _start(campaign)


async def emptied(campaign: Campaign) -> None:
    """Redis is killed, and started again without its data; then a release is published, and keys are made again."""
    with campaign.redis.client as client:
        keys = cast(dict[bytes, bytes], client.hgetall(API_KEYS))

    async def begin() -> None:
        # A change that is under way as the data is lost could be made before or after.
        async with campaign.blocking.asking:
            await _kill(campaign)
            campaign.redis.lose_data()
            await _start(campaign)
            campaign.blocking.lost()

    async with campaign.broken(begin, keys_lost=True):
        with campaign.pointers.changing(Pointers()):
            pass
        await asyncio.sleep(HOLD_SECONDS)
        campaign.lifting()
        with campaign.redis.client as client:
            client.hset(API_KEYS, mapping=cast(dict[str | bytes, bytes | float | int | str], keys))
        await campaign.flip()
        # Keys are read again once a second, by each worker.
        await asyncio.sleep(KEYS_READ_SECONDS)
    await campaign.flip()


async def hung(campaign: Campaign) -> None:
    """Redis stops without ending, and goes on."""

    async def begin() -> None:
        campaign.redis.send(signal.SIGSTOP)

    async with campaign.broken(begin):
        await asyncio.sleep(HANG_SECONDS)
        campaign.lifting()
        campaign.redis.send(signal.SIGCONT)


async def slow(campaign: Campaign) -> None:
    """The way to Redis takes a while, and every answer is as it would be without."""
    before = campaign.way.delayed
    campaign.way.delay = SLOW_SECONDS
    await asyncio.sleep(HOLD_SECONDS)
    campaign.way.delay = 0.0
    delayed = campaign.way.delayed - before
    campaign.note(f"{delayed:,} packets delayed")
    assert delayed > 0, "no packet was delayed"


async def too_slow(campaign: Campaign) -> None:
    """The way to Redis takes longer than the API waits."""

    async def begin() -> None:
        campaign.way.delay = TOO_SLOW_SECONDS
        # What was on its way may still arrive.
        await asyncio.sleep(TOO_SLOW_SECONDS)

    async with campaign.broken(begin):
        await asyncio.sleep(HOLD_SECONDS)
        campaign.lifting()
        campaign.way.delay = 0.0


async def half_open(campaign: Campaign) -> None:
    """Connections to Redis are taken, and no answer comes."""

    async def begin() -> None:
        campaign.way.hold()

    async with campaign.broken(begin):
        await asyncio.sleep(HOLD_SECONDS)
        campaign.lifting()
        campaign.way.release()


async def another_password(campaign: Campaign) -> None:
    """Redis comes back with another password than the API has; then with its own."""

    async def begin() -> None:
        await _kill(campaign)
        await _start(campaign, ANOTHER_PASSWORD)

    async with campaign.broken(begin):
        await asyncio.sleep(HOLD_SECONDS)
        campaign.lifting()
        await _kill(campaign)
        await _start(campaign)


async def _kill(campaign: Campaign) -> None:
    await asyncio.to_thread(campaign.redis.kill)
    await campaign.way.close()


async def _start(campaign: Campaign, password: str | None = None) -> None:
    await asyncio.to_thread(campaign.redis.start, password)
    await campaign.way.open()


STORE_FAULTS = (
    Fault("Redis killed, back with its data", killed, FELL_BACK),
    Fault(
        "Redis killed, back without its data",
        emptied,
        frozenset({"store_unavailable", "503 no-live-release", "block 401 not-authenticated", "block block"}),
    ),
    Fault("Redis hung for 2 s", hung, FELL_BACK),
    Fault("Redis slow", slow),
    Fault("Redis slower than is waited for", too_slow, FELL_BACK),
    Fault("Redis half open", half_open, FELL_BACK),
    Fault("Redis back with another password", another_password, FELL_BACK),
)

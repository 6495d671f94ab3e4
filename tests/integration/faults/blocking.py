"""Who changes what users have blocked: the warehouse, in Redis itself, and an app, over HTTP."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis import Redis

from faults.clients import MAY_BLOCK, Clients
from faults.judge import Judge
from faults.known import NOTHING, TRACKS, Blocked
from faults.servers import OwnRedis
from serving_api import contract
from serving_api.contract import BLOCKS

EVERY_SECONDS = 0.1


class Blocking:
    """Changes blocks until cancelled: those of even users as the warehouse does, those of odd users as an app does."""

    def __init__(self, redis: OwnRedis, judge: Judge, clients: Clients) -> None:
        self._redis, self._judge, self._clients = redis, judge, clients
        self.writing = asyncio.Lock()
        """Held for each write of the warehouse, and while Redis cannot be written to. The app goes on then."""
        self.asking = asyncio.Lock()
        """Held for each change over HTTP, and while there may be none."""
        self._failed: dict[str, str] = {}
        """By user the track of a change that was not confirmed."""

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Within, no block changes."""
        async with self.writing, self.asking:
            yield

    def lost(self) -> None:
        """Redis has lost its data. Call it with both locks held."""
        self._failed.clear()
        for timeline in self._judge.blocked.values():
            with timeline.changing(NOTHING):
                pass

    async def as_warehouse(self) -> None:
        """Replace all that a user has blocked, again and again."""
        draw = random.Random(1)
        with self._redis.client as client:
            while True:
                async with self.writing:
                    user_id = f"user_{draw.randrange(0, MAY_BLOCK, 2)}"
                    tracks = {f"t-{draw.randrange(TRACKS)}" for _ in range(draw.randrange(12))}
                    artists = {f"a-{draw.randrange(7)}" for _ in range(draw.randrange(2))}
                    blocked = Blocked(frozenset(tracks), frozenset(artists))
                    with self._judge.blocked[user_id].changing(blocked):
                        await asyncio.to_thread(_write_blocks, client, user_id, blocked)
                await asyncio.sleep(EVERY_SECONDS)

    async def as_app(self) -> None:
        """Block a track or take a block back, again and again, also while Redis is broken."""
        draw = random.Random(2)
        while True:
            async with self.asking:
                await self._change(draw, f"user_{draw.randrange(1, MAY_BLOCK, 2)}")
            await asyncio.sleep(EVERY_SECONDS)

    async def _change(self, draw: random.Random, user_id: str) -> None:
        """One change. Without a 204 it may have been made or not, until the next change of the user has a 204."""
        timeline = self._judge.blocked[user_id]
        tracks = timeline.now.tracks
        # After a failure the same track comes again, so that a user has at most two possible states.
        failed = self._failed.get(user_id)
        track_id = failed or f"t-{draw.randrange(TRACKS)}"
        blocks = draw.random() < 0.5 if failed else track_id not in tracks
        timeline.may_become(Blocked(tracks | {track_id} if blocks else tracks - {track_id}))
        with_key = draw.random() < 0.5
        async with self._clients.connection() as http:
            changed = await self._clients.change(http, "PUT" if blocks else "DELETE", user_id, track_id, with_key)
        if changed:
            timeline.became()
            self._failed.pop(user_id, None)
        else:
            self._failed[user_id] = track_id


def _write_blocks(client: Redis, user_id: str, blocked: Blocked) -> None:
    if blocked == NOTHING:
        client.hdel(BLOCKS, user_id)
    else:
        client.hset(BLOCKS, user_id, contract.pack_blocks(contract.Blocks(blocked.tracks, blocked.artists)))

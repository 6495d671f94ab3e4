"""The campaign: an API of two workers, its Redis and its identity provider, clients, and one fault after the other."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

from api_process import api_process
from identity_provider import AUDIENCE, KeyServer, SigningKey, key_server

from assets.publish.held import rollback
from assets.publish.release import publish
from faults.blocking import Blocking
from faults.clients import MAY_BLOCK, Clients, Seen
from faults.judge import Asked, Judge
from faults.known import NOTHING, KnownRelease, known_release
from faults.servers import OwnRedis, Way, way_to
from faults.timeline import Disturbance, Pointers, Timeline
from serving_api.access.key_admin import create_key
from serving_api.access.scopes import ROLES
from serving_api.contract import API_KEYS

MARKERS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")
PASSWORD, ANOTHER_PASSWORD = "of-the-campaign", "of-somebody-else"
RECOVER_SECONDS = 60.0
RIGHT_IN_A_ROW = 12
_TOKEN_SECONDS = 20.0
# As docs/operating.md has it.
_WORKERS = (
    *("-m", "uvicorn", "--port", "{port}", "--workers", "2"),
    *("--http", "serving_api.connections:BoundedProtocol", "--factory", "serving_api.app:create_app"),
)


@dataclass
class Phase:
    """What was seen from one fault to the next."""

    name: str
    begun: float
    ended: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the fault itself has to say."""
    failure: str | None = None
    """Why the campaign ended in this phase, if it did: something that the fault waits for did not happen."""


@dataclass(frozen=True)
class Fault:
    """Something that happens to a running API, and the answers that show that it happened."""

    name: str
    happen: Callable[["Campaign"], Awaitable[None]]
    leaves: frozenset[str] = frozenset()
    """What verdicts must have said in its phase, by itself or after the kind of the request: `block 503 ...`."""


class Campaign:
    """Everything that runs, and what it has come to."""

    def __init__(
        self, redis: OwnRedis, way: Way, provider: KeyServer, provider_way: Way, url: str, secret: str, judge: Judge
    ) -> None:
        self.redis, self.way = redis, way
        self.provider, self.provider_way = provider, provider_way
        self.judge = judge
        self.signing_key = SigningKey("of the beginning")
        self.phases: list[Phase] = []
        self.clients = Clients(url, judge, secret, self.token, lambda seen: self.phases[-1].seen.append(seen))
        self.blocking = Blocking(redis, judge, self.clients)
        self.log = Path()
        """The file that the API logs to, once it runs."""
        self._markers = cycle(MARKERS)
        self._tokens: dict[str, tuple[str, float]] = {}

    def token(self, user_id: str) -> str:
        """A listener's token, which is good for a while."""
        token, until = self._tokens.get(user_id, ("", 0.0))
        if time.monotonic() >= until:
            token, until = self.provider.token(self.signing_key, user_id), time.monotonic() + _TOKEN_SECONDS
            self._tokens[user_id] = token, until
        return token

    def note(self, line: str) -> None:
        """Say something of the fault that happens."""
        self.phases[-1].notes.append(line)

    def another(self) -> KnownRelease:
        """A release that is neither live nor previous."""
        named = {each.marker: each for each in self.judge.releases.values()}
        return next(each for marker in self._markers if (each := named[marker]).name not in self.pointers.now)

    @property
    def pointers(self) -> Timeline[Pointers]:
        """Which releases are live and previous."""
        return self.judge.history.pointers

    async def flip(self) -> KnownRelease:
        """Publish another release."""
        release = self.another()
        with self.pointers.changing(Pointers(release.name, self.pointers.now.live)):
            await asyncio.to_thread(self._publish, release)
        return release

    def _publish(self, release: KnownRelease) -> None:
        with self.redis.client as client:
            publish(client, release.content, lock_seconds=1)

    async def roll_back(self) -> None:
        """Go back to the release before."""
        live, previous = self.pointers.now

        def swap() -> None:
            with self.redis.client as client:
                assert rollback(client) == previous

        with self.pointers.changing(Pointers(previous, live)):
            await asyncio.to_thread(swap)

    async def happen(self, fault: Fault) -> None:
        """Let a fault happen."""
        self.phases.append(Phase(fault.name, time.monotonic()))
        try:
            await fault.happen(self)
        except AssertionError as error:
            self.phases[-1].failure = str(error).partition("\n")[0] or "an assertion failed"
        self.phases[-1].ended = time.monotonic()

    @asynccontextmanager
    async def broken(self, begin: Callable[[], Awaitable[Any]], keys_lost: bool = False) -> AsyncIterator[None]:
        """Within, the store cannot be read. The body repairs it; then this waits until the API has recovered."""
        disturbance = Disturbance(time.monotonic(), keys_lost=keys_lost)
        async with self.blocking.writing:
            self.judge.history.disturbances.append(disturbance)
            await begin()
            disturbance.broken = time.monotonic()
            yield
            await self._recovered()
            disturbance.recovered = time.monotonic()

    def lifting(self) -> None:
        """From now on the store may answer again."""
        self.judge.history.disturbances[-1].lifted = time.monotonic()

    async def _recovered(self) -> None:
        """Wait until so many in a row are answered rightly, over connections of their own, which both workers take."""
        asked = (Asked("ready", "/readyz"), Asked("personal", "/v1/users/user_200/recommendations", ("user_200",)))
        begun, row = time.monotonic(), 0
        while row < RIGHT_IN_A_ROW:
            async with self.clients.connection() as http:
                words = [(await self.clients.ask(http, each))[1].word for each in asked]
            row = row + 1 if set(words) == {"right"} else 0
            assert time.monotonic() < begun + RECOVER_SECONDS, f"the API does not recover: {words}"
        self.note(f"recovered after {time.monotonic() - begun:.1f} s")


async def run(folder: Path, faults: Sequence[Fault], told: Callable[[str], object]) -> list[Phase]:
    """Let all faults happen to one API, until one fails, and return what its clients saw of each; `told` of each as it
    begins.
    """
    redis = OwnRedis(folder, PASSWORD)
    judge = Judge(releases={each.name: each for each in map(known_release, MARKERS)})
    judge.blocked = {f"user_{number}": Timeline(NOTHING) for number in range(MAY_BLOCK)}
    with key_server() as provider:
        async with way_to(redis.port) as way, way_to(int(provider.issuer.rpartition(":")[2])) as provider_way:
            provider.issuer = f"http://127.0.0.1:{provider_way.port}"
            try:
                redis.start()
                return await _run(folder, redis, way, provider, provider_way, judge, faults, told)
            finally:
                redis.kill()


async def _run(
    folder: Path,
    redis: OwnRedis,
    way: Way,
    provider: KeyServer,
    provider_way: Way,
    judge: Judge,
    faults: Sequence[Fault],
    told: Callable[[str], object],
) -> list[Phase]:
    with redis.client as client:
        secret = create_key(client, "campaign", sorted(ROLES["app"]), None).secret
        assert client.hlen(API_KEYS) == 1
    environment = {
        "AUDOTICS_API_AUTH": "both",
        "AUDOTICS_API_OIDC_ISSUER": provider.issuer,
        "AUDOTICS_API_OIDC_AUDIENCE": AUDIENCE,
        "AUDOTICS_API_OIDC_REFETCH_SECONDS": "1",
        # Counted, and never reached.
        "AUDOTICS_API_RATE_LIMIT": "1000000000/minute",
        "AUDOTICS_API_LISTENER_RATE_LIMIT": "1000000000/minute",
    }
    campaign = Campaign(redis, way, provider, provider_way, "", secret, judge)
    provider.keys.append(campaign.signing_key.jwk)
    await campaign.flip()
    await campaign.flip()
    address = f"redis://:{PASSWORD}@127.0.0.1:{way.port}/0"
    with ExitStack() as stack:
        # What waits for its start must not be in the way of this loop, which leads it to Redis.
        api = await asyncio.to_thread(stack.enter_context, api_process(address, folder, environment, _WORKERS))
        campaign.clients.url, campaign.log = api.url, api.errors
        async with asyncio.TaskGroup() as group:
            clients = group.create_task(campaign.clients.run())
            blocking = campaign.blocking
            writers = [group.create_task(each) for each in (blocking.as_warehouse(), blocking.as_app())]
            for fault in faults:
                told(fault.name)
                await campaign.happen(fault)
                if campaign.phases[-1].failure is not None:
                    break
            campaign.clients.end()
            for writer in writers:
                writer.cancel()
            await clients
        await asyncio.to_thread(api.end)
    return campaign.phases

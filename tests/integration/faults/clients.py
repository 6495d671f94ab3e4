"""Clients of the API: what they ask, and that they ask it again and again, each over its own connections."""

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx
import orjson

from faults.judge import WRONG, Answer, Asked, Judge, Kind, Verdict
from faults.known import NEWCOMERS, TRACKS, USERS

# Few enough that two processors serve them, this process and Redis.
CLIENTS = 8
PAUSE_SECONDS = 0.01
REQUESTS_PER_CONNECTION = 20
READY_EVERY_SECONDS = 0.1
TIMEOUT_SECONDS = 20.0
PAGE = 7
MAY_BLOCK = 20
"""The first so many users block and unblock."""
# Loading the trusted certificates takes 20 ms, and loopback needs none.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class Seen:
    """One request as its client saw it; times are monotonic seconds."""

    kind: Kind
    verdict: Verdict
    release: str | None
    begun: float
    ended: float


class Clients:
    """Asks, and has every answer judged."""

    def __init__(
        self, url: str, judge: Judge, secret: str, token: Callable[[str], str], note: Callable[[Seen], object]
    ) -> None:
        self.url = url
        self._judge = judge
        self._secret = secret
        self._token = token
        self._note = note
        self._ended = asyncio.Event()

    def connection(self) -> httpx.AsyncClient:
        """A client with connections of its own, which one of the workers takes."""
        return httpx.AsyncClient(base_url=self.url, timeout=TIMEOUT_SECONDS, verify=_NO_TLS)

    def headers(self, asked: Asked) -> Mapping[str, str]:
        """Who asks: an app with its key, or the listener with a token."""
        return {"Authorization": f"Bearer {self._secret if asked.with_key else self._token(asked.users[0])}"}

    async def ask(
        self, http: httpx.AsyncClient, asked: Asked, method: str | None = None
    ) -> tuple[Answer | None, Verdict]:
        """One answer, judged; None where there came none."""
        begun = time.monotonic()
        try:
            chosen = method or ("POST" if asked.body else "GET")
            came = await http.request(chosen, asked.path, json=asked.body, headers=self.headers(asked))
        except httpx.TransportError as error:
            answer, verdict = None, Verdict("unexpected", f"{asked.path}: {type(error).__name__}")
        else:
            answer = Answer(came.status_code, orjson.loads(came.content or b"{}"), begun, time.monotonic())
            verdict = self._judge.verdict(asked, answer)
        release = answer.body.get("release") if answer is not None else None
        self._note(Seen(asked.kind, verdict, release, begun, time.monotonic()))
        return answer, verdict

    async def change(self, http: httpx.AsyncClient, method: str, user_id: str, track_id: str, with_key: bool) -> bool:
        """Block a track, or take the block back; whether the API confirmed it."""
        asked = Asked("block", f"/v1/users/{user_id}/blocks/track/{track_id}", (user_id,), with_key=with_key)
        answer, _ = await self.ask(http, asked, method)
        return answer is not None and answer.status == 204

    def end(self) -> None:
        """Stop all clients."""
        self._ended.set()

    async def run(self) -> None:
        """All clients, until the end."""
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._listen(random.Random(number)))
            group.create_task(self._scroll_on(random.Random(CLIENTS)))
            group.create_task(self._probe())

    async def _listen(self, draw: random.Random) -> None:
        while not self._ended.is_set():
            async with self.connection() as http:
                for _ in range(REQUESTS_PER_CONNECTION):
                    await self.ask(http, drawn(draw))
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _scroll_on(self, draw: random.Random) -> None:
        while not self._ended.is_set():
            async with self.connection() as http:
                # Of users whose blocks change, pages are not known beforehand.
                scroll = Scroll(f"user_{draw.randrange(MAY_BLOCK, USERS)}")
                while not scroll.ended and not self._ended.is_set():
                    await scroll.step(self, http)
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _probe(self) -> None:
        """What a load balancer asks, each time over another connection."""
        while not self._ended.is_set():
            async with self.connection() as http:
                await self.ask(http, Asked("ready", "/readyz"))
            await asyncio.sleep(READY_EVERY_SECONDS)


@dataclass
class Scroll:
    """A reader of one list to its end, page by page."""

    user_id: str
    ids: list[str] = field(default_factory=list)
    """Of the items so far."""
    release: str | None = None
    begun_again: int = 0
    """How often the release was gone, so that the list was begun again, as the answer says."""
    ended: bool = False
    _next: str | None = None

    async def step(self, clients: Clients, http: httpx.AsyncClient) -> None:
        """Ask for the next page, or once more for one that did not come."""
        answer, verdict = await clients.ask(http, self._asked())
        if answer is None or verdict.word != "right":
            if answer is not None and answer.status == 410:
                self.ids, self.release, self._next = [], None, None
                self.begun_again += 1
            # A wrong answer ends the scroll; after no answer, or a fallback, the same page is asked for again.
            self.ended = verdict.word in WRONG
            return
        self.release = answer.body["release"]
        self.ids += [item["track_id"] for item in answer.body["items"]]
        self._next = answer.body["next"]
        self.ended = self._next is None

    def _asked(self) -> Asked:
        if self._next is None:
            return Asked(
                "personal", f"/v1/users/{self.user_id}/recommendations?limit={PAGE}", (self.user_id,), limit=PAGE
            )
        return Asked("page", self._next, (self.user_id,), limit=PAGE, pinned=self.release, passed=len(self.ids))


def drawn(draw: random.Random) -> Asked:
    """A request as apps and listeners send them, every other one for somebody who may have blocked something."""
    user_id = f"user_{draw.randrange(draw.choice((MAY_BLOCK, USERS)))}"
    with_key = draw.random() < 0.6
    path = f"/v1/users/{user_id}"
    slate, limit = draw.choice(("for_you", "discover")), draw.choice((5, 20, 100))
    of_list = f"{path}/recommendations?slate={slate}&limit={limit}"
    chosen = draw.random()
    if chosen < 0.35:
        return Asked("personal", of_list, (user_id,), slate, limit, with_key=with_key)
    if chosen < 0.45:
        stranger = draw.choice(("nobody", *NEWCOMERS))
        return Asked("list", f"/v1/users/{stranger}/recommendations", (stranger,), with_key=with_key)
    if chosen < 0.6:
        return Asked("home", f"{path}/home?limit=10", (user_id,), limit=10, with_key=with_key)
    if chosen < 0.7:
        return Asked("popular", "/v1/popular")
    if chosen < 0.75:
        return Asked("popular", "/v1/popular?country=Finland", country="Finland")
    if chosen < 0.88:
        users = tuple(f"user_{draw.randrange(USERS)}" for _ in range(5))
        return Asked("batch", "/v1/recommendations:batchGet", users, body={"user_ids": users})
    key = draw.randrange(TRACKS)
    return Asked("search", f"/v1/search?q=track+{key}&kind=track", found=f"t-{key}")

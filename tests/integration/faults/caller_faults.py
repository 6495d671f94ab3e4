"""What happens to callers: their identity provider, their clocks, and their connections."""

import asyncio
import random
import time
from collections import Counter
from urllib.parse import urlsplit

import httpx
import orjson
from identity_provider import SigningKey

from faults.campaign import Campaign, Fault
from faults.clients import Seen
from faults.judge import Verdict

HOLD_SECONDS = 2.0
SKEW_SECONDS = 30
HANG_UPS = 300
_HANG_UP = "hang-up-"
_PATH = "/v1/users/user_200/recommendations"
_CANNOT_TELL = "503 access-unavailable"
_REFUSED = "401 not-authenticated"


async def _shows(campaign: Campaign, token: str, what: str) -> None:
    """One request with a token, which must be let in (`right`) or refused as is said."""
    async with campaign.clients.connection() as http:
        begun = time.monotonic()
        try:
            came = await http.get(_PATH, headers={"Authorization": f"Bearer {token}"})
        except httpx.TransportError as error:
            found = type(error).__name__
        else:
            slug = str(came.json().get("type", "")).rpartition(":")[2]
            found = "right" if came.status_code == 200 else f"{came.status_code} {slug}"
        word = "unexpected" if found != what else "right" if what == "right" else "refused"
        verdict = Verdict(word, found if found == what else f"{found} instead of {what}")
        campaign.phases[-1].seen.append(Seen("personal", verdict, None, begun, time.monotonic()))


async def provider_down(campaign: Campaign) -> None:
    """The identity provider refuses connections: who has a token under a known key goes on."""
    await campaign.provider_way.close()
    await _without_provider(campaign)
    await campaign.provider_way.open()
    await _with_provider(campaign)


async def provider_hung(campaign: Campaign) -> None:
    """The identity provider takes connections and does not answer."""
    campaign.provider_way.hold()
    await _without_provider(campaign)
    campaign.provider_way.release()
    await _with_provider(campaign)


async def _without_provider(campaign: Campaign) -> None:
    new = SigningKey("of a change that the API cannot learn of")
    campaign.provider.keys.append(new.jwk)
    # A process asks for an unknown key at most once a second.
    await asyncio.sleep(1)
    ends = time.monotonic() + HOLD_SECONDS
    while time.monotonic() < ends:
        unknown = campaign.provider.token(new, "user_200")
        known = campaign.provider.token(campaign.signing_key, "user_200")
        await asyncio.gather(_shows(campaign, unknown, _CANNOT_TELL), _shows(campaign, known, "right"))
    campaign.provider.keys.remove(new.jwk)


async def _with_provider(campaign: Campaign) -> None:
    """The provider is back, with a key that it did not have before: both workers read it."""
    new = SigningKey(f"of the change at {time.monotonic()}")
    campaign.provider.keys.append(new.jwk)
    ends = time.monotonic() + 30
    row = 0
    while row < 12:
        async with campaign.clients.connection() as http:
            token = campaign.provider.token(new, "user_200")
            came = await http.get(_PATH, headers={"Authorization": f"Bearer {token}"})
        row = row + 1 if came.status_code == 200 else 0
        assert time.monotonic() < ends, came.text
    campaign.signing_key = new


async def clocks_differ(campaign: Campaign) -> None:
    """Tokens of a provider whose clock is ahead or behind, by less and by more than is allowed."""
    for _ in range(10):
        now = int(time.time())
        within, beyond = SKEW_SECONDS - 10, SKEW_SECONDS + 10
        for claims, what in (
            ({"exp": now - within, "iat": now - 100}, "right"),
            ({"exp": now - beyond, "iat": now - 100}, _REFUSED),
            ({"iat": now + within}, "right"),
            ({"iat": now + beyond}, _REFUSED),
            ({"nbf": now + within}, "right"),
            ({"nbf": now + beyond}, _REFUSED),
        ):
            await _shows(campaign, campaign.provider.token(campaign.signing_key, "user_200", **claims), what)


async def hang_ups(campaign: Campaign) -> None:
    """Callers abort their connections at any instant of a request: all others are answered as usual."""
    draw = random.Random(2)
    there = urlsplit(campaign.clients.url)
    token = campaign.token("user_200")
    request = f"GET {_PATH} HTTP/1.1\r\nHost: {there.netloc}\r\nAuthorization: Bearer {token}\r\n"
    unanswered = set()
    campaign.way.delay = 0.005
    for number in range(HANG_UPS):
        request_id = f"{_HANG_UP}{number}"
        reader, writer = await asyncio.open_connection(there.hostname, there.port)
        writer.write(f"{request}X-Request-ID: {request_id}\r\n\r\n".encode())
        try:
            async with asyncio.timeout(draw.random() * 0.02):
                await reader.read(1)
        except TimeoutError:
            unanswered.add(request_id)
        writer.transport.abort()
    campaign.way.delay = 0.0
    await asyncio.sleep(1)
    logged = [orjson.loads(line) for line in campaign.log.read_bytes().splitlines() if _HANG_UP.encode() in line]
    reached = {line["request_id"]: line["status"] for line in logged}
    aborted = Counter(reached[each] for each in unanswered & reached.keys())
    campaign.note(
        f"{len(unanswered)} of {HANG_UPS} callers hung up before their answer;"
        f" {aborted.total()} of their requests had reached the API"
    )
    assert aborted.keys() == {200}, f"requests of callers that hung up, by status: {dict(aborted)}"


CALLER_FAULTS = (
    Fault("identity provider down", provider_down, frozenset({_CANNOT_TELL})),
    Fault("identity provider hung", provider_hung, frozenset({_CANNOT_TELL})),
    Fault("clocks differ", clocks_differ, frozenset({_REFUSED})),
    Fault("callers hang up", hang_ups, frozenset({"unknown_user", "block", "ready"})),
)

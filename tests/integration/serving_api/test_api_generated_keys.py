"""Ten thousand requests made up from the description, by a key with every scope, by a listener, and by nobody."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from api_process import ApiProcess, api_process
from generated_requests import Seen, ask
from identity_provider import KeyServer, SigningKey
from redis import Redis
from schemathesis import Case
from schemathesis.core.transport import Response
from search_catalogue import searchable_release

from assets.publish.release import publish
from serving_api.access.key_admin import create_key
from serving_api.access.scopes import Scope

# Alone on two cores all of it takes three minutes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

BY_KEY, BY_LISTENER, BY_NOBODY = 6000, 2000, 2000
OPEN = ("/livez", "/readyz")
REFUSED_UNREAD = {400, 404, 405, 421, 431}


@pytest.fixture
def api(client: Redis, redis_url: str, tmp_path: Path, provider: KeyServer) -> Iterator[ApiProcess]:
    publish(client, searchable_release())
    # The last requests of a listener are beyond it, unless an hour begins meanwhile.
    given = provider.settings(api_auth="both", api_listener_rate_limit="1500/hour")
    with api_process(
        redis_url, tmp_path, {f"AUDOTICS_{name.upper()}": text for name, text in given.items()}
    ) as running:
        yield running
        running.end()
        assert not [line for line in running.lines() if line["level"] in ("error", "critical")]


def fine(seen: Seen, count: int) -> None:
    assert not seen.faults, "\n\n".join(f"{kind}: {told}" for kind, told in seen.faults.items())
    assert seen.answers.total() >= count


def test_a_key_with_every_scope_gets_what_is_described(api: ApiProcess, client: Redis) -> None:
    secret = create_key(client, "all", sorted(Scope), None).secret
    # The API hears of a new key within a second, or a little more where it has much to do.
    while httpx.get(f"{api.url}/v1/popular", headers={"X-API-Key": secret}).status_code == 401:
        time.sleep(0.1)

    def judge(case: Case, answer: Response) -> str | None:
        return "the key is good" if answer.status_code in (401, 403) else None

    seen = ask(api.url, BY_KEY, {"X-API-Key": secret}, judge)
    fine(seen, BY_KEY)
    assert {200, 204, 404, 410, 422} <= seen.statuses() <= {200, 204, 400, 404, 405, 410, 422, 431}


def test_a_listener_gets_their_own_and_no_others(api: ApiProcess, provider: KeyServer, signing: SigningKey) -> None:
    def judge(case: Case, answer: Response) -> str | None:
        whose = case.path_parameters.get("user_id") if case.path_parameters else None
        if answer.status_code < 300 and (whose not in (None, "user_7") or "batchGet" in case.path):
            return "this is not theirs"
        return None

    token = provider.token(signing, exp=4_000_000_000)
    seen = ask(api.url, BY_LISTENER, {"Authorization": f"Bearer {token}"}, judge)
    fine(seen, BY_LISTENER)
    assert {200, 204, 403, 404, 422} <= seen.statuses() <= {200, 204, 400, 403, 404, 405, 410, 422, 429, 431}


def test_nobody_gets_nothing(api: ApiProcess) -> None:
    def judge(case: Case, answer: Response) -> str | None:
        allowed = {200, *REFUSED_UNREAD} if case.path in OPEN else {401, *REFUSED_UNREAD}
        return None if answer.status_code in allowed else "this is for somebody"

    seen = ask(api.url, BY_NOBODY, None, judge)
    fine(seen, BY_NOBODY)
    assert seen.answers.total() / 2 < sum(count for (_, status), count in seen.answers.items() if status == 401)

"""Ten thousand requests made up from the description, where nobody is asked who they are; as many in the other file."""

from pathlib import Path

import pytest
from api_process import api_process
from generated_requests import ask, operations
from redis import Redis
from search_catalogue import searchable_release

from assets.publish.release import publish

REQUESTS = 10_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_generated_requests_get_what_is_described(client: Redis, redis_url: str, tmp_path: Path) -> None:
    publish(client, searchable_release())
    with api_process(redis_url, tmp_path) as api:
        seen = ask(api.url, REQUESTS)
        described = operations(api.url)
        assert not seen.faults, "\n\n".join(f"{kind}: {told}" for kind, told in seen.faults.items())
        assert seen.answers.total() >= REQUESTS
        for operation in described:
            # Requests reach what is behind validation, and are refused by it.
            assert seen.statuses(operation.label) & {200, 204}, operation.label
            assert 422 in seen.statuses(operation.label) or operation.path in ("/livez", "/readyz"), operation.label
        assert {200, 204, 404, 410, 422} <= seen.statuses() <= {200, 204, 400, 404, 405, 410, 422, 431}
        api.end()
        assert not [line for line in api.lines() if line["level"] in ("error", "critical")]
        # The process has a line for each that is HTTP.
        assert len(api.requests()) >= sum(count for (_, status), count in seen.answers.items() if status != 400)

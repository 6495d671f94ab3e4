"""Tokens of a certified OpenID provider: a listener logs in, a service asks, keys change, the provider is down."""

import time

import httpx
import pytest
from api_client import document, problem, running_api
from api_process import any_free_port
from certified_provider import RESOURCE, certified_provider
from identity_provider import SigningKey
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api import models

OWN = "/v1/users/user_7/recommendations"
OTHER = "/v1/users/user_8/recommendations"


def get(api: httpx.Client, path: str, token: str) -> httpx.Response:
    return api.get(path, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.slow
def test_people_and_services_with_tokens_of_a_certified_provider(client: Redis, redis_url: str) -> None:
    publish(client, sample_release())
    first, second = SigningKey("first"), SigningKey("second")
    port = any_free_port()
    settings = {
        "api_auth": "oidc",
        "api_oidc_issuer": f"http://127.0.0.1:{port}",
        "api_oidc_audience": RESOURCE,
        "api_oidc_refetch_seconds": 1,
    }
    with certified_provider(port, first) as provider, running_api(redis_url, **settings) as api:
        tokens = provider.login("user_7")
        listener, service = tokens["access_token"], provider.service("lists:read")
        assert document(get(api, OWN, listener), models.Recommendations)["user_id"] == "user_7"
        assert get(api, "/v1/popular", listener).status_code == 200
        problem(get(api, OTHER, listener), 403, "forbidden")
        assert get(api, OTHER, service).status_code == 200
        problem(get(api, "/v1/popular", service), 403, "forbidden")
        # A service is not a listener of its own name.
        problem(get(api, "/v1/users/backend/recommendations", provider.service("catalogue:read")), 403, "forbidden")
        for foreign in (tokens["id_token"], provider.login("user_7", "urn:another")["access_token"]):
            problem(get(api, OWN, foreign), 401, "not-authenticated")
    # The provider is not there, comes, ends and comes back: first with another key, then without the old one. What it
    # did not answer is asked again after a second.
    with running_api(redis_url, **settings) as api:
        with certified_provider(port, first) as provider:
            time.sleep(1.1)
            old = provider.login("user_7")["access_token"]
            assert get(api, OWN, old).status_code == 200
        assert get(api, OWN, old).status_code == 200
        time.sleep(1.1)
        with certified_provider(port, second, first) as provider:
            both = provider.login("user_7")["access_token"]
            assert [get(api, OWN, token).status_code for token in (both, old)] == [200, 200]
        with certified_provider(port, SigningKey("third")) as provider:
            time.sleep(1.1)
            assert get(api, OWN, provider.login("user_7")["access_token"]).status_code == 200
            problem(get(api, OWN, old), 401, "not-authenticated")

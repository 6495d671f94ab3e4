"""The read API as a process: its settings, its address, its documentation pages."""

import os
import re
import socket
import subprocess
import sys

import httpx
import orjson
import pytest
from api_client import recommendations
from pydantic import ValidationError
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api import models
from serving_api.app import create_app
from serving_api.rule_fields import RULE_NAMES
from serving_api.settings import ServingSettings
from tests.repository import ROOT

pytestmark = pytest.mark.own_redis


def test_the_documentation_needs_nothing_from_the_internet(api: httpx.Client) -> None:
    page = api.get("/docs")
    assert page.status_code == 200
    linked = re.findall(r"""(?:src|href)=["']([^"']+)["']|url: ["']([^"']+)["']""", page.text)
    addresses = {one or other for one, other in linked}
    assert {"/openapi.json"} < addresses
    for address in addresses:
        assert address.startswith("/"), f"{address} is on another host"
        assert api.get(address).status_code == 200
    assert not re.search(r"https?://", page.text)


def test_the_documentation_shows_examples_and_every_error(api: httpx.Client) -> None:
    described = api.get("/openapi.json").json()
    paths = described["paths"]
    assert set(paths) == {
        "/v1/users/{user_id}/recommendations",
        "/v1/users/{user_id}/home",
        "/v1/users/{user_id}/blocks/{kind}/{item_id}",
        "/v1/users/{user_id}/playlists/{slate}.{playlist_format}",
        "/v1/recommendations:batchGet",
        "/v1/recommendations:fromSeeds",
        "/v1/trending",
        "/v1/tags",
        "/v1/search",
        "/v1/artists/{artist_id}",
        "/v1/popular",
        "/v1/tracks/{track_id}",
        "/v1/tracks/{track_id}/similar",
        "/v1/artists/{artist_id}/similar",
        "/livez",
        "/readyz",
    }
    route = paths["/v1/users/{user_id}/recommendations"]["get"]
    whatever_the_route = {"400", "405", "421", "431"}
    own = {"200", "304", "401", "403", "404", "410", "422", "429", "500", "503"}
    assert set(route["responses"]) == own | whatever_the_route
    assert "413" in paths["/v1/recommendations:fromSeeds"]["post"]["responses"]
    for status in ("401", "403", "404", "410", "422", "429", "500", "503"):
        ((media_type, error),) = route["responses"][status]["content"].items()
        assert media_type == "application/problem+json"
        models.Problem.model_validate(error["example"], strict=True)
    assert "404" in paths["/v1/tracks/{track_id}"]["get"]["responses"]
    assert "HTTPValidationError" not in described["components"]["schemas"]
    fields = described["components"]["schemas"]["Item"]["properties"]
    assert all("examples" in field or "$ref" in str(field) for field in fields.values())
    window = {"limit", "offset", "exclude", "country", "release", "cursor"}
    assert {parameter["name"] for parameter in route["parameters"]} == window | RULE_NAMES | {
        "user_id",
        "slate",
        "scenario",
    }
    popular = paths["/v1/popular"]["get"]["parameters"]
    assert {parameter["name"] for parameter in popular} == window | RULE_NAMES | {"scenario"}


def test_the_description_that_is_printed_is_the_one_that_is_served(api: httpx.Client) -> None:
    # Settings that need others do not stand in its way.
    environment = os.environ | {"AUDOTICS_API_AUTH": "oidc", "AUDOTICS_API_HOST": "0.0.0.0"}
    command = [sys.executable, "-m", "serving_api.openapi"]
    printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True).stdout
    assert orjson.loads(printed) == api.get("/openapi.json").json()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_addresses_are_allowed(host: str) -> None:
    assert ServingSettings(redis_url="redis://127.0.0.1/0", api_host=host, api_auth="off").api_host == host


def test_the_process_takes_its_settings_from_the_environment(client: Redis, redis_url: str) -> None:
    publish(client, sample_release())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"AUDOTICS_REDIS_URL": redis_url, "AUDOTICS_API_PORT": str(port), "AUDOTICS_API_AUTH": "off"}
    process = subprocess.Popen(
        [sys.executable, "-m", "serving_api"],
        cwd=ROOT,
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr:
        while "Uvicorn running on" not in (line := process.stderr.readline()):
            assert line, "the process ended before it listened"
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as api:
            assert recommendations(api, "user_7")["source"] == "personal"
        process.terminate()
        process.stderr.read()
    process.wait()


def test_the_process_does_not_start_without_knowing_its_redis() -> None:
    with pytest.raises(ValidationError, match="redis_url"):
        create_app()
    with pytest.raises(ValidationError, match="must start with redis://"):
        ServingSettings(redis_url="127.0.0.1:6379")

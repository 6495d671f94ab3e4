"""The OpenAPI description: one schema of problems, names for methods, all statuses and headers."""

import re
from typing import Any

import pytest

from serving_api.app import create_app
from serving_api.settings import ServingSettings

PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    document: dict[str, Any] = create_app(ServingSettings(redis_url="redis://127.0.0.1:1/0")).openapi()
    return document


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of all."""
    found = [(path, method, each) for path, methods in described["paths"].items() for method, each in methods.items()]
    assert len(found) > 10
    return found


def test_every_operation_has_a_name_of_its_own_that_makes_a_method(described: dict[str, Any]) -> None:
    names = [each["operationId"] for _, _, each in operations(described)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name) for name in names)
    assert {"recommendations", "batchGet", "fromSeeds", "similarTracks"} <= set(names)


def test_every_error_is_the_one_problem_and_headers_are_told(described: dict[str, Any]) -> None:
    for path, method, operation in operations(described):
        responses = operation["responses"]
        assert "405" in responses and operation["summary"] and operation["tags"], path
        if path.startswith("/v1/"):
            assert {"401", "403", "422", "429", "503"} <= set(responses), path
            assert operation["security"], path
        for status, response in responses.items():
            headers = set(response["headers"])
            assert "X-Request-ID" in headers, (path, status)
            assert ("Retry-After" in headers) == (status in ("429", "503")), (path, status)
            if status >= "400":
                assert [each["schema"] for each in response["content"].values()] == [PROBLEM], (path, status)
                assert list(response["content"]) == ["application/problem+json"], (path, status)
        if method == "get":
            assert "ETag" in responses["200"]["headers"] and "304" in responses, path


def test_every_reference_leads_somewhere_and_nothing_is_described_twice(described: dict[str, Any]) -> None:
    references = set(re.findall(r"'\$ref': '#/components/(\w+)/([\w-]+)'", str(described)))
    components = described["components"]
    assert references and all(name in components[kind] for kind, name in references)
    assert str(described).count("Path of the request.") == 1

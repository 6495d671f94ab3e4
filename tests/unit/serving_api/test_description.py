"""The OpenAPI description: one schema of problems, names for methods, all statuses and headers."""

import re
from typing import Any

import pytest

from serving_api.app import create_app
from serving_api.settings import ServingSettings

DESCRIBED: dict[str, Any] = create_app(ServingSettings(redis_url="redis://127.0.0.1:1/0")).openapi()
OPERATIONS = [(path, method, each) for path, methods in DESCRIBED["paths"].items() for method, each in methods.items()]
PROBLEM = {"$ref": "#/components/schemas/Problem"}


def test_every_operation_has_a_name_of_its_own_that_makes_a_method() -> None:
    names = [each["operationId"] for _, _, each in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name) for name in names)
    assert {"recommendations", "batchGet", "fromSeeds", "similarTracks"} <= set(names)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_error_is_the_one_problem_and_every_header_is_told(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    responses = operation["responses"]
    assert "405" in responses and operation["summary"] and operation["tags"]
    if path.startswith("/v1/"):
        assert {"401", "403", "422", "429", "503"} <= set(responses)
        assert operation["security"]
    for status, response in responses.items():
        headers = set(response["headers"])
        assert "X-Request-ID" in headers
        assert ("Retry-After" in headers) == (status in ("429", "503"))
        if status >= "400":
            assert [each["schema"] for each in response["content"].values()] == [PROBLEM]
            assert list(response["content"]) == ["application/problem+json"]
    if method == "get":
        assert "ETag" in responses["200"]["headers"] and "304" in responses


def test_every_reference_leads_somewhere_and_nothing_is_described_twice() -> None:
    references = set(re.findall(r"'\$ref': '#/components/(\w+)/([\w-]+)'", str(DESCRIBED)))
    components = DESCRIBED["components"]
    assert references and all(name in components[kind] for kind, name in references)
    assert str(DESCRIBED).count("Path of the request.") == 1

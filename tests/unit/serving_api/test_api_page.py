"""docs/api.md names every route, every kind of error and every reason of a fallback, and no other."""

import re
from collections.abc import Iterator
from typing import get_args

import orjson

from serving_api import models
from serving_api.access.errors import AccessError
from serving_api.errors import ReleaseGoneError, StoreUnavailableError, TooManyChangesError, UnknownItemError
from serving_api.openapi import description
from serving_api.problems import INVALID_SLUG
from tests.repository import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading."""
    section = PAGE.split(f"# {heading}\n")[1]
    lines = re.findall(r"^\|.+\|$", section.split("\n\n```")[0].split("\n#")[0], re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def kinds(*bases: type[Exception]) -> Iterator[type[Exception]]:
    for each in bases:
        yield each
        yield from kinds(*each.__subclasses__())


def test_every_route_has_a_heading_with_its_methods() -> None:
    headings = [line for line in PAGE.splitlines() if line.startswith("#")]
    for path, methods in orjson.loads(description())["paths"].items():
        (heading,) = (line for line in headings if re.search(rf"[` ]{re.escape(path)}`", line))
        assert all(method.upper() in heading for method in methods), path


def test_the_table_of_errors_has_every_status_and_every_kind() -> None:
    table = {(status, kind) for statuses, named, _ in rows("Errors") for status in statuses.split(", ")
             for kind in re.findall(r"`(.+?)`", named)}  # fmt: skip
    refused = {(str(each.status), each.slug) for each in kinds(AccessError) if hasattr(each, "slug")}
    of_the_store = {("503", each.slug) for each in kinds(StoreUnavailableError)}
    unknown = {("404", each.slug) for each in kinds(UnknownItemError) if hasattr(each, "slug")}
    others = {("410", ReleaseGoneError.slug), ("409", TooManyChangesError.slug), ("422", INVALID_SLUG)}
    assert {row for row in table if row[1] != "about:blank"} == refused | of_the_store | unknown | others
    operations = [each for methods in orjson.loads(description())["paths"].values() for each in methods.values()]
    documented = {status for each in operations for status in each["responses"] if status >= "400"}
    assert {status for status, _ in table} == documented


def test_every_reason_of_a_fallback_is_explained() -> None:
    explained = {row[0].strip("`") for row in rows("Fallbacks")} - {"null"}
    assert explained == set(get_args(models.FallbackReason))
    for reason in get_args(models.LeftOutReason):
        assert f"`{reason}`" in PAGE

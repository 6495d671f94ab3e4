"""Answers as documents: a list with where it comes from, and why it is not the one that was asked for."""

from datetime import date
from typing import Any, Literal

import orjson
from fastapi import Request

from serving_api import models
from serving_api.answers import ListAsked, Release, Similar, UserSlate
from serving_api.contract import NO_BLOCKS, UNTRAINED, Artist, Blocks, Track
from serving_api.pages import Cursor, Page, Window
from serving_api.records import Known

# What a link to the next page replaces.
_OF_THIS_PAGE = (b"cursor=", b"offset=", b"release=", b"rotate=")


def provenance(release: Release) -> dict[str, Any]:
    """Where an answer comes from."""
    meta = release.meta
    return {"release": meta.release, "as_of": meta.as_of, "generated_at": meta.generated_at}


def record(known: Known[Track] | Known[Artist]) -> orjson.Fragment:
    """A track or an artist."""
    return orjson.Fragment(b"{%b}" % known.shown)


def user_list(asked: ListAsked, found: UserSlate) -> dict[str, Any]:
    """A user's own list, or the popular one that stands in for it."""
    version, reason = version_and_reason(asked, found)
    who = {"user_id": asked.user_id, "slate": asked.slate}
    listed = ranked_list(found.release, found.page, found.source, reason, found.country)
    return who | listed | age(asked, found) | {"model_version": version}


def unavailable_list(asked: ListAsked, release: Release, blocks: Blocks) -> dict[str, Any]:
    """The popular list of the release that was seen last, while the user's own cannot be read."""
    who = {"user_id": asked.user_id, "slate": asked.slate}
    return who | last_seen(release, asked.window, blocks) | {"stale_reason": None, "model_version": None}


def age(asked: ListAsked, found: UserSlate) -> dict[str, Any]:
    """What a list knows of, and why that is less than the release does, if it is."""
    meta = found.release.meta
    held = meta.held.get(asked.slate) if asked.slate is not None and found.source == "personal" else None
    if held is None or held.as_of is None:
        return {"as_of": meta.as_of, "stale_reason": None}
    stale: models.StaleReason = "newer_refused"
    return {"as_of": held.as_of, "stale_reason": stale}


def version_and_reason(asked: ListAsked, found: UserSlate) -> tuple[str | None, models.FallbackReason | None]:
    """The model that ranked a list, and why it is not the ranked one that was asked for, if it is not."""
    if asked.slate is not None and found.source == "personal":
        version = found.release.meta.models[asked.slate]
        return version, "no_model" if version.startswith(UNTRAINED) else None
    reason = nothing_popular(found.release, found.country)
    if asked.slate is None:
        return None, reason
    return None, reason or without_a_list(asked, found)


def without_a_list(asked: ListAsked, found: UserSlate) -> Literal["unknown_user", "slate_refused", "empty_slate"]:
    """Why a user has no list in the slate that is asked for."""
    if not found.known:
        return "unknown_user"
    meta = found.release.meta
    return "slate_refused" if asked.slate in meta.held and asked.slate not in meta.models else "empty_slate"


def nothing_popular(release: Release, country: str | None) -> models.FallbackReason | None:
    """Why the popular list of a country, or the overall one, is empty, if it is; a country's never is."""
    return "too_few_listeners" if country is None and not release.popular.items else None


def last_seen(release: Release, window: Window, blocks: Blocks = NO_BLOCKS) -> dict[str, Any]:
    """The popular list of the release that was seen last, while the store does not answer."""
    return ranked_list(release, release.popular.page(window, blocks), "popular", "store_unavailable", None)


def ranked_list(
    release: Release, page: Page, source: str, fallback_reason: models.FallbackReason | None, country: str | None
) -> dict[str, Any]:
    """A page of a list of tracks."""
    return provenance(release) | {
        "source": source,
        "fallback_reason": fallback_reason,
        "country": country,
        **page_of(page),
    }


def similar_list(found: Similar[Any]) -> dict[str, Any]:
    """A page of what is similar to something."""
    return {"fallback_reason": "too_few_listeners" if found.alone else None, **page_of(found.page)}


def page_of(page: Page) -> dict[str, Any]:
    """The items of a page, and how the next one is asked for."""
    return {"items": orjson.Fragment(page.json()), "next_offset": page.next_offset}


def next_link(request: Request, cursor: Cursor | None, rotated_on: date | None = None) -> str | None:
    """The path and query of the next page, which is of the day of this one; None at the end of the list."""
    if cursor is None:
        return None
    path: bytes = request.scope["raw_path"]
    given: bytes = request.scope["query_string"]
    kept = [part for part in given.split(b"&") if part and not part.startswith(_OF_THIS_PAGE)]
    day = [b"rotate=%b" % rotated_on.isoformat().encode()] if rotated_on is not None else []
    query = b"&".join([*kept, *day, b"cursor=%b" % str(cursor).encode()])
    return f"{path.decode('latin-1')}?{query.decode('latin-1')}"

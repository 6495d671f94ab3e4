"""The routes of lists: of one user, of their home screen, of many users at once, and of what is popular."""

from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from serving_api import models, public_models
from serving_api.access.guard import GuardedRoute
from serving_api.answers import ListAsked, Release, UserSlate
from serving_api.contract import NO_BLOCKS, Blocks
from serving_api.documents import (
    last_seen,
    next_link,
    nothing_popular,
    page_of,
    provenance,
    ranked_list,
    unavailable_list,
    user_list,
)
from serving_api.errors import (
    ReleaseGoneError,
    SilentStoreError,
    StoreUnavailableError,
    UnknownScenarioError,
    UnreadableBlocksError,
)
from serving_api.home import home_of_last_seen, home_screen
from serving_api.http_cache import Visibility, bytes_answer, json_answer, json_bytes
from serving_api.observe.noted import note_cause, note_fallback
from serving_api.pages import Cursor, Page, Window
from serving_api.playlists import MEDIA_TYPES, PlaylistFormat, playlist
from serving_api.problems import documented
from serving_api.queries import (
    BatchBody,
    HomeQuery,
    PlaylistQuery,
    RecommendationsQuery,
    RuledListQuery,
    SeedsBody,
    UserId,
)
from serving_api.read_route import ReadRoute
from serving_api.scenarios import ruled
from serving_api.seed_lists import SeedsAsked
from serving_api.store import ReleaseStore, store_of

router = APIRouter(route_class=ReadRoute, tags=["recommendations"])
batch_router = APIRouter(route_class=GuardedRoute, tags=["recommendations"])


@router.get(
    "/v1/users/{user_id:path}/recommendations",
    response_model=models.Recommendations,
    responses=documented(404, 410, 422, 500, 503, unknown=UnknownScenarioError),
    summary="Recommendations for a user",
)
async def recommendations(
    request: Request, user_id: UserId, query: Annotated[RecommendationsQuery, Query()]
) -> Response:
    """A page of the user's list, without what they have blocked by now. Where a popular list answers instead,
    `fallback_reason` says why, and it is without that as well, unless the store is silent or has lost its data.

    That is what is popular in the country of the profile, of users who have not listened yet; where the release says
    none, in the `country` asked for; else overall. `country` in the answer says which.

    Rules leave tracks out or order them in another way, in this order: what is excluded or filtered is left out; boosts
    of the scenario move tracks; `rotate` shuffles; of an artist `max_per_artist` are left; pins of the scenario take
    their ranks; what is blocked is left out. They hold for the whole list, so that its pages fit together.
    """
    window = await ruled(query.window, query, store_of(request).scenarios)
    asked = ListAsked(user_id, query.slate, window, query.country, query.pinned)
    document, cursor = await _user_list(request, asked)
    visibility: Visibility | None = None if document["fallback_reason"] == "store_unavailable" else "private"
    link = next_link(request, cursor, _day_of(window))
    return json_answer(request, document | {"next": link, "scenario": query.scenario}, visibility=visibility)


@router.get(
    "/v1/users/{user_id:path}/playlists/{slate}.{playlist_format}",
    response_class=Response,
    responses={
        200: {"content": {media: {} for media in MEDIA_TYPES.values()}},
        **documented(404, 410, 422, 500, 503, unknown=UnknownScenarioError),
    },
    summary="Recommendations for a user as a playlist",
)
async def user_playlist(
    request: Request,
    user_id: UserId,
    slate: Annotated[models.Slate, Path()],
    playlist_format: Annotated[PlaylistFormat, Path()],
    query: Annotated[PlaylistQuery, Query()],
) -> Response:
    """The user's list as JSPF, XSPF or M3U, or the popular list that stands in, as its `meta` says.

    Tracks are identified by MusicBrainz recording and ISRC where they are known, and by their id here.
    """
    window = await ruled(query.window, query, store_of(request).scenarios)
    asked = ListAsked(user_id, slate, window, query.country, query.release)
    document, _ = await _user_list(request, asked)
    body = playlist(playlist_format, orjson.loads(json_bytes(document)))
    if reason := document["fallback_reason"]:
        note_fallback(request.scope, reason)
    visibility: Visibility | None = None if reason == "store_unavailable" else "private"
    return bytes_answer(request, body, MEDIA_TYPES[playlist_format], visibility=visibility)


@router.get(
    "/v1/users/{user_id:path}/home",
    response_model=models.Home,
    responses=documented(404, 410, 422, 500, 503, unknown=UnknownScenarioError),
    summary="Several lists for a user, no track twice",
)
async def home(request: Request, user_id: UserId, query: Annotated[HomeQuery, Query()]) -> Response:
    """The shelves of a home screen, all of one release: the user's own lists in turn, and what is popular. A track is
    in the first shelf that has it. `left_out` says which shelves are not there, and why.
    """
    store = store_of(request)
    window = await ruled(query.window, query, store.scenarios)
    try:
        answer, fault = await home_screen(store, user_id, query, window)
    except StoreUnavailableError as error:
        release, blocks = await _to_fall_back_on(request, user_id, error)
        answer = home_of_last_seen(release, query, window, blocks)
        note_fallback(request.scope, "store_unavailable")
        return json_answer(request, {"user_id": user_id} | answer, visibility=None)
    if fault is not None:
        note_cause(request.scope, fault)
        note_fallback(request.scope, "store_unavailable")
    return json_answer(request, {"user_id": user_id} | answer, visibility="private")


@batch_router.post(
    "/v1/recommendations:batchGet",
    response_model=models.Batch,
    responses=documented(404, 410, 422, 500, 503, unknown=UnknownScenarioError),
    summary="Recommendations for many users",
)
async def batch_get(request: Request, body: BatchBody) -> Response:
    """The first page of a slate for up to 500 users, in the order in which they are asked for, all of one release.

    Each list says for itself why it is not the user's own, as the list of one user does. It is empty where what the
    user has blocked cannot be read.
    """
    # For the audit.
    request.state.whose = body.user_ids
    store = store_of(request)
    window = await ruled(Window(body.limit), body, store.scenarios)
    asks = [ListAsked(user_id, body.slate, window, body.country, body.release) for user_id in body.user_ids]
    lists = await store.user_slates(asks)
    if isinstance(lists[0], ReleaseGoneError):
        raise lists[0]
    # Another one may be seen while blocks are read.
    release = next((found.release for found in lists if isinstance(found, UserSlate)), store.last_seen)
    answers = []
    for asked, found in zip(asks, lists, strict=True):
        if isinstance(found, UserSlate):
            answers.append(user_list(asked, found))
        elif release is None:
            raise found
        elif isinstance(found, UnreadableBlocksError):
            note_cause(request.scope, found)
            answers.append(unavailable_list(replace(asked, window=Window(0)), release, NO_BLOCKS))
        else:
            _, blocks = await _to_fall_back_on(request, asked.user_id, found)
            answers.append(unavailable_list(asked, release, blocks))
    if any(answer["fallback_reason"] == "store_unavailable" for answer in answers):
        note_fallback(request.scope, "store_unavailable")
    return json_answer(request, {"lists": answers}, visibility=None)


@batch_router.post(
    "/v1/recommendations:fromSeeds",
    response_model=public_models.FromSeeds,
    responses=documented(422, 500, 503),
    summary="A list for somebody new",
)
async def from_seeds(request: Request, body: SeedsBody) -> Response:
    """A page of what follows from artists, tracks and tags that somebody chose: what is by the artists, what has the
    tags, and what is similar to all of these.

    Where nothing follows from them, what is popular answers, as `fallback_reason` says.
    """
    window = Window(body.limit, body.offset, frozenset(body.exclude))
    found = await store_of(request).from_seeds(SeedsAsked(body.artists, body.tracks, body.tags, window))
    page, source, reason = found.page, "seeds", None
    if found.empty:
        release = found.release
        page, source = release.popular.page(window), "popular"
        reason = nothing_popular(release, None) or ("nothing_similar" if found.known else "unknown_seeds")
    told = {"source": source, "fallback_reason": reason}
    unknown = {"unknown_ids": found.unknown_ids, "unknown_tags": found.unknown_tags}
    return json_answer(request, provenance(found.release) | told | unknown | page_of(page), visibility=None)


@router.get(
    "/v1/popular",
    response_model=models.Popular,
    responses=documented(404, 410, 422, 500, 503, unknown=UnknownScenarioError),
    summary="What is popular, overall or in a country",
)
async def popular(request: Request, query: Annotated[RuledListQuery, Query()]) -> Response:
    """A page of what is popular overall, or in a country; `country` in the answer says which. Rules hold as for the
    list of a user.
    """
    store = store_of(request)
    window = await ruled(query.window, query, store.scenarios)
    try:
        release, page, country = await _popular_page(store, query, window)
    except StoreUnavailableError as error:
        if store.last_seen is None or query.cursor is not None:
            raise
        note_cause(request.scope, error)
        return json_answer(request, last_seen(store.last_seen, window) | {"next": None}, visibility=None)
    answer = ranked_list(release, page, "popular", nothing_popular(release, country), country)
    link = next_link(request, page.cursor(release.name, own=False), _day_of(window))
    return json_answer(request, answer | {"next": link}, visibility="public")


async def _popular_page(store: ReleaseStore, query: RuledListQuery, window: Window) -> tuple[Release, Page, str | None]:
    """A page of what is popular, where it is from, and the country that it is of."""
    if window.rules is None:
        release, found = await store.popular(query.country, query.pinned)
        return release, found.page(window), found.country
    # As for somebody without a list: rules may pin what the popular list lacks.
    nobody = await store.user_slate(ListAsked("", None, window, query.country, query.pinned))
    return nobody.release, nobody.page, nobody.country


def _day_of(window: Window) -> date | None:
    """The day whose shuffle holds for all pages of a list."""
    return window.rules.rotated_on if window.rules is not None else None


async def _user_list(request: Request, asked: ListAsked) -> tuple[dict[str, Any], Cursor | None]:
    """A user's list as a document, or what stands in for it, and where the next page begins."""
    try:
        found = await store_of(request).user_slate(asked)
    except StoreUnavailableError as error:
        # Another list than that of the page before would show items twice, and skip others.
        if asked.window.after is not None:
            raise
        return unavailable_list(asked, *await _to_fall_back_on(request, asked.user_id, error)), None
    return user_list(asked, found), found.page.cursor(found.release.name, found.source == "personal")


async def _to_fall_back_on(
    request: Request, user_id: str, error: StoreUnavailableError | ReleaseGoneError
) -> tuple[Release, Blocks]:
    """The release that was seen last, and what of its popular list the user has blocked.

    Raises the error where there is nothing to fall back on, or where the store answers, but not what is blocked: then
    any item might be.
    """
    store = store_of(request)
    if store.last_seen is None or isinstance(error, UnreadableBlocksError | ReleaseGoneError):
        raise error
    note_cause(request.scope, error)
    blocks = NO_BLOCKS
    if not isinstance(error, SilentStoreError):
        # Falling silent only now makes no difference.
        with suppress(SilentStoreError):
            blocks = await store.blocks(user_id)
    return store.last_seen, blocks

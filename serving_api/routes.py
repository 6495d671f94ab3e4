"""The routes: validate, ask the store, fall back, answer."""

from contextlib import suppress
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from serving_api import models
from serving_api.answers import ListAsked, Page, Release, Similar, Window
from serving_api.catalogue import ARTISTS, TRACKS
from serving_api.contract import CONTRACT_VERSION, NO_BLOCKS, UNTRAINED, Artist, Blocks, Track
from serving_api.errors import SilentStoreError, StoreUnavailableError, UnknownArtistError, UnreadableBlocksError
from serving_api.http_cache import json_answer
from serving_api.observe.noted import note_cause
from serving_api.problems import documented
from serving_api.read_route import ReadRoute
from serving_api.records import Known
from serving_api.store import ReleaseStore

MAX_LIMIT = 100
MAX_OFFSET = 65_535
# Longer than any country's full name.
MAX_COUNTRY_LENGTH = 100

router = APIRouter(route_class=ReadRoute)

Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Most items to return.")]
Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET, description="Items to skip; see `next_offset`.")]
Country = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=MAX_COUNTRY_LENGTH,
        description="Spelled as profiles spell it. A country without a list gets the overall one.",
        examples=["Finland"],
    ),
]
UserId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=512,
        description="As the source of the listens gave it.",
        examples=["user_000042"],
    ),
]
TrackId = Annotated[str, Path(min_length=1, max_length=2048, examples=["t-004711"])]
ArtistId = Annotated[str, Path(min_length=1, max_length=2048, examples=["a-000117"])]


class PageQuery(BaseModel):
    """Which page of a list is asked for."""

    limit: Limit = 20
    offset: Offset = 0

    @property
    def window(self) -> Window:
        return Window(self.limit, self.offset)


class ListQuery(PageQuery):
    """Which page of a list of tracks is asked for, and what is to be left out of it."""

    exclude: tuple[str, ...] = Field(
        default=(),
        description="Ids of tracks to leave out, as answers name them, separated by commas; may be repeated."
        " Give the same ones for every page.",
        examples=["t-000001,t-000002"],
    )
    country: Country = None

    @property
    def window(self) -> Window:
        excluded = frozenset(track_id for group in self.exclude for track_id in group.split(",") if track_id)
        return Window(self.limit, self.offset, excluded)


class RecommendationsQuery(ListQuery):
    """Which page of a list of a user is asked for."""

    slate: models.Slate = Field(
        default="for_you",
        description="`for_you` may repeat what the user has heard; `discover` never does; `rediscover` holds"
        " only what they have heard, though not in the last 60 days.",
    )


class NoQuery(BaseModel):
    """A route without a query."""


def _store(request: Request) -> ReleaseStore:
    store: ReleaseStore = request.app.state.store
    return store


@router.get(
    "/v1/users/{user_id:path}/recommendations",
    response_model=models.Recommendations,
    responses=documented(422, 500, 503),
    tags=["recommendations"],
    summary="Recommendations for a user",
)
async def recommendations(
    request: Request, user_id: UserId, query: Annotated[RecommendationsQuery, Query()]
) -> Response:
    """A page of the user's list, without what they have blocked by now. Where a popular list answers instead,
    `fallback_reason` says why, and it is without that as well, unless the store is silent or has lost its data.

    That is what is popular in the country of the profile, of users who have not listened yet; where the release says
    none, in the `country` asked for; else overall. `country` in the answer says which.
    """
    store = _store(request)
    asked = {"user_id": user_id, "slate": query.slate}
    window = query.window
    try:
        found = await store.user_slate(ListAsked(user_id, query.slate, window, query.country))
    except StoreUnavailableError as error:
        # While a user's blocks cannot be read, any list might hold a blocked item.
        if store.last_seen is None or isinstance(error, UnreadableBlocksError):
            raise
        note_cause(request.scope, error)
        blocks = NO_BLOCKS
        if not isinstance(error, SilentStoreError):
            # Falling silent only now makes no difference.
            with suppress(SilentStoreError):
                blocks = await store.blocks(user_id)
        answer = asked | _last_seen(store.last_seen, window, blocks) | {"model_version": None}
        return json_answer(request, answer, visibility=None)
    if found.source == "personal":
        version = found.release.meta.models[query.slate]
        no_model: models.FallbackReason | None = "no_model" if version.startswith(UNTRAINED) else None
        answer = asked | _list(found.release, found.page, "personal", no_model, None) | {"model_version": version}
    else:
        own: models.FallbackReason = "empty_slate" if found.known else "unknown_user"
        reason = _nothing_popular(found.release, found.country) or own
        answer = asked | _list(found.release, found.page, "popular", reason, found.country) | {"model_version": None}
    return json_answer(request, answer, visibility="private")


@router.get(
    "/v1/popular",
    response_model=models.Popular,
    responses=documented(422, 500, 503),
    tags=["recommendations"],
    summary="What is popular, overall or in a country",
)
async def popular(request: Request, query: Annotated[ListQuery, Query()]) -> Response:
    """A page of what is popular overall, or in a country; `country` in the answer says which."""
    store = _store(request)
    window = query.window
    try:
        release, found = await store.popular(query.country)
    except StoreUnavailableError as error:
        if store.last_seen is None:
            raise
        note_cause(request.scope, error)
        return json_answer(request, _last_seen(store.last_seen, window), visibility=None)
    reason = _nothing_popular(release, found.country)
    answer = _list(release, found.page(window), "popular", reason, found.country)
    return json_answer(request, answer, visibility="public")


# Before the track itself, whose path would take the last word for a part of the id.
@router.get(
    "/v1/tracks/{track_id:path}/similar",
    response_model=models.SimilarTracks,
    responses=documented(404, 422, 500, 503),
    tags=["catalogue"],
    summary="Tracks like a track",
)
async def similar_tracks(request: Request, track_id: TrackId, query: Annotated[PageQuery, Query()]) -> Response:
    """A page of the tracks that are heard together with this one, and by the same listeners.

    `track` has another id than was asked for where that one was found to be the same track.
    """
    if not request.scope["raw_path"].endswith(b"/similar"):
        # The slash came as %2F: it belongs to an id.
        return await track(request, f"{track_id}/similar", NoQuery())
    found = await _store(request).similar(TRACKS, track_id, query.window)
    answer = _provenance(found.release) | {"track": _record(found.item)} | _similar(found)
    return json_answer(request, answer, visibility="public")


@router.get(
    "/v1/artists/{artist_id:path}/similar",
    response_model=models.SimilarArtists,
    responses=documented(404, 422, 500, 503, unknown=UnknownArtistError),
    tags=["catalogue"],
    summary="Artists like an artist",
)
async def similar_artists(request: Request, artist_id: ArtistId, query: Annotated[PageQuery, Query()]) -> Response:
    """A page of the artists who are heard together with this one, and by the same listeners.

    `artist` has another id than was asked for where that one was found to be the same artist.
    """
    found = await _store(request).similar(ARTISTS, artist_id, query.window)
    answer = _provenance(found.release) | {"artist": _record(found.item)} | _similar(found)
    return json_answer(request, answer, visibility="public")


@router.get(
    "/v1/tracks/{track_id:path}",
    response_model=models.Track,
    responses=documented(404, 422, 500, 503),
    tags=["catalogue"],
    summary="A track",
)
async def track(request: Request, track_id: TrackId, query: Annotated[NoQuery, Query()]) -> Response:
    """What the live release knows of a track, under another id where this one was found to be the same track."""
    release, found = await _store(request).track(track_id)
    return json_answer(request, _provenance(release) | {"track": _record(found)}, visibility="public")


@router.get("/livez", response_model=models.Alive, tags=["health"], summary="The process answers")
async def livez(request: Request, query: Annotated[NoQuery, Query()]) -> Response:
    """Says that the process answers; asks nobody else."""
    return json_answer(request, {"status": "alive"}, visibility=None)


@router.get(
    "/readyz",
    response_model=models.Ready,
    responses=documented(500, 503),
    tags=["health"],
    summary="Redis answers and there is a live release",
)
async def readyz(request: Request, query: Annotated[NoQuery, Query()]) -> Response:
    """Says which release is live, or, with status 503, what is missing."""
    release = await _store(request).live()
    document = {"status": "ready", "contract_version": CONTRACT_VERSION} | _provenance(release)
    return json_answer(request, document, visibility=None)


def _nothing_popular(release: Release, country: str | None) -> models.FallbackReason | None:
    """Why the popular list of a country, or the overall one, is empty, if it is; a country's never is."""
    return "too_few_listeners" if country is None and not release.popular.items else None


def _similar(found: Similar[Any]) -> dict[str, Any]:
    return {"fallback_reason": "too_few_listeners" if found.alone else None, **_page(found.page)}


def _provenance(release: Release) -> dict[str, Any]:
    meta = release.meta
    return {"release": meta.release, "as_of": meta.as_of, "generated_at": meta.generated_at}


def _list(
    release: Release, page: Page, source: str, fallback_reason: models.FallbackReason | None, country: str | None
) -> dict[str, Any]:
    return _provenance(release) | {
        "source": source,
        "fallback_reason": fallback_reason,
        "country": country,
        **_page(page),
    }


def _page(page: Page) -> dict[str, Any]:
    return {"items": orjson.Fragment(b"[%b]" % b",".join(page.items)), "next_offset": page.next_offset}


def _record(known: Known[Track] | Known[Artist]) -> orjson.Fragment:
    return orjson.Fragment(b"{%b}" % known.shown)


def _last_seen(release: Release, window: Window, blocks: Blocks = NO_BLOCKS) -> dict[str, Any]:
    return _list(release, release.popular.page(window, blocks), "popular", "store_unavailable", None)

"""The routes of the catalogue, and those that say how the process is."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from serving_api import models, public_models
from serving_api.access.guard import may
from serving_api.access.scopes import Scope
from serving_api.catalogue import ARTISTS, TRACKS
from serving_api.contract import CONTRACT_VERSION
from serving_api.documents import page_of, provenance, record, similar_list
from serving_api.errors import UnknownArtistError
from serving_api.http_cache import json_answer
from serving_api.pages import page
from serving_api.problems import documented
from serving_api.queries import ArtistId, NoQuery, PageQuery, TrackId
from serving_api.read_route import ReadRoute
from serving_api.store import store_of

router = APIRouter(route_class=ReadRoute)


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
    found = await store_of(request).similar(TRACKS, track_id, query.window)
    answer = provenance(found.release) | {"track": record(found.item)} | similar_list(found)
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
    if not request.scope["raw_path"].endswith(b"/similar"):
        # The slash came as %2F: it belongs to an id.
        return await artist(request, f"{artist_id}/similar", query)
    found = await store_of(request).similar(ARTISTS, artist_id, query.window)
    answer = provenance(found.release) | {"artist": record(found.item)} | similar_list(found)
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
    release, found = await store_of(request).track(track_id)
    return json_answer(request, provenance(release) | {"track": record(found)}, visibility="public")


@router.get(
    "/v1/artists/{artist_id:path}",
    response_model=public_models.ArtistTracks,
    responses=documented(404, 422, 500, 503, unknown=UnknownArtistError),
    tags=["catalogue"],
    summary="An artist and their tracks",
)
async def artist(request: Request, artist_id: ArtistId, query: Annotated[PageQuery, Query()]) -> Response:
    """What the live release knows of an artist, and a page of their tracks, in the order in which they are popular.

    `artist` has another id than was asked for where that one was found to be the same artist.
    """
    found = await store_of(request).artist(artist_id, query.window)
    answer = provenance(found.release) | {"artist": record(found.item)} | similar_list(found)
    return json_answer(request, answer, visibility="public")


@router.get(
    "/v1/trending",
    response_model=public_models.Trending,
    responses=documented(422, 500, 503),
    tags=["recommendations"],
    summary="What more people hear than before",
)
async def trending(request: Request, query: Annotated[PageQuery, Query()]) -> Response:
    """A page of the tracks that more people heard in the last seven days than in an average week of the last thirty."""
    release, found = await store_of(request).trending()
    page = found.page(query.window)
    reason = "too_few_listeners" if not found.items else None
    return json_answer(request, provenance(release) | {"fallback_reason": reason} | page_of(page), visibility="public")


@router.get(
    "/v1/tags",
    response_model=public_models.Tags,
    responses=documented(422, 500, 503),
    tags=["catalogue"],
    summary="Tags to choose from",
)
async def tags(request: Request, query: Annotated[PageQuery, Query()]) -> Response:
    """A page of the tags that somebody new can choose, those that are heard most first: what follows from them is
    asked of `/v1/recommendations:fromSeeds`.
    """
    release, found = await store_of(request).tags()
    listed = page(range(len(found)), query.window, lambda places: [found[place] for place in places])
    return json_answer(request, provenance(release) | page_of(listed), visibility="public")


@router.get("/livez", response_model=models.Alive, tags=["health"], summary="The process answers")
async def livez(request: Request, query: Annotated[NoQuery, Query()]) -> Response:
    """Says that the process answers; asks nobody else."""
    return json_answer(request, {"status": "alive"}, visibility=None)


@router.get(
    "/readyz",
    response_model=models.Ready | models.ReadyShort,
    responses=documented(500, 503),
    tags=["health"],
    summary="Redis answers and there is a live release",
)
async def readyz(request: Request, query: Annotated[NoQuery, Query()]) -> Response:
    """Says which release is live, to those with the scope `operate`; or, with status 503, what is missing."""
    release = await store_of(request).live()
    if not may(request, Scope.OPERATE):
        return json_answer(request, {"status": "ready"}, visibility=None)
    document = {"status": "ready", "contract_version": CONTRACT_VERSION} | provenance(release)
    return json_answer(request, document, visibility=None)

"""The route of search."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field

from serving_api.contract import SearchKind, words
from serving_api.http_cache import Visibility, json_answer
from serving_api.problems import documented
from serving_api.read_route import ReadRoute
from serving_api.search import models
from serving_api.search.engine import Hit
from serving_api.search.indexes import SearchIndexes

MAX_LIMIT = 100
MAX_QUERY_LENGTH = 200

_KINDS = {"track": SearchKind.TRACK, "artist": SearchKind.ARTIST, "all": None}

router = APIRouter(route_class=ReadRoute)


def _with_words(text: str) -> str:
    if not words(text):
        raise ValueError("there is nothing to search for: no letter, digit or sign")
    return text


class SearchQuery(BaseModel):
    """What is searched for."""

    q: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_QUERY_LENGTH,
            description="A name, or as much of it as somebody has typed; of a track, its artist's name may be there as"
            " well. Case, accents, punctuation and the order of words do not matter, and a wrong letter or two are"
            " forgiven. It is text: nothing in it has a meaning of its own.",
            examples=["beyonce halo"],
        ),
        AfterValidator(_with_words),
    ]
    kind: Annotated[models.Kind, Field(description="What to find.")] = "all"
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Most items to return.")] = 20


@router.get(
    "/v1/search",
    response_model=models.Found,
    responses=documented(422, 500, 503),
    tags=["catalogue"],
    summary="Tracks and artists by name",
)
async def search(request: Request, query: Annotated[SearchQuery, Query()]) -> Response:
    """What is found by name: first what is called just so, then names with all the words, where the last may go on,
    then names with words like them; of each what is most popular first.

    What fewer than 3 people heard is found by its whole name, of a track with or without its artist's, and by no less.
    All of an answer is of one release. Shortly after another has gone live that may still be the one before, as
    `fallback_reason` and `release` say; with status 503, no index is open.
    """
    indexes: SearchIndexes = request.app.state.search
    found = await indexes.search(words(query.q), _KINDS[query.kind], query.limit)
    meta = found.release.meta
    answer = {"release": meta.release, "as_of": meta.as_of, "generated_at": meta.generated_at}
    answer |= {"q": query.q, "kind": query.kind, "fallback_reason": found.fallback_reason}
    items = [_item(rank, hit, shown) for rank, (hit, shown) in enumerate(found.items, 1)]
    # What a release before the live one says must not be kept for longer than it takes to be replaced.
    visibility: Visibility | None = None if found.fallback_reason == "previous_release" else "public"
    return json_answer(request, answer | {"items": items}, visibility=visibility)


def _item(rank: int, hit: Hit, shown: bytes) -> orjson.Fragment:
    kind = hit.kind.name.lower().encode()
    return orjson.Fragment(b'{"rank":%d,"kind":"%b","score":%.4f,%b}' % (rank, kind, hit.score, shown))

"""The routes by which users say what they never want to be recommended."""

import time
from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Path, Request, Response
from fastapi.exceptions import RequestValidationError

from serving_api.access.guard import GuardedRoute
from serving_api.contract import BlockChange, BlockKind
from serving_api.problems import documented
from serving_api.queries import UserId
from serving_api.store import store_of

router = APIRouter(route_class=GuardedRoute, tags=["blocks"])

_PATH = "/v1/users/{user_id:path}/blocks/{kind}/{item_id:path}"
_STATUSES = documented(409, 422, 500, 503)

Kind = Annotated[BlockKind, Path(description="What is blocked: one track, or all that an artist made.")]
ItemId = Annotated[
    str,
    Path(min_length=1, max_length=2048, description="Id of the track or the artist.", examples=["t-004711"]),
]


@router.put(_PATH, status_code=204, response_class=Response, responses=_STATUSES, summary="Block a track or an artist")
async def block(request: Request, user_id: UserId, kind: Kind, item_id: ItemId) -> Response:
    """Never recommend this to the user again, from the next request on: also if the user or the item is not known yet.

    Other versions of a track, and tracks that name a blocked artist as a guest, follow when the warehouse is told: by
    the next load from the landing folder, the next night, or `audotics blocks pull`.
    """
    return await _changed(request, user_id, kind, item_id, blocked=True)


@router.delete(
    _PATH,
    status_code=204,
    response_class=Response,
    responses=_STATUSES,
    summary="Take a block back",
)
async def unblock(request: Request, user_id: UserId, kind: Kind, item_id: ItemId) -> Response:
    """Let this be recommended to the user again, from the next request on; nothing changes where it was not blocked."""
    return await _changed(request, user_id, kind, item_id, blocked=False)


async def _changed(request: Request, user_id: str, kind: BlockKind, item_id: str, *, blocked: bool) -> Response:
    _require_unambiguous(request, user_id, item_id)
    store = store_of(request)
    listed_id = await store.listed_id(kind, item_id)
    change = BlockChange(kind, item_id, blocked, listed_id, time.time_ns() // 1_000_000)
    await store.block_changes.keep(user_id, change)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def _require_unambiguous(request: Request, user_id: str, item_id: str) -> None:
    """Raise RequestValidationError unless the path has the ids as one part each.

    Of `/v1/users/ann/blocks/track/x/blocks/track/y` nobody could say for sure whose block of what it is. And what no
    text of PostgreSQL can hold never reaches the warehouse.
    """
    parts = request.scope["raw_path"].split(b"/")
    for name, part, given in (("item_id", parts[-1], item_id), ("user_id", parts[-4], user_id)):
        if unquote_to_bytes(part) != given.encode():
            message = "it must be one part of the path, in UTF-8: a slash as %2F, and nothing like /blocks/track/ in it"
        elif "\0" in given:
            message = "it holds a zero byte"
        else:
            continue
        raise RequestValidationError([{"type": "value_error", "loc": ("path", name), "msg": message}])

"""What each route asks for: the one table. The API does not start with a route that is not in it."""

from typing import NamedTuple

from serving_api.access.scopes import Scope


class Rule(NamedTuple):
    """What a route asks for: a scope, or nothing at all (`None`).

    Where the path has a `user_id` and `own` is set, that listener needs no scope. Of a route that asks for nothing,
    `details` is what somebody needs to be told more than others.
    """

    scope: Scope | None
    own: bool = False
    details: Scope | None = None


_CATALOGUE = Rule(Scope.CATALOGUE_READ)
_LISTS = Rule(Scope.LISTS_READ, own=True)
_OPEN = Rule(None)

RULES: dict[str, Rule] = {
    "/v1/users/{user_id}/recommendations": _LISTS,
    "/v1/users/{user_id}/home": _LISTS,
    "/v1/users/{user_id}/playlists/{slate}.{playlist_format}": _LISTS,
    "/v1/users/{user_id}/blocks/{kind}/{item_id}": Rule(Scope.BLOCKS_WRITE, own=True),
    "/v1/recommendations:batchGet": Rule(Scope.LISTS_READ),
    "/v1/recommendations:fromSeeds": _CATALOGUE,
    "/v1/popular": _CATALOGUE,
    "/v1/trending": _CATALOGUE,
    "/v1/tags": _CATALOGUE,
    "/v1/artists/{artist_id}": _CATALOGUE,
    "/v1/search": _CATALOGUE,
    "/v1/tracks/{track_id}": _CATALOGUE,
    "/v1/tracks/{track_id}/similar": _CATALOGUE,
    "/v1/artists/{artist_id}/similar": _CATALOGUE,
    "/livez": _OPEN,
    "/metrics": Rule(Scope.OPERATE),
    "/readyz": Rule(None, details=Scope.OPERATE),
}
# What FastAPI adds to describe the API, which anybody may read.
OPEN_PAGES = frozenset({"/docs", "/docs/oauth2-redirect", "/openapi.json", "/static-offline-docs/{path}"})

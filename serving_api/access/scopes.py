"""What somebody may be allowed to do, and which roles stand for it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Scope(StrEnum):
    """What a key or a token may do, whoever it is about."""

    LISTS_READ = "lists:read"
    CATALOGUE_READ = "catalogue:read"
    BLOCKS_WRITE = "blocks:write"
    OPERATE = "operate"


# The one table of what a role stands for. A listener's lists and blocks are their own: no scope is needed for these.
ROLES: dict[str, frozenset[Scope]] = {
    "listener": frozenset({Scope.CATALOGUE_READ}),
    "reader": frozenset({Scope.CATALOGUE_READ, Scope.LISTS_READ}),
    "app": frozenset({Scope.CATALOGUE_READ, Scope.LISTS_READ, Scope.BLOCKS_WRITE}),
    "operator": frozenset({Scope.CATALOGUE_READ, Scope.OPERATE}),
}
EXPLAINED: dict[Scope, str] = {
    Scope.LISTS_READ: "the lists of any user",
    Scope.CATALOGUE_READ: "tracks, artists, tags, search, what is popular and similar",
    Scope.BLOCKS_WRITE: "what any user has blocked",
    Scope.OPERATE: "metrics, and what exactly is wrong",
}


class Caller(NamedTuple):
    """Who calls: a key or the subject of a token.

    `who` names them in the audit and for rate limits; `user_id` is the listener who reads for themselves, if it is one.
    """

    who: str
    user_id: str | None
    scopes: frozenset[Scope]


# Where nobody is asked who they are, and where nobody need say it.
ANYBODY = Caller("anybody", None, frozenset(Scope))
NOBODY = Caller("nobody", None, frozenset())


def scopes_of(names: Iterable[str], roles: Iterable[str] = ()) -> frozenset[Scope]:
    """What these scopes and roles allow; names that mean nothing here allow nothing."""
    known = frozenset(Scope(name) for name in names if name in list(Scope))
    return known.union(*(ROLES.get(role, frozenset()) for role in roles))

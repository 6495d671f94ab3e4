"""`audotics keys`: who may call the read API with a key."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.options import AsJson
from warehouse.errors import AudoticsError

if TYPE_CHECKING:
    from redis import Redis

    from serving_api.access.key_admin import MadeKey
    from serving_api.access.scopes import Scope
    from serving_api.contract import ApiKey

app = typer.Typer(help="Make, list, renew or revoke API keys of the read API.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The id of a key, as `audotics keys list` shows it.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, to know it by.", show_default=False)],
    scope: Annotated[list[str] | None, typer.Option(help="A scope; may be repeated.", show_default=False)] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role, for its scopes.", show_default=False)] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Days until it expires. Default: never.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, and print its secret: once, it is kept nowhere.

    Scopes are `lists:read` (any user's), `catalogue:read`, `blocks:write` (any user's) and `operate` (metrics, details
    of what is wrong); roles are `reader`, `app` and `operator`. The read API knows the key a second later.

    Example: `audotics keys create "mobile backend" --role app --days 365`

    Example: `audotics keys create prometheus --scope operate`
    """
    from serving_api.access.key_admin import create_key

    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days) if days is not None else None
    with _redis() as redis:
        made = create_key(redis, name, _scopes(scope or [], role or []), expires)
    _show_made(made, as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List keys, without their secrets.

    Example: `audotics keys list`
    """
    from orchestration.cli.rendering import print_json, print_table, say
    from serving_api.access.key_admin import list_keys

    with _redis() as redis:
        keys, unreadable = list_keys(redis)
    if as_json:
        print_json({"keys": [_described(key) for key in keys], "unreadable": unreadable})
        return
    rows = [
        (key.id, key.name, " ".join(key.scopes), _day(key.created_at), _day(key.expires_at) or "never", _state(key))
        for key in keys
    ]
    print_table("API keys", ("id", "name", "scopes", "made", "expires", "state"), rows)
    for line in unreadable:
        say(f"{line}; `audotics keys revoke` removes it")


@app.command()
def rotate(
    key_id: KeyId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=24 * 90, help="For how long the old secret opens the key as well.")
    ] = 24.0,
    as_json: AsJson = False,
) -> None:
    """Give a key a new secret and print it, once; the old one goes on for a day, to be replaced without a gap.

    `--overlap-hours 0` ends the old one at once: where it has leaked.

    Example: `audotics keys rotate 4f00aa12c9d1 --overlap-hours 2`
    """
    from serving_api.access.key_admin import rotate_key

    with _redis() as redis, _known(key_id):
        made = rotate_key(redis, key_id, timedelta(hours=overlap_hours))
    _show_made(made, as_json)


@app.command()
def revoke(key_id: KeyId, as_json: AsJson = False) -> None:
    """Remove a key: it opens nothing any more, a second later.

    Example: `audotics keys revoke 4f00aa12c9d1`
    """
    from orchestration.cli.rendering import print_json, say
    from serving_api.access.key_admin import revoke_key

    with _redis() as redis, _known(key_id):
        revoke_key(redis, key_id)
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        say(f"{key_id} is revoked; the read API refuses it from a second later on")


@contextmanager
def _redis() -> "Iterator[Redis]":
    """The Redis of the read API; where the settings name one, no warehouse is needed."""
    from redis.exceptions import RedisError

    from orchestration.platform import open_platform
    from warehouse.connections import address, check_redis
    from warehouse.local.servers import given_redis_url
    from warehouse.redis_client import redis_client
    from warehouse.settings import load_settings

    settings = load_settings()
    url = given_redis_url(settings)
    if url is None:
        url = open_platform().redis_url
    else:
        check_redis(url)
    with redis_client(url, settings.redis_timeout_seconds) as redis:
        try:
            yield redis
        except RedisError as error:
            raise AudoticsError(
                f"Redis at {address(url, 6379)} failed: {error}; keys are as they were, or list them"
            ) from error


@contextmanager
def _known(key_id: str) -> "Iterator[None]":
    from serving_api.access.key_admin import UnknownKeyError
    from serving_api.contract import ContractError

    try:
        yield
    except UnknownKeyError as error:
        raise AudoticsError(f"there is no key {key_id}; `audotics keys list` shows those there are") from error
    except ContractError as error:
        raise AudoticsError(f"{error}; revoke it, and make another") from error


def _scopes(names: list[str], roles: list[str]) -> "list[Scope]":
    from serving_api.access.scopes import ROLES, Scope, scopes_of

    # A key belongs to a service; listeners come with tokens.
    known = [role for role in ROLES if role != "listener"]
    for name in names:
        if name not in list(Scope):
            raise AudoticsError(f"there is no scope {name!r}; choose of {', '.join(Scope)}")
    for role in roles:
        if role not in known:
            raise AudoticsError(f"there is no role {role!r} for keys; choose of {', '.join(known)}")
    if not names and not roles:
        raise AudoticsError("a key without a scope opens nothing: give --scope or --role")
    return sorted(scopes_of(names, roles))


def _show_made(made: "MadeKey", as_json: bool) -> None:
    from orchestration.cli.rendering import note, print_json, say

    if as_json:
        print_json(_described(made.key) | {"secret": made.secret})
        return
    note(f"key {made.key.id} ({made.key.name}): {' '.join(made.key.scopes)}")
    note("its secret is shown only now; send it as `Authorization: Bearer ...`")
    say(made.secret)


def _described(key: "ApiKey") -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "state": _state(key),
        "old_secret_until": _overlap(key),
    }


def _state(key: "ApiKey") -> str:
    if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        return "expired"
    until = _overlap(key)
    return f"old secret until {until}" if until else "valid"


def _overlap(key: "ApiKey") -> str | None:
    """Until when a secret opens the key that was replaced."""
    ends = [secret.expires_at for secret in key.secrets if secret.expires_at is not None]
    last = max(ends, default=None)
    return last.isoformat() if last is not None and last > datetime.now(UTC) else None


def _day(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d}" if moment is not None else None

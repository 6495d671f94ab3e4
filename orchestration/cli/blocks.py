"""`audotics blocks`: what users never want to be recommended."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from orchestration.cli.options import AsJson
from warehouse.errors import AudoticsError
from warehouse.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis
    from sqlalchemy import Engine

    from assets.blocks import ItemKind
    from orchestration.platform import Platform

app = typer.Typer(
    help="Tracks and artists that a user never wants to be recommended, from their next request on.",
    no_args_is_help=True,
)

UserId = Annotated[str, typer.Argument(help="The user, as the source of the listens names them.", show_default=False)]
Track = Annotated[str | None, typer.Option(help="Public id of a track.")]
Artist = Annotated[str | None, typer.Option(help="Public id of an artist.")]


class _Row(NamedTuple):
    """A line of the list."""

    user_id: str
    kind: str
    item_id: str
    name: str | None
    since: datetime
    state: str

    def document(self) -> dict[str, Any]:
        since = self.since.isoformat(timespec="seconds")
        named = {"user_id": self.user_id, self.kind: self.item_id, "name": self.name}
        return named | {"created_at": since, "state": self.state}

    def cells(self) -> tuple[str, str, str, str]:
        named = f"{self.kind} {self.item_id}\n{self.name or ''}".rstrip()
        return self.user_id, named, f"{self.since:%Y-%m-%d %H:%M}", self.state


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(help="Show the blocks of this user only.")] = None,
    as_json: AsJson = False,
) -> None:
    """List blocked tracks and artists, and what users have changed over HTTP since the warehouse was told.

    Example: `audotics blocks list --user user_000431`
    """
    from assets.blocks import read_blocks
    from assets.publish.pulled_blocks import pending_changes
    from orchestration.cli.rendering import note, print_json, print_table
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    platform = open_platform()
    with platform.transaction(Role.LOADER) as connection:
        found = read_blocks(connection, user)
    changes, unreadable = pending_changes(platform.redis(), [user] if user is not None else None)
    rows = [_Row(each.user_id, str(each.kind), each.item_id, each.name, each.created_at, "blocked") for each in found]
    for user_id, of_user in sorted(changes.items()):
        for each in of_user:
            state = "blocked over HTTP" if each.blocked else "taken back over HTTP"
            asked_at = datetime.fromtimestamp(each.asked_at / 1000, UTC)
            rows.append(_Row(user_id, each.kind, each.item_id, None, asked_at, state))
    if as_json:
        print_json([row.document() for row in rows])
    else:
        print_table("blocks", ("user", "id, name", "since (UTC)", "state"), [row.cells() for row in rows])
    for user_id in unreadable:
        note(f"what {user_id} has changed over HTTP cannot be read; `audotics doctor` says what to do")


@app.command()
def add(user_id: UserId, track: Track = None, artist: Artist = None, as_json: AsJson = False) -> None:
    """Block a track in all its versions, or everything by an artist, for a user.

    The read API leaves it out from the next request on, lists do from the next run on.

    Example: `audotics blocks add USER --artist ARTIST`, the artist_id of an item of the read API
    """
    from assets.publish.blocks import add_block

    kind, item_id = _item(track, artist)
    changed = _change(add_block, user_id, kind, item_id)
    _say(user_id, kind, item_id, "blocked" if changed else "was blocked before", changed, as_json)


@app.command()
def remove(user_id: UserId, track: Track = None, artist: Artist = None, as_json: AsJson = False) -> None:
    """Remove a block: the read API shows again what it left out of the user's lists.

    Example: `audotics blocks remove USER --artist ARTIST`
    """
    from assets.publish.blocks import remove_block

    kind, item_id = _item(track, artist)
    changed = _change(remove_block, user_id, kind, item_id)
    _say(user_id, kind, item_id, "no longer blocked" if changed else "was not blocked", changed, as_json)


@app.command()
def pull(as_json: AsJson = False) -> None:
    """Tell the warehouse what users have blocked, or taken back, over HTTP, as every load from the landing folder
    and every night do.

    What the warehouse does not know waits in Redis, and is left out of lists all the same.

    Example: `audotics blocks pull`
    """
    from assets.publish.pulled_blocks import pull_blocks
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_platform
    from warehouse.engine import create_engine
    from warehouse.roles import Role

    platform = open_platform()
    pulled = pull_blocks(create_engine(platform.warehouse_url, Role.LOADER), platform.redis())
    waiting = [{"user_id": user_id, each.kind: each.item_id} for user_id, each in pulled.waiting]
    if as_json:
        print_json({**vars(pulled), "waiting": waiting})
    else:
        say(
            f"{counted(pulled.users, 'user')}: {counted(pulled.blocked, 'new block')},"
            f" {counted(pulled.unblocked, 'block')} taken back"
            + (f", {pulled.expired:,} forgotten that nobody knew for 90 days" if pulled.expired else "")
        )
        for user_id, each in pulled.waiting:
            say(f"{each.kind} {each.item_id} waits for the warehouse to know it, blocked by {user_id}")
    pulled.require_readable()


@app.command()
def publish(as_json: AsJson = False) -> None:
    """Write all blocks to Redis again, as every release does; `audotics doctor` says when they differ.

    Example: `audotics blocks publish`
    """
    from assets.publish.blocks import publish_blocks
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_platform
    from warehouse.engine import create_engine
    from warehouse.roles import Role

    platform = open_platform()
    users = publish_blocks(create_engine(platform.warehouse_url, Role.LOADER), platform.redis())
    if as_json:
        print_json({"users": users})
    else:
        say(f"Redis has what {counted(users, 'user', ('has', 'have'))} blocked")


def _change(
    change: "Callable[[Engine, Redis, str, ItemKind, str], bool]", user_id: str, kind: "ItemKind", item_id: str
) -> bool:
    """Change the warehouse and Redis; whether there was anything to change in the warehouse."""
    from orchestration.platform import open_platform
    from warehouse.engine import create_engine
    from warehouse.roles import Role

    platform = open_platform()
    return change(create_engine(platform.warehouse_url, Role.LOADER), platform.redis(), user_id, kind, item_id)


def publish_loaded(platform: "Platform", file_ids: "Sequence[int]", refused: list[AudoticsError]) -> None:
    """Tell Redis what the users of these loads have blocked by now, those of loads before as well: the same command
    again makes up for a Redis that had failed.

    That is added to `refused`, as what is loaded stays.
    """
    from assets.blocks import users_blocking_by
    from warehouse.roles import Role

    if not file_ids:
        return
    with platform.transaction(Role.LOADER) as connection:
        users = users_blocking_by(connection, file_ids)
    try:
        publish_of(platform, users)
    except AudoticsError as error:
        refused.append(error)


def publish_of(platform: "Platform", user_ids: "Sequence[str]") -> None:
    """Tell Redis what these users have blocked, by now; raises AudoticsError when Redis failed."""
    from assets.publish.blocks import publish_users
    from assets.publish.content import ReleaseError
    from warehouse.engine import create_engine
    from warehouse.roles import Role

    if not user_ids:
        return
    try:
        publish_users(create_engine(platform.warehouse_url, Role.LOADER), platform.redis(), user_ids)
    except ReleaseError as error:
        raise AudoticsError(
            f"{error}; the warehouse is changed, and Redis hears of it by `audotics blocks publish` or the next release"
        ) from error


def _item(track: str | None, artist: str | None) -> "tuple[ItemKind, str]":
    from assets.blocks import ItemKind

    if track is not None and artist is None:
        return ItemKind.TRACK, track
    if artist is not None and track is None:
        return ItemKind.ARTIST, artist
    raise AudoticsError("give either --track or --artist")


def _say(user_id: str, kind: "ItemKind", item_id: str, what: str, changed: bool, as_json: bool) -> None:
    from orchestration.cli.rendering import print_json, say

    if as_json:
        print_json({"user_id": user_id, str(kind): item_id, "changed": changed})
    else:
        say(f"{kind} {item_id} {what} for {user_id}")

"""`audotics blocks`: what users never want to be recommended."""

from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.options import AsJson
from warehouse.errors import AudoticsError

if TYPE_CHECKING:
    from assets.ingest.blocks import ItemKind

app = typer.Typer(
    help="Tracks and artists that a user never wants to be recommended; lists hold none from the next run on.",
    no_args_is_help=True,
)

UserId = Annotated[str, typer.Argument(help="The user, as the source of the listens names them.", show_default=False)]
Track = Annotated[str | None, typer.Option(help="Public id of a track.")]
Artist = Annotated[str | None, typer.Option(help="Public id of an artist.")]


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(help="Show the blocks of this user only.")] = None,
    as_json: AsJson = False,
) -> None:
    """List blocked tracks and artists.

    Example: `audotics blocks list --user user_000431`
    """
    from assets.ingest.blocks import read_blocks
    from orchestration.cli.rendering import print_json, print_table
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    with open_platform().transaction(Role.LOADER) as connection:
        found = read_blocks(connection, user)
    if as_json:
        print_json(
            [
                {
                    "user_id": each.user_id,
                    str(each.kind): each.item_id,
                    "name": each.name,
                    "created_at": each.created_at.isoformat(timespec="seconds"),
                }
                for each in found
            ]
        )
        return
    rows = [(each.user_id, each.kind, each.item_id, each.name, f"{each.created_at:%Y-%m-%d %H:%M}") for each in found]
    print_table("blocks", ("user", "kind", "id", "name", "since (UTC)"), rows)


@app.command()
def add(user_id: UserId, track: Track = None, artist: Artist = None, as_json: AsJson = False) -> None:
    """Block a track, or everything by an artist, for a user.

    Example: `audotics blocks add user_000431 --artist a-000117`
    """
    from assets.ingest.blocks import block
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    kind, item_id = _item(track, artist)
    with open_platform().transaction(Role.LOADER) as connection:
        changed = block(connection, user_id, kind, item_id)
    _say(user_id, kind, item_id, "blocked" if changed else "was blocked before", changed, as_json)


@app.command()
def remove(user_id: UserId, track: Track = None, artist: Artist = None, as_json: AsJson = False) -> None:
    """Take a block back.

    Example: `audotics blocks remove user_000431 --artist a-000117`
    """
    from assets.ingest.blocks import unblock
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    kind, item_id = _item(track, artist)
    with open_platform().transaction(Role.LOADER) as connection:
        changed = unblock(connection, user_id, kind, item_id)
    _say(user_id, kind, item_id, "no longer blocked" if changed else "was not blocked", changed, as_json)


def _item(track: str | None, artist: str | None) -> "tuple[ItemKind, str]":
    from assets.ingest.blocks import ItemKind

    if track is not None and artist is None:
        return ItemKind.TRACK, track
    if artist is not None and track is None:
        return ItemKind.ARTIST, artist
    raise AudoticsError("give either --track or --artist")


def _say(user_id: str, kind: "ItemKind", item_id: str, what: str, changed: bool, as_json: bool) -> None:
    from orchestration.cli.rendering import OUT, print_json

    if as_json:
        print_json({"user_id": user_id, str(kind): item_id, "changed": changed})
    else:
        OUT.print(f"{kind} {item_id} {what} for {user_id}")

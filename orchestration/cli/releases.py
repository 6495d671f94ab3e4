"""`audotics releases`: what is live, and back to what was live before."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from orchestration.cli.options import AsJson

if TYPE_CHECKING:
    from assets.publish.held import ListedRelease
    from orchestration.platform import Platform

app = typer.Typer(help="Show releases, or go back to the previous one.", no_args_is_help=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the live release, the previous one, and those retired.

    Example: `audotics releases list`
    """
    from assets.publish.held import faults
    from assets.publish.warehouse_content import read_releases
    from orchestration.cli.rendering import note, print_json, print_table, say
    from orchestration.platform import open_platform

    platform = open_platform()
    listed = _record(platform)
    with platform.transaction() as connection:
        releases = read_releases(connection, listed)
    for fault in faults(platform.redis()):
        note(f"{fault}; publish again, which puts it right")
    if as_json:
        print_json(releases)
        return
    rows = [
        (
            each["release"],
            each["status"],
            each["published_at"] and f"{datetime.fromisoformat(each['published_at']).astimezone(UTC):%Y-%m-%d %H:%M}",
            sum(each["counts"]["users"].values()) if each["counts"] else None,
        )
        for each in releases
    ]
    print_table("releases", ("release", "status", "published (UTC)", "lists"), rows, highlight="live")
    for each in releases:
        if each["status"] == "live":
            for line in each["left_out"]:
                say(f"{each['release']}: {line}")
        if each["unreadable"]:
            say(f"{each['release']} is unreadable in Redis: {each['unreadable']}; publish again to replace it")


@app.command()
def rollback(as_json: AsJson = False) -> None:
    """Make the previous release live again; the live one becomes the previous one.

    All of the previous release is read before; where it is damaged, the live one stays, and the error says what to do.

    Example: `audotics releases rollback`
    """
    from assets.publish.held import rollback as swap
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_platform

    platform = open_platform()
    release = swap(platform.redis())
    _record(platform)
    if as_json:
        print_json({"live": release})
    else:
        say(f"{release} is live")


def _record(platform: "Platform") -> "list[ListedRelease]":
    """Bring ml.releases in line with Redis, which decides what is live; return what it holds."""
    from assets.publish.held import list_releases
    from assets.publish.warehouse_content import record_releases

    listed = list_releases(platform.redis())
    with platform.transaction() as connection:
        record_releases(connection, listed)
    return listed

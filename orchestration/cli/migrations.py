"""`audotics migrate`."""

from orchestration.cli.options import AsJson


def migrate(as_json: AsJson = False) -> None:
    """Bring the warehouse's tables to this version, one transaction for each migration.

    What fails leaves the migrations before it; the next call goes on from there. Take a backup first.

    Example: `audotics migrate`
    """
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_servers
    from warehouse.migrate import upgrade

    applied = upgrade(open_servers().warehouse_url)
    if as_json:
        print_json({"applied": applied})
    else:
        say(f"applied {', '.join(applied)}" if applied else "up to date")

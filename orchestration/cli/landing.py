"""`audotics ingest retry`: what is set aside in the landing folder."""

from orchestration.cli.options import AsJson


def retry(as_json: AsJson = False) -> None:
    """Let the next run try again what is set aside in the landing folder, though nothing there has changed.

    What was repaired is tried without it. `audotics up` starts a run for it within a minute; without, `audotics run`
    does it.

    Example: `audotics ingest retry`
    """
    from assets.ingest.landing_ledger import ask_again
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    with open_platform().transaction(Role.LOADER) as connection:
        asked = ask_again(connection)
    if as_json:
        print_json({"files": asked})
        return
    for path in asked:
        say(f"the next run tries {path}")
    if not asked:
        say("nothing is set aside")

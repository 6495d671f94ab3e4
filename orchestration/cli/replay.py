"""`audotics replay`: what users would have got on a date."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.options import AsJson, AsOf, as_of_date

if TYPE_CHECKING:
    from assets.replay.comparison import SlateComparison
    from assets.replay.lists import Replayed
    from assets.slates import Slate
    from orchestration.platform import Platform


def replay(
    as_of: AsOf = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Version of a ranker (ml.models); without it, those that made the lists then, else the champions."
        ),
    ] = None,
    user: Annotated[list[str] | None, typer.Option(help="A user; may be repeated. Without it, everyone.")] = None,
    limit: Annotated[int, typer.Option(help="Tracks shown of each list.", min=1, max=100)] = 20,
    as_json: AsJson = False,
) -> None:
    """Make the lists of a date again, from what was known before it, and compare them with those made then.

    By the models that made them, or by --model. No list is stored or published; features of the date are built where
    there are none. With the same listens, blocks and model, the lists are the same. Of users, their lists are shown;
    without any, only how many lists differ. Where some do, it says what has changed since: listens before the date,
    blocks, the model, the code.

    Example: `audotics replay --as-of 2015-01-01 --user 1042 --limit 10`

    Example: `audotics replay --as-of 2015-01-01 --model for_you-2014-12-01-9b1e44d0 --json`
    """
    from assets.catalogue import known_user_keys
    from orchestration.cli.pipeline import steps
    from orchestration.cli.rendering import print_json
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    day, users = as_of_date(as_of), user or []
    platform = open_platform()
    with platform.transaction(Role.LOADER) as connection:
        keys = known_user_keys(connection, users)
    # Dagster and dbt take seconds to load, so what cannot be replayed is refused before.
    from assets.replay.comparison import SlateComparison, count
    from orchestration.pipeline import explain_replay, run_replay

    slates: dict[Slate, SlateComparison] = {}
    lists: list[dict[str, Any]] = []
    with steps(f"replaying {day}") as on_progress:
        for part in run_replay(platform, day, model, keys, on_progress):
            count(slates, part)
            if users:
                lists += _shown(platform, part, limit)
    explain_replay(platform, day, slates)
    if as_json:
        counts = {str(slate): compared.as_json() for slate, compared in slates.items()}
        print_json({"as_of": day.isoformat(), "slates": counts, "lists": lists})
    else:
        _print(day, slates, lists)


def _shown(platform: "Platform", part: "Replayed", limit: int) -> list[dict[str, Any]]:
    """The first tracks of each list, by public ids and names."""
    from assets.catalogue import user_ids, with_titles
    from warehouse.engine import adbc_reader
    from warehouse.roles import Role

    with adbc_reader(platform.warehouse_url, Role.SERVICE) as connection:
        named = with_titles(connection, part.lists[part.lists["rank"] <= limit])
        ids = user_ids(connection, part.lists["user_key"].unique())
    columns = ["rank", "track_id", "title", "artist", "score", "source"]
    return [
        {
            "user_id": ids[of_user["user_key"].iloc[0]],
            "slate": str(part.slate),
            "items": [dict(zip(columns, row, strict=True)) for row in of_user[columns].itertuples(index=False)],
        }
        for _, of_user in named.groupby("user_key")
    ]


def _named(item: Mapping[str, Any]) -> str:
    """What the source gave of title and artist."""
    return ", ".join(name for name in (item["title"], item["artist"]) if name)


def _print(day: date, slates: "Mapping[Slate, SlateComparison]", lists: Sequence[Mapping[str, Any]]) -> None:
    from orchestration.cli.rendering import print_table, say

    for each in lists:
        rows = [
            (item["rank"], f"{_named(item)}\n{item['track_id']}", item["score"], item["source"])
            for item in each["items"]
        ]
        title = f"{each['user_id']}, {each['slate']}, as of {day}"
        print_table(title, ("rank", "track, artist, track_id", "score", "source"), rows)
    for slate, compared in slates.items():
        say(f"{slate} by {compared.verdict(day)}")
    if not slates:
        say(f"nobody asked for had listened before {day} or has a list of it")

"""`audotics replay`: what users would have got on a date."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.options import AsJson, AsOf, as_of_date

if TYPE_CHECKING:
    from assets.ranker.replay import Replayed
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
    without any, only how many lists differ.

    Example: `audotics replay --as-of 2015-01-01 --user 1042 --limit 10`

    Example: `audotics replay --as-of 2015-01-01 --model for_you-2014-12-01-9b1e44d0 --json`
    """
    from orchestration.cli.pipeline import steps
    from orchestration.cli.rendering import print_json
    from orchestration.pipeline import run_replay
    from orchestration.platform import open_platform

    day, users = as_of_date(as_of), user or []
    platform = open_platform()
    summary: dict[str, Any] = {"as_of": day.isoformat(), "slates": {}, "lists": []}
    with steps(f"replaying {day}") as on_progress:
        for part in run_replay(platform, day, model, users, on_progress):
            _add(summary["slates"], part)
            if users:
                summary["lists"] += _shown(platform, part, limit)
    if as_json:
        print_json(summary)
    else:
        _print(summary)


def _add(slates: dict[str, Any], part: "Replayed") -> None:
    """Count a batch of users."""
    model = part.champion
    counts = slates.setdefault(
        str(part.slate),
        {
            "model_version": model.model_version,
            "trained_as_of": model.trained_as_of.isoformat(),
            "users": 0,
            "lists_made_then": 0,
            "users_with_other_lists": None,
        },
    )
    made_then = int(part.made_then["user_key"].nunique())
    counts["users"] += part.users
    counts["lists_made_then"] += made_then
    if counts["lists_made_then"]:
        counts["users_with_other_lists"] = (counts["users_with_other_lists"] or 0) + part.users_with_other_lists


def _shown(platform: "Platform", part: "Replayed", limit: int) -> list[dict[str, Any]]:
    """The first tracks of each list, by public ids and names."""
    from assets.ranker.marts import user_ids, with_titles
    from warehouse.engine import adbc_connect
    from warehouse.roles import Role

    with adbc_connect(platform.warehouse_url, Role.SERVICE) as connection:
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


def _print(summary: dict[str, Any]) -> None:
    from orchestration.cli.rendering import OUT, print_table

    for each in summary["lists"]:
        rows = [tuple(item.values()) for item in each["items"]]
        title = f"{each['user_id']}, {each['slate']}, as of {summary['as_of']}"
        print_table(title, ("rank", "track", "title", "artist", "score", "source"), rows)
    for slate, counts in summary["slates"].items():
        if not counts["lists_made_then"]:
            compared = "none were made then"
        elif counts["users_with_other_lists"]:
            compared = f"{counts['users_with_other_lists']:,} differ from those made then"
        else:
            compared = "the same as those made then"
        later = f"; it was trained as of {counts['trained_as_of']} and so had seen what came after"
        OUT.print(
            f"{slate} by {counts['model_version']}: {counts['users']:,} lists, {compared}"
            f"{later if counts['trained_as_of'] > summary['as_of'] else ''}"
        )
    if not summary["slates"]:
        OUT.print(f"nobody asked for had listened before {summary['as_of']} or has a list of it")

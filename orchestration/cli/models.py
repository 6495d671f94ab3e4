"""`audotics models`: which rankers there are, what the gate decided on them, their cards, and overriding it."""

from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.options import AsJson, slate_named

if TYPE_CHECKING:
    from assets.ranker.promotion_store import ListedModel

app = typer.Typer(help="Show rankers and their cards, or promote one by hand.", no_args_is_help=True)

Version = Annotated[str, typer.Argument(help="As `audotics models list` shows it.", show_default=False)]


@app.command("list")
def list_(
    slate: Annotated[str | None, typer.Option(help="Only of this slate: for_you, discover or rediscover.")] = None,
    as_json: AsJson = False,
) -> None:
    """List rankers, newest first: which serve, and what the gate measured on a fold that neither model had seen.

    NDCG@100 of different folds is of different weeks and users: only the difference from the incumbent, measured on
    the same fold, says which is better. The incumbents are in --json.

    Example: `audotics models list --slate for_you`

    Example: `audotics models list --json`
    """
    from assets.ranker.promotion_store import list_models
    from orchestration.cli.rendering import print_json, print_table, say
    from orchestration.platform import open_platform

    chosen = slate_named(slate) if slate else None
    with open_platform().transaction() as connection:
        models = list_models(connection, chosen)
    if as_json:
        print_json([model.as_json() for model in models])
        return
    rows = [
        (
            each.model_version,
            "serving" if each.serving else each.decision,
            _measured(each),
            _difference(each),
        )
        for each in models
    ]
    if not models:
        say("no ranker was trained yet: `audotics run` trains one as soon as enough people listen")
        return
    columns = ("model_version", "status", "NDCG@100 on fold", "ahead of incumbent")
    print_table("rankers", columns, rows, highlight="serving")
    for each in models:
        if each.decision == "refused":
            say(f"{each.model_version} was refused: {each.reasons}")
        elif each.override_reason:
            say(f"{each.model_version} was promoted by {each.decided_by}: {each.override_reason}")


@app.command()
def show(version: Version, as_json: AsJson = False) -> None:
    """Show the card of a ranker: its data, holdout metrics by segment, calibration, features, known limits.

    Example: `audotics models show for_you-2015-01-01-1f2e3d4c`
    """
    from assets.ranker.card import page
    from assets.ranker.promotion_store import read_card
    from orchestration.cli.rendering import print_json, print_markdown
    from orchestration.platform import open_platform

    with open_platform().transaction() as connection:
        card = read_card(connection, version)
    if as_json:
        print_json(card)
        return
    print_markdown(page(card))


@app.command()
def promote(
    version: Version,
    reason: Annotated[str, typer.Option(help="Why, for whoever reads it later.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Let a ranker serve, whatever the gate said: one that it refused, or an older one, which is the way back.

    What is live stays so until the next `audotics run`. The next ranker that the gate promotes takes over again.

    Example: `audotics models promote for_you-2015-01-01-1f2e3d4c --reason "double plays in the holdout's weeks"`
    """
    from assets.ranker.promotion_store import promote as promote_model
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_platform
    from warehouse.lake import Lake

    platform = open_platform()
    with platform.transaction() as connection:
        promoted = promote_model(connection, Lake(platform.settings.lake), version, _person(), reason)
    serves_from = str(promoted.serves_from)
    if as_json:
        shown = {"model_version": version, "slate": promoted.slate, "serves_from": serves_from}
        print_json({**shown, "incumbent": promoted.incumbent})
        return
    instead = f" instead of {promoted.incumbent}" if promoted.incumbent else ""
    say(f"{version} serves from {serves_from} on{instead}; `audotics run` makes lists with it")


def _person() -> str:
    """The name of the system user, by the user id: the environment can say anything."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _measured(model: "ListedModel") -> str | None:
    """The figure above the fold that it is of: figures of different folds do not compare."""
    figure = model.ndcg["challenger"]
    return None if figure is None else f"{figure:.4f}\n{model.holdout}"


def _difference(model: "ListedModel") -> str | None:
    if model.delta is None or model.ci95 is None:
        return None
    low, high = model.ci95
    return f"{model.delta:+.4f}\n[{low:+.4f}, {high:+.4f}]"

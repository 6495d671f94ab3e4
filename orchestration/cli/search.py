"""`audotics search`: the search for training parameters of the rankers."""

from typing import Annotated, Any

import typer

from orchestration.cli.options import AsJson, AsOf, as_of_date, slate_named
from warehouse.wording import counted

# Of all parameters those that differ most from trial to trial and fit in 80 columns; --json has all.
_SHOWN = ("folds", "trees", "leaves", "learning_rate", "min_child_samples", "lambda_l2")
_BEST = 10


def search(
    as_of: AsOf = None,
    slate: Annotated[str | None, typer.Option(help="Only for_you, discover or rediscover.")] = None,
    trials: Annotated[int | None, typer.Option(help="Configs to try per slate, the default among them.", min=1)] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed on the same data tries the same configs.", min=0)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try training parameters of the rankers on closed dates before a date, and choose what is significantly better.

    Trainings as of that date and later use the choice, and the gate decides about their rankers as always. Where
    nothing is significantly better, the default stays. Every trial is a row of ml.ranker_trials.

    Example: `audotics search --as-of 2014-12-01`

    Example: `audotics search --as-of 2014-12-01 --slate discover --trials 40 --seed 7 --json`
    """
    from assets.slates import Slate
    from orchestration.cli.pipeline import steps
    from orchestration.cli.rendering import print_json

    day = as_of_date(as_of)
    slates = [slate_named(slate)] if slate else list(Slate)
    # Dagster and dbt take seconds to load, so what cannot run is refused before.
    from orchestration.pipeline import run_search
    from orchestration.platform import open_platform

    with steps(f"searching as of {day}") as on_progress:
        report, stored = run_search(open_platform(), day, slates, trials, seed, on_progress)
    if as_json:
        print_json({**report.as_json(), "trials": stored})
        return
    for each in slates:
        _print(str(each), [trial for trial in stored if trial["slate"] == each])


def _print(slate: str, trials: list[dict[str, Any]]) -> None:
    """The best trials of a slate beside the default, and what was chosen."""
    from assets.search.store import described_choice
    from orchestration.cli.rendering import print_table, say

    if not trials:
        say(f"{slate}: nothing to search on yet")
        return
    whole = sorted((each for each in trials if each["state"] == "complete"), key=lambda each: -each["ndcg_100"])
    shown = whole[:_BEST] + [each for each in whole[_BEST:] if each["trial"] == 0]
    rows = [
        (
            "default" if each["trial"] == 0 else str(each["trial"]),
            "chosen" if each["chosen"] else "",
            each["ndcg_100"],
            _ahead(each),
            each["params"]["objective"],
        )
        for each in shown
    ]
    pruned = len(trials) - len(whole)
    dates = ", ".join(trials[0]["validation_dates"])
    tried, users = counted(len(trials), "trial"), counted(trials[0]["users"], "user")
    title = f"{slate}: {tried}, {pruned} of them pruned, on {dates}; {users}"
    print_table(title, ("trial", "", "NDCG@100", "ahead by, 95 % interval", "objective"), rows, highlight="chosen")
    parameters = [(row[0], *(each["params"][name] for name in _SHOWN)) for row, each in zip(rows, shown, strict=True)]
    # Without its underscores a heading is broken into lines between words.
    names = tuple(name.replace("_", " ") for name in _SHOWN)
    print_table(f"{slate}: what they were trained with", ("trial", *names), parameters)
    say(f"{slate}: {described_choice(next(each for each in trials if each['chosen']))}\n")


def _ahead(trial: dict[str, Any]) -> str:
    if trial["ci95"] is None:
        return ""
    low, high = trial["ci95"]
    return f"{trial['delta']:+.4f} [{low:+.4f}, {high:+.4f}]"

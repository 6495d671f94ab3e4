"""`audotics run`, `evaluate`, `recommendations` and `demo`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.options import AsJson, AsOf, as_of_date, as_of_option, slate_named
from warehouse.errors import AudoticsError
from warehouse.wording import counted

if TYPE_CHECKING:
    from orchestration.runs import Progress

# A smaller sample world has too few listeners to train and evaluate on.
_FEWEST_USERS = 50


def run(
    as_of: AsOf = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train rankers as of the date first; the gate decides whether they serve.")
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="Go on although this check fails, such as raw_listens_suite; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the nightly job: load what has landed, rebuild models, score everyone, publish.

    Trains first when there is no ranker for that date yet, so it takes a fresh warehouse to a live release. Where too
    few people listen to train one, there is a release without, and what it does not hold is said. A date before that of
    the live release makes lists and publishes nothing.

    Example: `audotics run --as-of 2015-01-01`

    Example: `audotics run --as-of 2015-01-05 --train`

    Example: `audotics run --accept dim_users_suite`
    """
    from orchestration.cli.rendering import print_json, say
    from orchestration.cli.reports import print_run
    from orchestration.platform import open_platform

    day = as_of_date(as_of)
    platform = open_platform()
    # Dagster and dbt take seconds to load, so what cannot run is refused before.
    from orchestration.night import night
    from orchestration.pipeline import run_nightly

    with steps(f"as of {day}") as on_progress:
        done = night(run_nightly(platform, day, on_progress, train, accept or ()), platform.settings.landing)
    if as_json:
        print_json(done.as_json())
        return
    print_run(done.report)
    for line in done.landed_lines():
        say(line)
    if not done.landed_lines():
        say(f"nothing lies in the landing folder {platform.settings.landing}")
    for line in done.release_lines():
        say(line)


def evaluate(
    as_of: Annotated[
        str | None, as_of_option("The date to evaluate. Default: the newest with lists whose 14 days are over.")
    ] = None,
    lists: Annotated[
        Path | None,
        typer.Option(help="Parquet file of another system's lists (user_id, track_id, rank from 1) to score instead."),
    ] = None,
    slate: Annotated[str | None, typer.Option(help="What the --lists are: for_you, discover or rediscover.")] = None,
    also_sources: Annotated[
        list[str] | None,
        typer.Option(
            "--also-source",
            metavar="NAME",
            help="A source that is off, whose candidate recall is measured as well; all: of each.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the lists made as of a date, and the baselines, with what was listened to in the 14 days after it.

    Example: `audotics evaluate --as-of 2015-01-01 --json`

    Example: `audotics evaluate --as-of 2015-01-01 --lists theirs.parquet --slate discover`

    Example: `audotics evaluate --also-source transitions --also-source trending`
    """
    from orchestration.cli.rendering import print_json
    from orchestration.cli.reports import print_evaluation

    if (lists is None) != (slate is None):
        raise AudoticsError("--lists and --slate go together: the file, and the slate its lists are to be scored as")
    if lists is not None and also_sources:
        raise AudoticsError("--also-source does not go with --lists: the lists of a file were not chosen from our pool")
    subject = "ranker"
    if lists is not None:
        if as_of is None:
            raise AudoticsError(
                "--lists needs --as-of: the date before which all that the lists were made from happened"
            )
        evaluation, subject = _score(lists, str(slate), as_of_date(as_of)), "lists"
    else:
        evaluation = _evaluate(_newest_over() if as_of is None else as_of_date(as_of), also_sources or ())
    if as_json:
        print_json(evaluation)
    else:
        print_evaluation(evaluation, subject)


def _newest_over() -> date:
    """The date that is evaluated unless another is asked for; says which that is."""
    from assets.evaluation.store import newest_date_over
    from orchestration.cli.rendering import note
    from orchestration.platform import open_platform

    with open_platform().transaction() as connection:
        day = newest_date_over(connection)
    note(f"as of {day}, the newest date with lists whose days are over")
    return day


def _evaluate(day: date, also_sources: Sequence[str]) -> dict[str, Any]:
    """Metrics of the lists made as of the date, and of the baselines."""
    from assets.candidates.registry import sources_off
    from orchestration.platform import open_platform

    # A name that is not known is to leave no failed run.
    names = sources_off(also_sources)
    from orchestration.pipeline import run_evaluation

    with steps(f"evaluating as of {day}") as on_progress:
        return run_evaluation(open_platform(), day, on_progress, names)[1]


def _score(lists: Path, slate: str, day: date) -> dict[str, Any]:
    """Metrics of the lists in a file."""
    from assets.evaluation.external_lists import evaluate_lists
    from orchestration.platform import open_platform
    from warehouse.engine import adbc_reader
    from warehouse.roles import Role

    known = slate_named(slate)
    with adbc_reader(open_platform().warehouse_url, Role.SERVICE) as connection:
        return evaluate_lists(connection, day, known, lists)


def recommendations(
    slate: Annotated[str, typer.Option(help="for_you, discover or rediscover.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Parquet file to write.", show_default=False)],
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Write the lists made as of a date to a Parquet file: user_id, track_id, rank, score.

    Example: `audotics recommendations --as-of 2015-01-01 --slate discover --out discover.parquet`
    """
    from assets.recommendations.store import export_recommendations
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_platform
    from warehouse.engine import adbc_reader
    from warehouse.roles import Role

    known = slate_named(slate)
    if not out.parent.is_dir():
        raise AudoticsError(f"cannot write {out}: the folder {out.parent} does not exist")
    day = as_of_date(as_of)
    platform = open_platform()
    with adbc_reader(platform.warehouse_url, Role.SERVICE) as connection:
        rows = export_recommendations(connection, day, known, out)
    if as_json:
        print_json({"as_of": day.isoformat(), "slate": slate, "rows": rows, "file": str(out)})
    else:
        say(f"{counted(rows, 'row')} written to {out}")


def demo(
    users: Annotated[
        int | None,
        typer.Option(
            min=_FEWEST_USERS,
            help="Listeners of the sample world, each with 200 listens on average. Default: 2000, or those of the"
            " sample world that is in the landing folder.",
        ),
    ] = None,
    details: Annotated[bool, typer.Option("--details", help="Print every table and every list instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Generate the sample world, run everything through Dagster, and ask the read API for recommendations.

    Defects are planted in the files of the world, and what is loaded is compared with their counts.

    Example: `audotics demo`

    Example: `audotics demo --users 500 --details`
    """
    from orchestration.cli.demo import print_details, print_screen
    from orchestration.cli.rendering import note, print_json
    from orchestration.demo import run_demo

    done = run_demo(steps, note, users)
    if as_json:
        print_json(done.as_json())
    elif details:
        print_details(done)
    else:
        print_screen(done)


@contextmanager
def steps(what: str) -> "Iterator[Progress]":
    """A progress bar over the steps of a run; where there is no terminal to show it, a line per finished step."""
    from orchestration.cli.rendering import log_line, progress_bar

    with progress_bar() as bar:
        task = bar.add_task(what, total=None)

        def show(step: str, done: int, total: int, lines: Sequence[str]) -> None:
            bar.update(task, description=f"{what}: {step}" if step else what, completed=done, total=total or None)
            for line in lines:
                log_line(bar, line)

        yield show

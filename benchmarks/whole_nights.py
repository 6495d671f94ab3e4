"""Night after night of what the warehouse holds: what checks say, and what share of the time they take.

    python -m benchmarks.whole_nights --last 2015-01-20 --nights 60
    python -m benchmarks.whole_nights --sample-users 300 --nights 30
    python -m benchmarks.whole_nights --sample-users 20000 --sample-listens 5000000 --nights 3

A night that a check stops is counted and named; the next one goes on. With a sample world, in a home of its own, which
is removed afterwards. The first night trains, and is not among those whose time is measured.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from assets.ingest.sample_world import SampleWorld, generate
from benchmarks.pipeline import own_home, quietly
from orchestration.cli.rendering import note, print_table, say
from orchestration.pipeline import run_nightly
from orchestration.platform import Platform, open_platform
from orchestration.runs import RunReport
from warehouse.errors import AudoticsError, InterruptedByUserError

_HORIZON_DAYS = 14


def main() -> None:
    """Runs the nights, and prints what was stopped, what warned, and the share of the checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--last", type=date.fromisoformat, help="the last night; default: of the sample world")
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--sample-users", type=int, help="a sample world of so many listeners")
    parser.add_argument("--sample-listens", type=int, default=60_000)
    chosen = parser.parse_args()
    if not chosen.sample_users and not chosen.last:
        parser.error("--last or --sample-users is needed")
    with _platform(chosen.sample_users, chosen.sample_listens) as platform:
        last = chosen.last or datetime.now(UTC).date() - timedelta(days=_HORIZON_DAYS)
        stopped, reports = [], []
        for back in reversed(range(chosen.nights)):
            as_of = last - timedelta(days=back)
            try:
                reports.append(run_nightly(platform, as_of, quietly))
                note(f"{as_of} is live")
            except InterruptedByUserError:
                raise
            except AudoticsError as error:
                stopped.append((as_of, str(error)))
                note(f"{as_of} was stopped: {error}")
        _tell(platform, chosen.nights, stopped, reports)


@contextmanager
def _platform(users: int | None, listens: int) -> Iterator[Platform]:
    if users is None:
        yield open_platform()
        return
    with own_home() as platform:
        world = SampleWorld(until=datetime.now(UTC).date(), users=users, tracks=max(800, users), listens=listens)
        generate(Path(platform.settings.landing) / "lastfm-1k" / "world", world)
        yield platform


def _tell(platform: Platform, nights: int, stopped: list[tuple[date, str]], reports: list[RunReport]) -> None:
    print_table(f"{len(stopped)} of {nights} nights were stopped", ("as of", "by"), stopped)
    with platform.transaction() as connection:
        warned = Counter(
            (row.check_name, row.metric)
            for row in connection.execute(
                text(
                    "select check_name, metric from quality.observations inner join quality.validations"
                    " using (validation_id) where not observations.passed"
                )
            )
        )
    rows = [(check, metric, times) for (check, metric), times in warned.most_common()]
    print_table("figures out of bounds", ("check", "figure", "nights"), rows)
    for report in reports[1:][-1:]:
        night = sum(stage.seconds for stage in report.stages)
        checks = sorted((each for each in report.stages if each.only_checks), key=lambda each: -each.seconds)
        print_table(
            f"checks of the night of {report.as_of}, {night:.0f} s",
            ("check", "seconds", "of the night"),
            [(each.name, f"{each.seconds:.1f}", f"{each.seconds / night:.1%}") for each in checks],
        )
        say(f"all checks: {sum(each.seconds for each in checks) / night:.1%} of the night")


if __name__ == "__main__":
    main()

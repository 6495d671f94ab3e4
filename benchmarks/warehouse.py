"""What the warehouse costs as history grows: full builds, one-day increments and the analysts' questions.

For each size a sample world of that many listens over a year is loaded into a home of its own, which is removed
afterwards. Example:

    python benchmarks/warehouse.py --listens 1000000 5000000 20000000
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from sqlalchemy import text

# Run as a script, this file would be taken for the package `warehouse`.
sys.path[0] = str(Path(__file__).parents[1])

from assets.dbt_project import BUILD, dates_environment, dbt_command, dbt_environment
from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.sample_world import LISTENS_FILE, SampleWorld, generate
from benchmarks.analytics_questions import Question, read_questions
from benchmarks.pipeline import own_home
from orchestration.cli.rendering import print_json, print_table, say
from orchestration.memory import MemorySampler
from orchestration.platform import Platform
from warehouse.analysts import analyst_url
from warehouse.engine import create_engine
from warehouse.local.servers import status

DAYS = 365
LISTENERS_PER_LISTEN = 1 / 200
# A day of the same size for every world, to see what history alone costs.
LISTENS_OF_SMALL_DAY = 2_000
EXCEPT_FEATURES = ("--exclude", "marts.features")
NOTHING = ("--select", "stg_users", "--exclude", "stg_users")


@dataclass(frozen=True)
class Cost:
    """Wall seconds, and peak MB of this process, dbt and PostgreSQL together, sampled every two seconds."""

    seconds: float
    peak_mb: float


@dataclass
class Measured:
    """What one size of world cost."""

    listens: int
    costs: dict[str, Cost] = field(default_factory=dict)
    questions: dict[str, float] = field(default_factory=dict)

    def net(self, name: str) -> float:
        """Seconds of a dbt build beyond those of a build of nothing."""
        return self.costs[name].seconds - self.costs["dbt, nothing to do"].seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listens", type=int, nargs="+", default=[1_000_000, 5_000_000, 20_000_000])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args()
    questions = read_questions()
    results = []
    for listens in chosen.listens:
        with own_home() as platform:
            results.append(measure(platform, listens, questions))
        if not chosen.json:
            report(results[-1])
    if chosen.json:
        print_json([asdict(each) for each in results])
    else:
        compare(results)


def measure(platform: Platform, listens: int, questions: Sequence[Question]) -> Measured:
    """Load a world all but its last two days, build everything, then add the days one at a time."""
    measured = Measured(listens)
    until = datetime.now(UTC).date()
    (postgres,) = (server.pid for server in status(platform.settings) if server.title == "PostgreSQL")

    def cost(name: str, work: Callable[[], object]) -> None:
        with MemorySampler([int(postgres or 0)], interval_seconds=2.0) as sampler:
            started = time.perf_counter()
            work()
            measured.costs[name] = Cost(time.perf_counter() - started, sampler.peak_bytes() / 2**20)
        say(f"{listens:,} listens: {name} {measured.costs[name].seconds:.1f} s")

    def load(path: Path) -> None:
        load_files(platform.warehouse_url, LastFm1k(), [path])

    with tempfile.TemporaryDirectory() as folder:
        world = SampleWorld(until=until, users=round(listens * LISTENERS_PER_LISTEN), listens=listens, days=DAYS)
        generate(Path(folder), world)
        history, small, whole, late, one = split(
            Path(folder) / LISTENS_FILE,
            small=f"{until - timedelta(days=2)}",
            whole=f"{until - timedelta(days=1)}",
            late=f"{until - timedelta(days=30)}",
            one=f"{until - timedelta(days=300)}",
        )
        cost("load", lambda: load(history))
        cost("full build", lambda: dbt(platform, *EXCEPT_FEATURES))
        cost("vacuum", lambda: vacuum(platform))
        dbt(platform, *NOTHING)
        cost("dbt, nothing to do", lambda: dbt(platform, *NOTHING))
        cost("build, nothing new", lambda: dbt(platform, *EXCEPT_FEATURES))
        for name, file in (("small day", small), ("whole day", whole), ("late rows", late), ("one listen", one)):
            cost(f"load {name}", partial(load, file))
            cost(f"build {name}", lambda: dbt(platform, *EXCEPT_FEATURES))
        as_of = dates_environment([until])
        cost("features as of one date", lambda: dbt(platform, "--select", "marts.features", **as_of))
    for question in questions:
        measured.questions[question.title] = median(ask(platform, question) for _ in range(3))
    return measured


def split(path: Path, small: str, whole: str, late: str, one: str) -> tuple[Path, ...]:
    """The file in five: history; the first rows of a small day; a whole day; every tenth row of a late one; one row of
    a day long ago.
    """
    parts = tuple(path.with_name(f"{name}.tsv") for name in ("history", "small", "whole", "late", "one"))
    of_small = of_late = of_one = 0
    with path.open("rb") as lines:
        outputs = [part.open("wb") for part in parts]
        for line in lines:
            day = line.partition(b"\t")[2][:10].decode(errors="replace")
            part = 0
            if day == whole:
                part = 2
            elif day == small:
                of_small += 1
                if of_small > LISTENS_OF_SMALL_DAY:
                    continue
                part = 1
            elif day == late:
                of_late += 1
                part = 3 if of_late % 10 == 0 else 0
            elif day == one:
                of_one += 1
                part = 4 if of_one == 10 else 0
            outputs[part].write(line)
        for output in outputs:
            output.close()
    path.unlink()
    return parts


def dbt(platform: Platform, *arguments: str, **environment: str) -> None:
    variables = {**os.environ, **dbt_environment(platform.warehouse_url), **environment}
    subprocess.run(dbt_command(*BUILD, "--quiet", *arguments), env=variables, check=True)


def vacuum(platform: Platform) -> None:
    """What autovacuum does in the day between two loads; here it would take a core while the days are measured."""
    with create_engine(platform.warehouse_url).execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("vacuum (analyze)"))


def ask(platform: Platform, question: Question) -> float:
    """Seconds until an analyst has every row of the answer."""
    with create_engine(analyst_url(platform.settings, platform.warehouse_url)).connect() as connection:
        started = time.perf_counter()
        connection.execute(text(question.sql)).all()
        return time.perf_counter() - started


def report(measured: Measured) -> None:
    rows = [
        (name, f"{cost.seconds:.1f}", f"{cost.seconds * 1e6 / measured.listens:.2f}", f"{cost.peak_mb:,.0f}")
        for name, cost in measured.costs.items()
    ]
    print_table(f"{measured.listens:,} listens", ("step", "seconds", "seconds per million", "peak MB"), rows)
    answered = [(title, f"{seconds:.3f}") for title, seconds in measured.questions.items()]
    print_table(f"questions at {measured.listens:,} listens", ("question", "seconds"), answered)


def compare(results: Sequence[Measured]) -> None:
    """How the sizes relate, net of dbt's own start-up where it says so."""
    rows = []
    for each in results:
        increment = each.net("build whole day")
        rows.append(
            (
                f"{each.listens:,}",
                f"{each.costs['full build'].seconds * 1e6 / each.listens:.2f}",
                f"{100 * increment / each.net('full build'):.1f} %",
                f"{100 * each.costs['build whole day'].seconds / each.costs['full build'].seconds:.1f} %",
                f"{increment:.1f}",
                f"{each.net('build small day'):.1f}",
                f"{each.net('build one listen'):.1f}",
                f"{median(each.questions.values()):.2f} / {max(each.questions.values()):.2f}",
            )
        )
    print_table(
        "by size of history",
        (
            "listens",
            "full build s per million",
            "whole day / full, net",
            "gross",
            "whole day s, net",
            f"day of {LISTENS_OF_SMALL_DAY:,} s, net",
            "one listen 300 days late s, net",
            "questions s, median / worst",
        ),
        rows,
    )


if __name__ == "__main__":
    main()

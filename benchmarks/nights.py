"""Healthy nights, one file each: how often the checks of files and of the newest day warn, and how often they stop one.

    AUDOTICS_HOME=/tmp/nights python -m benchmarks.nights --nights 60 --users 2000

A world like that of `audotics demo` is loaded but for its last nights in one file, then each of these in its own file,
and after each both checks judge as a nightly run would. It takes a home of its own, and loads into its warehouse.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from assets.ingest.lastfm_1k import LISTENS_NAME, LastFm1k
from assets.ingest.load import load_files
from assets.ingest.sample_world import SampleWorld, generate
from quality.checks import arrivals, loads
from quality.days import CHECK_NAME
from quality.load_verdicts import CHECK_NAME as LOADS
from quality.load_verdicts import read_verdicts
from quality.observations import Validation, keep
from warehouse.engine import create_engine
from warehouse.local.servers import ensure_running
from warehouse.migrate import upgrade
from warehouse.roles import Role
from warehouse.settings import Settings

_UNTIL = date(2026, 6, 1)


def lines_by_day(folder: Path, users: int) -> dict[str, list[bytes]]:
    """The lines of a generated world by the day that they begin with; what has none is of no day."""
    generate(folder, SampleWorld.of_users(users, _UNTIL))
    by_day: dict[str, list[bytes]] = defaultdict(list)
    with (folder / LISTENS_NAME).open("rb") as lines:
        for line in lines:
            moment = line.split(b"\t")[1:2]
            by_day[moment[0][:10].decode("ascii", "replace") if moment else ""].append(line)
    return by_day


def judge(url: str, as_of: date) -> tuple[list[str], bool, float]:
    """What both checks find as of a date, whether they stop the night, and the seconds; verdicts are kept."""
    started = time.monotonic()
    with create_engine(url, Role.TRANSFORMER).connect() as connection:
        days = arrivals.judge(connection, as_of, datetime.now(UTC))
    with create_engine(url, Role.SERVICE).connect() as connection:
        verdicts = read_verdicts(connection, f"{as_of}")
    with create_engine(url, Role.LOADER).connect() as connection:
        newest, figures = loads.newest_file(connection), loads.judge(connection, verdicts)
    with create_engine(url, Role.SERVICE).begin() as connection:
        of_days = Validation("raw/listens", CHECK_NAME, f"{as_of}", as_of)
        keep(connection, of_days, [each for day in days for each in arrivals.observations(day)])
        keep(connection, Validation("raw/listens", LOADS, f"{as_of}"), loads.observations(newest, figures))
    odd = [arrivals.said(days, as_of)] if any(each.odd for each in days) else []
    odd += [loads.said(figures)] if any(each.odd for each in figures) else []
    blocks = any(each.blocks for each in days) or any(each.blocks for each in figures)
    return odd, blocks, time.monotonic() - started


def main() -> None:
    """Judges night after night, and prints what is odd."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--users", type=int, default=2_000)
    arguments = parser.parse_args()
    url = ensure_running(Settings()).warehouse_url
    upgrade(url)
    nights = [_UNTIL - timedelta(days=back) for back in range(arguments.nights, 0, -1)]
    warned, stopped, seconds = 0, 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        by_day = lines_by_day(Path(folder), arguments.users)
        history = [
            line for day, lines in by_day.items() if day not in {f"{night}" for night in nights} for line in lines
        ]
        for name, lines in {"history": history, **{f"{night}": by_day[f"{night}"] for night in nights}}.items():
            path = Path(folder, f"{name}.tsv")
            path.write_bytes(b"".join(lines))
            load_files(url, LastFm1k(), [path])
            if name == "history":
                continue
            odd, blocks, took = judge(url, date.fromisoformat(name) + timedelta(days=1))
            warned, stopped, seconds = warned + bool(odd), stopped + blocks, seconds + took
            print(*(f"{name}: {each}" for each in odd), sep="\n", end="\n" if odd else "")
    print(f"{len(nights)} nights: {warned} warned, {stopped} stopped, {seconds / len(nights):.2f} s each")


if __name__ == "__main__":
    main()

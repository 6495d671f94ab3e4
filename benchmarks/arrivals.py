"""How often days of the warehouse are called odd or would stop the night, as they are and with a fault planted in them.

    python -m benchmarks.arrivals --last 2015-01-19 --days 60

Planted in a day: half of each hour's listens, spread evenly; nothing from noon on; every time six hours later. Days are
judged as if they had come night by night, with what is in the warehouse now.
"""

import argparse
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from quality.arrivals import judge_day
from quality.days import Days, read_days
from warehouse.engine import create_engine
from warehouse.local.servers import ensure_running
from warehouse.roles import Role
from warehouse.settings import Settings

_NOON, _SHIFT = 12, 6


def faults(days: Days) -> dict[str, Days]:
    """The days as they are, and with a fault in the last one; who listens is unchanged where only rows are lost."""
    hours = days.listeners_by_hour
    afternoon = hours[-1, _NOON:].sum() / max(hours[-1].sum(), 1)
    late = hours[-1, -_SHIFT:].sum() / max(hours[-1].sum(), 1)
    cut, moved = hours.copy(), hours.copy()
    cut[-1, _NOON:] = 0
    moved[-1] = np.concatenate([np.zeros(_SHIFT), hours[-1, :-_SHIFT]])

    def last(values: np.ndarray, share: float) -> np.ndarray:
        return np.append(values[:-1], values[-1] * share)

    return {
        "as it is": days,
        "no listens": replace(days, listens=last(days.listens, 0), listeners=last(days.listeners, 0)),
        "every second listen": replace(days, listens=last(days.listens, 0.5)),
        "nothing from noon on": replace(days, listens=last(days.listens, 1 - afternoon), listeners_by_hour=cut),
        "six hours late": replace(days, listens=last(days.listens, 1 - late), listeners_by_hour=moved),
    }


def main() -> None:
    """Judges each day from those before it, and prints how many are odd."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--last", type=date.fromisoformat, required=True, help="the last day to judge")
    parser.add_argument("--days", type=int, default=60, help="how many days to judge")
    arguments = parser.parse_args()
    odd, blocks = Counter[str](), Counter[str]()
    judged = 0
    with create_engine(ensure_running(Settings()).warehouse_url, Role.TRANSFORMER).connect() as connection:
        for back in range(arguments.days):
            day = arguments.last - timedelta(days=back)
            night = datetime.combine(day + timedelta(days=1), time(3), UTC)
            days = read_days(connection, day, night)[0]
            judged += bool(judge_day(days))
            for fault, planted in faults(days).items():
                found = [each for each in judge_day(planted) if each.odd]
                odd[fault] += bool(found)
                blocks[fault] += any(each.blocks for each in found)
                if found and planted is days:
                    print(f"{days.last} as it is: {found}")
    for fault, number in odd.items():
        print(f"{fault:24} {number:4} of {judged} days odd, {blocks[fault]:4} stop the night")


if __name__ == "__main__":
    main()

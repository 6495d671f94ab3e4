"""Repeats the choice of how similar items are found on earlier `as_of` dates of the warehouse, and prints every trial.

    python -m benchmarks.tune_similar --as-of 2014-09-01 --as-of 2014-10-06 --as-of 2014-11-03 --as-of 2014-12-01

Dates after --latest are refused, so that the window a result is reported on stays unseen.
"""

import argparse
from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from assets.candidates.als import AlsConfig, fit_track_vectors
from assets.candidates.history import History
from assets.candidates.popular import Popular, PopularConfig
from assets.listens import Listens
from assets.similar.evaluation import METRICS, evaluate, occurrences
from assets.similar.evaluation_store import Published
from assets.similar.in_factors import InFactors
from assets.similar.lists import read_item_listens
from assets.similar.sources import InSessions, Item, PlainCosine, SimilarConfig, SimilaritySource
from assets.slates import HORIZON_DAYS
from warehouse.engine import adbc_connect
from warehouse.local.servers import ensure_running
from warehouse.settings import Settings

DEFAULT = SimilarConfig()


def trials(listens: Listens, history: History) -> dict[str, SimilaritySource]:
    """What is compared: what is published, with other settings too, and parts and baselines of everything heard."""
    found: dict[str, SimilaritySource] = {
        "popular": Popular(history, PopularConfig()),
        "plain cosine": PlainCosine(history),
        "default": Published(listens, history, DEFAULT),
        "what 2 listeners share": Published(listens, history, replace(DEFAULT, least_listeners=2)),
        "what 1 listener hears": Published(listens, history, replace(DEFAULT, least_listeners=1)),
    }
    for days in (60.0, 150.0, 400.0, 1e9):
        found[f"sessions alone, decay {days:g}"] = InSessions(history, replace(DEFAULT, session_decay_days=days))
    for power in (0.0, 0.5):
        found[f"sessions alone, popularity {power}"] = InSessions(history, replace(DEFAULT, session_popularity=power))
    vectors = fit_track_vectors(history, AlsConfig())
    for power in (0.0, 0.5, 1.0):
        found[f"factors alone, popularity {power}"] = InFactors(vectors, power)
    for offset in (5.0, 60.0):
        found[f"rank offset {offset:g}"] = Published(listens, history, replace(DEFAULT, rank_offset=offset))
    return found


def main() -> None:
    """Reads once, then fits every trial on every date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as-of", type=date.fromisoformat, action="append", required=True)
    parser.add_argument("--latest", type=date.fromisoformat, default=date(2014, 12, 1))
    parser.add_argument("--item", type=Item, default=Item.TRACK)
    arguments = parser.parse_args()
    dates = sorted(arguments.as_of)
    if dates[-1] > arguments.latest:
        parser.error(f"{dates[-1]} is after {arguments.latest}, the last date that may be tuned on")
    with adbc_connect(ensure_running(Settings()).warehouse_url) as connection:
        listens = read_item_listens(connection, arguments.item, dates[-1] + timedelta(days=HORIZON_DAYS))
    means: dict[str, list[list[float]]] = {}
    for as_of in dates:
        before = listens.before(as_of)
        history = History(before, as_of)
        found = occurrences(listens.between(as_of, as_of + timedelta(days=HORIZON_DAYS)), history)
        result = evaluate(trials(before, history), found, history)
        print(f"{as_of}: {result.occurrences} occurrences of {result.users} users")
        for name in result.per_user:
            means.setdefault(name, []).append([result.mean(name, metric) for metric in METRICS])
    for name, of_dates in means.items():
        figures = zip(METRICS, np.mean(of_dates, axis=0), strict=True)
        print(f"{name:34s} " + "  ".join(f"{metric} {mean:.4f}" for metric, mean in figures))


if __name__ == "__main__":
    main()

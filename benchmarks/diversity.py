"""What it costs to spread lists over artists: accuracy and diversity by slate and setting, printed as a curve.

    audotics run --as-of D          # for every date to compare: features and rankers
    python -m benchmarks.diversity --as-of 2026-09-15 --as-of 2026-10-13

Use earlier dates than those that a result is reported on. Without names of artists every row is the same.
"""

import argparse
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product

import numpy as np
import pandas as pd

from assets.candidates.pool import SourcesConfig, fit_sources
from assets.candidates.registry import needed_facts
from assets.catalogue import read_catalogue
from assets.features.join import join_features
from assets.features.marts import feature_reader
from assets.listens import read_listens
from assets.metrics.intervals import bootstrap_interval
from assets.metrics.protocol import per_user_metrics, relevant_tracks
from assets.ranker.lists import ListsConfig, read_list_rules
from assets.ranker.registry import champions
from assets.ranker.scoring import rank
from assets.slates import HORIZON_DAYS, Slate
from warehouse.engine import adbc_connect, create_engine
from warehouse.lake import Lake
from warehouse.local.servers import ensure_running
from warehouse.settings import Settings

AS_SCORED = ListsConfig()
SETTINGS = [
    ListsConfig(per_artist, discount) for per_artist, discount in product((100, 20, 10), (1.0, 0.98, 0.95, 0.9, 0.8))
]
SHOWN = 20


def main() -> None:
    """Scores the pool of every evaluated user once, and cuts it to lists under every setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as-of", type=date.fromisoformat, action="append", required=True)
    dates = sorted(parser.parse_args().as_of)
    rows: dict[tuple[Slate, ListsConfig], list[tuple[np.ndarray, ...]]] = {}
    for as_of in dates:
        for slate, setting, measured in _measured(as_of):
            rows.setdefault((slate, setting), []).append(measured)
    print(f"as of {', '.join(map(str, dates))}; diversity of the first {SHOWN} tracks")
    print("slate       at most  discount   NDCG@10  NDCG@100   cost of NDCG@100 [95 %]        artists  largest share")
    for (slate, setting), by_date in rows.items():
        at_10, at_100, artists, largest = (np.concatenate(each) for each in zip(*by_date, strict=True))
        before = np.concatenate([each[1] for each in rows[slate, AS_SCORED]])
        low, high = bootstrap_interval(at_100 - before, seed=1)
        change = (at_100 - before).mean() / before.mean()
        print(
            f"{slate:10s} {setting.per_artist:8d} {setting.artist_discount:9.2f} {at_10.mean():9.4f}"
            f" {at_100.mean():9.4f} {change:+9.2%} [{low:+.4f}, {high:+.4f}]"
            f" {artists.mean():10.2f} {largest.mean():8.2%}"
        )


def _measured(as_of: date) -> Iterator[tuple[Slate, ListsConfig, tuple[np.ndarray, ...]]]:
    """Per user: NDCG@10, NDCG@100, artists among the first tracks, and the share of the one listed most."""
    settings = Settings()
    url = ensure_running(settings).warehouse_url
    with create_engine(url).connect() as engine_connection:
        serving = champions(engine_connection, Lake(settings.lake), as_of)
    with adbc_connect(url) as connection:
        listens = read_listens(connection, as_of + timedelta(days=HORIZON_DAYS))
        before, horizon = listens.before(as_of), listens.between(as_of, as_of + timedelta(days=HORIZON_DAYS))
        config = SourcesConfig()
        sources = fit_sources(before, as_of, config, read_catalogue(connection, needed_facts(config.sizes)))
        features_of = feature_reader(connection, as_of)
        rules = read_list_rules(connection)
        artist_of = features_of(np.empty(0, np.int32)).track_artist.set_index("track_key")["artist_key"]
    for slate, model in serving.items():
        relevant = relevant_tracks(before, horizon, as_of, slate)
        users = np.unique(relevant["user_key"].to_numpy(np.int32))
        pool = sources.candidates(users, slate)
        with adbc_connect(url) as connection:
            matrix = join_features(pool, feature_reader(connection, as_of)(users))
        for setting in SETTINGS:
            lists = rank(model.model, pool, matrix, rules.spread(setting))
            evaluated, metrics = per_user_metrics(lists, relevant)
            artists, largest = _diversity(lists, artist_of, evaluated)
            yield slate, setting, (metrics["ndcg@10"], metrics["ndcg@100"], artists, largest)


def _diversity(lists: pd.DataFrame, artist_of: pd.Series, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first = lists[lists["rank"] <= SHOWN]
    artist = first["track_key"].map(artist_of).fillna(-1)
    counts = first.assign(artist=artist).groupby(["user_key", "artist"]).size()
    by_user = counts.groupby("user_key")
    largest = by_user.max() / by_user.sum()
    return by_user.size().reindex(users).dropna().to_numpy(), largest.reindex(users).dropna().to_numpy()


if __name__ == "__main__":
    main()

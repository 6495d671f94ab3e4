"""How varied and how strong the reasons of lists are, by slate and discount of repeated anchors, printed as a curve.

    audotics run --as-of 2026-11-11     # features and rankers; folds leave the features of earlier weeks as well
    python -m benchmarks.reasons --as-of 2026-10-14 --models-of 2026-11-11

A discount of 1 is the strongest anchor everywhere. Means over users. Blocks keep tracks out of the lists, but not out
of the reasons.
"""

import argparse
from collections.abc import Iterator
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.candidates.anchors import ANCHOR_COLUMNS, NO_ANCHOR, STRENGTH_COLUMNS, Anchors
from assets.candidates.pool import SourcesConfig, fit_sources
from assets.candidates.registry import needed_facts
from assets.candidates.session_cooccurrence import SessionCooccurrence
from assets.catalogue import read_catalogue, read_titles
from assets.features.join import join_features
from assets.features.marts import feature_reader
from assets.listens import read_listens
from assets.ranker.chosen_lists import LISTS
from assets.ranker.lists import read_list_rules
from assets.ranker.registry import champions
from assets.ranker.scoring import rank
from assets.recommendations.reasons import chosen_anchors
from assets.slates import Slate
from warehouse.engine import adbc_connect, create_engine
from warehouse.lake import Lake
from warehouse.local.servers import ensure_running
from warehouse.settings import Settings

DISCOUNTS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3)
LEAST = (0.5, 0.7)
# A list that names one anchor for that many of its first ten tracks.
MANY = 7


def main() -> None:
    """Ranks everyone's pool once, and chooses anchors under every setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    parser.add_argument(
        "--models-of", type=date.fromisoformat, help="whose champions rank; those of --as-of without it"
    )
    asked = parser.parse_args()
    print(
        "slate       least  discount   commonest anchor of 10, of 20   anchors in 10   7 of 10   strength in 20   none"
    )
    for slate, lists in _lists(asked.as_of, asked.models_of or asked.as_of):
        for least in LEAST:
            for discount in DISCOUNTS:
                common_10, anchors, many = _variety(lists, discount, least, 10)
                common_20, _, _ = _variety(lists, discount, least, 20)
                strength, none = _strength(lists, discount, least)
                print(
                    f"{slate:10s} {least:6.1f} {discount:9.2f} {common_10:16.3f} {common_20:13.3f} {anchors:13.2f}"
                    f" {many:9.1%} {strength:16.3f} {none:6.2%}"
                )


def _lists(as_of: date, models_of: date) -> Iterator[tuple[Slate, pd.DataFrame]]:
    """By slate, every list as user_key and rank, with the anchors of its tracks."""
    settings = Settings()
    url = ensure_running(settings).warehouse_url
    with create_engine(url).connect() as engine_connection:
        serving = champions(engine_connection, Lake(settings.lake), models_of)
    with adbc_connect(url) as connection:
        config = SourcesConfig()
        sources = fit_sources(
            read_listens(connection, as_of), as_of, config, read_catalogue(connection, needed_facts(config.sizes))
        )
        users = sources.history.users.astype(np.int32)
        features = feature_reader(connection, as_of)(users)
        rules = read_list_rules(connection)
        anchors = Anchors(sources.history, sources.fitted(SessionCooccurrence), read_titles(connection))
    for slate, pool in sources.candidates_by_slate(users, list(serving)).items():
        of_slate = rules.of_slate(slate, features.user_track).spread(LISTS[slate])
        lists = rank(serving[slate].model, pool, join_features(pool, features), of_slate)
        columns = anchors.add_to(pool).loc[lists["row"], [*ANCHOR_COLUMNS, *STRENGTH_COLUMNS]]
        yield slate, lists[["user_key", "rank"]].join(columns.reset_index(drop=True))


def _chosen(lists: pd.DataFrame, discount: float, least: float) -> npt.NDArray[np.int32]:
    anchors = lists[list(ANCHOR_COLUMNS)].to_numpy(np.int32)
    strengths = lists[list(STRENGTH_COLUMNS)].to_numpy(np.float32)
    return chosen_anchors(lists["user_key"].to_numpy(np.int32), anchors, strengths, discount, least)


def _variety(lists: pd.DataFrame, discount: float, least: float, shown: int) -> tuple[float, float, float]:
    """Of the first tracks with an anchor: share of the commonest, their number, share of lists with MANY of one."""
    anchor = _chosen(lists, discount, least)
    first = lists.assign(anchor=anchor)[(lists["rank"] <= shown) & (anchor != NO_ANCHOR)]
    by_user = first.groupby(["user_key", "anchor"]).size().groupby("user_key")
    return (by_user.max() / by_user.sum()).mean(), by_user.size().mean(), (by_user.max() >= MANY).mean()


def _strength(lists: pd.DataFrame, discount: float, least: float) -> tuple[float, float]:
    """Mean strength of the anchors of the first 20 tracks, and the share of all tracks without an anchor."""
    anchor = _chosen(lists, discount, least)
    of_chosen = lists[list(ANCHOR_COLUMNS)].to_numpy() == anchor[:, None]
    strength = (lists[list(STRENGTH_COLUMNS)].to_numpy() * of_chosen).max(axis=1)
    return strength[(lists["rank"] <= 20) & (anchor != NO_ANCHOR)].mean(), (anchor == NO_ANCHOR).mean()


if __name__ == "__main__":
    main()

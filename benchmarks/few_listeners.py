"""From how many listeners on a ranker is worth more than the order of lists without one, and prints both.

    audotics run --as-of D --train
    python -m benchmarks.few_listeners --as-of D

Stand-ins as of D (docs/adr/0012) are trained on so many listeners, drawn several times, and judged on everybody in the
holdout. Candidates and features are those of the whole warehouse: in one of so few listeners a ranker has less to say.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd

from assets.metrics.protocol import HEADLINE, metrics_of_hits
from assets.ranker.chosen_lists import LISTS
from assets.ranker.dataset import Fold
from assets.ranker.holdout import Holdout, holdout_of
from assets.ranker.judging import judge
from assets.ranker.scoring import predict
from assets.ranker.training import RankerConfig, can_learn, train
from assets.ranker.training_set import load_folds, newest_holdout
from assets.ranker.untrained import UNTRAINED
from assets.slates import HORIZON_DAYS, Slate
from warehouse.lake import Lake
from warehouse.settings import load_settings

LISTENERS = (1, 2, 3, 5, 10, 20, 50, 100)
CONFIG = RankerConfig()


def without_a_ranker(holdout: Holdout, slate: Slate) -> float:
    """NDCG@100 of the order of the slate while no ranker serves it, mean over users."""
    ranks = {name: holdout.x[:, i] for i, name in enumerate(holdout.names) if name.startswith("rank_")}
    scores = UNTRAINED[slate].scores(pd.DataFrame({"user_key": holdout.position, **ranks}))
    row, rank, _ = holdout.listing.best(scores)
    hit = holdout.label[row]
    return float(metrics_of_hits(holdout.position[row[hit]], rank[hit], holdout.relevant)[HEADLINE].mean())


def of_listeners(fold: Fold, users: np.ndarray) -> Fold:
    """The rows of these users."""
    kept = np.isin(fold.user_key, users)
    return replace(fold, x=fold.x[kept], label=fold.label[kept], user_key=fold.user_key[kept])


def rankers(folds: list[Fold], holdout: Holdout, listeners: int, draws: int) -> Iterator[float | None]:
    """NDCG@100 of a ranker for each draw of listeners; None where it cannot be trained, or splits nothing."""
    everybody = np.unique(np.concatenate([fold.user_key for fold in folds]))
    for seed in range(draws):
        users = np.random.default_rng([seed, listeners]).choice(everybody, listeners, replace=False)
        theirs = [part for fold in folds if len((part := of_listeners(fold, users)).label)]
        model = train(theirs, CONFIG) if can_learn(theirs) else None
        if model is None or not model.splits:
            yield None
        else:
            yield float(judge(holdout, CONFIG, predict(model, holdout.x)).metrics[HEADLINE].mean())


def main() -> None:
    """One line by slate and number of listeners."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    lake = Lake(load_settings().lake)
    for slate in Slate:
        stored = newest_holdout(lake, arguments.as_of, slate, CONFIG)
        if stored is None:
            parser.error(
                f"there is no holdout of {slate} in {lake}: run `audotics run --as-of {arguments.as_of} --train`"
            )
        tables = [table.to_pandas() for table in lake.read_parquet(stored.path, made_by="training_set")]
        holdout = holdout_of(pd.concat(tables, ignore_index=True), LISTS[slate])
        over = stored.as_of - timedelta(days=HORIZON_DAYS)
        folds = [fold for fold in load_folds(lake, arguments.as_of, slate, CONFIG) if fold.as_of <= over]
        order = f"{without_a_ranker(holdout, slate):.4f} by {UNTRAINED[slate].baseline}"
        print(f"{slate}, {len(holdout.users)} users: NDCG@100 without a ranker {order}")
        for listeners in LISTENERS:
            made = list(rankers(folds, holdout, listeners, arguments.draws))
            found = sorted(each for each in made if each is not None)
            figures = f"{found[0]:.4f} {np.median(found):.4f} {found[-1]:.4f}" if found else "none"
            print(f"  {listeners:4d} listeners: {len(found)} of {len(made)} trained, least, median, most: {figures}")


if __name__ == "__main__":
    main()

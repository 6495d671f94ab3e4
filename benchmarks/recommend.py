"""What recommending costs as users grow: a night stage by stage, and the compiled forest beside LightGBM itself.

Rankers are trained once, on a sample world of 2,000 listeners. For each number of users a world of that many, with the
same catalogue and as many listens per user, is loaded into a home of its own, which is removed afterwards; one nightly
run then loads it, builds every model, and recommends to every user with those rankers. Example:

    python -m benchmarks.recommend --users 10000 30000 100000
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from sqlalchemy import text

import assets.candidates.assets as candidates_assets
from assets.ingest.sample_world import SampleWorld, generate
from assets.ranker.forest.forest import read_forest
from assets.ranker.promotion import Decision
from assets.ranker.promotion_store import record_decision
from assets.ranker.registry import Challenger, champions, register, store_files
from assets.ranker.training import RankerConfig, RankerModel
from assets.ranker.training_set import load_folds
from assets.slates import HORIZON_DAYS, Slate
from assets.threads import thread_count
from benchmarks.pipeline import own_home, quietly
from benchmarks.stages import Stage, stages_of, stopwatches
from orchestration.cli.rendering import print_json, print_table, say
from orchestration.pipeline import run_nightly
from orchestration.platform import Platform
from warehouse.lake import Lake

LISTENS_PER_USER = 200
USERS_TRAINED_ON = 2_000
REPEATS = 5
# Of about 140 candidates of a user and slate, ten are explained.
SCORED_PER_EXPLAINED = 14


@dataclass(frozen=True)
class Night:
    """One nightly run. `digest` tells whether two runs made the same lists."""

    users: int
    stages: list[Stage]
    peak_mb: float
    digest: str


@dataclass(frozen=True)
class ForestSpeed:
    """Medians of alternating repeats on the same rows, with as many threads each. `what`: scores or SHAP values."""

    slate: str
    what: str
    rows: int
    booster_seconds: float
    forest_seconds: float
    max_difference: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="*", default=[10_000, 30_000, 100_000])
    parser.add_argument("--until", type=date.fromisoformat, default=datetime.now(UTC).date(), help="end of the worlds")
    parser.add_argument("--tracks", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=500_000, help="rows that both forests score")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*currently in (beta|preview).*")
    until = chosen.until
    with own_home() as platform:
        rankers, rows = train(platform, until, chosen.tracks, chosen.rows)
    forests = [speed for slate, model in rankers.items() for speed in compare_forests(slate, model, rows[slate])]
    if not chosen.json:
        report_forests(forests)
    nights = []
    for users in chosen.users:
        with own_home() as platform:
            nights.append(night(platform, until, users, chosen.tracks, rankers))
        if not chosen.json:
            report_night(nights[-1])
    if chosen.json:
        print_json({"forests": [asdict(each) for each in forests], "nights": [asdict(each) for each in nights]})
    elif len(nights) > 1:
        compare_nights(nights)


def land(platform: Platform, until: date, users: int, tracks: int) -> None:
    world = SampleWorld(until=until, users=users, tracks=tracks, listens=users * LISTENS_PER_USER)
    generate(Path(platform.settings.landing) / "lastfm-1k" / "world", world)


def train(
    platform: Platform, until: date, tracks: int, rows: int
) -> tuple[dict[Slate, RankerModel], dict[Slate, npt.NDArray[np.float32]]]:
    """The rankers of a small world, and `rows` rows of their training set, repeated if need be."""
    as_of = until - timedelta(days=HORIZON_DAYS)
    land(platform, until, USERS_TRAINED_ON, tracks)
    run_nightly(platform, as_of, quietly)
    lake = Lake(platform.settings.lake)
    with platform.transaction() as connection:
        rankers = {slate: best.model for slate, best in champions(connection, lake, as_of).items()}
    x = {slate: np.vstack([fold.x for fold in load_folds(lake, as_of, slate, RankerConfig())]) for slate in rankers}
    return rankers, {slate: np.resize(each[:rows], (rows, each.shape[1])) for slate, each in x.items()}


def compare_forests(slate: Slate, model: RankerModel, x: npt.NDArray[np.float32]) -> list[ForestSpeed]:
    """Scores of all rows, and SHAP values of a share of them, as many as are explained in a night."""
    booster, forest, threads = model.booster, read_forest(model.text), thread_count()
    explained = x[: len(x) // SCORED_PER_EXPLAINED]
    return [
        alternate(
            (str(slate), "scores", len(x)),
            lambda: np.asarray(booster.predict(x, num_threads=threads)),
            lambda: forest.predict(x, threads),
        ),
        alternate(
            (str(slate), "SHAP values", len(explained)),
            lambda: np.asarray(booster.predict(explained, pred_contrib=True, num_threads=threads)),
            lambda: forest.contributions(explained, threads),
        ),
    ]


def alternate(
    named: tuple[str, str, int],
    booster: Callable[[], npt.NDArray[np.float64]],
    forest: Callable[[], npt.NDArray[np.float64]],
) -> ForestSpeed:
    """Both in turn, after one call of each that is not counted: it compiles, or touches memory."""
    difference = float(np.abs(booster() - forest()).max())
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS):
        for contestant, taken in zip((booster, forest), seconds, strict=True):
            started = time.perf_counter()
            contestant()
            taken.append(time.perf_counter() - started)
    return ForestSpeed(*named, median(seconds[0]), median(seconds[1]), difference)


def night(platform: Platform, until: date, users: int, tracks: int, rankers: dict[Slate, RankerModel]) -> Night:
    """Load a world and recommend to its users as of its last midnight, with rankers that it is given."""
    land(platform, until, users, tracks)
    lake = Lake(platform.settings.lake)
    with platform.transaction() as connection:
        for slate, model in rankers.items():
            challenger = Challenger(slate, until, model, USERS_TRAINED_ON, stand_in=None)
            store_files(lake, challenger)
            register(connection, challenger, card={})
            record_decision(connection, challenger, None, Decision(True, ["trained on a smaller world"]))
    with stopwatches() as seconds:
        report = run_nightly(platform, until, quietly)
    with platform.transaction() as connection:
        counts = connection.execute(_ROWS, {"as_of": until}).one()._mapping
        digest = connection.scalar(_DIGEST, {"as_of": until})
    pool = sum(
        table.num_rows
        for slate in Slate
        for table in lake.read_parquet(
            candidates_assets.candidates_path(until, slate), made_by="candidates", columns=["user_key"]
        )
    )
    stages = stages_of(report, seconds, {name: int(count) for name, count in counts.items()} | {"pool": pool})
    return Night(users, stages, report.peak_mb, str(digest))


def report_forests(forests: Sequence[ForestSpeed]) -> None:
    rows = [
        (
            each.slate,
            each.what,
            f"{each.rows:,}",
            f"{each.rows / each.booster_seconds:,.0f}",
            f"{each.rows / each.forest_seconds:,.0f}",
            f"{each.booster_seconds / each.forest_seconds:.1f}",
            f"{each.max_difference:.1e}",
        )
        for each in forests
    ]
    columns = ("slate", "what", "rows", "Booster rows/s", "forest rows/s", "times as fast", "largest difference")
    print_table("the same rows by LightGBM and by the compiled forest", columns, rows)


def report_night(measured: Night) -> None:
    rows = [
        (
            stage.name,
            "" if stage.rows is None else f"{stage.rows:,}",
            f"{stage.seconds:.1f}",
            "" if stage.rows_per_second is None else f"{stage.rows_per_second:,.0f}",
            f"{1000 * stage.seconds / measured.users:.2f}",
            "" if stage.peak_mb is None else f"{stage.peak_mb:,.0f}",
        )
        for stage in measured.stages
    ]
    print_table(
        f"a night of {measured.users:,} users; digest of the lists {measured.digest}",
        ("stage", "rows", "seconds", "rows/s", "ms per user", "peak MB"),
        rows,
    )


def compare_nights(nights: Sequence[Night]) -> None:
    """Time per user of every stage by number of users, and how the most users relate to the fewest."""
    fewest, most = min(nights, key=lambda each: each.users), max(nights, key=lambda each: each.users)
    taken = {each.users: {stage.name: stage.seconds / each.users for stage in each.stages} for each in nights}
    rows = [
        (
            name,
            *(f"{1000 * taken[each.users][name]:.2f}" for each in nights),
            f"{taken[most.users][name] / max(taken[fewest.users][name], 1e-9):.2f}",
        )
        for name in taken[fewest.users]
    ]
    rows.append(("peak MB", *(f"{each.peak_mb:,.0f}" for each in nights), f"{most.peak_mb / fewest.peak_mb:.2f}"))
    columns = ("stage", *(f"{each.users:,} users" for each in nights), "most / fewest")
    print_table("ms per user", columns, rows)
    say("")


_ROWS = text(
    "select (select count(*) from features.feat_user_track where as_of = :as_of)"
    " + (select count(*) from features.feat_user_artist where as_of = :as_of)"
    " + (select count(*) from features.feat_user where as_of = :as_of) as features,"
    " (select sum(rows) from ml.recommendation_batches where as_of = :as_of) as listed,"
    " (select sum(users) from ml.recommendation_batches where as_of = :as_of) as lists"
)
# A sum, so that the order of rows does not matter; text of a float4 is different for different bits.
_DIGEST = text(
    "select to_hex(mod(sum(abs(hashtextextended(concat_ws(':', slate, user_key, rank, track_key, score, source), 0))),"
    " 4294967296)::bigint) from ml.recommendations where as_of = :as_of"
)

if __name__ == "__main__":
    main()

"""Scores lists that another system made, under the same protocol and beside the ranker's."""

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi

from assets.catalogue import keys_by_id
from assets.evaluation.description import Describer
from assets.evaluation.store import RANKER, read_window, required_relevant
from assets.metrics.protocol import evaluate
from assets.recommendations.store import read_lists
from assets.slates import HORIZON_DAYS, LIST_LENGTH, Slate
from warehouse.errors import AudoticsError

GIVEN = "lists"
_COLUMNS = ("user_id", "track_id", "rank")


def evaluate_lists(connection: dbapi.Connection, as_of: date, slate: Slate, file: Path) -> dict[str, Any]:
    """Metrics of the lists in a Parquet file, and of the ranker's where they were made as of that date.

    The file is as `audotics recommendations` writes it: user_id and track_id (text), rank (from 1); other columns are
    ignored. A user without a list counts as 0, a track that the warehouse does not know as a miss. Returns the form of
    `store.read_evaluation` without a pool, and `unknown` beside it: how many ids of the file the warehouse
    does not have.

    Raises:
        AudoticsError: the file cannot be read or used, the horizon is not over in the data, or nobody who had listened
            before it has a relevant track in it.
    """
    given = _read(file)
    before, horizon = read_window(connection, as_of)
    relevant = required_relevant(before, horizon, as_of, slate)
    lists, unknown = _with_keys(connection, given)
    compared = {GIVEN: lists}
    ranked = read_lists(connection, as_of, slate, relevant["user_key"].unique())
    if len(ranked):
        compared[RANKER] = ranked
    evaluation = evaluate(compared, relevant, model=GIVEN)
    description = Describer(connection, before, as_of).describe(evaluation, compared, relevant, GIVEN)
    summary = {**evaluation.summary(), "lists": description.lists, "segments": description.segments, "pool": None}
    return {
        "as_of": as_of.isoformat(),
        "horizon_days": HORIZON_DAYS,
        "slates": {str(slate): summary},
        "unknown": unknown,
    }


def _read(file: Path) -> pd.DataFrame:
    """The lists' best 100 places; AudoticsError when the file has no such lists."""
    try:
        table = pq.read_table(file)
    except FileNotFoundError as error:
        raise AudoticsError(f"there is no file {file}") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise AudoticsError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise AudoticsError(f"{file} has no column {', '.join(missing)}: lists are user_id, track_id and rank (from 1)")
    lists: pd.DataFrame = table.select(list(_COLUMNS)).to_pandas()
    rank = pd.to_numeric(lists["rank"], errors="coerce")
    wrong = lists.index[~(rank >= 1)]
    if len(wrong):
        raise AudoticsError(f"{file}, row {wrong[0] + 1}: rank is {lists['rank'][wrong[0]]}; ranks are numbers from 1")
    lists = lists.assign(rank=rank)
    lists = lists[lists["rank"] <= LIST_LENGTH]
    return lists.assign(user_id=lists["user_id"].astype(str), track_id=lists["track_id"].astype(str))


def _with_keys(connection: dbapi.Connection, lists: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The lists by key, without the users that the warehouse does not know; how many users and tracks it does not."""
    users = keys_by_id(connection, "user", lists["user_id"].unique().tolist())
    tracks = keys_by_id(connection, "track", lists["track_id"].unique().tolist())
    unknown = {
        "users": int(lists["user_id"].nunique() - len(users)),
        "tracks": int(lists["track_id"].nunique() - len(tracks)),
    }
    keyed = pd.DataFrame(
        {
            "user_key": lists["user_id"].map(users),
            # An unknown track keeps its place, and hits nothing.
            "track_key": lists["track_id"].map(tracks).fillna(-1).astype("int64"),
            "rank": lists["rank"],
        }
    )
    # A track under two of its ids is one, at its first place.
    by_rank = keyed.sort_values("rank", kind="stable")
    keyed.loc[by_rank.index[by_rank.duplicated(["user_key", "track_key"])], "track_key"] = -1
    return keyed[keyed["user_key"].notna()].astype({"user_key": "int64"}), unknown

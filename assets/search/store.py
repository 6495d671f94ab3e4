"""What searches tried, in ml.ranker_trials."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB

from assets.search.trial import FEWEST_USERS, Trial
from assets.slates import Slate

# Two searches of one date wait for each other instead of meeting each other's rows.
_LOCK = text("lock table ml.ranker_trials in share row exclusive mode")
_DELETE = text("delete from ml.ranker_trials where as_of = :as_of and slate = any(cast(:slates as text[]))")
_INSERT = text(
    "insert into ml.ranker_trials (as_of, slate, trial, seed, params, state, chosen, training_dates, validation_dates,"
    " labels_until, users, ndcg_10, ndcg_100, recall_100, default_ndcg_100, by_date, ci95_low, ci95_high, seconds,"
    " searched_at)"
    " values (:as_of, :slate, :trial, :seed, :params, :state, :chosen, :training_dates, :validation_dates,"
    " :labels_until, :users, :ndcg_10, :ndcg_100, :recall_100, :default_ndcg_100, :by_date, :ci95_low, :ci95_high,"
    " :seconds, now())"
).bindparams(*(sa.bindparam(name, type_=JSONB) for name in ("params", "by_date")))
_READ = text(
    "select slate, trial, seed, params, state, chosen, training_dates, validation_dates, labels_until, users, ndcg_10,"
    " ndcg_100, recall_100, default_ndcg_100, by_date, ci95_low, ci95_high, seconds"
    " from ml.ranker_trials where as_of = :as_of and slate = any(cast(:slates as text[])) order by slate desc, trial"
)


def replace_trials(connection: Connection, as_of: date, seed: int, searched: Mapping[Slate, Sequence[Trial]]) -> None:
    """Put the trials of these slates in the place of those of an earlier search as of the same date."""
    connection.execute(_LOCK)
    connection.execute(_DELETE, {"as_of": as_of, "slates": [str(slate) for slate in searched]})
    rows = [_row(as_of, slate, seed, trial) for slate, trials in searched.items() for trial in trials]
    if rows:
        connection.execute(_INSERT, rows)


def read_trials(connection: Connection, as_of: date, slates: Sequence[Slate]) -> list[dict[str, Any]]:
    """The trials of a date, by slate and number, as plain data; delta is NDCG@100 minus the default's."""
    rows = connection.execute(_READ, {"as_of": as_of, "slates": [str(slate) for slate in slates]}).mappings()
    return [_plain(dict(row)) for row in rows]


def _row(as_of: date, slate: Slate, seed: int, trial: Trial) -> dict[str, Any]:
    low, high = trial.interval or (None, None)
    return {
        "as_of": as_of,
        "slate": str(slate),
        "trial": trial.number,
        "seed": seed,
        "params": asdict(trial.config),
        "state": "pruned" if trial.pruned else "complete",
        "chosen": trial.chosen,
        "training_dates": trial.training_dates,
        "validation_dates": [measured.as_of for measured in trial.by_date],
        "labels_until": trial.labels_until,
        "users": trial.users,
        "ndcg_10": trial.mean("ndcg@10"),
        "ndcg_100": trial.mean("ndcg@100"),
        "recall_100": trial.mean("recall@100"),
        "default_ndcg_100": trial.default,
        "by_date": [
            {
                "as_of": measured.as_of.isoformat(),
                "users": measured.users,
                "ndcg_100": measured.metrics["ndcg@100"],
                "default_ndcg_100": measured.default,
            }
            for measured in trial.by_date
        ],
        "ci95_low": low,
        "ci95_high": high,
        "seconds": trial.seconds,
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("training_dates", "validation_dates"):
        row[name] = [each.isoformat() for each in row[name]]
    low, high = row.pop("ci95_low"), row.pop("ci95_high")
    return {
        **row,
        "labels_until": row["labels_until"].isoformat(),
        "delta": row["ndcg_100"] - row["default_ndcg_100"],
        "ci95": None if low is None else [low, high],
    }


def described_choice(chosen: dict[str, Any]) -> str:
    """The trial that `read_trials` says was chosen, in a sentence."""
    if chosen["trial"] == 0:
        users = min(measured["users"] for measured in chosen["by_date"])
        reason = (
            f"{users} users on a date are too few to choose by (at least {FEWEST_USERS})"
            if users < FEWEST_USERS
            else "no trial is significantly better"
        )
        return f"the default stays: NDCG@100 {chosen['ndcg_100']:.4f}, and {reason}"
    low, high = chosen["ci95"]
    return (
        f"trial {chosen['trial']}: NDCG@100 {chosen['ndcg_100']:.4f}, the default's {chosen['default_ndcg_100']:.4f};"
        f" ahead by {chosen['delta']:+.4f} [{low:+.4f}, {high:+.4f}]"
    )

"""For whom, and for which tracks, lists are good: the metrics of an evaluation by segment."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.listens import Ints, epoch_seconds
from assets.metrics.heard import Heard
from assets.metrics.intervals import mean_with_interval, paired_difference
from assets.metrics.protocol import HEADLINE, SlateEvaluation, per_user_metrics

NEW_LISTENER_DAYS = 28
NEW_TRACK_DAYS = 14
MOST_COUNTRIES = 5
LEAST_USERS_OF_COUNTRY = 30
# How relevant tracks are found is told by recall: NDCG among a part of them would depend on where the others stand.
TRACK_METRIC = "recall@100"
_TAIL = 0.8

Masks = dict[str, npt.NDArray[np.bool_]]


def by_activity(listens: npt.NDArray[Any]) -> Masks:
    """Masks of light, medium and heavy listeners: thirds of the users by listens before `as_of`; none is empty."""
    low, high = np.quantile(listens, [1 / 3, 2 / 3])
    masks = {"light": listens <= low, "medium": (listens > low) & (listens <= high), "heavy": listens > high}
    return {name: mask for name, mask in masks.items() if mask.any()}


def new_listeners(first_listen: Ints, as_of: date) -> Masks:
    """The mask of users whose first listen (epoch seconds) was in the 28 days before `as_of`, if there are any.

    They are among the light, medium or heavy ones as well.
    """
    mask = first_listen >= epoch_seconds(as_of - timedelta(days=NEW_LISTENER_DAYS))
    return {"new": mask} if mask.any() else {}


def by_country(users: Ints, country: "pd.Series[str]") -> Masks:
    """Masks of the five countries with most of the users, those with fewer than 30 left out.

    country: by user key, for users who state one. Countries with as many users are taken in the order of their names.
    """
    of_user = country.reindex(users)
    enough = [(-size, name) for name, size in of_user.value_counts().items() if size >= LEAST_USERS_OF_COUNTRY]
    return {str(name): (of_user == name).to_numpy(bool) for _, name in sorted(enough)[:MOST_COUNTRIES]}


def by_popularity(track: Ints, heard: Heard) -> Masks:
    """Masks of tracks: `head` has more listeners before `as_of` than four fifths of the tracks heard, `tail` are the
    others, `unheard` had none; none is empty.
    """
    listeners = heard.listeners_of(track)
    most_of_tail = np.quantile(heard.listeners, _TAIL, method="inverted_cdf")
    head, unheard = listeners > most_of_tail, listeners == 0
    masks = {"head": head, "tail": ~head & ~unheard, "unheard": unheard}
    return {name: mask for name, mask in masks.items() if mask.any()}


def new_tracks(track: Ints, heard: Heard, as_of: date) -> Masks:
    """The mask of tracks that anyone heard first in the 14 days before `as_of`, if there are any.

    They are head or tail as well, tail as a rule: few had the time to hear them.
    """
    mask = heard.first_heard_since(track, epoch_seconds(as_of - timedelta(days=NEW_TRACK_DAYS)))
    return {"new": mask} if mask.any() else {}


def measured_segments(
    evaluation: SlateEvaluation,
    lists: Mapping[str, pd.DataFrame],
    relevant: pd.DataFrame,
    heard: Heard,
    country: "pd.Series[str]",
    as_of: date,
    subject: str,
    seed: int = 1,
) -> list[dict[str, Any]]:
    """`subject` and the best of the others, as `evaluation` has it, by segment.

    First segments of users (`by` "listeners", "country") by NDCG@100, then of relevant tracks (`by` "tracks") by the
    recall of those in lists of 100, over the users who have any. Each: by, segment, users, listens (fewest and most
    before `as_of`; null for tracks), relevant (pairs of user and track), metric, models (name -> mean, ci95), and
    paired as in a slate's summary.
    """
    best = [str(evaluation.paired["against"])] if evaluation.paired else []
    models = [subject, *best]
    place = heard.places_of(evaluation.users)
    listens, count = heard.listens[place], relevant.groupby("user_key").size().to_numpy()
    groups = [
        ("listeners", new_listeners(heard.first_listen[place], as_of)),
        ("listeners", by_activity(listens)),
        ("country", by_country(evaluation.users, country)),
    ]
    measured = []
    for by, masks in groups:
        for name, mask in masks.items():
            values = {model: evaluation.per_user[model][HEADLINE][mask] for model in models}
            about = {
                "by": by,
                "segment": name,
                "users": int(mask.sum()),
                "listens": [int(listens[mask].min()), int(listens[mask].max())],
                "relevant": int(count[mask].sum()),
            }
            measured.append(about | _compared(values, HEADLINE, seed))
    return measured + list(_of_tracks(lists, relevant, heard, as_of, models, seed))


def _of_tracks(
    lists: Mapping[str, pd.DataFrame],
    relevant: pd.DataFrame,
    heard: Heard,
    as_of: date,
    models: list[str],
    seed: int,
) -> Iterator[dict[str, Any]]:
    track = relevant["track_key"].to_numpy()
    for name, mask in {**new_tracks(track, heard, as_of), **by_popularity(track, heard)}.items():
        part = relevant[mask]
        values = {model: per_user_metrics(lists[model], part)[1][TRACK_METRIC] for model in models}
        about = {
            "by": "tracks",
            "segment": name,
            "users": int(part["user_key"].nunique()),
            "listens": None,
            "relevant": len(part),
        }
        yield about | _compared(values, TRACK_METRIC, seed)


def _compared(values: Mapping[str, npt.NDArray[np.float64]], metric: str, seed: int) -> dict[str, Any]:
    """Means with intervals of the first model and, if there is one, the second, and the first minus the second."""
    subject, *best = values
    return {
        "metric": metric,
        "models": {model: mean_with_interval(each, seed) for model, each in values.items()},
        "paired": paired_difference(values[subject], values[best[0]], best[0], metric, seed) if best else None,
    }

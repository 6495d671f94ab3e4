"""Beyond-accuracy metrics, what lists are like: coverage, novelty, variety, popularity, concentration.

Figures are of the lists of the evaluated users, held against what all users had heard before `as_of`. A track that the
warehouse does not know (a negative key) is in none of them.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.catalogue import artist_of
from assets.listens import Ints
from assets.metrics.heard import Heard
from assets.metrics.protocol import shown_places
from assets.pairs import firsts, pack

FIGURES = (
    "coverage@10",
    "coverage@100",
    "novelty@10",
    "artist_diversity@10",
    "top_artist_share@10",
    "artist_gini@10",
    "popularity_percentile@10",
    "popularity_ratio@10",
)
_FIRST = 10


def list_figures(lists: pd.DataFrame, users: Ints, heard: Heard, track_artist: pd.DataFrame) -> dict[str, float | None]:
    """The FIGURES of one model's lists (user_key, track_key, rank from 1) for these users (ascending).

    coverage@k: share of the tracks heard before `as_of` that are in the first k places of some list. The others are of
    the first ten places; all but the Gini coefficient and the ratio are means of a list, then of the users with a list.

    - novelty: -log2 of the share of users who had heard the track, in bits; as if one user had where nobody had.
    - artist_diversity: distinct artists over tracks. top_artist_share: share of the tracks by the artist listed most.
      Both of the tracks with a known artist alone; a list without any is left out.
    - artist_gini: Gini coefficient of how many places each artist has in all lists; of every artist heard before
      `as_of`, listed or not. 0 is equal shares, 1 is one artist everywhere.
    - popularity_percentile: share of the tracks heard before `as_of` that had fewer listeners than the track, equals
      counting half; 0 for a track that nobody had heard.
    - popularity_ratio: the mean share of users who had heard a listed track, over the mean of that share among the
      distinct tracks that the same users had heard themselves (1: lists are as popular as what they play).

    None where there is nothing to tell it from: no lists, or no artists.
    """
    shown = shown_places(lists)
    shown = shown[np.isin(shown["user_key"], users) & (shown["track_key"] >= 0)]
    first = shown[shown["rank"] <= _FIRST]
    track = first["track_key"].to_numpy(np.int64)
    user = np.searchsorted(users, first["user_key"].to_numpy())
    listeners = heard.listeners_of(track)
    novelty = -np.log2(np.maximum(listeners, 1) / len(heard.users))
    return {
        "coverage@10": _coverage(track, heard),
        "coverage@100": _coverage(shown["track_key"].to_numpy(np.int64), heard),
        "novelty@10": _mean_of_users(user, novelty),
        **_artists(user, artist_of(track, track_artist), artist_of(heard.tracks.astype(np.int64), track_artist)),
        "popularity_percentile@10": _mean_of_users(user, _percentile(listeners, heard.listeners)),
        "popularity_ratio@10": _popularity_ratio(user, listeners, users, heard),
    }


def gini(counts: npt.NDArray[np.integer]) -> float:
    """The Gini coefficient of non-negative counts, some of them above 0: 0 when all are equal."""
    ordered = np.sort(counts).astype(np.float64)
    n = len(ordered)
    return float(2.0 * (np.arange(1, n + 1) @ ordered) / (n * ordered.sum()) - (n + 1) / n)


def _coverage(track: npt.NDArray[np.int64], heard: Heard) -> float:
    return len(np.intersect1d(track, heard.tracks)) / len(heard.tracks)


def _mean_of_users(user: Ints, value: npt.NDArray[np.float64]) -> float | None:
    """The mean of each user's rows, then of the users who have any."""
    rows = np.bincount(user)
    has_any = rows > 0
    if not has_any.any():
        return None
    return float((np.bincount(user, weights=value)[has_any] / rows[has_any]).mean())


def _percentile(listeners: npt.NDArray[np.int64], of_all: Ints) -> npt.NDArray[np.float64]:
    ordered = np.sort(of_all)
    fewer = np.searchsorted(ordered, listeners, side="left")
    no_more = np.searchsorted(ordered, listeners, side="right")
    return (fewer + no_more) / (2.0 * len(ordered))


def _popularity_ratio(user: Ints, listeners: npt.NDArray[np.int64], users: Ints, heard: Heard) -> float | None:
    listed = _mean_of_users(user, listeners / len(heard.users))
    if listed is None:
        return None
    own = heard.own_popularity[heard.places_of(users[np.unique(user)])]
    return listed / float(own.mean(dtype=np.float64))


def _artists(user: Ints, artist: Ints, catalogue: Ints) -> dict[str, float | None]:
    """The figures of artists; `artist` is that of each row, `catalogue` that of each track heard, -1 where unknown."""
    known = artist >= 0
    user, artist = user[known], artist[known]
    if not len(user):
        return dict.fromkeys(("artist_diversity@10", "top_artist_share@10", "artist_gini@10"))
    code, places = np.unique(pack(user, artist), return_counts=True)
    # Codes are sorted, so each user's artists are one run.
    start = np.flatnonzero(np.diff(firsts(code), prepend=-1))
    tracks = np.add.reduceat(places, start)
    artists = np.diff(start, append=len(code))
    everyone = np.union1d(catalogue[catalogue >= 0], artist)
    exposure = np.bincount(np.searchsorted(everyone, artist), minlength=len(everyone))
    return {
        "artist_diversity@10": float((artists / tracks).mean()),
        "top_artist_share@10": float((np.maximum.reduceat(places, start) / tracks).mean()),
        "artist_gini@10": gini(exposure),
    }

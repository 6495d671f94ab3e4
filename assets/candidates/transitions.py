"""Tracks that come next, in a session, after what the user played lately."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from assets.candidates.history import History, decayed, rows_of
from assets.candidates.source import only_positive, strongest
from assets.listens import Floats, Ints


@dataclass(frozen=True)
class TransitionsConfig:
    """play_decay_days: of the user's plays that vote. session_decay_days: of the transitions that testify.

    reach: how many tracks after one count as next, the n-th 1/n. shrinkage: weight of transitions a track must outgrow
    before its successors count fully. neighbours: kept per track.
    """

    play_decay_days: float = 30.0
    session_decay_days: float = 150.0
    reach: int = 3
    shrinkage: float = 2.0
    neighbours: int = 200


class Transitions:
    """Score of track j: the sum over the user's tracks i of decayed plays(i) · w(i then j) / (w(i) + shrinkage).

    w(i then j) is the sum over sessions in which j is the n-th track after i, n up to `reach`, of exp(-age/decay) / n;
    w(i) is its sum over j: a first-order Markov chain with skips. A track is not its own successor.
    """

    name = "transitions"

    def __init__(self, history: History, config: TransitionsConfig) -> None:
        followed = _followed(history.learned, config)
        weight = np.asarray(followed.sum(axis=1)).ravel() + config.shrinkage
        followed.data /= np.repeat(weight, np.diff(followed.indptr))
        self._next = strongest(followed.astype(np.float32), config.neighbours)
        self._plays = history.plays(config.play_decay_days)

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self._plays, user_codes) @ self._next)


def _followed(history: History, config: TransitionsConfig) -> sparse.csr_matrix:
    """w(row then column), float64 CSR (tracks, tracks). Listens come sorted by user and time."""
    tracks = len(history.tracks)
    session, track = history.session_code, history.track_code
    total = sparse.csr_matrix((tracks, tracks))
    for steps in range(1, config.reach + 1):
        follows = (session[steps:] == session[:-steps]) & (track[steps:] != track[:-steps])
        weight = decayed(history.age_days[steps:][follows], config.session_decay_days) / steps
        pairs = (track[:-steps][follows], track[steps:][follows])
        total = total + sparse.csr_matrix((weight, pairs), shape=(tracks, tracks))
    return total.tocsr()

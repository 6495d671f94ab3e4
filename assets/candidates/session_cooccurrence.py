"""Tracks that share listening sessions with what the user plays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from assets.candidates.history import History, decayed, rows_of
from assets.candidates.source import only_positive, strongest
from assets.listens import Floats, Ints

# Tracks whose neighbours are worked out at a time: of many listens, most pairs of tracks share a session.
_BLOCK = 500


@dataclass(frozen=True)
class SessionCooccurrenceConfig:
    """play_decay_days: of the user's plays that vote. session_decay_days: of the sessions that testify.

    shrinkage: weight of sessions a track must outgrow before its neighbours count fully. neighbours: kept per track.
    """

    play_decay_days: float = 90.0
    session_decay_days: float = 150.0
    shrinkage: float = 2.0
    neighbours: int = 500


class SessionCooccurrence:
    """Score of track j: the sum over the user's tracks i of decayed plays(i) · P(j | i).

    P(j | i) = w(i and j) / (w(i) + shrinkage) over sessions of weight exp(-age/decay) / sqrt(distinct tracks): the
    conditional-probability similarity of Deshpande and Karypis, "Item-based top-N recommendation algorithms"
    (TOIS 2004), long and old sessions counting less. Alone on 30Music, five
    dates up to 2014-12-01, NDCG@100 for_you / discover: this .091 / .061, the shrunk session cosine .079 / .055.

    plays: decayed plays(i), float32 CSR (users, tracks). neighbours: P(j | i), float32 CSR (tracks, tracks).
    """

    name = "session_cooccurrence"

    def __init__(self, history: History, config: SessionCooccurrenceConfig) -> None:
        learned = history.learned
        newest = np.full(len(learned.sessions), np.inf)
        np.minimum.at(newest, learned.session_code, learned.age_days)
        decay = decayed(newest, config.session_decay_days)
        holds = session_weights(learned.session_code, learned.track_code, decay, len(learned.tracks))
        self.neighbours = conditional(holds, config.shrinkage, config.neighbours)
        self.plays = history.plays(config.play_decay_days)

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self.plays, user_codes) @ self.neighbours)


def session_weights(group: Ints, track: Ints, group_weight: npt.NDArray[np.float64], tracks: int) -> sparse.csr_matrix:
    """Which groups hold which of so many tracks: float32 CSR (groups, tracks), every entry sqrt(weight of the group).

    A group weighs group_weight / sqrt(its distinct tracks), so the product of two columns is the weight of the groups
    that hold both tracks.
    """
    shape = (len(group_weight), tracks)
    holds = sparse.csr_matrix((np.ones(len(group), dtype=np.float32), (group, track)), shape=shape)
    size = np.diff(holds.indptr)
    root = np.sqrt(group_weight / np.sqrt(np.maximum(size, 1)))
    holds.data = np.repeat(root, size).astype(np.float32)
    return holds


def conditional(holds: sparse.csr_matrix, shrinkage: float, neighbours: int) -> sparse.csr_matrix:
    """P(column | row) of tracks, with shrinkage, the most likely `neighbours` per row and never the row itself."""
    by_track = holds.T.tocsr()
    likely = []
    for start in range(0, by_track.shape[0], _BLOCK):
        together = (by_track[start : start + _BLOCK] @ holds).tocsr()
        row = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
        own = row + start == together.indices
        alone = np.zeros(together.shape[0], np.float32)
        alone[row[own]] = together.data[own]
        together.data /= alone[row] + shrinkage
        together.data[own] = 0.0
        likely.append(strongest(together, neighbours))
    return sparse.vstack(likely, format="csr")

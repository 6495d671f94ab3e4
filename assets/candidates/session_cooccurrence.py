"""Tracks that share listening sessions with what the user plays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from assets.candidates.history import Floats, History, Ints, rows_of
from assets.candidates.source import only_positive, strongest


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
        newest = np.full(len(history.sessions), np.inf)
        np.minimum.at(newest, history.session_code, history.age_days)
        decay = np.exp(-newest / config.session_decay_days)
        together = cooccurrence(history.session_code, history.track_code, decay)
        self.neighbours = conditional(together, config.shrinkage, config.neighbours)
        self.plays = history.plays(config.play_decay_days)

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self.plays, user_codes) @ self.neighbours)


def cooccurrence(group: Ints, track: Ints, group_weight: npt.NDArray[np.float64]) -> sparse.csr_matrix:
    """Weight of the groups that hold both of two tracks (on the diagonal: of those that hold the track).

    Each group counts group_weight / sqrt(its distinct tracks). Track by track, float32 CSR.
    """
    holds = session_weights(group, track, group_weight)
    return (holds.T @ holds).tocsr()


def session_weights(group: Ints, track: Ints, group_weight: npt.NDArray[np.float64]) -> sparse.csr_matrix:
    """Square roots of what each group counts for, where it holds a track: (groups, tracks), float32 CSR.

    The product of two of its columns is the weight of the groups that hold both tracks.
    """
    shape = (len(group_weight), int(track.max()) + 1)
    holds = sparse.csr_matrix((np.ones(len(group), dtype=np.float32), (group, track)), shape=shape)
    size = np.diff(holds.indptr)
    root = np.sqrt(group_weight / np.sqrt(np.maximum(size, 1)))
    holds.data = np.repeat(root, size).astype(np.float32)
    return holds


def conditional(together: sparse.csr_matrix, shrinkage: float, neighbours: int) -> sparse.csr_matrix:
    """P(column | row) with shrinkage, without the diagonal, the most likely `neighbours` per row."""
    alone = together.diagonal()
    row = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    off = row != together.indices
    row, column = row[off], together.indices[off]
    likely = (together.data[off] / (alone[row] + shrinkage)).astype(np.float32)
    return strongest(sparse.csr_matrix((likely, (row, column)), shape=together.shape), neighbours)

"""The interface of a candidate source, and top-k selection with ties broken by track."""

from typing import Protocol

import numpy as np
from scipy import sparse

from assets.candidates.history import History, rows_of
from assets.listens import Floats, Ints
from assets.slates import FORGOTTEN_AFTER_DAYS, Slate

ABSENT = np.float32(-np.inf)


class CandidateSource(Protocol):
    """Scores every track of a history for users; fitted in its constructor from a History and one config."""

    name: str

    def scores(self, user_codes: Ints) -> Floats:
        """Float32 array (len(user_codes), len(history.tracks)), owned by the caller.

        Higher is better; -inf where the source does not offer the track. Code -1 is a user without history.
        """
        ...


def only_positive(scores: sparse.csr_matrix) -> Floats:
    """A sparse score matrix as a dense one in which everything not above zero is absent."""
    dense: Floats = scores.toarray()
    dense[dense <= 0] = ABSENT
    return dense


def strongest(matrix: sparse.csr_matrix, kept: int) -> sparse.csr_matrix:
    """The `kept` largest entries of each row above zero, equals by column."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    above = matrix.data > 0
    row, column, value = row[above], matrix.indices[above], matrix.data[above]
    order = np.lexsort((column, -value, row))
    starts = np.searchsorted(row, np.arange(matrix.shape[0]))
    best = order[np.arange(len(order)) - starts[row] < kept]
    return sparse.csr_matrix((value[best], (row[best], column[best])), shape=matrix.shape)


def suited(scores: Floats, history: History, user_codes: Ints, slate: Slate) -> Floats:
    """The scores with everything absent that a slate may not show each user; the array itself where that is nothing."""
    if slate is Slate.FOR_YOU:
        return scores
    heard = rows_of(history.days_since_heard, user_codes).tocoo()
    if slate is Slate.DISCOVER:
        left = scores.copy()
        left[heard.row, heard.col] = ABSENT
        return left
    forgotten = heard.data > FORGOTTEN_AFTER_DAYS
    row, column = heard.row[forgotten], heard.col[forgotten]
    left = np.full_like(scores, ABSENT)
    left[row, column] = scores[row, column]
    return left


def top_k(scores: Floats, k: int) -> tuple[Ints, Ints]:
    """Rows and columns of the k best offered entries of each row, row by row, best first.

    Equal scores go to the lower column, so the result is the same on every machine.
    """
    width = scores.shape[1]
    if k <= 0 or scores.size == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # The k-th best of the maxima of column groups is never above the k-th best of all: a cheap, exact cut.
    fold = max(1, width // (8 * k))
    groups = width // fold
    cut = ABSENT
    if groups > k:
        maxima = scores[:, : fold * groups].reshape(len(scores), fold, groups).max(axis=1)
        maxima.sort(axis=1)
        cut = maxima[:, groups - k, None]
    row, column = np.divmod(np.flatnonzero((scores >= cut) & (scores > ABSENT)), width)
    rank = ranks_within(row, scores[row, column])
    kept = np.flatnonzero(rank <= k)
    kept = kept[np.lexsort((rank[kept], row[kept]))]
    return row[kept], column[kept]


def ranks_within(group: Ints, score: Floats) -> Floats:
    """Rank (from 1, float32) of each score within its group, best first; equals in the order given.

    `group` is sorted.
    """
    if len(group) == 0:
        return np.empty(0, np.float32)
    start = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    length = np.diff(np.r_[start, len(group)])
    position = np.arange(len(group)) - np.repeat(start, length)
    line = np.repeat(np.arange(len(start)), length)
    # Sorting short padded rows is several times faster than one lexsort of everything.
    padded = np.full((len(start), int(length.max())), np.inf, dtype=np.float32)
    padded[line, position] = -score
    order = np.argsort(padded, axis=1, kind="stable")
    ranks = np.empty(padded.shape, dtype=np.float32)
    np.put_along_axis(ranks, order, np.arange(1, padded.shape[1] + 1, dtype=np.float32)[None, :], axis=1)
    return ranks[line, position]


def best_within(group: Ints, score: Floats) -> Floats:
    """For each score the best of its group, or NaN where that is not above zero. `group` is sorted."""
    if len(group) == 0:
        return np.empty(0, np.float32)
    start = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    best = np.maximum.reduceat(score, start)
    best[best <= 0] = np.nan
    return np.repeat(best, np.diff(np.r_[start, len(group)]))

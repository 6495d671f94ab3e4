"""Why a track is in a user's pool: which of the tracks that the user has heard lead to it."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from assets.candidates.history import History, rows_of
from assets.candidates.session_cooccurrence import SessionCooccurrence
from assets.listens import Floats, Ints
from assets.pairs import pack
from assets.recordings import namesakes
from assets.threads import in_parts, thread_count

if TYPE_CHECKING:
    from assets.candidates.anchors_kernel import Found

NO_ANCHOR = -1
_WEAKEST = np.finfo(np.float16).smallest_subnormal
# The columns of a pool that hold its anchors, the strongest first, and how strong each is beside the first one.
ANCHOR_COLUMNS = ("anchor_1", "anchor_2", "anchor_3")
STRENGTH_COLUMNS = ("strength_1", "strength_2", "strength_3")


class Anchors:
    """Anchors of a candidate: the user's tracks i with the largest decayed plays(i) · P(candidate | i).

    These are the terms that SessionCooccurrence sums to its score. Where all are zero, the anchors are the tracks
    of the candidate's artist that the user has listened to most. A track is not an anchor of itself, nor of a
    namesake (recordings.namesakes) that has any other; of equals, the one with the lower key comes first.
    """

    def __init__(self, history: History, cooccurrence: SessionCooccurrence, catalogue: pd.DataFrame) -> None:
        """catalogue: track_key, artist_key and title (both may be null), one row per track (`read_names`)."""
        self._history = history
        self._plays = cooccurrence.plays
        self._neighbours = cooccurrence.neighbours
        known = catalogue.set_index("track_key").reindex(history.tracks)
        self._artists = known["artist_key"].fillna(-1).to_numpy(np.int64)
        self._titles = namesakes(known).astype(np.int32)
        self._listens = history.plays()

    def add_to(self, pool: pd.DataFrame) -> pd.DataFrame:
        """The pool with ANCHOR_COLUMNS (int32), NO_ANCHOR where nothing more that the user has heard leads there, and
        STRENGTH_COLUMNS (float16), the size of each over that of the first: from 1 down, 0 where there is no anchor.

        `pool` has user_key and track_key, the rows of a user together; its tracks are tracks of the history.
        """
        keys = pool["user_key"].to_numpy(np.int32)
        tracks = np.searchsorted(self._history.tracks, pool["track_key"].to_numpy(np.int32))
        firsts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.empty(0, np.int64)
        codes = self._history.user_codes(keys[firsts])
        user = np.repeat(np.arange(len(codes)), np.diff(np.append(firsts, len(keys))))
        shape = (len(keys), len(ANCHOR_COLUMNS))
        found = (
            np.full(shape, NO_ANCHOR, np.int32),
            np.zeros(shape, np.float32),
            np.full(len(keys), NO_ANCHOR, np.int32),
        )
        self._together(codes, user, tracks, found)
        self._by_artist(codes, user, tracks, found)
        anchor, size, namesake = found
        alone = np.flatnonzero((anchor[:, 0] == NO_ANCHOR) & (namesake != NO_ANCHOR))
        anchor[alone, 0], size[alone, 0] = namesake[alone], 1
        anchors = np.where(anchor == NO_ANCHOR, NO_ANCHOR, self._history.tracks[anchor]).astype(np.int32)
        strengths = np.divide(size, size[:, :1], out=np.zeros_like(size), where=size > 0)
        # However weak, an anchor is told apart from none.
        strengths = np.maximum(strengths, np.where(size > 0, _WEAKEST, 0)).astype(np.float16)
        columns = dict(zip(ANCHOR_COLUMNS, anchors.T, strict=True)) | dict(
            zip(STRENGTH_COLUMNS, strengths.T, strict=True)
        )
        return pool.assign(**columns)

    def _together(self, codes: Ints, user: Ints, track: Ints, found: "Found") -> None:
        """Finds the heard tracks that count most in the co-occurrence score of each (user, track).

        `user` is sorted.
        """
        from assets.candidates.anchors_kernel import strongest_terms

        first = np.searchsorted(user, np.arange(len(codes) + 1))
        plays, neighbours = _arrays(self._plays), _arrays(self._neighbours)

        def find(users: slice) -> None:
            starts = first[users.start : users.stop + 1]
            strongest_terms(codes[users], starts, track, self._titles, plays, neighbours, found)

        in_parts(find, len(codes), thread_count())

    def _by_artist(self, codes: Ints, user: Ints, track: Ints, found: "Found") -> None:
        """Finds the tracks of the same artist that each user listened to most, where `found` has no anchor."""
        from assets.candidates.anchors_kernel import most_heard

        missing = np.flatnonzero(found[0][:, 0] == NO_ANCHOR)
        own = rows_of(self._listens, codes)
        known = np.flatnonzero(self._artists[own.indices] >= 0)
        heard, listens = own.indices[known], own.data[known]
        group = pack(_row_numbers(own)[known], self._artists[heard])
        order = np.lexsort((heard, -listens, group))
        wanted = pack(user[missing], self._artists[track[missing]])
        group, heard, listens = group[order], heard[order], listens[order]
        most_heard(missing, wanted, np.searchsorted(group, wanted), group, heard, listens, track, self._titles, found)


def _arrays(matrix: sparse.csr_matrix) -> tuple[Ints, Ints, Floats]:
    return matrix.indptr, matrix.indices, matrix.data


def _row_numbers(matrix: sparse.csr_matrix) -> Ints:
    """Row of each stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))

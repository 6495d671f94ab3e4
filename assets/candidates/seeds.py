"""Why a track is in a user's pool: which of the tracks that the user has heard leads to it."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from assets.candidates.history import Floats, History, Ints, rows_of
from assets.candidates.session_cooccurrence import SessionCooccurrence
from assets.threads import in_parts

NO_SEED = -1


class Seeds:
    """Seed of a candidate: the user's track i with the largest decayed plays(i) · P(candidate | i).

    These are the terms that SessionCooccurrence sums to its score. Where all are zero, the seed is the track of the
    candidate's artist that the user has listened to most. A track is no seed of its own; of equals, the one with the
    lower key is taken.
    """

    def __init__(
        self, history: History, cooccurrence: SessionCooccurrence, artists: pd.Series, threads: int = 2
    ) -> None:
        """artists: artist key by track key, of the tracks whose artist is known (`read_artists`)."""
        self._threads = threads
        self._history = history
        self._plays = cooccurrence.plays
        self._neighbours = cooccurrence.neighbours
        self._artists = artists.reindex(history.tracks, fill_value=-1).to_numpy(np.int64)
        self._listens = history.plays()

    def add_to(self, pool: pd.DataFrame) -> pd.DataFrame:
        """The pool with a column `seed_track_key` (int32), NO_SEED where nothing the user has heard leads there.

        `pool` has user_key and track_key, the rows of a user together; its tracks are tracks of the history.
        """
        keys = pool["user_key"].to_numpy(np.int32)
        tracks = np.searchsorted(self._history.tracks, pool["track_key"].to_numpy(np.int32))
        firsts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.empty(0, np.int64)
        codes = self._history.user_codes(keys[firsts])
        user = np.repeat(np.arange(len(codes)), np.diff(np.append(firsts, len(keys))))
        found = self._together(codes, user, tracks)
        missing = np.flatnonzero(found == NO_SEED)
        found[missing] = self._by_artist(codes, user[missing], tracks[missing])
        seeds = np.where(found == NO_SEED, NO_SEED, self._history.tracks[found]).astype(np.int32)
        return pool.assign(seed_track_key=seeds)

    def _together(self, codes: Ints, user: Ints, track: Ints) -> Ints:
        """Code of the heard track that counts most in the co-occurrence score of each (user, track), or NO_SEED.

        `user` is sorted.
        """
        from assets.candidates.seeds_kernel import strongest_terms

        seed = np.full(len(user), NO_SEED, np.int32)
        first = np.searchsorted(user, np.arange(len(codes) + 1))

        def find(users: slice) -> None:
            starts = first[users.start : users.stop + 1]
            strongest_terms(codes[users], starts, track, _arrays(self._plays), _arrays(self._neighbours), seed)

        in_parts(find, len(codes), self._threads)
        return seed

    def _by_artist(self, codes: Ints, user: Ints, track: Ints) -> Ints:
        """Code of the track of the same artist that each user listened to most, other than `track`, or NO_SEED."""
        own = rows_of(self._listens, codes)
        known = np.flatnonzero(self._artists[own.indices] >= 0)
        heard = own.indices[known]
        group = _pair(_row_numbers(own)[known], self._artists[heard])
        order = np.lexsort((heard, -own.data[known], group))
        heard, group = heard[order], group[order]
        wanted = _pair(user, self._artists[track])
        seed = np.full(len(user), NO_SEED)
        # The second of a group answers for the first, which is no seed of its own.
        first = np.searchsorted(group, wanted)
        for place in (first + 1, first):
            there = np.flatnonzero(place < len(group))
            same = there[(group[place[there]] == wanted[there]) & (heard[place[there]] != track[there])]
            seed[same] = heard[place[same]]
        return seed


def _arrays(matrix: sparse.csr_matrix) -> tuple[Ints, Ints, Floats]:
    return matrix.indptr, matrix.indices, matrix.data


def _row_numbers(matrix: sparse.csr_matrix) -> Ints:
    """Row of each stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _pair(user: Ints, artist: Ints) -> Ints:
    """One number per user and artist; those of an unknown artist (-1) are nobody's."""
    return (user.astype(np.int64) << 32) + artist


def read_artists(connection: Any) -> pd.Series:
    """Artist key by track key, of the tracks in core.dim_tracks whose artist is known.

    `connection` is an ADBC PostgreSQL connection.
    """
    with connection.cursor() as cursor:
        cursor.execute("select track_key, artist_key from core.dim_tracks where artist_key is not null")
        frame = cursor.fetch_arrow_table().to_pandas()
    return frame.set_index("track_key")["artist_key"]

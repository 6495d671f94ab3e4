"""Why a track is in a user's pool: which of the tracks that the user has heard leads to it."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from assets.candidates.history import History, Ints, rows_of
from assets.candidates.session_cooccurrence import SessionCooccurrence

NO_SEED = -1
# Links from heard tracks to their neighbours, and cells of a table of users and tracks, that are held at a time.
_BLOCK_CELLS = 1_000_000


class Seeds:
    """Seed of a candidate: the user's track i with the largest decayed plays(i) · P(candidate | i).

    These are the terms that SessionCooccurrence sums to its score. Where all are zero, the seed is the track of the
    candidate's artist that the user has listened to most. A track is no seed of its own; of equals, the one with the
    lower key is taken.
    """

    def __init__(self, history: History, cooccurrence: SessionCooccurrence, artists: pd.Series) -> None:
        """artists: artist key by track key, of the tracks whose artist is known (`read_artists`)."""
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
        ends = np.append(firsts, len(keys))
        seeds = np.full(len(keys), NO_SEED, dtype=np.int32)
        for start, stop in self._blocks(codes):
            rows = slice(ends[start], ends[stop])
            user = np.repeat(np.arange(stop - start), np.diff(ends[start : stop + 1]))
            found = self._together(codes[start:stop], user, tracks[rows])
            missing = np.flatnonzero(found == NO_SEED)
            found[missing] = self._by_artist(codes[start:stop], user[missing], tracks[rows][missing])
            known = found != NO_SEED
            seeds[rows][known] = self._history.tracks[found[known]]
        return pool.assign(seed_track_key=seeds)

    def _blocks(self, codes: Ints) -> Iterator[tuple[int, int]]:
        """Ranges of users whose links and cells fit a block; a user of very many tracks has one alone."""
        links = rows_of(self._history.heard, codes) @ np.diff(self._neighbours.indptr).astype(np.float64)
        block = np.cumsum(links + len(self._history.tracks)) // _BLOCK_CELLS
        if len(codes):
            yield from pairwise(np.flatnonzero(np.r_[True, block[1:] != block[:-1], True]).tolist())

    def _together(self, codes: Ints, user: Ints, track: Ints) -> Ints:
        """Code of the heard track that counts most in the co-occurrence score of each (user, track), or NO_SEED."""
        own = rows_of(self._plays, codes)
        links = self._neighbours[own.indices]
        size = np.diff(links.indptr)
        row_of = np.full((len(codes), len(self._history.tracks)), -1, dtype=np.int32)
        row_of[user, track] = np.arange(len(user), dtype=np.int32)
        row = row_of[np.repeat(_row_numbers(own), size), links.indices]
        strength = np.repeat(own.data, size) * links.data
        counts = np.flatnonzero((row >= 0) & (strength > 0))
        row, strength, heard = row[counts], strength[counts], np.repeat(own.indices, size)[counts]
        best = np.zeros(len(user), dtype=np.float32)
        np.maximum.at(best, row, strength)
        strongest = strength == best[row]
        seed = np.full(len(user), len(self._history.tracks))
        np.minimum.at(seed, row[strongest], heard[strongest])
        return np.where(best > 0, seed, NO_SEED)

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

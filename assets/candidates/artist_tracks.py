"""Tracks of artists that the user loves, and of artists that are heard in the same sessions."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from assets.candidates.history import History, decayed, rows_of
from assets.candidates.session_cooccurrence import conditional, session_weights
from assets.candidates.source import only_positive
from assets.catalogue import Catalogue, artist_codes
from assets.listens import Floats, Ints


@dataclass(frozen=True)
class ArtistTracksConfig:
    """play_decay_days: of the user's plays that make an artist loved. popularity_decay_days: of all plays of a track.

    session_decay_days, shrinkage, neighbours: of the artists of the same sessions, as in SessionCooccurrenceConfig.
    """

    play_decay_days: float = 90.0
    popularity_decay_days: float = 60.0
    session_decay_days: float = 150.0
    shrinkage: float = 2.0
    neighbours: int = 50


class LovedArtists:
    """Score of a track: the user's decayed plays of its artist · its share of everybody's decayed plays of the artist.

    Tracks whose artist is unknown are not offered.
    """

    name = "loved_artists"

    def __init__(self, history: History, catalogue: Catalogue, config: ArtistTracksConfig) -> None:
        by_track = _by_artist(history, catalogue)
        self._affinity = (history.plays(config.play_decay_days) @ by_track).tocsr()
        self._shares = _shares(history.learned, by_track, config.popularity_decay_days)

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self._affinity, user_codes) @ self._shares)


class SimilarArtists:
    """Score of a track: the sum over the user's artists a of decayed plays(a) · P(artist of the track | a) · its share.

    P is that of SessionCooccurrence with artists in the tracks' place, so an artist is not similar to itself; the
    share is that of LovedArtists. Tracks whose artist is unknown are not offered.
    """

    name = "similar_artists"

    def __init__(self, history: History, catalogue: Catalogue, config: ArtistTracksConfig) -> None:
        by_track = _by_artist(history, catalogue)
        affinity = (history.plays(config.play_decay_days) @ by_track).tocsr()
        self._affinity = (affinity @ _similar(history.learned, catalogue, config)).tocsr()
        self._shares = _shares(history.learned, by_track, config.popularity_decay_days)

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self._affinity, user_codes) @ self._shares)


def _by_artist(history: History, catalogue: Catalogue) -> sparse.csr_matrix:
    """1 where the artist of the track (row) is that of the column: float32 CSR (tracks, artists)."""
    artist, artists = artist_codes(catalogue, history.tracks)
    track = np.flatnonzero(artist >= 0)
    shape = (len(artist), artists)
    return sparse.csr_matrix((np.ones(len(track), np.float32), (track, artist[track])), shape=shape)


def _shares(history: History, by_track: sparse.csr_matrix, decay_days: float) -> sparse.csr_matrix:
    """The share of each track in the decayed plays of its artist: float32 CSR (artists, tracks)."""
    plays = np.bincount(
        history.track_code, weights=decayed(history.age_days, decay_days), minlength=len(history.tracks)
    )
    of_artist = plays @ by_track
    shares = by_track.T.tocsr()
    row = np.repeat(np.arange(shares.shape[0]), np.diff(shares.indptr))
    # Of an artist whom nobody is known to hear, no track has a share.
    shares.data = (plays[shares.indices] / np.where(of_artist > 0, of_artist, 1.0)[row]).astype(np.float32)
    return shares


def _similar(history: History, catalogue: Catalogue, config: ArtistTracksConfig) -> sparse.csr_matrix:
    """P(column | row) of artists: float32 CSR (artists, artists)."""
    artist, artists = artist_codes(catalogue, history.tracks)
    known = artist[history.track_code] >= 0
    if not known.any():
        return sparse.csr_matrix((artists, artists), dtype=np.float32)
    newest = np.full(len(history.sessions), np.inf)
    np.minimum.at(newest, history.session_code, history.age_days)
    decay = decayed(newest, config.session_decay_days)
    holds = session_weights(history.session_code[known], artist[history.track_code[known]], decay, artists)
    return conditional(holds, config.shrinkage, config.neighbours)

"""Who had heard what before `as_of`: what the tracks of a list are held against."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.listens import Floats, Ints, Listens
from assets.pairs import firsts, heard_pairs, seconds


@dataclass(frozen=True)
class Heard:
    """Everyone and everything heard before `as_of`.

    tracks: int32[m], ascending. listeners: int64[m], how many users had heard each, at least 1. first_heard: int64[m],
    epoch seconds of the first listen by anyone.
    users: int32[n], ascending. listens: int64[n]. first_listen: int64[n], epoch seconds. own_popularity: float32[n],
    the mean, over the distinct tracks that a user had heard, of the share of all users who had heard the track.
    """

    tracks: Ints
    listeners: Ints
    first_heard: Ints
    users: Ints
    listens: Ints
    first_listen: Ints
    own_popularity: Floats

    def listeners_of(self, track: Ints) -> npt.NDArray[np.int64]:
        """How many users had heard each track, 0 for one that nobody had."""
        place, known = self._places_of_tracks(track)
        return np.where(known, self.listeners[place], 0)

    def first_heard_since(self, track: Ints, instant: int) -> npt.NDArray[np.bool_]:
        """Whether each track was heard first at that instant (epoch seconds) or later; never one that nobody had."""
        place, known = self._places_of_tracks(track)
        return known & (self.first_heard[place] >= instant)

    def _places_of_tracks(self, track: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """The position of each track in the arrays, and whether it is there at all."""
        place = np.minimum(np.searchsorted(self.tracks, track), len(self.tracks) - 1)
        return place, self.tracks[place] == track

    def places_of(self, user: Ints) -> Ints:
        """The position of each user in the arrays; every user given must have listened before `as_of`."""
        return np.searchsorted(self.users, user)


def heard_before(before: Listens) -> Heard:
    """What the listens before `as_of` say about tracks and users; there must be at least one listen."""
    users, first, listens = np.unique(before.user_key, return_index=True, return_counts=True)
    heard = heard_pairs(before)
    tracks, track, listeners = np.unique(seconds(heard), return_inverse=True, return_counts=True)
    owner = np.searchsorted(users, firsts(heard))
    shares = np.bincount(owner, weights=listeners[track] / len(users), minlength=len(users))
    by_track = np.argsort(before.track_key, kind="stable")
    start = np.searchsorted(before.track_key[by_track], tracks)
    return Heard(
        tracks=tracks.astype(np.int32),
        listeners=listeners,
        first_heard=np.minimum.reduceat(before.listened_at[by_track], start),
        users=users,
        listens=listens,
        # Listens come sorted by user and time.
        first_listen=before.listened_at[first],
        own_popularity=(shares / np.bincount(owner, minlength=len(users))).astype(np.float32),
    )

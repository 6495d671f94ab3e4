"""From scores to lists that people like: no blocked track, one version of a recording, not one artist all the way."""

from copy import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from adbc_driver_postgresql import dbapi

from assets.candidates.source import ranks_within
from assets.catalogue import read_guests, read_titles
from assets.listens import Floats, Ints
from assets.pairs import pack
from assets.recordings import recordings
from assets.slates import LIST_LENGTH, Slate
from warehouse.frames import fetch_frame

Hidden = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ListsConfig:
    """The choice of what a list shows beside its scores; by default nothing.

    per_artist: tracks of one artist in a list, at most. artist_discount: the score of the n-th track of an artist (from
    0) is multiplied by artist_discount ** n. That is maximal marginal relevance with "by the same artist" as the
    similarity: 1 leaves the order as it is, lower values spread a list over more artists.
    """

    per_artist: int = LIST_LENGTH
    artist_discount: float = 1.0


class Listing:
    """Users' tracks as the rules of lists see them: worked out once, and listed under any scores."""

    def __init__(self, user: Ints, artist: Ints, recording: Ints, hidden: Hidden, config: ListsConfig) -> None:
        """Per row, in any order: user, artist (-1 where unknown), recording (equal for versions of one), and whether
        it is hidden, so never listed.
        """
        shown = np.flatnonzero(~hidden)
        self._row = shown[np.argsort(user[shown], kind="stable")]
        self._user = user[self._row]
        self._version_of = _numbered(pack(self._user, recording[self._row]))
        of_artist, unknown = pack(self._user, artist[self._row]), artist[self._row] < 0
        # Below all pairs, and all different: an unknown artist is not one artist.
        of_artist[unknown] = np.iinfo(np.int64).min + np.arange(unknown.sum())
        self._by_artist = _numbered(of_artist)
        self._config = config

    def best(self, score: Floats, k: int = LIST_LENGTH) -> tuple[Ints, Ints, Floats]:
        """The k best of each user under these scores (float32, positive, one per row).

        Returns row numbers, ranks from 1 and discounted scores, sorted by user and rank. Equal scores keep the order of
        the rows.
        """
        score = score[self._row]
        order, _ = _best_first(self._user, score)
        order = order[_places_within(self._version_of[order], 1) == 0]
        place = _places_within(self._by_artist[order], self._config.per_artist)
        few = place < self._config.per_artist
        order, place = order[few], place[few]
        discounted = (score[order] * self._config.artist_discount**place).astype(np.float32)
        listed, rank = _best_first(self._user[order], discounted)
        listed, rank = listed[rank <= k], rank[rank <= k]
        return self._row[order[listed]], rank, discounted[listed]


class ListRules:
    """Knows the artist and the recording of each track, and what each user has blocked."""

    def __init__(
        self, catalogue: pd.DataFrame, blocks: pd.DataFrame | None = None, guests: pd.DataFrame | None = None
    ) -> None:
        """Takes the catalogue and the blocks, if there are any; artists are not spread until `spread` says how.

        catalogue: track_key, artist_key and title (both may be null), one row per track. blocks: user_key, item_kind
        ("track" or "artist"), item_key. guests: track_key and artist_key of whoever a track credits beside its artist.
        """
        if blocks is None:
            blocks = pd.DataFrame({"user_key": [], "item_kind": [], "item_key": []})
        ordered = catalogue.sort_values("track_key", ignore_index=True)
        self._config = ListsConfig()
        # One more, so that a key above all others is looked up like the rest.
        self._tracks = np.append(ordered["track_key"].to_numpy(np.int64), np.iinfo(np.int64).max)
        self._artist = np.append(ordered["artist_key"].fillna(-1).to_numpy(np.int64), -1)
        self._recording = np.append(recordings(ordered), -1)
        of_artist = blocks["item_kind"].to_numpy() == "artist"
        user, item = (blocks[name].to_numpy(np.int64) for name in ("user_key", "item_key"))
        # Who blocks a track does not want its remaster either.
        self._blocked_recordings = pack(user[~of_artist], self._of(item[~of_artist])[1])
        self._blocked_artists = pack(user[of_artist], item[of_artist])
        self._blocked_guests = _of_guests(user[of_artist], item[of_artist], guests)
        self._heard_recordings = np.empty(0, np.int64)

    @classmethod
    def none(cls) -> "ListRules":
        """Rules that leave lists as they are scored."""
        nothing: list[int] = []
        return cls(pd.DataFrame({"track_key": nothing, "artist_key": nothing, "title": nothing}))

    def spread(self, config: ListsConfig) -> "ListRules":
        """The same rules with lists spread over artists."""
        rules = copy(self)
        rules._config = config
        return rules

    def of_slate(self, slate: Slate, heard: pd.DataFrame) -> "ListRules":
        """The rules of a slate.

        heard: user_key and track_key of everything that the listed users had heard (FeatureFrames.user_track). Another
        version of it is not a discovery.
        """
        rules = copy(self)
        if slate is Slate.DISCOVER:
            user, track = (heard[name].to_numpy(np.int32) for name in ("user_key", "track_key"))
            rules._heard_recordings = pack(user, rules._of(track)[1])
        return rules

    def ranked(self, user: Ints, track: Ints, score: Floats, k: int = LIST_LENGTH) -> tuple[Ints, Ints, Floats]:
        """The k best of each user's scored tracks that the rules let through: `Listing.best` of `listing`."""
        return self.listing(user, track).best(score, k)

    def listing(self, user: Ints, track: Ints) -> Listing:
        """These tracks of users, per row and in any order, ready to be listed."""
        return Listing(user, *self.facts(user, track), self._config)

    def facts(self, user: Ints, track: Ints) -> tuple[Ints, Ints, Hidden]:
        """Artist (-1 where unknown) and recording of each track, and whether it is hidden from the user."""
        artist, recording = self._of(track)
        hidden = self.blocked(user, track) | np.isin(pack(user, recording), self._heard_recordings)
        return artist, recording, hidden

    def blocked(self, user: Ints, track: Ints) -> Hidden:
        """Whether each user has blocked each track: a version of its recording, or its artist."""
        artist, recording = self._of(track)
        blocked: Hidden = np.isin(pack(user, recording), self._blocked_recordings)
        by_artist = np.isin(pack(user, artist), self._blocked_artists)
        return blocked | by_artist | np.isin(pack(user, track), self._blocked_guests)

    def _of(self, track: Ints) -> tuple[Ints, Ints]:
        """Artist (-1 where unknown) and recording of each track; a track outside the catalogue is its own recording."""
        place = np.searchsorted(self._tracks, track)
        known = self._tracks[place] == track
        artist = np.where(known, self._artist[place], -1)
        return artist, np.where(known, self._recording[place], -1 - track.astype(np.int64))


def _of_guests(user: Ints, artist: Ints, guests: pd.DataFrame | None) -> Ints:
    """Pairs of users and the tracks on which an artist whom they have blocked is a guest, packed."""
    if guests is None:
        return np.empty(0, np.int64)
    blocked = pd.DataFrame({"user_key": user, "artist_key": artist}).merge(guests, on="artist_key")
    return pack(*(blocked[name].to_numpy(np.int64) for name in ("user_key", "track_key")))


def _numbered(keys: Ints) -> Ints:
    """Dense numbers from 0, equal for equal keys."""
    return np.unique(keys, return_inverse=True)[1]


def _best_first(user: Ints, score: Floats) -> tuple[Ints, Ints]:
    """Row numbers in the order of user and rank, and those ranks from 1; equals keep their order. Users are sorted."""
    rank = ranks_within(user, score).astype(np.int64)
    row = np.arange(len(user))
    start = np.maximum.accumulate(np.where(np.r_[True, user[1:] != user[:-1]][: len(user)], row, 0))
    order = np.empty(len(user), np.int64)
    order[start + rank - 1] = row
    return order, rank[order]


def _places_within(group: Ints, most: int) -> Ints:
    """How many earlier rows are of the same group (dense numbers from 0); `most` stands for that many and more."""
    place = np.full(len(group), most, np.int64)
    left, first = np.arange(len(group)), np.empty(group.max(initial=-1) + 1, np.int64)
    # Row by row of each group, all groups at once: few groups are large, and sorting them would take longer.
    for number in range(most):
        if not len(left):
            break
        of_left = group[left]
        # Of several assignments to one place the last holds.
        first[of_left[::-1]] = left[::-1]
        now = first[of_left] == left
        place[left[now]] = number
        left = left[~now]
    return place


def read_catalogue_rules(connection: dbapi.Connection) -> ListRules:
    """The rules of lists for today's catalogue without blocks: those by which models are judged on past dates."""
    return ListRules(read_titles(connection))


def read_list_rules(connection: dbapi.Connection) -> ListRules:
    """The rules of lists for today's catalogue and the blocks there are now, whatever date the lists are of."""
    return ListRules(
        read_titles(connection),
        fetch_frame(connection, "select user_key, item_kind, item_key from core.dim_blocks"),
        read_guests(connection),
    )

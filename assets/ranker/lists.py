"""From scores to lists that people like: no blocked track, one version of a recording, not one artist all the way."""

from copy import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from adbc_driver_postgresql import dbapi

from assets.candidates.source import ranks_within
from assets.catalogue import read_titles
from assets.listens import Floats, Ints
from assets.pairs import pack
from assets.recordings import recordings
from assets.slates import LIST_LENGTH, Slate
from warehouse.frames import fetch_frame


@dataclass(frozen=True)
class ListsConfig:
    """The choice of what a list shows beside its scores; by default nothing.

    per_artist: tracks of one artist in a list, at most. artist_discount: the score of the n-th track of an artist (from
    0) is multiplied by artist_discount ** n. That is maximal marginal relevance with "by the same artist" as the
    similarity: 1 leaves the order as it is, lower values spread a list over more artists.
    """

    per_artist: int = LIST_LENGTH
    artist_discount: float = 1.0


# Chosen from the curve in docs/adr/0015: the most variety that costs no more than 1.25 % of NDCG@100.
LISTS = {
    Slate.FOR_YOU: ListsConfig(per_artist=20, artist_discount=0.98),
    Slate.DISCOVER: ListsConfig(per_artist=20, artist_discount=0.98),
    Slate.REDISCOVER: ListsConfig(per_artist=20, artist_discount=0.9),
}


class ListRules:
    """Knows the artist and the recording of each track, and what each user has blocked."""

    def __init__(self, catalogue: pd.DataFrame, blocks: pd.DataFrame) -> None:
        """Takes the catalogue and the blocks; artists are not spread until `spread` says how.

        catalogue: track_key, artist_key and title (both may be null), one row per track. blocks: user_key, item_kind
        ("track" or "artist"), item_key.
        """
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
        self._heard_recordings = np.empty(0, np.int64)

    @classmethod
    def none(cls) -> "ListRules":
        """Rules that leave lists as they are scored."""
        nothing: list[int] = []
        catalogue = pd.DataFrame({"track_key": nothing, "artist_key": nothing, "title": nothing})
        blocks = pd.DataFrame({"user_key": nothing, "item_kind": nothing, "item_key": nothing})
        return cls(catalogue, blocks)

    def spread(self, config: ListsConfig) -> "ListRules":
        """The same rules with lists spread over artists."""
        rules = copy(self)
        rules._config = config
        return rules

    def of_slate(self, slate: Slate, heard: pd.DataFrame) -> "ListRules":
        """The rules of a slate, lists spread as LISTS has it.

        heard: user_key and track_key of everything that the listed users had heard (FeatureFrames.user_track). Another
        version of it is no discovery.
        """
        rules = self.spread(LISTS[slate])
        if slate is Slate.DISCOVER:
            user, track = (heard[name].to_numpy(np.int32) for name in ("user_key", "track_key"))
            rules._heard_recordings = pack(user, rules._of(track)[1])
        return rules

    def ranked(self, user: Ints, track: Ints, score: Floats, k: int = LIST_LENGTH) -> tuple[Ints, Ints, Floats]:
        """The k best of each user's scored tracks that the rules let through.

        user, track, score (positive): per row, in any order. Returns row numbers, ranks from 1 and discounted scores,
        sorted by user and rank. Equal scores keep the order in which the rows come.
        """
        artist, recording = self._of(track)
        hidden = self.blocked(user, track) | np.isin(pack(user, recording), self._heard_recordings)
        row = np.flatnonzero(~hidden)
        row = row[np.lexsort((-score[row], user[row]))]
        row = row[_place_within(user[row], recording[row]) == 0]
        place = np.where(artist[row] >= 0, _place_within(user[row], artist[row]), 0)
        few = place < self._config.per_artist
        row, place = row[few], place[few]
        discounted = (score[row] * self._config.artist_discount**place).astype(np.float32)
        rank = ranks_within(user[row], discounted).astype(np.int64)
        best = np.flatnonzero(rank <= k)
        best = best[np.lexsort((rank[best], user[row[best]]))]
        return row[best], rank[best], discounted[best]

    def blocked(self, user: Ints, track: Ints) -> npt.NDArray[np.bool_]:
        """Whether each user has blocked each track: a version of its recording, or its artist."""
        artist, recording = self._of(track)
        blocked: npt.NDArray[np.bool_] = np.isin(pack(user, recording), self._blocked_recordings)
        return blocked | np.isin(pack(user, artist), self._blocked_artists)

    def _of(self, track: Ints) -> tuple[Ints, Ints]:
        """Artist (-1 where unknown) and recording of each track; a track outside the catalogue is its own recording."""
        place = np.searchsorted(self._tracks, track)
        known = self._tracks[place] == track
        artist = np.where(known, self._artist[place], -1)
        return artist, np.where(known, self._recording[place], -1 - track.astype(np.int64))


def _place_within(user: Ints, kind: Ints) -> Ints:
    """How many earlier rows have the same user and kind."""
    order = np.lexsort((np.arange(len(user)), kind, user))
    changes = np.ones(len(user), bool)
    changes[1:] = (user[order][1:] != user[order][:-1]) | (kind[order][1:] != kind[order][:-1])
    start = np.maximum.accumulate(np.where(changes, np.arange(len(user)), 0))
    place = np.empty(len(user), np.int64)
    place[order] = np.arange(len(user)) - start
    return place


def read_list_rules(connection: dbapi.Connection) -> ListRules:
    """The rules of lists for today's catalogue and the blocks there are now, whatever date the lists are of."""
    return ListRules(
        read_titles(connection),
        fetch_frame(connection, "select user_key, item_kind, item_key from raw.blocks"),
    )

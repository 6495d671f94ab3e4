"""Tracks that carry the tags of what the user plays."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from assets.candidates.history import History, decayed, rows_of
from assets.candidates.source import only_positive
from assets.candidates.user_neighbours import unit_rows
from assets.catalogue import Catalogue, memberships
from assets.listens import Floats, Ints


@dataclass(frozen=True)
class LikedTagsConfig:
    """play_decay_days: of the user's plays that make a tag liked. popularity_decay_days: of all plays of a track."""

    play_decay_days: float = 90.0
    popularity_decay_days: float = 60.0


class LikedTags:
    """Score of a track: (the user's decayed plays by tag · the tags of the track) · log(1 + its decayed plays by all).

    The tags of a track are a vector of length 1 over tags, each weighed by its inverse document frequency. Tags alone
    leave many tracks equal, so what is played decides between them. Tracks without a tag are not offered.
    """

    name = "liked_tags"

    def __init__(self, history: History, catalogue: Catalogue, config: LikedTagsConfig) -> None:
        track, tag, tags = memberships(catalogue.tags, history.tracks)
        tracks = len(history.tracks)
        learned = history.learned
        known = learned.listeners > 0
        rarity = np.log1p(known.sum() / np.maximum(np.bincount(tag[known[track]], minlength=tags), 1))
        tagged = sparse.csr_matrix((rarity[tag], (track, tag)), shape=(tracks, tags))
        tagged = unit_rows(tagged)
        self._taste = (history.plays(config.play_decay_days) @ tagged).tocsr()
        plays = np.bincount(
            learned.track_code, weights=decayed(learned.age_days, config.popularity_decay_days), minlength=tracks
        )
        self._tagged = sparse.csr_matrix(tagged.T.multiply(np.log1p(plays)[None, :]), dtype=np.float32)

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self._taste, user_codes) @ self._tagged)

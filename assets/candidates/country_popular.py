"""What people of the user's country listen to lately."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from assets.candidates.history import History, rows_of
from assets.candidates.source import only_positive
from assets.catalogue import Catalogue, memberships
from assets.listens import Floats, Ints


@dataclass(frozen=True)
class CountryPopularConfig:
    """window_days: in which people of the country count. least_listeners: of a track, for it to be offered."""

    window_days: float = 30.0
    least_listeners: int = 3


class CountryPopular:
    """Score of a track: its listeners of the user's country in the window, the user among them.

    Users whose profile names no country are offered nothing. A track that few people of a country hear says little
    about the country.
    """

    name = "country_popular"

    def __init__(self, history: History, catalogue: Catalogue, config: CountryPopularConfig) -> None:
        user, country, countries = memberships(catalogue.countries, history.users)
        shape = (len(history.users), countries)
        self._lives = sparse.csr_matrix((np.ones(len(user), np.float32), (user, country)), shape=shape)
        learned = history.learned
        recent = learned.age_days <= config.window_days
        pairs = (learned.user_code[recent], learned.track_code[recent])
        heard = sparse.csr_matrix((np.ones(len(pairs[0]), np.float32), pairs), shape=learned.heard.shape)
        heard.data[:] = 1.0
        lives = self._lives[history.user_codes(learned.users)]
        listeners = (lives.T @ heard).tocsr()
        listeners.data[listeners.data < config.least_listeners] = 0.0
        self._listeners = listeners

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self._lives, user_codes) @ self._listeners)

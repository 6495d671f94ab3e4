"""Whether lists of similar items hold what is heard next to their item: co-listening recall after `as_of`.

An occurrence is a session of the horizon together with one of the different items heard in it that had been heard
before `as_of`. Relevant to it are the other items of that session and all but itself of the user's next session in the
horizon; occurrences without any are left out. Recall@k = hits@k / min(k, relevant). The mean is taken over the
occurrences of a user first, then over users: heavy users count like all others. An item without a list counts as 0.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.candidates.history import History
from assets.listens import Ints, Listens
from assets.metrics.intervals import bootstrap_interval
from assets.pairs import firsts, pack, seconds
from assets.similar.sources import SimilaritySource, nearest

METRICS = {"recall@10": 10, "recall@50": 50}
HEADLINE = "recall@50"
LIST_LENGTH = max(METRICS.values())
SIMILAR = "similar"

# Occurrences whose lists are checked at a time.
_BLOCK = 20_000
_SEED = 1


@dataclass(frozen=True)
class Occurrences:
    """Items next to others: parallel arrays of length n, and what is around each.

    user_key: int32; code: of the item in the history; session: int64; relevant: how many items are, at least 1.
    around: sorted int64, session << 32 | item key for everything heard in the session or the one after it.
    """

    user_key: Ints
    code: Ints
    session: Ints
    relevant: Ints
    around: Ints

    def __len__(self) -> int:
        return len(self.code)


@dataclass(frozen=True)
class SimilarityEvaluation:
    """per_user: model -> metric -> float64[users]. against: model -> difference to `similar` and its interval."""

    users: int
    occurrences: int
    per_user: dict[str, dict[str, npt.NDArray[np.float64]]]

    def mean(self, model: str, metric: str) -> float:
        return float(self.per_user[model][metric].mean())

    def ahead_of(self, model: str) -> tuple[float, float, float]:
        """Headline metric of `similar` minus that of a model, with the ends of its paired 95 % interval."""
        difference = self.per_user[SIMILAR][HEADLINE] - self.per_user[model][HEADLINE]
        return float(difference.mean()), *bootstrap_interval(difference, seed=_SEED)


def occurrences(horizon: Listens, history: History) -> Occurrences:
    """The occurrences of a horizon; items without a listen in the history can be relevant, but have no list."""
    sessions, session = np.unique(horizon.session_key, return_inverse=True)
    user, following = _users_and_next(session, horizon, len(sessions))
    heard = np.unique(pack(session, horizon.track_key))
    of_session, key = firsts(heard), seconds(heard)
    before = np.full(len(sessions), -1)
    before[following[following >= 0]] = np.flatnonzero(following >= 0)
    follows = before[of_session] >= 0
    around = np.union1d(heard, pack(before[of_session[follows]], key[follows]))
    relevant = np.bincount(firsts(around), minlength=len(sessions))[of_session] - 1
    code = np.minimum(np.searchsorted(history.tracks, key), len(history.tracks) - 1)
    kept = (history.tracks[code] == key) & (relevant > 0)
    return Occurrences(user[of_session[kept]], code[kept], of_session[kept], relevant[kept], around)


def evaluate(sources: dict[str, SimilaritySource], found: Occurrences, history: History) -> SimilarityEvaluation:
    """Every source's lists for the same occurrences; there must be some."""
    codes, anchor = np.unique(found.code, return_inverse=True)
    users, user = np.unique(found.user_key, return_inverse=True)
    times = np.bincount(user)
    per_user = {}
    for name, source in sources.items():
        lists, _ = nearest(source, codes, LIST_LENGTH, len(history.tracks))
        recalls = {metric: np.zeros(len(found)) for metric in METRICS}
        for start in range(0, len(found), _BLOCK):
            block = slice(start, start + _BLOCK)
            hit = _hits(lists[anchor[block]], found.session[block], found.around, history)
            for metric, k in METRICS.items():
                recalls[metric][block] = hit[:, :k].sum(axis=1) / np.minimum(k, found.relevant[block])
        per_user[name] = {metric: np.bincount(user, weights=each) / times for metric, each in recalls.items()}
    return SimilarityEvaluation(len(users), len(found), per_user)


def _users_and_next(session: Ints, horizon: Listens, sessions: int) -> tuple[Ints, Ints]:
    """The user of each session, and the position of that user's next one, -1 for the last."""
    user = np.zeros(sessions, np.int64)
    user[session] = horizon.user_key
    started = np.full(sessions, np.iinfo(np.int64).max)
    np.minimum.at(started, session, horizon.listened_at)
    order = np.lexsort((started, user))
    following = np.full(sessions, -1)
    same = user[order[:-1]] == user[order[1:]]
    following[order[:-1][same]] = order[1:][same]
    return user, following


def _hits(lists: Ints, session: Ints, around: Ints, history: History) -> npt.NDArray[np.bool_]:
    """Whether each listed item is heard around the occurrence of its row; both have the shape (n, k)."""
    wanted = pack(session[:, None], history.tracks[np.maximum(lists, 0)])
    place = np.minimum(np.searchsorted(around, wanted), len(around) - 1)
    hits: npt.NDArray[np.bool_] = (around[place] == wanted) & (lists >= 0)
    return hits

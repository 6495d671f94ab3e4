"""The holdout: the newest fold of a training, kept whole, on which models are compared.

A training fold keeps a share of its negatives; ranking what is left would flatter every model. So the candidates of the
newest fold are stored as well, all of them, with what the rules of lists need to know of each.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from assets.features.join import join_features
from assets.listens import Floats, Ints
from assets.ranker.dataset import LabelledPool
from assets.ranker.lists import Listing, ListRules, ListsConfig

# More would make the interval of a comparison hardly narrower, and the comparison longer.
HOLDOUT_USERS = 20_000
_SEED = 1
_KEYS = ("user_key", "track_key", "artist_key", "recording", "hidden", "label", "relevant")


@dataclass(frozen=True)
class Holdout:
    """All candidates of some users of a holdout, user by user, users ascending, and how they are listed.

    x: float32 (rows, len(names)). track, artist: int64 (rows,), artist -1 where unknown. label: bool (rows,). position:
    int64 (rows,), the row's user as a place in `users`. users: int32 (n,). relevant: int64 (n,), relevant tracks of
    each, candidates or not, at least 1. listing: of the rows, by the rules of lists.
    """

    names: list[str]
    x: npt.NDArray[np.float32]
    track: Ints
    artist: Ints
    label: npt.NDArray[np.bool_]
    position: npt.NDArray[np.int64]
    users: npt.NDArray[np.int32]
    relevant: npt.NDArray[np.int64]
    listing: Listing

    @property
    def listens(self) -> Floats:
        """How many listens each user had before `as_of`, float32 (n,)."""
        first = np.searchsorted(self.position, np.arange(len(self.users)))
        listens: Floats = self.x[first, self.names.index("user_listens")]
        return listens


def holdout_users(relevant: pd.DataFrame, as_of: date) -> Ints:
    """The users whose candidates are kept, ascending: all with a relevant track, or so many of them, drawn by date."""
    users = np.unique(relevant["user_key"].to_numpy(np.int32))
    if len(users) <= HOLDOUT_USERS:
        return users
    return np.sort(np.random.default_rng([_SEED, as_of.toordinal()]).choice(users, HOLDOUT_USERS, replace=False))


def holdout_rows(pool: LabelledPool, users: Ints, relevant: pd.DataFrame, rules: ListRules) -> pa.Table:
    """All candidates of those of the pool's users who are among `users`, as they are stored.

    rules: of the slate as of the fold's date, and without blocks. Columns: user_key, track_key, artist_key (-1 where
    unknown), recording (equal for versions of one), hidden (whether the rules keep it out of the user's list), label,
    relevant (how many relevant tracks the user has, candidates or not), then every feature.
    """
    mine = np.isin(pool.candidates["user_key"].to_numpy(), users)
    candidates = pool.candidates[mine]
    matrix = join_features(candidates, pool.features)
    frame = pd.DataFrame(matrix.values, columns=matrix.names)
    counts = relevant.groupby("user_key").size()
    user, track = (candidates[name].to_numpy(np.int32) for name in ("user_key", "track_key"))
    artist, recording, hidden = rules.facts(user, track)
    keys: dict[str, npt.NDArray[np.generic]] = {
        "user_key": user,
        "track_key": track,
        "artist_key": artist.astype(np.int32),
        "recording": recording,
        "hidden": hidden,
        "label": pool.label[mine],
        "relevant": counts.reindex(candidates["user_key"]).to_numpy(np.int32),
    }
    return pa.Table.from_pandas(pd.concat([pd.DataFrame(keys), frame], axis=1), preserve_index=False)


def feature_names(columns: Iterable[str]) -> list[str]:
    """The features among the columns of a holdout."""
    return [name for name in columns if name not in _KEYS]


def holdout_of(frame: pd.DataFrame, lists: ListsConfig) -> Holdout:
    """From `holdout_rows` of a slate, not empty, users in any order. lists: how those of the slate are made."""
    frame = frame.sort_values("user_key", kind="stable", ignore_index=True)
    users, first, position = np.unique(frame["user_key"].to_numpy(np.int32), return_index=True, return_inverse=True)
    names = feature_names(frame.columns)
    artist, recording = (frame[name].to_numpy(np.int64) for name in ("artist_key", "recording"))
    return Holdout(
        names=names,
        x=frame[names].to_numpy(np.float32),
        track=frame["track_key"].to_numpy(np.int64),
        artist=artist,
        label=frame["label"].to_numpy(bool),
        position=position.astype(np.int64),
        users=users,
        relevant=frame["relevant"].to_numpy(np.int64)[first],
        listing=Listing(position, artist, recording, frame["hidden"].to_numpy(bool), lists),
    )

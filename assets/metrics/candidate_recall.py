"""How many of the relevant tracks are among the candidates at all, and which source has them there.

Candidate recall = relevant tracks among the candidates / relevant tracks, mean over users. No min(k, relevant) as in
Recall@k: the pool is not a list of k. What it lacks, no ranker can list.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.listens import USERS_PER_BATCH, Ints
from assets.metrics.intervals import mean_with_interval
from assets.pairs import firsts, pack, pairs_of

# What a source outside the pool is taken to put forward, as most of those in it do.
_SIZE_OUTSIDE = 100

PerUser = npt.NDArray[np.float64]


def candidate_recall(
    lists: Mapping[str, pd.DataFrame], sizes: Mapping[str, int], relevant: pd.DataFrame, seed: int = 1
) -> dict[str, Any]:
    """The pool of the users with relevant tracks (user_key, track_key; distinct, not empty), and each source's part.

    lists: what each source puts forward alone (`baselines.source_lists`), by ascending user_key. sizes: how many of
    those each source in the pool puts into it.

    {"size", "recall", "sources": [{"source", "in_pool", "size", "offered", "recall", "marginal"}]}: `size` of the pool
    is the mean of its tracks per user, that of a source how many it may put forward, and `offered` the mean of those it
    does. `marginal` is the recall of the pool with the source minus that without: what is lost if one in the pool goes,
    what is gained if one outside comes with 100 candidates. `recall` of the pool and `marginal` are {"mean", "ci95"}.
    """
    users, owner = np.unique(relevant["user_key"].to_numpy(np.int64), return_inverse=True)
    wanted = np.sort(pairs_of(relevant))
    limits = {name: sizes.get(name, _SIZE_OUTSIDE) for name in lists}
    parts = list(_batches(lists, limits, list(sizes), users, wanted))
    counted = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    share = {name: count / np.bincount(owner) for name, count in counted.items()}
    return {
        "size": float(counted["pool size"].mean()),
        "recall": mean_with_interval(share["pool"], seed),
        "sources": [
            {
                "source": name,
                "in_pool": name in sizes,
                "size": limit,
                "offered": float(counted[f"{name} size"].mean()),
                "recall": float(share[name].mean()),
                "marginal": mean_with_interval(share[f"{name} alone"], seed),
            }
            for name, limit in limits.items()
        ],
    }


def _batches(
    lists: Mapping[str, pd.DataFrame],
    limits: Mapping[str, int],
    pooled: list[str],
    users: Ints,
    wanted: npt.NDArray[np.int64],
) -> Iterator[dict[str, PerUser]]:
    """Counts per user, a batch of users at a time; users and wanted pairs (as in `_offered`) are ascending.

    Of the pool: its tracks ("pool size") and the wanted among them ("pool"). Of each source: the same of what it puts
    forward, and the wanted that no other source of the pool does ("<name> alone").
    """
    bit = {name: 1 << place for place, name in enumerate(lists)}
    pool = sum(bit[name] for name in pooled)
    for start in range(0, len(users), USERS_PER_BATCH):
        batch = users[start : start + USERS_PER_BATCH]
        code, offered_by = _offered(lists, limits, batch)
        first, last = np.searchsorted(wanted, pack(np.array([batch[0], batch[-1] + 1]), np.array([0, 0])))
        user, hit = np.searchsorted(batch, firsts(code)), np.isin(code, wanted[first:last])

        def per_user(of: npt.NDArray[np.bool_], user: Ints = user, users: int = len(batch)) -> PerUser:
            return np.bincount(user[of], minlength=users).astype(np.float64)

        in_pool = (offered_by & pool) > 0
        counts = {"pool size": per_user(in_pool), "pool": per_user(in_pool & hit)}
        for name, own in bit.items():
            offered = (offered_by & own) > 0
            counts[f"{name} size"] = per_user(offered)
            counts[name] = per_user(offered & hit)
            counts[f"{name} alone"] = per_user(offered & hit & ((offered_by & pool & ~own) == 0))
        yield counts


def _offered(
    lists: Mapping[str, pd.DataFrame], limits: Mapping[str, int], users: Ints
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Distinct pairs (user_key in the upper 32 bits, track_key in the lower) that are in some list of these users
    within its limit, ascending; and which lists have them, one bit each in their order.
    """
    codes, bits = [], []
    for place, (name, whole) in enumerate(lists.items()):
        # Lists are by user: of a batch, only its own rows are read. Bounds of another type would copy all keys.
        keys = whole["user_key"].to_numpy()
        bounds = users[[0, -1]].astype(keys.dtype)
        each = whole.iloc[np.searchsorted(keys, bounds[0]) : np.searchsorted(keys, bounds[1], side="right")]
        user = each["user_key"].to_numpy(np.int64)
        counts = np.isin(user, users) & (each["rank"].to_numpy() <= limits[name])
        codes.append(pack(user[counts], each["track_key"].to_numpy(np.int64)[counts]))
        bits.append(np.full(len(codes[-1]), 1 << place))
    code, place_of = np.unique(np.concatenate(codes), return_inverse=True)
    # A source lists a track once, so the sum of the bits is their union; exact up to 53 sources.
    return code, np.bincount(place_of, weights=np.concatenate(bits), minlength=len(code)).astype(np.int64)

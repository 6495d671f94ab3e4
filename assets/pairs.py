"""Pairs of two int32 keys, such as (user, track), packed in one int64 to be sorted, compared and looked up."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.listens import Ints, Listens

Pairs = npt.NDArray[np.int64]
_LOWER = 0xFFFFFFFF


def pack(first: Ints, second: Ints | None = None) -> Pairs:
    """`first` in the upper 32 bits, `second` in the lower; `first` itself where it is alone.

    Packed pairs are in the order of (first, second). A `second` of -1, unknown, equals no pair of known keys.
    """
    return first.astype(np.int64) if second is None else (first.astype(np.int64) << 32) + second


def unpack(pairs: Pairs) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The two keys of packed pairs, int32 both."""
    return firsts(pairs).astype(np.int32), seconds(pairs).astype(np.int32)


def firsts(pairs: Pairs) -> Pairs:
    """The keys in the upper half, such as users."""
    return pairs >> 32


def seconds(pairs: Pairs) -> Pairs:
    """The keys in the lower half, such as tracks."""
    return pairs & _LOWER


def heard_pairs(listens: Listens) -> Pairs:
    """The distinct (user, track) of listens, ascending."""
    return np.unique(pack(listens.user_key, listens.track_key))


def pairs_of(frame: pd.DataFrame) -> Pairs:
    """The (user, track) of each row of a frame with user_key and track_key, in its order."""
    return pack(frame["user_key"].to_numpy(np.int64), frame["track_key"].to_numpy(np.int64))

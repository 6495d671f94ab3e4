"""Packed lists: a header, the keys of the items, their scores and, where there are reasons, their anchors."""

import struct
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving_api.contract.version import CONTRACT_VERSION, ContractError, ContractVersionError

LIST_HEADER = struct.Struct("<BBH")
KEY_DTYPE = np.dtype("<i4")
SCORE_DTYPE = np.dtype("<f4")

MAX_LIST_LENGTH = 0xFFFF
NO_ANCHOR = -1
NO_REASONS = 0
ANCHOR_REASONS = 1
ANCHOR_REASON_TYPE = "because_you_listened_to"


class RankedList(NamedTuple):
    """One list, best first. All arrays have shape (n,)."""

    track_keys: NDArray[np.int32]
    """Artist keys in a list of similar artists."""
    scores: NDArray[np.float32]
    anchor_keys: NDArray[np.int32]
    """The listened-to track that explains the item, NO_ANCHOR (-1) where there is none."""

    def take(self, chosen: slice | NDArray[np.intp]) -> "RankedList":
        """The items at the chosen places, in their order."""
        return RankedList(self.track_keys[chosen], self.scores[chosen], self.anchor_keys[chosen])


def pack_lists(
    offsets: NDArray[np.int64],
    track_keys: NDArray[np.int32],
    scores: NDArray[np.float32],
    anchor_keys: NDArray[np.int32] | None = None,
) -> list[bytes]:
    """Pack many lists at once.

    `offsets` has shape (lists + 1,), starts at 0 and ends at n; list i is the slice offsets[i]:offsets[i + 1]
    of the other arrays, which have shape (n,) and go best first. Raises ContractError for shapes that do not
    fit, a list over 65,535 items, a negative track key or a score that is not finite.
    """
    _check_lists(offsets, track_keys, scores, anchor_keys)
    blocks = [(memoryview(track_keys.astype(KEY_DTYPE).tobytes()), KEY_DTYPE.itemsize)]
    blocks.append((memoryview(scores.astype(SCORE_DTYPE).tobytes()), SCORE_DTYPE.itemsize))
    layout = NO_REASONS
    if anchor_keys is not None:
        blocks.append((memoryview(anchor_keys.astype(KEY_DTYPE).tobytes()), KEY_DTYPE.itemsize))
        layout = ANCHOR_REASONS
    bounds = offsets.tolist()
    return [
        LIST_HEADER.pack(CONTRACT_VERSION, layout, end - start)
        + b"".join(block[start * width : end * width] for block, width in blocks)
        for start, end in pairwise(bounds)
    ]


def _check_lists(
    offsets: NDArray[np.int64],
    track_keys: NDArray[np.int32],
    scores: NDArray[np.float32],
    anchor_keys: NDArray[np.int32] | None,
) -> None:
    lengths = np.diff(offsets)
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(track_keys) or (lengths < 0).any():
        raise ContractError("offsets must start at 0, never fall, and end at the number of track keys")
    if len(scores) != len(track_keys) or (anchor_keys is not None and len(anchor_keys) != len(track_keys)):
        raise ContractError("track keys, scores and anchor keys must have the same length")
    if (lengths > MAX_LIST_LENGTH).any():
        raise ContractError(f"a list has {lengths.max()} items; the contract allows {MAX_LIST_LENGTH}")
    if (track_keys < 0).any():
        raise ContractError("a track key is negative")
    if not np.isfinite(scores).all():
        raise ContractError("a score is not a finite number")


def pack_list(track_keys: NDArray[np.int32], scores: NDArray[np.float32]) -> bytes:
    """Pack one list without reasons, such as the popular list; errors as in pack_lists."""
    return pack_lists(np.array([0, len(track_keys)]), track_keys, scores)[0]


class ListedKeys(NamedTuple):
    """The keys in many lists, shape (n,) each, in no order: of the items, and of the tracks that explain them."""

    track_keys: NDArray[np.int32]
    anchor_keys: NDArray[np.int32]


def unpack_keys(packed: Sequence[bytes]) -> ListedKeys:
    """Unpack the keys of many lists at once. Raises ContractError where `unpack_list` does for one of them."""
    alike = defaultdict[tuple[bytes, int], list[bytes]](list)
    for each in packed:
        alike[each[: LIST_HEADER.size], len(each)].append(each)
    keys, anchors = [np.empty(0, KEY_DTYPE)], [np.empty(0, KEY_DTYPE)]
    for (header, _), lists in alike.items():
        # Whose header and length are the same as those of a list that can be read, it can be read as that is.
        unpack_list(lists[0])
        _, layout, count = LIST_HEADER.unpack(header)
        table = np.frombuffer(b"".join(lists), KEY_DTYPE).reshape(len(lists), -1)[:, 1:]
        track_keys, scores = table[:, :count], table[:, count : 2 * count].view(SCORE_DTYPE)
        if count and (track_keys.min() < 0 or not np.isfinite(scores).all()):
            raise ContractError("a packed list has a negative key or a score that is not a finite number")
        keys.append(track_keys.ravel())
        if layout == ANCHOR_REASONS:
            anchors.append(table[:, 2 * count :].ravel())
    anchor_keys = np.concatenate(anchors)
    return ListedKeys(np.concatenate(keys), anchor_keys[anchor_keys != NO_ANCHOR])


def unpack_list(packed: bytes) -> RankedList:
    """Unpack one list. Raises ContractError when the bytes are not a list of this contract version."""
    if len(packed) < LIST_HEADER.size:
        raise ContractError(f"a packed list of {len(packed)} bytes is shorter than its header")
    version, layout, count = LIST_HEADER.unpack_from(packed)
    if version != CONTRACT_VERSION:
        raise ContractVersionError(f"a packed list has contract version {version}, not {CONTRACT_VERSION}")
    if layout not in (NO_REASONS, ANCHOR_REASONS):
        raise ContractError(f"a packed list has the unknown reason layout {layout}")
    scores_at = LIST_HEADER.size + count * KEY_DTYPE.itemsize
    anchors_at = scores_at + count * SCORE_DTYPE.itemsize
    expected = anchors_at + count * KEY_DTYPE.itemsize * (layout == ANCHOR_REASONS)
    if len(packed) != expected:
        raise ContractError(f"a packed list of {count} items has {len(packed)} bytes instead of {expected}")
    track_keys = np.frombuffer(packed, KEY_DTYPE, count, LIST_HEADER.size)
    scores = np.frombuffer(packed, SCORE_DTYPE, count, scores_at)
    if count and (track_keys.min() < 0 or not np.isfinite(scores).all()):
        raise ContractError("a packed list has a negative key or a score that is not a finite number")
    if layout == ANCHOR_REASONS:
        anchor_keys = np.frombuffer(packed, KEY_DTYPE, count, anchors_at)
    else:
        anchor_keys = np.full(count, NO_ANCHOR, KEY_DTYPE)
    return RankedList(track_keys, scores, anchor_keys)

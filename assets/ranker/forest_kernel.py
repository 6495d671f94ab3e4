"""The compiled loop over rows, trees and splits. Importing this module loads the compiler: do so where it is needed."""

import math

import numba
import numpy as np
import numpy.typing as npt

from assets.ranker.forest import DE_BRUIJN, EVERY_LEAF, NAN_IS_ZERO, SLOT_SHIFT, ZERO_IS_NAN

# Rows whose splits are looked at together: their bits and one column of them stay in the first-level cache.
_ROWS = 64
# LightGBM's kZeroThreshold: what is nearer to zero is zero.
_ZERO = np.float32(1e-35)
_EVERY_LEAF = np.uint32(EVERY_LEAF)
_DE_BRUIJN = np.uint32(DE_BRUIJN)
_SLOT_SHIFT = np.uint32(SLOT_SHIFT)
_ONE = np.uint32(1)
_NAN = np.float32(np.nan)


@numba.njit(nogil=True)
def add_up(
    x: npt.NDArray[np.float32],
    column: npt.NDArray[np.int32],
    missing: npt.NDArray[np.uint8],
    first: npt.NDArray[np.int32],
    split_column: npt.NDArray[np.int32],
    threshold: npt.NDArray[np.float32],
    nan_left: npt.NDArray[np.bool_],
    kept: npt.NDArray[np.uint32],
    leaves: npt.NDArray[np.float64],
    sigmoid: float,
    scores: npt.NDArray[np.float64],
) -> None:
    """Writes the predictions for x (rows, features) into scores (rows,); the other arrays are those of a Forest."""
    block = np.zeros((len(column), _ROWS), np.float32)
    left = np.empty(_ROWS, np.uint32)
    total = np.empty(_ROWS, np.float64)
    for start in range(0, len(x), _ROWS):
        rows = min(_ROWS, len(x) - start)
        _gather(x[start : start + rows], column, missing, block)
        total[:] = 0.0
        for tree in range(len(first) - 1):
            left[:] = _EVERY_LEAF
            for split in range(first[tree], first[tree + 1]):
                value, limit, mask = block[split_column[split]], threshold[split], kept[split]
                # A comparison with NaN is false: asked the other way round, it sends NaN to the other side.
                if nan_left[split]:
                    for row in range(_ROWS):
                        left[row] &= mask if value[row] > limit else _EVERY_LEAF
                else:
                    for row in range(_ROWS):
                        left[row] &= _EVERY_LEAF if value[row] <= limit else mask
            leaf = leaves[tree]
            for row in range(_ROWS):
                lowest = np.uint32(left[row] & np.uint32(~left[row] + _ONE))
                total[row] += leaf[np.uint32(lowest * _DE_BRUIJN) >> _SLOT_SHIFT]
        for row in range(rows):
            raw = total[row]
            scores[start + row] = raw if sigmoid == 0.0 else 1.0 / (1.0 + math.exp(-sigmoid * raw))


@numba.njit(nogil=True)
def _gather(
    x: npt.NDArray[np.float32],
    column: npt.NDArray[np.int32],
    missing: npt.NDArray[np.uint8],
    block: npt.NDArray[np.float32],
) -> None:
    """Copies the columns of a few rows into block (columns, _ROWS), missing values as their splits take them."""
    for row in range(len(x)):
        for place in range(len(column)):
            value = x[row, column[place]]
            if abs(value) <= _ZERO:
                value = np.float32(0.0)
            if missing[place] == NAN_IS_ZERO and np.isnan(value):
                value = np.float32(0.0)
            elif missing[place] == ZERO_IS_NAN and value == 0.0:
                value = _NAN
            block[place, row] = value

"""The compiled loop over rows, trees and splits. Importing this module loads the compiler: do so where it is needed."""

import math

import numba
import numpy as np
import numpy.typing as npt

from assets.ranker.forest.layout import DE_BRUIJN, EVERY_LEAF, MOST_LEAVES, NAN_IS_ZERO, SLOT_SHIFT, ZERO_IS_NAN

# Rows whose splits are handled together: their bits and one column of them stay in the first-level cache.
_ROWS = 64
# LightGBM's kZeroThreshold: what is nearer to zero is zero.
_ZERO = np.float32(1e-35)
_EVERY_LEAF = np.uint32(EVERY_LEAF)
_MOST_LEAVES = MOST_LEAVES
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
def add_contributions(
    x: npt.NDArray[np.float32],
    column: npt.NDArray[np.int32],
    missing: npt.NDArray[np.uint8],
    first: npt.NDArray[np.int32],
    split_column: npt.NDArray[np.int32],
    threshold: npt.NDArray[np.float32],
    nan_left: npt.NDArray[np.bool_],
    first_leaf: npt.NDArray[np.int32],
    leaf_value: npt.NDArray[np.float64],
    first_slot: npt.NDArray[np.int32],
    slot_feature: npt.NDArray[np.int32],
    slot_share: npt.NDArray[np.float64],
    first_step: npt.NDArray[np.int32],
    step_split: npt.NDArray[np.int32],
    step_right: npt.NDArray[np.bool_],
    points: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
) -> None:
    """Adds the SHAP values of x (rows, features) to values (rows, features + 1); the other arrays are a Forest's.

    The Shapley value of a feature is the integral over t from 0 to 1 of the derivative of the game's multilinear
    extension (Owen, "Multilinear extensions of games", Management Science 1972). A leaf's is the product over the
    features j of its path of share_j · (1 - t) + inside_j · t, where inside_j is 1 if the row takes the path at every
    split on j, else 0. That is a polynomial in t, which a Gauss-Legendre rule integrates exactly.
    """
    block = np.zeros((len(column), _ROWS), np.float32)
    went = np.zeros((_MOST_LEAVES, _ROWS), np.float64)
    inside = np.empty((_MOST_LEAVES, _ROWS), np.float64)
    integral = np.empty((_MOST_LEAVES, _ROWS), np.float64)
    product = np.empty(_ROWS, np.float64)
    added = np.empty((values.shape[1], _ROWS), np.float64)
    for start in range(0, len(x), _ROWS):
        rows = min(_ROWS, len(x) - start)
        _gather(x[start : start + rows], column, missing, block)
        added[:] = 0.0
        for tree in range(len(first) - 1):
            _sides(first[tree], first[tree + 1], block, split_column, threshold, nan_left, went)
            for leaf in range(first_leaf[tree], first_leaf[tree + 1]):
                slots = first_slot[leaf + 1] - first_slot[leaf]
                for slot in range(slots):
                    place = first_slot[leaf] + slot
                    inside[slot] = 1.0
                    integral[slot] = 0.0
                    for step in range(first_step[place], first_step[place + 1]):
                        side = went[step_split[step]]
                        if step_right[step]:
                            for row in range(_ROWS):
                                inside[slot, row] *= side[row]
                        else:
                            for row in range(_ROWS):
                                inside[slot, row] *= 1.0 - side[row]
                rule = (slots + 1) // 2 - 1
                for point in range(rule + 1):
                    t = points[rule, point]
                    product[:] = weights[rule, point]
                    for slot in range(slots):
                        outside = slot_share[first_slot[leaf] + slot] * (1.0 - t)
                        for row in range(_ROWS):
                            product[row] *= outside + inside[slot, row] * t
                    for slot in range(slots):
                        outside = slot_share[first_slot[leaf] + slot] * (1.0 - t)
                        # The reciprocals of the two factors that can be left out: no division per row.
                        low, high = 1.0 / outside, 1.0 / (outside + t)
                        for row in range(_ROWS):
                            integral[slot, row] += product[row] * (high if inside[slot, row] > 0.0 else low)
                for slot in range(slots):
                    share = slot_share[first_slot[leaf] + slot]
                    feature = slot_feature[first_slot[leaf] + slot]
                    for row in range(_ROWS):
                        added[feature, row] += leaf_value[leaf] * (inside[slot, row] - share) * integral[slot, row]
        for row in range(rows):
            for feature in range(values.shape[1]):
                values[start + row, feature] += added[feature, row]


@numba.njit(nogil=True)
def _sides(
    start: int,
    stop: int,
    block: npt.NDArray[np.float32],
    split_column: npt.NDArray[np.int32],
    threshold: npt.NDArray[np.float32],
    nan_left: npt.NDArray[np.bool_],
    went: npt.NDArray[np.float64],
) -> None:
    """Writes into went (splits of a tree, _ROWS) 1 where a row goes right at the split and 0 where it goes left."""
    for split in range(start, stop):
        value, limit, side = block[split_column[split]], threshold[split], went[split - start]
        if nan_left[split]:
            for row in range(_ROWS):
                side[row] = 1.0 if value[row] > limit else 0.0
        else:
            for row in range(_ROWS):
                side[row] = 0.0 if value[row] <= limit else 1.0


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

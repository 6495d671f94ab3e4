"""The leaves of a forest as flat arrays of the splits that lead there: what SHAP values are worked out from."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Step:
    """A split on the way to a leaf: its feature, its number in the tree, which side the way goes, and the share of the
    training rows at the split that went there as well.
    """

    feature: int
    split: int
    right: bool
    share: float


@dataclass(frozen=True)
class Leaf:
    """The value of a leaf, and the way there from the root."""

    value: float
    path: list[Step]


class Paths(NamedTuple):
    """Leaf after leaf and tree after tree; a leaf has a slot per feature on its path, a slot the steps of its feature.

    first_leaf: int32 (trees + 1,), where each tree's leaves start. leaf_value: float64 (leaves,). first_slot: int32
    (leaves + 1,). slot_feature: int32 (slots,). slot_share: float64 (slots,), the share of training rows that the steps
    let through. first_step: int32 (slots + 1,). step_split: int32 (steps,), the number of the split in its tree.
    step_right: bool (steps,). points, weights: float64 (n, n), a Gauss-Legendre rule on [0, 1] in each row, that of
    leaves of d features in row (d + 1) // 2 - 1. The order is that of forest_kernel.add_contributions.
    """

    first_leaf: npt.NDArray[np.int32]
    leaf_value: npt.NDArray[np.float64]
    first_slot: npt.NDArray[np.int32]
    slot_feature: npt.NDArray[np.int32]
    slot_share: npt.NDArray[np.float64]
    first_step: npt.NDArray[np.int32]
    step_split: npt.NDArray[np.int32]
    step_right: npt.NDArray[np.bool_]
    points: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]


def flatten(trees: list[list[Leaf]]) -> Paths:
    """The paths of a forest, from the leaves of each of its trees."""
    leaves = [leaf for tree in trees for leaf in tree]
    by_leaf = [_by_feature(leaf) for leaf in leaves]
    slots = [slot for slots_of_leaf in by_leaf for slot in slots_of_leaf]
    steps = [step for slot in slots for step in slot]
    points, weights = _rules(max(map(len, by_leaf), default=0))
    return Paths(
        first_leaf=_starts(trees),
        leaf_value=np.array([leaf.value for leaf in leaves], np.float64),
        first_slot=_starts(by_leaf),
        slot_feature=np.array([slot[0].feature for slot in slots], np.int32),
        slot_share=np.array([prod(step.share for step in slot) for slot in slots], np.float64),
        first_step=_starts(slots),
        step_split=np.array([step.split for step in steps], np.int32),
        step_right=np.array([step.right for step in steps], np.bool_),
        points=points,
        weights=weights,
    )


def expected(trees: list[list[Leaf]]) -> float:
    """The mean of the trees' sum over the training rows."""
    return sum(leaf.value * prod(step.share for step in leaf.path) for tree in trees for leaf in tree)


def _rules(most_features: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points and weights for leaves of up to so many features."""
    # A rule of n points is exact for polynomials of degree 2n - 1; a leaf of d features needs degree d - 1.
    count = (most_features + 1) // 2
    points, weights = np.zeros((count, count)), np.zeros((count, count))
    for row in range(count):
        point, weight = np.polynomial.legendre.leggauss(row + 1)
        points[row, : row + 1], weights[row, : row + 1] = (point + 1) / 2, weight / 2
    return points, weights


def _by_feature(leaf: Leaf) -> list[list[Step]]:
    """The steps of a leaf's path by their feature, features in the order of the path."""
    slots: dict[int, list[Step]] = {}
    for step in leaf.path:
        slots.setdefault(step.feature, []).append(step)
    return list(slots.values())


def _starts(groups: Iterable[list[Any]]) -> npt.NDArray[np.int32]:
    return np.array([0, *accumulate(len(group) for group in groups)], np.int32)

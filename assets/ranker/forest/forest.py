"""A LightGBM model as flat arrays, scored by a compiled kernel several times faster than `Booster.predict`.

The layout is that of QuickScorer (Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive
ensembles of regression trees", SIGIR 2015): a split that sends a row right rules out the leaves to its left, so the
leaf that a row ends in is the first that no split rules out. Splits are then visited in any order, without branches,
for many rows at a time. What a prediction is made of is worked out leaf by leaf, from the splits on its path.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from assets.ranker.forest.layout import DE_BRUIJN, EVERY_LEAF, MOST_LEAVES, SLOT_SHIFT
from assets.ranker.forest.paths import Leaf, Paths, Step, expected, flatten
from assets.threads import in_parts

_DEFAULT_LEFT = 2
# Objectives whose prediction is the sum of the trees, as it is.
_UNTRANSFORMED = ("lambdarank", "rank_xendcg", "regression", "regression_l1", "huber", "fair", "quantile", "mape")
# Fewer are not worth another thread.
_ROWS_PER_THREAD = 4096


class UnsupportedForestError(ValueError):
    """The model has something in it that only LightGBM itself can score; the message says what."""


@dataclass(frozen=True)
class Forest:
    """Trees of a model, split after split and tree after tree.

    column: int32 (columns,), the feature of each column; missing: uint8 (columns,), how it treats missing values.
    first: int32 (trees + 1,), where each tree's splits start. split_column: int32 (splits,), position in `column`;
    threshold: float32 (splits,): a value at most this goes left; nan_left: bool (splits,); kept: uint32 (splits,),
    the leaves that are left when a row goes right. leaves: float64 (trees, 32), the value of the leaf of bit b in
    slot `(1 << b) · DE_BRUIJN >> 27`. sigmoid: steepness of the logistic function on the sum, 0 for none.
    paths: how a row comes to each leaf. expected: the mean of the sum over the training rows.
    """

    features: int
    column: npt.NDArray[np.int32]
    missing: npt.NDArray[np.uint8]
    first: npt.NDArray[np.int32]
    split_column: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    nan_left: npt.NDArray[np.bool_]
    kept: npt.NDArray[np.uint32]
    leaves: npt.NDArray[np.float64]
    sigmoid: float
    paths: Paths
    expected: float

    def predict(self, x: npt.NDArray[np.float32], threads: int) -> npt.NDArray[np.float64]:
        """What `Booster.predict` gives for x (float32 (rows, features); NaN and infinities are fine): float64 (rows,).

        Trees are added up in LightGBM's order and precision. Raises ValueError when x has another number of features.
        """
        from assets.ranker.forest.kernel import add_up

        x = self._checked(x)
        scores = np.empty(len(x), np.float64)

        def score(rows: slice) -> None:
            add_up(
                x[rows],
                self.column,
                self.missing,
                self.first,
                self.split_column,
                self.threshold,
                self.nan_left,
                self.kept,
                self.leaves,
                self.sigmoid,
                scores[rows],
            )

        in_parts(score, len(x), threads, _ROWS_PER_THREAD)
        return scores

    def contributions(self, x: npt.NDArray[np.float32], threads: int) -> npt.NDArray[np.float64]:
        """SHAP values of the features, and last the expected value of the sum: float64 (rows, features + 1).

        What `Booster.predict(pred_contrib=True)` gives, but for the last bits. Each row adds up to its sum of the
        trees, before the logistic function. Raises ValueError as `predict` does.
        """
        from assets.ranker.forest.kernel import add_contributions

        x = self._checked(x)
        values = np.zeros((len(x), self.features + 1), np.float64)
        values[:, -1] = self.expected

        def explain(rows: slice) -> None:
            add_contributions(
                x[rows],
                self.column,
                self.missing,
                self.first,
                self.split_column,
                self.threshold,
                self.nan_left,
                *self.paths,
                values[rows],
            )

        in_parts(explain, len(x), threads, _ROWS_PER_THREAD // 32)
        return values

    def _checked(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if x.dtype != np.float32 or x.ndim != 2 or x.shape[1] != self.features:
            raise ValueError(f"the forest scores float32 rows of {self.features} features, not {x.dtype} {x.shape}")
        return np.ascontiguousarray(x)


def read_forest(text: str) -> Forest:
    """The forest of a LightGBM model text.

    Raises:
        UnsupportedForestError: it has categorical splits, linear leaves, several classes, trees of more than
            MOST_LEAVES leaves, a side of a split without training rows, or an objective whose transformation is not
            known here.
    """
    header, *trees = [_fields(part) for part in text.partition("\nend of trees")[0].split("\nTree=")]
    sigmoid = _sigmoid(header)
    columns: dict[tuple[int, int], int] = {}
    first = [0]
    splits: list[_Split] = []
    leaves = np.zeros((len(trees), MOST_LEAVES))
    from_left: list[list[Leaf]] = []
    for number, tree in enumerate(trees):
        added, reached = _read_tree(tree, columns)
        splits += added
        from_left.append(reached)
        first.append(len(splits))
        for bit, leaf in enumerate(reached):
            leaves[number, ((DE_BRUIJN << bit) & EVERY_LEAF) >> SLOT_SHIFT] = leaf.value
    return Forest(
        features=int(header["max_feature_idx"]) + 1,
        column=np.array([feature for feature, _ in columns], np.int32),
        missing=np.array([missing for _, missing in columns], np.uint8),
        first=np.array(first, np.int32),
        split_column=np.array([split.column for split in splits], np.int32),
        threshold=_not_above(np.array([split.threshold for split in splits], np.float64)),
        nan_left=np.array([split.nan_left for split in splits], np.bool_),
        kept=np.array([split.kept for split in splits], np.uint32),
        leaves=leaves,
        sigmoid=sigmoid,
        paths=flatten(from_left),
        expected=expected(from_left),
    )


def _fields(part: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in part.splitlines())


def _sigmoid(header: dict[str, str]) -> float:
    """Steepness of the logistic function that makes predictions of the trees' sums; 0 where they stay sums."""
    if header["num_tree_per_iteration"] != "1":
        raise UnsupportedForestError(f"it has {header['num_tree_per_iteration']} classes")
    if "average_output" in header:
        raise UnsupportedForestError("it averages its trees")
    name, *arguments = header["objective"].split()
    if name == "binary":
        return float(next(each for each in arguments if each.startswith("sigmoid:")).removeprefix("sigmoid:"))
    if name in _UNTRANSFORMED and not arguments:
        return 0.0
    raise UnsupportedForestError(f"its objective is {header['objective']}")


@dataclass(frozen=True)
class _Split:
    column: int
    threshold: float
    nan_left: bool
    kept: int


def _read_tree(fields: dict[str, str], columns: dict[tuple[int, int], int]) -> tuple[list[_Split], list[Leaf]]:
    """Splits of a tree, and its leaves from left to right; columns that are new are numbered in `columns`."""
    number = fields["num_leaves"]
    if int(number) > MOST_LEAVES:
        raise UnsupportedForestError(f"a tree has {number} leaves, more than {MOST_LEAVES}")
    if fields["num_cat"] != "0" or fields["is_linear"] != "0":
        raise UnsupportedForestError("a tree has categorical splits or linear leaves")
    values = [float(value) for value in fields["leaf_value"].split()]
    if int(number) == 1:
        return [], [Leaf(values[0], [])]
    names = ("split_feature", "decision_type", "left_child", "right_child", "leaf_count", "internal_count")
    feature, decision, left, right, at_leaf, at_node = (
        [int(value) for value in fields[name].split()] for name in names
    )
    threshold = [float(value) for value in fields["threshold"].split()]
    splits: list[_Split] = []
    from_left: list[Leaf] = []

    def visit(child: int, path: list[Step]) -> None:
        if child < 0:
            from_left.append(Leaf(values[~child], path))
            return
        start, split = len(from_left), len(splits)
        missing = decision[child] >> 2 & 3
        column = columns.setdefault((feature[child], missing), len(columns))
        splits.append(_Split(column, threshold[child], bool(decision[child] & _DEFAULT_LEFT), EVERY_LEAF))
        for side, goes_right in ((left[child], False), (right[child], True)):
            if goes_right:
                splits[split] = replace(splits[split], kept=EVERY_LEAF ^ ((1 << len(from_left)) - (1 << start)))
            rows = at_leaf[~side] if side < 0 else at_node[side]
            if rows <= 0:
                raise UnsupportedForestError("a side of a split has no training rows")
            share = rows / at_node[child]
            visit(side, [*path, Step(feature[child], split, goes_right, share)])

    visit(0, [])
    return splits, from_left


def _not_above(threshold: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 not above each value: float32 numbers compare with it as with the value itself."""
    with np.errstate(over="ignore"):
        rounded = threshold.astype(np.float32)
    above = rounded > threshold
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded

"""The compiled loop that chooses anchors. Importing this module loads the compiler: do so where needed."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt


@numba.njit(nogil=True)
def varied(
    first: npt.NDArray[Any],
    anchor: npt.NDArray[np.int32],
    strength: npt.NDArray[np.float32],
    discount: float,
    weakest: float,
    chosen: npt.NDArray[np.int32],
) -> None:
    """Writes into chosen (rows,) one anchor of each row: the one with the largest strength · discount ** n, where n is
    how many rows further up in the list have got that anchor.

    first (lists + 1,): where each list starts. anchor, strength (rows, anchors of a row): strength is 0 where there is
    no anchor. Anchors weaker than `weakest` times the strongest of the row are not taken; of equals the first is.
    Nothing is written for a row without anchors.
    """
    for each in range(len(first) - 1):
        for row in range(first[each], first[each + 1]):
            least, largest = 0.0, 0.0
            for term in range(anchor.shape[1]):
                least = max(least, weakest * strength[row, term])
            for term in range(anchor.shape[1]):
                if strength[row, term] == 0 or strength[row, term] < least:
                    continue
                used = 0
                for above in range(first[each], row):
                    used += chosen[above] == anchor[row, term]
                value = strength[row, term] * discount**used
                if value > largest:
                    largest = value
                    chosen[row] = anchor[row, term]

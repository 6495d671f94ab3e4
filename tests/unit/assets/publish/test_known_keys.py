"""Which of many keys have a record, by a table and without one."""

import numpy as np
import pytest

from assets.publish.known_keys import KnownKeys

LARGEST = 2**31 - 1


@pytest.mark.parametrize("keys", [[], [0], [5, 3, 9], [5, 3, 9, LARGEST], list(range(100, 0, -3))])
def test_keys_that_are_not_among_them_are_found(keys: list[int]) -> None:
    asked = np.array([3, -1, 9, 10, LARGEST, 3, -LARGEST, 0, 10], np.int32)
    expected = [key for key in asked.tolist() if key not in keys]
    known = KnownKeys(np.array(keys, np.int32))
    assert known.unknown(asked).tolist() == expected
    assert known.unknown(asked.astype(np.int64)).tolist() == expected
    assert len(known) == len(keys)


@pytest.mark.parametrize("keys", [[5, 3, 9], [5, 3, 9, LARGEST]])
def test_keys_met_more_than_once_count_once(keys: list[int]) -> None:
    known = KnownKeys(np.array(keys, np.int32))
    met = known.none_met()
    for some in ([5, 3, 5], [], [3, keys[-1]]):
        known.meet(met, np.array(some, np.int32))
    assert met.sum() == 3

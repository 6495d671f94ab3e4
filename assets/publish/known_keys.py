"""Which keys have a record, asked about millions at once."""

import numpy as np
from numpy.typing import NDArray

# A table of all numbers up to the largest key, a byte each, is the fastest way to ask. Keys are dense; but one that was
# damaged may be any number, so the table takes no more than this for a key.
_BYTES_PER_KEY = 64
_BYTES_ANYWAY = 1 << 20


class KnownKeys:
    """The keys of the records of a release. `keys` has shape (n,), in any order, none twice and none negative."""

    def __init__(self, keys: NDArray[np.int32]) -> None:
        self._keys = np.sort(keys)
        largest = int(self._keys[-1]) if len(keys) else -1
        self._table: NDArray[np.bool_] | None = None
        if largest < _BYTES_PER_KEY * len(keys) + _BYTES_ANYWAY:
            # One place more, where every number is looked up that is larger, or negative, which is larger unsigned.
            self._table = np.zeros(largest + 2, np.bool_)
            self._table[self._keys] = True

    def __len__(self) -> int:
        return len(self._keys)

    def unknown(self, keys: NDArray[np.int32]) -> NDArray[np.int32]:
        """Those of some keys, shape (n,), that are not among these, in their order."""
        if self._table is None:
            known = np.isin(keys, self._keys)
        else:
            unsigned = np.ascontiguousarray(keys, np.int32).view(np.uint32)
            known = self._table[np.minimum(unsigned, len(self._table) - 1)]
        return keys[:0] if known.all() else keys[~known]

    def none_met(self) -> NDArray[np.bool_]:
        """A mark for each of these keys, for `meet`."""
        return np.zeros(len(self._keys) if self._table is None else len(self._table), np.bool_)

    def meet(self, met: NDArray[np.bool_], keys: NDArray[np.int32]) -> None:
        """Mark known keys, which may be there more than once; the sum of the marks is the number of different ones."""
        met[keys if self._table is not None else np.searchsorted(self._keys, keys)] = True

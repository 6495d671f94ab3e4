"""The compiled loop over the links from heard tracks. Importing this module loads the compiler: do so where needed."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

_Csr = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.float32]]


@numba.njit(nogil=True)
def strongest_terms(
    codes: npt.NDArray[Any],
    first: npt.NDArray[Any],
    track: npt.NDArray[Any],
    plays: _Csr,
    likely: _Csr,
    seed: npt.NDArray[np.int32],
) -> None:
    """Writes into seed, for each candidate, the heard track i with the largest plays(user, i) · likely(i, candidate).

    codes (users,): rows of `plays`, -1 for none. first (users + 1,): where each user's candidates start in track and
    seed (candidates,). plays, likely: indptr, indices and data of CSR matrices (users, tracks) and (tracks, tracks),
    indices of a row ascending. Of equals the lower track is written; nothing where every term is 0.
    """
    place = np.full(len(likely[0]) - 1, -1, np.int32)
    for user in range(len(codes)):
        if codes[user] < 0:
            continue
        start, stop = first[user], first[user + 1]
        for candidate in range(start, stop):
            place[track[candidate]] = candidate - start
        best = np.zeros(stop - start, np.float32)
        for own in range(plays[0][codes[user]], plays[0][codes[user] + 1]):
            heard, weight = plays[1][own], plays[2][own]
            for link in range(likely[0][heard], likely[0][heard + 1]):
                candidate = place[likely[1][link]]
                if candidate >= 0:
                    term = weight * likely[2][link]
                    if term > best[candidate]:
                        best[candidate] = term
                        seed[start + candidate] = heard
        for candidate in range(start, stop):
            place[track[candidate]] = -1

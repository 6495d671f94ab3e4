"""The compiled loops that find anchors. Importing this module loads the compiler: do so where needed."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

_Csr = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.float32]]
# anchor and size (candidates, how many are kept), the largest first, and namesake (candidates,).
Found = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.int32]]


@numba.njit(nogil=True)
def strongest_terms(
    codes: npt.NDArray[Any],
    first: npt.NDArray[Any],
    track: npt.NDArray[Any],
    title: npt.NDArray[Any],
    plays: _Csr,
    likely: _Csr,
    found: Found,
) -> None:
    """Writes, for each candidate, the heard tracks i with the largest plays(user, i) · likely(i, candidate).

    codes (users,): rows of `plays`, -1 for none. first (users + 1,): where each user's candidates start in track and
    found (candidates,). title (tracks,): equal for namesakes; only the strongest namesake is written, apart from the
    others; it counts for nothing where there are others. plays, likely: indptr, indices and data of CSR matrices
    (users, tracks) and (tracks, tracks), indices of a row ascending. Of equals the lower track comes first; nothing is
    written for terms of 0. `found` has sizes of 0 before.
    """
    anchor, size, namesake = found
    last = anchor.shape[1] - 1
    place = np.full(len(likely[0]) - 1, -1, np.int32)
    for user in range(len(codes)):
        if codes[user] < 0:
            continue
        start, stop = first[user], first[user + 1]
        for candidate in range(start, stop):
            place[track[candidate]] = candidate - start
        alike = np.zeros(stop - start, np.float32)
        for own in range(plays[0][codes[user]], plays[0][codes[user] + 1]):
            heard, weight = plays[1][own], plays[2][own]
            for link in range(likely[0][heard], likely[0][heard + 1]):
                candidate = place[likely[1][link]]
                if candidate < 0:
                    continue
                term, row = weight * likely[2][link], start + candidate
                if term <= size[row, last]:
                    continue
                if title[heard] == title[track[row]]:
                    if term > alike[candidate]:
                        alike[candidate] = term
                        namesake[row] = heard
                    continue
                at = last
                while at > 0 and term > size[row, at - 1]:
                    size[row, at], anchor[row, at] = size[row, at - 1], anchor[row, at - 1]
                    at -= 1
                size[row, at], anchor[row, at] = term, heard
        for candidate in range(start, stop):
            place[track[candidate]] = -1


@numba.njit(nogil=True)
def most_heard(
    rows: npt.NDArray[Any],
    wanted: npt.NDArray[Any],
    start: npt.NDArray[Any],
    group: npt.NDArray[Any],
    heard: npt.NDArray[Any],
    listens: npt.NDArray[np.float32],
    track: npt.NDArray[Any],
    title: npt.NDArray[Any],
    found: Found,
) -> None:
    """Writes, for each of these rows of track and found (candidates,), the first tracks of its group of heard ones.

    wanted, start (rows,): the group of each row, and where it begins. group (ascending), heard and listens: parallel,
    the heard tracks of each group in the order in which they are taken. A track is not written for itself; of its
    namesakes (as in `strongest_terms`), the first is written apart where none is yet.
    """
    anchor, size, namesake = found
    for at in range(len(rows)):
        row, place, written = rows[at], start[at], 0
        while written < anchor.shape[1] and place < len(group) and group[place] == wanted[at]:
            if title[heard[place]] != title[track[row]]:
                anchor[row, written], size[row, written] = heard[place], listens[place]
                written += 1
            elif heard[place] != track[row] and namesake[row] < 0:
                namesake[row] = heard[place]
            place += 1

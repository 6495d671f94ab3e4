"""Split parsed batches into narrow listens and the distinct users, artists and tracks that they mention.

A mention is one user, artist or track of a file, numbered within it. Listens refer to mentions by number, so that a
text goes to PostgreSQL once and not once per listen. So that memory stays bounded, only REMEMBERED things of a kind are
remembered; then all are forgotten, and what comes again is mentioned again.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

# Some 60 MB of keys.
REMEMBERED = 300_000


@dataclass(frozen=True)
class Mentions:
    """Tables to stage: `line` is that of the listen that mentions the thing first; `mention` numbers are int32."""

    users: pa.Table
    artists: pa.Table
    tracks: pa.Table
    listens: pa.Table


class MentionCounter:
    """Numbers the mentions of one file, batch after batch.

    Args:
        remembered: how many things of a kind are remembered at least from one batch to the next.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._next = {"user": 0, "artist": 0, "track": 0}
        self._known: dict[str, dict[str, int]] = {kind: {} for kind in self._next}

    def split(self, listens: pa.Table) -> Mentions:
        """Return the tables to stage for one batch of listens, columns as `parse_sql.listens_query` names them."""
        user, user_rows = self._number("user", listens["user_id"])
        artist, artist_rows = self._number("artist", listens["artist_natural_key"])
        track, track_rows = self._number("track", listens["track_natural_key"])
        tracks = _first_mentions(
            listens,
            track_rows,
            {
                "natural_key": "track_natural_key",
                "source_id": "track_source_id",
                "mbid": "recording_mbid",
                "title": "title",
                "isrc": "isrc",
                "duration_ms": "duration_ms",
            },
        )
        return Mentions(
            users=_numbered(user, user_rows, _first_mentions(listens, user_rows, {"user_id": "user_id"})),
            artists=_numbered(
                artist,
                artist_rows,
                _first_mentions(
                    listens,
                    artist_rows,
                    {
                        "natural_key": "artist_natural_key",
                        "source_id": "artist_source_id",
                        "mbid": "artist_mbid",
                        "name": "artist_name",
                    },
                ),
            ),
            tracks=_numbered(track, track_rows, tracks.append_column("artist_mention", artist.take(track_rows))),
            listens=pa.table(
                {
                    "line": listens["line"],
                    "user_mention": user,
                    "track_mention": track,
                    "listened_at": listens["listened_at"].cast(pa.timestamp("us", "UTC")),
                    "ms_played": listens["ms_played"],
                    "skipped": listens["skipped"],
                }
            ),
        )

    def _number(self, kind: str, keys: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
        """Return each row's mention number (null for a null key) and, per new mention, the row that makes it."""
        encoded = keys.combine_chunks().dictionary_encode()
        indices = encoded.indices
        rows = np.flatnonzero(indices.is_valid().to_numpy(zero_copy_only=False))
        first = np.empty(len(encoded.dictionary), np.int64)
        # Assigned back to front, the row written last is the first one.
        first[indices.drop_null().to_numpy()[::-1]] = rows[::-1]
        numbers, is_new = self._numbers(kind, encoded.dictionary)
        return pa.array(numbers).take(indices), pa.array(first[is_new])

    def _numbers(self, kind: str, keys: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Return the mention numbers of distinct keys, and which of them are new."""
        known = self._known[kind]
        if len(known) > self._remembered:
            known.clear()
        next_number = self._next[kind]
        # Each key that is added makes the dictionary longer by one, and the next number higher by one.
        shift = next_number - len(known)
        numbers = np.fromiter((known.setdefault(key, shift + len(known)) for key in keys.to_pylist()), np.int32)
        self._next[kind] = shift + len(known)
        return numbers, numbers >= next_number


def _first_mentions(listens: pa.Table, rows: pa.Array, columns: dict[str, str]) -> pa.Table:
    names = ["line", *columns.values()]
    return listens.select(names).take(rows).rename_columns(["line", *columns])


def _numbered(numbers: pa.Array, rows: pa.Array, table: pa.Table) -> pa.Table:
    return table.add_column(0, "mention", numbers.take(rows))

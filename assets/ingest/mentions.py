"""Split parsed batches into narrow listens and the distinct users, artists and tracks that they mention.

A mention is one user, artist or track in one batch, numbered within the file. Listens refer to mentions by number, so
that a text goes to PostgreSQL once per batch and not once per listen, and memory stays bounded by the batch.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Mentions:
    """Tables to stage: `line` is that of the first listen that mentions the thing; `mention` numbers are int32."""

    users: pa.Table
    artists: pa.Table
    tracks: pa.Table
    listens: pa.Table


class MentionCounter:
    """Numbers the mentions of one file, batch after batch."""

    def __init__(self) -> None:
        self._next = {"user": 0, "artist": 0, "track": 0}

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
        """Return each row's mention number (null for a null key) and, per mention, the first row that makes it."""
        encoded = keys.combine_chunks().dictionary_encode()
        indices = encoded.indices
        rows = np.flatnonzero(indices.is_valid().to_numpy(zero_copy_only=False))
        first = np.empty(len(encoded.dictionary), np.int64)
        # Assigned back to front, the row written last is the first one.
        first[indices.drop_null().to_numpy()[::-1]] = rows[::-1]
        numbers = pc.add(indices, pa.scalar(self._next[kind], pa.int32()))
        self._next[kind] += len(first)
        return numbers, pa.array(first)


def _first_mentions(listens: pa.Table, rows: pa.Array, columns: dict[str, str]) -> pa.Table:
    names = ["line", *columns.values()]
    return listens.select(names).take(rows).rename_columns(["line", *columns])


def _numbered(numbers: pa.Array, rows: pa.Array, table: pa.Table) -> pa.Table:
    return table.add_column(0, "mention", numbers.take(rows))

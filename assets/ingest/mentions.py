"""Split parsed batches into narrow listens and the distinct users, artists and tracks that they mention.

A mention is one user, artist or track of a file, numbered within it. Listens refer to mentions by number, so that a
text goes to PostgreSQL once and not once per listen. So that memory stays bounded, only REMEMBERED things of a kind are
remembered; then all are forgotten, and what comes again is mentioned again.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Some 50 MB of keys of each kind, where they are MBIDs.
REMEMBERED = 300_000


@dataclass(frozen=True)
class Mentions:
    """Tables to stage: `line` is that of the listen that mentions the thing first; `mention` numbers are int32."""

    users: pa.Table
    artists: pa.Table
    tracks: pa.Table
    listens: pa.Table
    credits: pa.Table | None = None


class MentionCounter:
    """Numbers the mentions of one file, batch after batch.

    Args:
        remembered: how many things of a kind there may be before the next batch forgets them all.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._next = {"user": 0, "artist": 0, "track": 0}
        self._known: dict[str, dict[str, int]] = {kind: {} for kind in self._next}

    def split(self, listens: pa.Table, credits: pa.Table | None = None) -> Mentions:
        """Return the tables to stage for one batch of listens, columns as `parse_sql.listens_query` names them, and of
        who these credit (`credits_sql.members_query`): of each track what its first row with several artists says.
        """
        mentions, track, artist = self._split(listens)
        if credits is None or not credits.num_rows:
            return mentions
        row = pc.index_in(credits["line"], listens["line"]).combine_chunks()
        track, artist = track.take(row), artist.take(row)
        # Rows are in the order of the file, and those of a line stand together.
        _, firsts = np.unique(track.to_numpy(), return_index=True)
        chosen = pa.array(np.isin(credits["line"].to_numpy(), credits["line"].to_numpy()[firsts]))
        credits, track, artist = credits.filter(chosen), track.filter(chosen), artist.filter(chosen)
        others = pc.greater(credits["position"], 1)
        other, other_rows = self._number("artist", pc.if_else(others, credits["natural_key"], None))
        names = ["line", "natural_key", "source_id", "mbid", "name"]
        more = _numbered(other, other_rows, credits.select(names).take(other_rows))
        staged = {
            "line": credits["line"],
            "track_mention": track,
            "position": credits["position"].cast(pa.int16()),
            "artist_mention": pc.coalesce(other, artist),
            "join_phrase": credits["join_phrase"],
        }
        return replace(mentions, artists=pa.concat_tables([mentions.artists, more]), credits=pa.table(staged))

    def _split(self, listens: pa.Table) -> tuple[Mentions, pa.Array, pa.Array]:
        """Return the tables of listens, and each row's mention of its track and of its artist."""
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
        mentions = Mentions(
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
        return mentions, track, artist

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

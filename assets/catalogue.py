"""What is known of tracks and users beside listens: ids, names, artists, tags and countries, as of now."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from sqlalchemy import Connection, text

from assets.listens import Ints
from warehouse.errors import AudoticsError
from warehouse.frames import fetch_frame


@dataclass(frozen=True)
class Links:
    """Keys and what they belong to, parallel int32 arrays sorted by key. A key may come several times, or never."""

    key: Ints
    group: Ints

    @classmethod
    def of(cls, pairs: Collection[tuple[int, int]]) -> "Links":
        """From (key, group) in any order."""
        ordered = np.array(sorted(pairs), dtype=np.int32).reshape(-1, 2)
        return cls(ordered[:, 0], ordered[:, 1])


_NOTHING = Links.of([])


@dataclass(frozen=True)
class Catalogue:
    """Artist of tracks, tags of tracks and country of users; groups are numbers without meaning, equal for equals.

    These facts carry no time: they are those of now, whatever `as_of` is (docs/adr/0022-more-sources.md).
    """

    artists: Links = _NOTHING
    tags: Links = _NOTHING
    countries: Links = _NOTHING


NOTHING_KNOWN = Catalogue()


def memberships(links: Links, keys: Ints) -> tuple[Ints, Ints, int]:
    """Which of the sorted unique `keys` (as positions in them) are in which group, and how many groups there are.

    Groups are renumbered densely over the links of these keys alone.
    """
    place = np.minimum(np.searchsorted(keys, links.key), len(keys) - 1)
    known = keys[place] == links.key
    _, group = np.unique(links.group[known], return_inverse=True)
    return place[known], group, int(group.max()) + 1 if len(group) else 0


def artist_codes(catalogue: Catalogue, tracks: Ints) -> tuple[Ints, int]:
    """Dense artist number of each of the sorted unique track keys, -1 where unknown, and how many artists there are."""
    track, artist, artists = memberships(catalogue.artists, tracks)
    codes = np.full(len(tracks), -1, np.int64)
    codes[track] = artist
    return codes, artists


def read_catalogue(connection: dbapi.Connection, facts: Iterable[str]) -> Catalogue:
    """These fields of the catalogue, from core.dim_tracks, raw.track_tags, raw.artist_tags and core.dim_users; the rest
    is empty.

    A track has its own tags and those of its artist.

    Tags and countries that differ only in case are one.
    """
    return Catalogue(**{name: _read(connection, _QUERIES[name]) for name in facts})


_QUERIES = {
    "artists": "select track_key, artist_key from core.dim_tracks where artist_key is not null",
    "tags": (
        "select distinct canonical_track_key, dense_rank() over (order by lower(tag))::integer"
        " from (select track_key, tag from raw.track_tags union all"
        " select track_key, tag from raw.artist_tags inner join core.dim_artists using (artist_key)"
        " inner join core.dim_tracks on dim_tracks.artist_key = canonical_artist_key) as tagged"
        " inner join core.dim_tracks using (track_key)"
    ),
    "countries": (
        "select user_key, dense_rank() over (order by lower(country))::integer from core.dim_users"
        " where country is not null"
    ),
}


def _read(connection: dbapi.Connection, query: str) -> Links:
    with connection.cursor() as cursor:
        cursor.execute(f"{query} order by 1, 2")
        table = cursor.fetch_arrow_table()
    key, group = (column.to_numpy().astype(np.int32) for column in table.columns)
    return Links(key, group)


def read_track_artists(connection: dbapi.Connection) -> pd.DataFrame:
    """track_key and artist_key (null where unknown) of the whole catalogue."""
    return fetch_frame(connection, "select track_key, artist_key from core.dim_tracks")


def read_guests(connection: dbapi.Connection) -> pd.DataFrame:
    """track_key and artist_key of everyone whom a track credits beside its artist, one row each."""
    return fetch_frame(connection, "select track_key, artist_key from core.dim_track_artists where position > 1")


def read_titles(connection: dbapi.Connection) -> pd.DataFrame:
    """track_key, artist_key and title (both null where unknown) of the whole catalogue."""
    return fetch_frame(connection, "select track_key, artist_key, title from core.dim_tracks")


def read_countries(connection: dbapi.Connection, user_keys: Ints) -> "pd.Series[str]":
    """The country by user key, of those of the users whose profile states one."""
    query = "select user_key, country from core.dim_users where user_key = any($1) and country is not null"
    return fetch_frame(connection, query, user_keys).set_index("user_key")["country"]


def keys_by_id(connection: dbapi.Connection, kind: str, ids: Sequence[str]) -> "pd.Series[int]":
    """The key of each public id of a "user" or a "track", of a track that is another the key of that one; ids that the
    warehouse does not know are left out.
    """
    key = "user_key" if kind == "user" else "canonical_track_key"
    with connection.cursor() as cursor:
        wanted = pa.array([ids], type=pa.list_(pa.string()))
        cursor.execute(
            f"select {kind}_id, {key} as {kind}_key from core.dim_{kind}s where {kind}_id = any($1)",
            parameters=pa.record_batch([wanted], names=["ids"]),
        )
        found: pd.DataFrame = cursor.fetch_arrow_table().to_pandas()
    return found.set_index(f"{kind}_id")[f"{kind}_key"]


def known_user_keys(connection: Connection, ids: Sequence[str]) -> list[int]:
    """The keys of users by their public ids, also of those whom the models do not know yet. The role has to be the
    loader's.

    Raises:
        AudoticsError: some of the ids are nobody's.
    """
    found = connection.execute(text("select user_id, user_key from raw.users where user_id = any(:ids)"), {"ids": ids})
    keys = {row.user_id: row.user_key for row in found}
    if unknown := [each for each in ids if each not in keys]:
        raise AudoticsError(
            f"the warehouse knows no user {', '.join(map(repr, unknown))}; users go by the ids that their source gave,"
            " as in core.dim_users"
        )
    return [keys[each] for each in ids]


def user_ids(connection: dbapi.Connection, user_keys: Ints) -> dict[int, str]:
    """The public id of each user key."""
    found = fetch_frame(connection, "select user_key, user_id from core.dim_users where user_key = any($1)", user_keys)
    return dict(zip(found["user_key"].tolist(), found["user_id"], strict=True))


def with_titles(connection: dbapi.Connection, lists: pd.DataFrame) -> pd.DataFrame:
    """The rows of lists with track_id, title and artist beside them; the last two None where the source gave none."""
    query = "select track_key, track_id, title, artist_name as artist from core.dim_tracks where track_key = any($1)"
    named = fetch_frame(connection, query, lists["track_key"].unique().astype("int32"))
    return lists.merge(named.astype(object).where(named.notna(), None).astype({"track_key": "int32"}), how="left")


def artist_of(track: npt.NDArray[np.int64], track_artist: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Artist key per track key, -1 where the track has none."""
    known = track_artist.set_index("track_key")["artist_key"]
    return known.reindex(track).fillna(-1).to_numpy(np.int64)

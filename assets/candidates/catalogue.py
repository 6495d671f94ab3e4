"""What is known of tracks and users beside listens: artists, tags and countries, as of now."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from assets.candidates.history import History, Ints


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
# What each source that is fitted on more than listens needs.
NEEDED_BY = {
    "loved_artists": "artists",
    "similar_artists": "artists",
    "liked_tags": "tags",
    "country_popular": "countries",
}


def memberships(links: Links, keys: Ints) -> tuple[Ints, Ints, int]:
    """Which of the sorted unique `keys` (as positions in them) are in which group, and how many groups there are.

    Groups are renumbered densely over the links of these keys alone.
    """
    place = np.minimum(np.searchsorted(keys, links.key), len(keys) - 1)
    known = keys[place] == links.key
    _, group = np.unique(links.group[known], return_inverse=True)
    return place[known], group, int(group.max()) + 1 if len(group) else 0


def artist_codes(catalogue: Catalogue, history: History) -> tuple[Ints, int]:
    """Dense artist number of every track code, -1 where unknown, and how many artists there are."""
    track, artist, artists = memberships(catalogue.artists, history.tracks)
    codes = np.full(len(history.tracks), -1, np.int64)
    codes[track] = artist
    return codes, artists


def read_catalogue(connection: Any, sources: Iterable[str]) -> Catalogue:
    """What the sources of these names need of core.dim_tracks, raw.track_tags and core.dim_users; the rest is empty.

    Tags and countries that differ only in case are one. `connection` is an ADBC PostgreSQL connection.
    """
    needed = {NEEDED_BY[name] for name in sources if name in NEEDED_BY}
    return Catalogue(**{name: _read(connection, _QUERIES[name]) for name in needed})


_QUERIES = {
    "artists": "select track_key, artist_key from core.dim_tracks where artist_key is not null",
    "tags": "select distinct track_key, dense_rank() over (order by lower(tag))::integer from raw.track_tags",
    "countries": (
        "select user_key, dense_rank() over (order by lower(country))::integer from core.dim_users"
        " where country is not null"
    ),
}


def _read(connection: Any, query: str) -> Links:
    with connection.cursor() as cursor:
        cursor.execute(f"{query} order by 1, 2")
        table = cursor.fetch_arrow_table()
    key, group = (column.to_numpy().astype(np.int32) for column in table.columns)
    return Links(key, group)

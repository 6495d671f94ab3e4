"""Makes the lists of similar items of a date from the listens before it."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from sqlalchemy import Connection, text

from assets.candidates.history import History
from assets.listens import Ints, Listens, read_listens
from assets.pairs import pack, seconds
from assets.public import LEAST_LISTENERS
from assets.similar.sources import Item, SimilarConfig, nearest, of_artists, similar
from assets.similar.store import as_rows

# Items whose lists are held at a time.
_ITEMS_PER_BATCH = 20_000


def read_item_listens(connection: dbapi.Connection, item: Item, as_of: date, start: date | None = None) -> Listens:
    """Listens in `[start, as_of)`; of artists, with artists in the tracks' place where they are known."""
    listens = read_listens(connection, as_of, start)
    if item is Item.TRACK:
        return listens
    with connection.cursor() as cursor:
        cursor.execute(
            "select track_key, artist_key from core.dim_tracks where artist_key is not null order by track_key"
        )
        known = cursor.fetch_arrow_table()
    return of_artists(listens, known["track_key"].to_numpy(), known["artist_key"].to_numpy())


def public_history(listens: Listens, as_of: date, least_listeners: int = LEAST_LISTENERS) -> History | None:
    """What public lists are learned from: the listens, by people, of items that so many of them heard; None where there
    are none.

    Nothing of the others may show, so they take no part at all: whoever plays what nobody else does changes no list.
    """
    listens = listens.of_people(as_of)
    items, code = np.unique(listens.track_key, return_inverse=True)
    listeners = np.bincount(seconds(np.unique(pack(listens.user_key, code))), minlength=len(items))
    kept = (listeners >= least_listeners)[code]
    if not kept.any():
        return None
    return History(listens.where(kept), as_of)


def similar_rows(history: History, item: Item, config: SimilarConfig) -> Iterator[pa.Table]:
    """The lists of every item of a history as rows of the item's table, a batch at a time."""
    source = similar(history, config)
    for start in range(0, len(history.tracks), _ITEMS_PER_BATCH):
        codes = np.arange(start, min(start + _ITEMS_PER_BATCH, len(history.tracks)))
        found, scores = nearest(source, codes, config.length, len(history.tracks))
        similar_keys = np.where(found >= 0, history.tracks[np.maximum(found, 0)], -1)
        yield as_rows(item, history.as_of, history.tracks[codes], similar_keys, scores)


def most_heard(history: History, count: int) -> Ints:
    """Keys of the items with the most listens, most first."""
    return history.tracks[np.argsort(-np.bincount(history.track_code), kind="stable")[:count]]


def named_examples(connection: Connection, item: Item, as_of: date, keys: Ints) -> list[tuple[str, str]]:
    """For these items, in their order: what they are called, and what the five most like them are called."""
    statement = text(_EXAMPLES.format(item=item, name=_NAMES[item]))
    rows = connection.execute(statement, {"as_of": as_of, "keys": keys.tolist()})
    return [(row.name, row.similar) for row in rows]


_NAMES = {
    Item.TRACK: "coalesce(title, track_id) || coalesce(' by ' || artist_name, '')",
    Item.ARTIST: "coalesce(artist_name, artist_id)",
}
_EXAMPLES = """
    with names as (select {item}_key, {name} as name from core.dim_{item}s)
    select names.name, string_agg(similar_names.name, '; ' order by lists.rank) as similar
    from ml.similar_{item}s as lists
    inner join names on lists.{item}_key = names.{item}_key
    inner join names as similar_names on lists.similar_{item}_key = similar_names.{item}_key
    where lists.as_of = :as_of and lists.{item}_key = any(:keys) and lists.rank <= 5
    group by lists.{item}_key, names.name
    order by array_position(cast(:keys as integer[]), lists.{item}_key)
"""

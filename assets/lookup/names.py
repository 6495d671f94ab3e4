"""The names of a release, read from the warehouse most popular first."""

from collections.abc import Iterator
from datetime import date

from adbc_driver_postgresql import dbapi

from assets.lookup.index import Name
from assets.public import LEAST_LISTENERS
from serving_api.contract import SearchKind
from warehouse.dates import sql_date

_KINDS = {"track": SearchKind.TRACK, "artist": SearchKind.ARTIST}


def read_names(connection: dbapi.Connection, as_of: date) -> Iterator[Name]:
    """The tracks that anybody had heard before the date, and their artists, in the order of the popular list.

    That is by listeners in the last 30 days, then by all there ever were. Where fewer than LEAST_LISTENERS people
    heard something it is not listed, and stands where its key puts it: nobody can tell one listener from two.
    """
    day = sql_date(as_of)
    with connection.cursor() as cursor:
        cursor.execute(
            "with heard as (select track_key, title, artist_name, artist_key, listeners, listeners_30d"
            f" from core.dim_tracks inner join features.feat_track using (track_key) where as_of = {day}),"
            " names as ("
            "select 'track' as kind, track_key as key, title as name, artist_name as artist, listeners, listeners_30d"
            " from heard union all"
            " select 'artist', artist_key, artist_name, null, coalesce(listeners, 0), coalesce(listeners_30d, 0)"
            " from core.dim_artists left join"
            f" (select artist_key, listeners, listeners_30d from features.feat_artist where as_of = {day}) as liked"
            " using (artist_key) where artist_key in (select artist_key from heard)),"
            f" counted as (select *, listeners >= {LEAST_LISTENERS} as listed from names where name is not null)"
            " select kind, key, name, artist, listed from counted order by listed desc,"
            f" case when listeners_30d >= {LEAST_LISTENERS} then listeners_30d else 0 end desc,"
            " case when listed then listeners end desc nulls last, kind, key"
        )
        for batch in cursor.fetch_record_batch():
            for kind, key, name, artist, listed in zip(*batch.to_pydict().values(), strict=True):
                yield Name(_KINDS[kind], key, name, artist, listed)

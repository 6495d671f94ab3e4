"""What is popular in a country, and who is to get it, read from the warehouse."""

from collections.abc import Collection, Iterator
from datetime import date

import numpy as np
from adbc_driver_postgresql import dbapi

from assets.publish.content import PopularTracks
from assets.publish.fetching import fetch_in_batches

POPULAR_DAYS = 30
POPULAR_LENGTH = 100
# A track that one or two people play says little about a country, and too much about them to whoever reads the list.
LEAST_LISTENERS = 3
# A page, as the API answers without a `limit`. Where fewer tracks have so many listeners, the overall list says more.
LEAST_TRACKS = 20


def country_popular(
    connection: dbapi.Connection,
    as_of: date,
    least_listeners: int = LEAST_LISTENERS,
    least_tracks: int = LEAST_TRACKS,
) -> dict[str, PopularTracks]:
    """What most people of a country heard in the 30 days before the date; of equals, what they played more.

    By country as profiles name it, of those where at least `least_tracks` tracks had `least_listeners` listeners; other
    tracks are left out. The score of a track is its number of listeners there. Only listens before the date count;
    the profiles are those of now.
    """
    day = _day(as_of)
    with connection.cursor() as cursor:
        cursor.execute(
            "with recent as (select user_key, track_key, count(*) as plays from core.fct_listens"
            f" where listened_on >= {day} - {POPULAR_DAYS} and listened_on < {day} group by user_key, track_key),"
            " heard as (select country, track_key, count(*) as listeners, sum(plays) as plays"
            " from recent inner join core.dim_users using (user_key) where country is not null"
            f" group by country, track_key having count(*) >= {least_listeners}),"
            " ranked as (select country, track_key, listeners, count(*) over (partition by country) as tracks,"
            " row_number() over (partition by country order by listeners desc, plays desc, track_key) as rank"
            " from heard)"
            f" select country, track_key, listeners from ranked where rank <= {POPULAR_LENGTH}"
            f" and tracks >= {least_tracks} order by country, rank"
        )
        rows = cursor.fetch_arrow_table().to_pandas()
    return {
        str(country): PopularTracks(listed["track_key"].to_numpy(np.int32), listed["listeners"].to_numpy(np.float32))
        for country, listed in rows.groupby("country", sort=False)
    }


def user_countries(
    connection: dbapi.Connection, as_of: date, countries: Collection[str]
) -> Iterator[list[tuple[str, str]]]:
    """User id and country of those who had heard nothing before the date and whose profile names one of these."""
    rows = fetch_in_batches(
        connection,
        "select user_id, country from core.dim_users where country is not null"
        " and not exists (select from features.feat_user"
        f" where as_of = {_day(as_of)} and feat_user.user_key = dim_users.user_key) order by user_key",
    )
    for batch in rows:
        yield [(user_id, country) for user_id, country in batch if country in countries]


def _day(as_of: date) -> str:
    return f"date '{as_of.isoformat()}'"

"""What is popular in a country, and who is to get it, read from the warehouse."""

from collections.abc import Collection, Iterator
from datetime import date

import numpy as np
from adbc_driver_postgresql import dbapi

from assets.publish.content import PopularTracks

POPULAR_DAYS = 30
POPULAR_LENGTH = 100
# Of fewer, two or three heavy listeners make the list: it says little about the country, and too much about them to
# whoever reads it.
LEAST_LISTENERS = 20
_USERS_PER_BATCH = 20_000


def country_popular(
    connection: dbapi.Connection, as_of: date, least_listeners: int = LEAST_LISTENERS
) -> dict[str, PopularTracks]:
    """What listeners of a country heard most in the 30 days before the date; equals as in the overall list.

    By country as profiles name it, of those with at least `least_listeners` listeners in these days; the score of a
    track is its number of listens there. Only listens before the date count; the profiles are those of now.
    """
    day = _day(as_of)
    recent = f"listened_on >= {day} - {POPULAR_DAYS} and listened_on < {day}"
    with connection.cursor() as cursor:
        # The days are read twice, because a count of different users beside that of listens would sort them all.
        cursor.execute(
            f"with listeners as (select distinct user_key from core.fct_listens where {recent}),"
            " countries as (select country from listeners inner join core.dim_users using (user_key)"
            f" where country <> '' group by country having count(*) >= {least_listeners}),"
            " heard as (select country, track_key, count(*) as plays from core.fct_listens"
            " inner join core.dim_users using (user_key) inner join countries using (country)"
            f" where {recent} group by country, track_key),"
            " ranked as (select country, track_key, plays, row_number() over"
            " (partition by country order by plays desc, listens_30d desc, listens desc, track_key) as rank"
            f" from heard inner join features.feat_track using (track_key) where as_of = {day})"
            f" select country, track_key, plays from ranked where rank <= {POPULAR_LENGTH} order by country, rank"
        )
        rows = cursor.fetch_arrow_table().to_pandas()
    return {
        str(country): PopularTracks(listed["track_key"].to_numpy(np.int32), listed["plays"].to_numpy(np.float32))
        for country, listed in rows.groupby("country", sort=False)
    }


def user_countries(
    connection: dbapi.Connection, as_of: date, countries: Collection[str]
) -> Iterator[list[tuple[str, str]]]:
    """User id and country of those who had heard nothing before the date and whose profile names one of these."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select user_id, country from core.dim_users where country <> ''"
            " and not exists (select from features.feat_user"
            f" where as_of = {_day(as_of)} and feat_user.user_key = dim_users.user_key) order by user_key"
        )
        for batch in cursor.fetch_record_batch():
            for start in range(0, batch.num_rows, _USERS_PER_BATCH):
                users = batch.slice(start, _USERS_PER_BATCH).to_pydict()
                listed = zip(users["user_id"], users["country"], strict=True)
                yield [(user_id, country) for user_id, country in listed if country in countries]


def _day(as_of: date) -> str:
    return f"date '{as_of.isoformat()}'"

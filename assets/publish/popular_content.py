"""What is popular, overall and in a country, and who is to get a country's list, read from the warehouse.

Popular is what many people listen to: an account counts once, however much it plays, and not at all where it was known
as of the date not to be a person's (core.dim_unlikely_listeners). A track that fewer than LEAST_LISTENERS people heard
is in no list.
"""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from adbc_driver_postgresql import dbapi

from assets.listens import unlikely_as_of
from assets.public import LEAST_LISTENERS
from assets.publish.content import PopularTracks
from assets.publish.fetching import fetch_in_batches
from warehouse.dates import sql_date
from warehouse.frames import fetch_frame

POPULAR_DAYS = 30
POPULAR_LENGTH = 100
# As the candidate source of the same name has them; a test compares the two.
TRENDING_DAYS = 7
SMOOTHING = 5.0
# A page, as the API answers without a `limit`. Where fewer tracks have so many listeners, the overall list says more.
LEAST_TRACKS = 20


def popular(connection: dbapi.Connection, as_of: date) -> PopularTracks:
    """What most people heard in the 30 days before the date; of equals, what most people ever heard.

    Of the tracks that LEAST_LISTENERS people had heard by then; where there are none, the list is empty. The score of a
    track is its number of listeners in the 30 days, 0 where these are fewer.
    """
    rows = fetch_frame(
        connection,
        f"select track_key, case when listeners_30d >= {LEAST_LISTENERS} then listeners_30d else 0 end as recent"
        f" from features.feat_track where as_of = {sql_date(as_of)} and listeners >= {LEAST_LISTENERS}"
        f" order by recent desc, listeners desc, track_key limit {POPULAR_LENGTH}",
    )
    return _tracks(rows["track_key"], rows["recent"])


def trending(connection: dbapi.Connection, as_of: date) -> PopularTracks:
    """What more people heard in the 7 days before the date than in a week of the 30; of equals, what most heard.

    Of the tracks that LEAST_LISTENERS people heard in the 7 days. The score is as that of the candidate source of the
    same name: listeners of the week over those of the month's average week, both smoothed.
    """
    day = sql_date(as_of)
    rows = fetch_frame(
        connection,
        "with heard as (select user_key, track_key, max(listened_on) as last_on from core.fct_listens"
        f" where listened_on >= {day} - {POPULAR_DAYS} and listened_on < {day}"
        f" and not {unlikely_as_of(day, 'fct_listens')} group by user_key, track_key),"
        " listeners as (select track_key, count(*) as month,"
        f" count(*) filter (where last_on >= {day} - {TRENDING_DAYS}) as week from heard group by track_key)"
        f" select track_key, (week + {SMOOTHING}) / (month * {TRENDING_DAYS}.0 / {POPULAR_DAYS} + {SMOOTHING}) as score"
        f" from listeners where week >= {LEAST_LISTENERS}"
        f" order by score desc, week desc, track_key limit {POPULAR_LENGTH}",
    )
    return _tracks(rows["track_key"], rows["score"])


def country_popular(
    connection: dbapi.Connection,
    as_of: date,
    least_listeners: int = LEAST_LISTENERS,
    least_tracks: int = LEAST_TRACKS,
) -> dict[str, PopularTracks]:
    """What most people of a country heard in the 30 days before the date; of equals, what most people anywhere did.

    By country as profiles name it, of those where at least `least_tracks` tracks had `least_listeners` listeners; other
    tracks are left out. The score of a track is its number of listeners there. Only listens before the date count;
    the profiles are those of now.
    """
    day = sql_date(as_of)
    rows = fetch_frame(
        connection,
        "with recent as (select distinct user_key, track_key from core.fct_listens"
        f" where listened_on >= {day} - {POPULAR_DAYS} and listened_on < {day}"
        f" and not {unlikely_as_of(day, 'fct_listens')}),"
        " heard as (select country, track_key, count(*) as listeners"
        " from recent inner join core.dim_users using (user_key) where country is not null"
        f" group by country, track_key having count(*) >= {least_listeners}),"
        " anywhere as (select track_key, count(*) as listeners_anywhere from recent group by track_key),"
        " ranked as (select country, track_key, listeners, count(*) over (partition by country) as tracks,"
        " row_number() over (partition by country order by listeners desc, listeners_anywhere desc, track_key) as rank"
        " from heard inner join anywhere using (track_key))"
        f" select country, track_key, listeners from ranked where rank <= {POPULAR_LENGTH}"
        f" and tracks >= {least_tracks} order by country, rank",
    )
    return {
        str(country): _tracks(listed["track_key"], listed["listeners"])
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
        f" where as_of = {sql_date(as_of)} and feat_user.user_key = dim_users.user_key) order by user_key",
    )
    for batch in rows:
        yield [(user_id, country) for user_id, country in batch if country in countries]


def _tracks(track_keys: "pd.Series[Any]", scores: "pd.Series[Any]") -> PopularTracks:
    return PopularTracks(track_keys.to_numpy(np.int32), scores.to_numpy(np.float32))

"""What the lists of a slate are like, measured in PostgreSQL: one pass over the lists, and one beside those of before.

Measures are plain rows of numbers, by names that `NAMES` explains. Nothing here judges them.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from assets.metrics.segments import LEAST_USERS_OF_COUNTRY, MOST_COUNTRIES, NEW_LISTENER_DAYS
from assets.ranker.untrained import Untrained
from assets.release_gate.expected import expected_users
from assets.slates import Slate

ALL = "all"
# What somebody sees of a list without asking for more.
FIRST = 20
# Lists of fewer tracks are alike, of one artist or of one score by chance.
LONG_ENOUGH = 10
# A list has 20 tracks of one artist at most, so in a list as long as that none has more than half of it.
LONG = 50
_COUNTRY = "country: "

NAMES = {
    "users_expected": "Users who should have a list",
    "coverage": "Share of the users expected who have a list",
    "users": "Users with a list",
    "untrained": "1 where no ranker ordered the lists",
    "length": "Tracks of a list, on average",
    "tracks": "Different tracks in all lists",
    "artists": "Different artists of a list, on average",
    "lists_of_10": f"Lists of {LONG_ENOUGH} tracks or more",
    "lists_of_50": f"Lists of {LONG} tracks or more",
    "same_list": f"Share of the lists of {LONG_ENOUGH} tracks or more that are the most frequent one of them",
    "alike": f"Share of their first {FIRST} tracks that two lists have in common, on average of all pairs of users",
    "one_artist": f"Share of the lists of {LONG} tracks or more in which one artist has more than half",
    "top_artist": "Share of all places of all lists that the artist has who has most of them",
    "top_artist_listens": "Share of all listens that this artist has",
    "one_score": f"Share of the lists of {LONG_ENOUGH} tracks or more whose scores are all the same",
    "not_finite": "Places whose score is not a finite number",
    "unknown_tracks": "Places whose track nobody had heard by then, or that the catalogue does not know",
    "unknown_reasons": "Places whose reason is such a track",
    "unknown_users": "Lists of users whom the warehouse does not know",
    "blocked": "Places with what their user had blocked before the lists were made",
    "known_tracks": "Tracks that anybody had heard by then",
    "known_artists": "Artists whom anybody had heard by then",
    "overlap": f"Share of the first {FIRST} tracks that were among those of the same user before, the median of users",
    "compared_users": "Users whose lists were compared with those of before",
    "compared_days": "How many days before these lists those are from",
    "compared_model": "1 where the same model had ordered those",
    "shadow_users": "Users for whom lists of an earlier date were made again (docs/adr/0057)",
    "shadow_days": "How many days before these lists that date is",
    "shadow_ndcg": "NDCG@100 of the lists made again, by what the users then listened to",
    "shadow_ndcg_then": "NDCG@100 of the lists that these users were served",
    "shadow_delta": "The first less the second, the mean of users",
    "shadow_low": "The lower end of the 95 % interval of that",
    "shadow_high": "The upper end of the 95 % interval of that",
}


class Measured(NamedTuple):
    """One figure of the lists of a slate; the segment is `all` or a part of the users."""

    slate: str
    measure: str
    segment: str
    value: float


def list_measures(connection: Connection, as_of: date, before: Mapping[str, date]) -> list[Measured]:
    """Every figure of every slate whose lists are expected as of a date; a slate without a list has only few.

    before: by slate, the date whose lists these are compared with; those of other slates are not.
    """
    batches = connection.execute(_BATCHES, {"as_of": as_of}).all()
    versions = {row.slate: row.model_version for row in batches}
    blocked = {row.slate: row.blocked for row in connection.execute(BLOCKED, {"as_of": as_of})}
    catalogue = connection.execute(_CATALOGUE, {"as_of": as_of}).one()._asdict()
    measured = []
    for slate in Slate:
        given = {"as_of": as_of, "slate": str(slate)}
        coverage = _coverage(connection, given)
        figures: dict[str, float | None] = {}
        if slate in versions:
            figures |= connection.execute(_LISTS, given).one()._asdict() | catalogue
            figures |= {
                "blocked": blocked.get(slate, 0),
                "untrained": Untrained.of_version(versions[slate]) is not None,
            }
            if slate in before:
                figures |= _overlap(connection, given, before[slate], versions[slate])
        told = {(name, ALL): value for name, value in figures.items() if value is not None}
        measured += [Measured(str(slate), *key, float(value)) for key, value in (coverage | told).items()]
    return measured


def _coverage(connection: Connection, given: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Users expected and the share of them who have a list, by segment; nothing where nobody is expected."""
    query = text(_COVERAGE.format(expected=expected_users(given["slate"], ":as_of"), new=NEW_LISTENER_DAYS))
    rows = {row.segment: row for row in connection.execute(query, dict(given))}
    countries = [name for name in rows if name.startswith(_COUNTRY) and rows[name].users >= LEAST_USERS_OF_COUNTRY]
    shown = {*(name for name in rows if not name.startswith(_COUNTRY))}
    shown.update(sorted(countries, key=lambda name: (-rows[name].users, name))[:MOST_COUNTRIES])
    return {
        key: value
        for name in sorted(shown)
        for key, value in (
            (("users_expected", name), float(rows[name].users)),
            (("coverage", name), rows[name].listed / rows[name].users),
        )
    }


def _overlap(connection: Connection, given: Mapping[str, Any], before: date, version: str) -> dict[str, float | None]:
    row = connection.execute(_OVERLAP, {**given, "before": before}).one()
    return {
        "overlap": row.overlap,
        "compared_users": row.users,
        "compared_days": (given["as_of"] - before).days,
        "compared_model": row.model_version == version,
    }


_BATCHES = text("select slate, model_version from ml.recommendation_batches where as_of = :as_of")

_CATALOGUE = text(
    "select (select count(*) from features.feat_track where as_of = :as_of) as known_tracks,"
    " (select count(*) from features.feat_artist where as_of = :as_of) as known_artists"
)

# Whoever lists them sees the same rows: without `count`, those of BLOCKED_ROWS.
BLOCKED_ROWS = """
    from ml.recommendations as lists
    inner join core.dim_tracks using (track_key)
    inner join core.dim_users using (user_key)
    inner join core.dim_blocks as blocks using (user_key)
    inner join ml.recommendation_batches using (as_of, slate)
    where lists.as_of = :as_of and blocks.created_at <= blocks_read_at
    and case item_kind when 'track' then item_key = lists.track_key else item_key = dim_tracks.artist_key
    or exists (
        select from core.dim_track_artists as guests
        where guests.track_key = lists.track_key and guests.artist_key = item_key and guests.position > 1
    ) end
"""
BLOCKED = text(f"select lists.slate, count(*) as blocked {BLOCKED_ROWS} group by lists.slate")

_COVERAGE = """
with expected as ({expected}),
thirds as (
    select percentile_cont(array[1 / 3.0, 2 / 3.0]) within group (order by listens) as at
    from expected inner join features.feat_user using (user_key) where as_of = :as_of
),
users as (
    select listens, days_since_first, country, lists.user_key is not null as listed
    from expected
    inner join (select * from features.feat_user where as_of = :as_of) as history using (user_key)
    left join core.dim_users using (user_key)
    left join (
        select user_key from ml.recommendations where as_of = :as_of and slate = :slate and rank = 1
    ) as lists on lists.user_key = expected.user_key
)
select segment, count(*) as users, count(*) filter (where listed) as listed
from users cross join thirds
cross join lateral (values
    ('all'),
    (case when listens <= at[1] then 'light' when listens <= at[2] then 'medium' else 'heavy' end),
    (case when days_since_first <= {new} then 'new' end),
    ('country: ' || country)
) as segments (segment)
where segment is not null
group by segment
"""

# The lists are read once: as many as there are, they are grouped by user and artist and, beside it, by track. Which
# tracks a list holds and where is one number, the exclusive or of a hash of each place.
_LISTS = text(f"""
with places as (
    select
        lists.user_key,
        lists.track_key,
        dim_tracks.artist_key,
        lists.rank,
        lists.score,
        heard.track_key is null or dim_tracks.track_key is null as unknown,
        lists.anchor_track_key is not null and anchors.track_key is null as unknown_reason
    from ml.recommendations as lists
    left join core.dim_tracks on dim_tracks.track_key = lists.track_key
    left join (select track_key from features.feat_track where as_of = :as_of) as heard
        on heard.track_key = lists.track_key
    left join (select track_key from features.feat_track where as_of = :as_of) as anchors
        on anchors.track_key = lists.anchor_track_key
    where lists.as_of = :as_of and lists.slate = :slate
),
grouped as materialized (
    select
        user_key,
        artist_key,
        track_key,
        grouping(track_key) = 1 as of_user,
        count(*) as places,
        count(*) filter (where rank <= {FIRST}) as first_places,
        bit_xor(hashint8extended(track_key::bigint * 65536 + rank, 0)) as places_hash,
        min(score) as lowest,
        max(score) as highest,
        count(*) filter (where score = 'nan' or abs(score) = 'infinity') as not_finite,
        count(*) filter (where unknown) as unknown_tracks,
        count(*) filter (where unknown_reason) as unknown_reasons
    from places
    group by grouping sets ((user_key, artist_key), (track_key))
),
users as materialized (
    select
        user_key,
        sum(places) as length,
        count(artist_key) as artists,
        max(places) filter (where artist_key is not null) as most_of_one_artist,
        bit_xor(places_hash) as list,
        min(lowest) = max(highest) as one_score,
        sum(not_finite) as not_finite,
        sum(unknown_tracks) as unknown_tracks,
        sum(unknown_reasons) as unknown_reasons
    from grouped where of_user group by user_key
),
tracks as (select count(*) as tracks, sum(first_places * (first_places - 1.0)) as pairs from grouped where not of_user),
artists as (
    select artist_key, sum(places) as places from grouped
    where of_user and artist_key is not null group by artist_key order by places desc, artist_key limit 1
),
same as (
    select count(*) as users from users where length >= {LONG_ENOUGH} group by list order by users desc limit 1
),
figures as (
    select
        count(*) as users,
        avg(length) as length,
        avg(artists) as artists,
        sum(length) as places,
        avg(least(length, {FIRST})) as first_length,
        count(*) filter (where length >= {LONG_ENOUGH}) as lists_of_10,
        count(*) filter (where length >= {LONG}) as lists_of_50,
        count(*) filter (where length >= {LONG_ENOUGH} and one_score) as of_one_score,
        count(*) filter (where length >= {LONG} and most_of_one_artist * 2 > length) as of_one_artist,
        sum(not_finite) as not_finite,
        sum(unknown_tracks) as unknown_tracks,
        sum(unknown_reasons) as unknown_reasons
    from users
)
select
    users,
    length,
    artists,
    lists_of_10,
    lists_of_50,
    not_finite,
    unknown_tracks,
    unknown_reasons,
    (select tracks from tracks) as tracks,
    (select users from same) / nullif(lists_of_10, 0)::double precision as same_list,
    (select pairs from tracks) / nullif(users * (users - 1.0), 0) / first_length as alike,
    of_one_artist / nullif(lists_of_50, 0)::double precision as one_artist,
    of_one_score / nullif(lists_of_10, 0)::double precision as one_score,
    (select places from artists) / places::double precision as top_artist,
    (
        select coalesce(sum(listens) filter (where artist_key = (select artist_key from artists)), 0)
            / nullif(sum(listens), 0)
        from features.feat_artist where as_of = :as_of
    ) as top_artist_listens,
    (
        select count(*) from users
        where not exists (select from core.dim_users where dim_users.user_key = users.user_key)
    ) as unknown_users
from figures
""")

# Of users who have a list on both dates.
_OVERLAP = text(f"""
with now as (
    select user_key, track_key from ml.recommendations where as_of = :as_of and slate = :slate and rank <= {FIRST}
),
before as (
    select user_key, track_key from ml.recommendations where as_of = :before and slate = :slate and rank <= {FIRST}
),
shares as (
    select now.user_key, count(before.track_key) / count(*)::double precision as share
    from now left join before using (user_key, track_key)
    where now.user_key in (
        select user_key from ml.recommendations where as_of = :before and slate = :slate and rank = 1
    )
    group by now.user_key
)
select
    percentile_cont(0.5) within group (order by share) as overlap,
    count(*) as users,
    (
        select max(model_version) from ml.recommendation_batches where as_of = :before and slate = :slate
    ) as model_version
from shares
""")

"""Which rows make a figure what it is: a query for each measure that somebody can paste."""

from datetime import date

from assets.horizon import in_horizon
from assets.release_gate.bounds import Refusal
from assets.release_gate.expected import expected_users
from assets.release_gate.measures import ALL, BLOCKED_ROWS, FIRST, LONG, LONG_ENOUGH
from assets.release_gate.sample import sampled_users
from warehouse.dates import sql_date

_LISTS = "from ml.recommendations as lists where as_of = {day} and slate = '{slate}'"
_NAMED = "select user_id, {columns} from ({rows}) as failing inner join core.dim_users using (user_key)"
_UNKNOWN = (
    "not exists (select from core.dim_tracks inner join features.feat_track using (track_key)"
    " where as_of = {day} and track_key = lists.{key})"
)
_LENGTHS = "select user_key, count(*) as tracks {lists} group by user_key order by tracks limit 1000"
# Of each list, by when it was made up: a place of it is told by its track and its rank.
_SAME = (
    "select user_key, list from (select user_key, list, count(*) over (partition by list) as users from"
    " (select user_key, md5(string_agg(track_key::text, ' ' order by rank)) as list {lists} group by user_key"
    f" having count(*) >= {LONG_ENOUGH}) as lists) as counted order by users desc, list, user_key limit 1000"
)
_TOP_TRACKS = (
    "select track_id, title, count(*) as users from (select track_key {lists} and rank <= {first}) as first_tracks"
    " inner join core.dim_tracks using (track_key) group by track_id, title order by users desc, track_id limit 1000"
)
_TOP_ARTISTS = (
    "select artist_id, artist_name, count(*) as places from (select track_key {lists}) as places"
    " inner join core.dim_tracks using (track_key) group by artist_id, artist_name"
    " order by places desc, artist_id limit 1000"
)
_ONE_ARTIST = (
    "select user_key, artist_name, places from (select user_key, artist_name, count(*) as places,"
    " sum(count(*)) over (partition by user_key) as length from (select user_key, track_key {lists}) as places"
    " inner join core.dim_tracks using (track_key) group by user_key, artist_key, artist_name) as counted"
    f" where length >= {LONG} and places * 2 > length"
)
_ONE_SCORE = (
    "select user_key, min(score) as score, count(*) as tracks {lists} group by user_key"
    f" having min(score) = max(score) and count(*) >= {LONG_ENOUGH}"
)
# The date of the lists that had been served, which those made again were held against.
_SERVED_ON = (
    "({day} - (select value::integer from ml.slate_measures where as_of = {day} and slate = '{slate}'"
    " and measure = 'shadow_days'))"
)


def failing_rows(refusal: Refusal, slate: str, as_of: date) -> str:
    """The query of the rows behind a figure that is out of bounds; as PostgreSQL takes it, without parameters."""
    day = sql_date(as_of)
    lists = _LISTS.format(day=day, slate=slate)

    def named(columns: str, rows: str) -> str:
        return _NAMED.format(columns=columns, rows=rows.format(lists=lists))

    places = "select user_key, rank, track_key, score, anchor_track_key {lists} and "
    queries = {
        "users": named("tracks", _LENGTHS),
        "length": named("tracks", _LENGTHS),
        "same_list": named("list", _SAME),
        "alike": _TOP_TRACKS.format(lists=lists, first=FIRST),
        "tracks": _TOP_TRACKS.format(lists=lists, first=FIRST),
        "overlap": _TOP_TRACKS.format(lists=lists, first=FIRST),
        "top_artist": _TOP_ARTISTS.format(lists=lists),
        "artists": _TOP_ARTISTS.format(lists=lists),
        "one_artist": named("artist_name, places", _ONE_ARTIST),
        "one_score": named("score, tracks", _ONE_SCORE),
        "not_finite": named("rank, score", f"{places} (score = 'nan' or abs(score) = 'infinity')"),
        "unknown_tracks": named("rank, track_key", f"{places}{_UNKNOWN.format(day=day, key='track_key')}"),
        "unknown_reasons": named(
            "rank, anchor_track_key",
            f"{places} anchor_track_key is not null and {_UNKNOWN.format(day=day, key='anchor_track_key')}",
        ),
        "unknown_users": f"select distinct user_key {lists}"
        " and not exists (select from core.dim_users where dim_users.user_key = lists.user_key)",
        "blocked": f"select user_id, rank, track_id, artist_name {BLOCKED_ROWS.replace(':as_of', day)}"
        f" and lists.slate = '{slate}'",
    }
    if refusal.measure == "shadow_delta":
        return _sampled(slate, as_of)
    return queries.get(refusal.measure) or _without_a_list(refusal.segment, slate, day, lists)


def _without_a_list(segment: str, slate: str, day: str, lists: str) -> str:
    query = (
        "select user_id, country, listens, days_since_first, days_since_last"
        f" from ({expected_users(slate, day)}) as expected"
        f" inner join (select * from features.feat_user where as_of = {day}) as history using (user_key)"
        " inner join core.dim_users using (user_key)"
        f" where user_key not in (select user_key {lists} and rank = 1)"
    )
    country = segment.removeprefix("country: ")
    if segment == ALL or country == segment:
        return query
    quoted = country.replace("'", "''")
    return f"{query} and country = '{quoted}'"


def _sampled(slate: str, as_of: date) -> str:
    """For whom lists were made again; who found most in the list that they were served has most to lose, and is first.

    Lists that are made again are not kept: `audotics replay` shows those of a user.
    """
    day = _SERVED_ON.format(day=sql_date(as_of), slate=slate)
    return (
        "select user_id, listened_to, of_it_served from (select sample.user_key,"
        " count(distinct listens.track_key) as listened_to, count(distinct served.track_key) as of_it_served"
        f" from ({sampled_users(as_of, day)}) as sample"
        " inner join core.fct_listens as listens on listens.user_key = sample.user_key"
        f" and {in_horizon(day, 'listens')}"
        f" left join ml.recommendations as served on served.as_of = {day} and served.slate = '{slate}'"
        " and served.user_key = sample.user_key and served.track_key = listens.track_key group by sample.user_key"
        ") as counted inner join core.dim_users using (user_key) order by of_it_served desc, user_key"
    )

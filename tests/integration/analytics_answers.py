"""The fifteen questions of docs/analytics.md answered without the warehouse: by DuckDB, from the listens of the file.

`LISTENS` makes tables of `file` (row, user, time in epoch seconds, track, artist, skipped, ms_played, country): plays,
and those of them that count as listens. `ANSWERS` has a query on them for each question; that of 15 also reads `shown`,
the dates whose lists were shown.
Keys of tracks and artists, by which equals are told apart, are dense in the order of the file.
"""

LISTENS = """
create table plays as
select
    file.*, (epoch_ms(time * 1000))::date as day, date_trunc('week', day)::date as week,
    date_trunc('month', day)::date as month
from file;
create table listens as
select *, row_number() over (partition by "user", track order by time) = 1 as is_discovery
from plays where coalesce(ms_played, 30_000) >= 30_000;
create table bounds as select min(day) as first_day, max(day) as last_day from listens;
create table track_keys as
select track, any_value(artist) as artist, row_number() over (order by min(row)) - 1 as track_key
from plays group by track;
create table artist_keys as
select artist, row_number() over (order by min(row)) - 1 as artist_key from plays group by artist;
create table sessions as
with gaps as (
    select *, time - lag(time) over (partition by "user" order by time, track_key) > 1800 as after_gap
    from listens inner join track_keys using (track)
),
numbered as (
    select *, count(*) filter (where coalesce(after_gap, true)) over (
        partition by "user" order by time, track_key rows unbounded preceding
    ) as number
    from gaps
)
select
    "user", number, count(*) as listens, min(time) as started, max(time) as last_started, min(day) as started_on,
    max(time) + last(ms_played order by time) / 1000.0 as ended
from numbered group by "user", number;
create table weeks as
select distinct week, week >= first_day and week + 7 <= last_day as whole from listens cross join bounds;
create table months as
select distinct month, month >= first_day and month + interval 1 month <= last_day as whole
from listens cross join bounds;
"""


def _charts(item: str) -> str:
    return f"""
    with counted as (
        select week, {item}, count(*) as listens, count(distinct day::text || "user") as listener_days
        from listens group by week, {item}
    ),
    charts as (
        select week, {item}, listens,
            row_number() over (partition by week order by listens desc, listener_days desc, {item}_key) as rank
        from counted inner join {item}_keys using ({item})
    )
    """


_RECENT = "day > (select last_day from bounds) - 28"
_LAST_WHOLE_WEEK = "(select max(week) from weeks where whole)"
_LAST_WHOLE_MONTH = "(select max(month) from months where whole)"

ANSWERS = {
    1: f"""
    with firsts as (select "user", min(day) as day from listens group by "user")
    select day, day < (select last_day from bounds), count(*), count(distinct listens."user"),
        (select count(*) from firsts where firsts.day = listens.day), count(distinct track)
    from listens where {_RECENT} group by day order by day
    """,
    2: f"""
    {_charts("track")}
    select this.rank, before.rank, before.rank - this.rank as gained, this.track, artist
    from charts as this
    inner join track_keys using (track)
    left join charts as before on before.track = this.track and before.week = this.week - 7
    where this.week = {_LAST_WHOLE_WEEK} order by gained desc nulls last, this.rank limit 20
    """,
    3: f"""
    {_charts("artist")}
    select artist, count(*) as weeks, min(rank), sum(listens) as listens
    from charts inner join weeks using (week) inner join artist_keys using (artist)
    where rank <= 10 and whole group by artist, artist_key order by weeks desc, listens desc, artist_key limit 20
    """,
    4: """
    with firsts as (select "user", min(month) as cohort from listens group by "user"),
    active as (select distinct "user", month from listens inner join months using (month) where whole),
    sizes as (select cohort, count(*) as size from firsts group by cohort)
    select cohort, size, date_diff('month', cohort, month) as since, count(*), count(*) / size
    from firsts inner join sizes using (cohort) inner join active using ("user") cross join bounds
    where since in (1, 3, 6) and cohort >= first_day + 90
    group by cohort, size, month order by cohort, since
    """,
    5: """
    select month, min(day) < (select first_day + 90 from bounds), count(*) filter (where is_discovery),
        count(*) filter (where not is_discovery), avg(is_discovery::int)
    from listens group by month order by month
    """,
    6: f"""
    select track, any_value(plays.artist), sum(skipped::int) as skips, count(skipped) as known, skips / known as rate
    from plays inner join track_keys using (track)
    where month = {_LAST_WHOLE_MONTH} group by track, track_key having count(skipped) >= 20
    order by rate desc, skips desc, track_key limit 20
    """,
    7: """
    with firsts as (select track, min(day) as first_day from listens group by track)
    select track, any_value(listens.artist), firsts.first_day, count(distinct "user") as people, count(*) as plays
    from listens inner join firsts using (track) inner join track_keys using (track) cross join bounds
    where day < firsts.first_day + 7 and firsts.first_day > last_day - 90 and firsts.first_day + 7 <= last_day
        and firsts.first_day >= bounds.first_day + 90
    group by track, track_key, firsts.first_day order by people desc, plays desc, track_key limit 20
    """,
    8: f"""
    with plays as (
        select track, count(*) as plays from listens where month = {_LAST_WHOLE_MONTH} group by track
    ),
    tenths as (
        select plays, ntile(10) over (order by plays desc, track_key) as tenth
        from plays inner join track_keys using (track)
    )
    select {_LAST_WHOLE_MONTH}, tenth, count(*), sum(plays), sum(plays) / (select sum(plays) from plays)
    from tenths group by tenth order by tenth
    """,
    9: f"""
    select isodow(day), (time // 3600) % 24 as hour, count(*) from listens where {_RECENT} group by 1, 2 order by 1, 2
    """,
    10: """
    select count(*), avg(listens), quantile_cont(listens, [0.25, 0.5, 0.75, 0.95]), count(ended),
        quantile_cont(ended - started, 0.5), quantile_cont(last_started - started, 0.5)
    from sessions cross join bounds where started_on > last_day - 28
    """,
    11: f"""
    with plays as (select "user", count(*) as plays from listens where {_RECENT} group by "user"),
    tenths as (select plays, ntile(10) over (order by plays desc) as tenth from plays)
    select tenth, count(*), sum(plays) / (select sum(plays) from plays) from tenths group by tenth order by tenth
    """,
    12: f"""
    select country, count(distinct "user") as people, count(*) as plays, plays / people
    from listens where {_RECENT} group by country order by plays desc, country
    """,
    13: """
    with last as (select "user", max(day) as day from listens group by "user")
    select count(*) filter (where day > last_day - 28), count(*) filter (where day <= last_day - 28)
    from last cross join bounds where day > last_day - 56
    """,
    14: f"""
    {_charts("artist")},
    recent as (select distinct "user", artist from listens where {_RECENT}),
    leader as (select artist from charts where week = {_LAST_WHOLE_WEEK} and rank = 1)
    select other.artist, count(*) as people
    from recent as their inner join recent as other on their."user" = other."user" and their.artist <> other.artist
    where their.artist = (select artist from leader)
    group by other.artist order by people desc, other.artist limit 20
    """,
    15: """
    with lists as (
        select as_of, "user", track, track_key + 1 as rank
        from shown cross join (select distinct "user" from listens) cross join track_keys where track_key < 20
    ),
    judged as (
        select *, exists (
            select 1 from listens
            where listens."user" = lists."user" and listens.track = lists.track
                and day >= as_of and day < as_of + 14
        ) as played
        from lists
    )
    select as_of, 'for_you', 'm1', count(*) filter (where rank <= 10) as of_10,
        count(*) filter (where rank <= 10 and played) as played_10, played_10 / of_10, avg(played::int)
    from judged group by as_of order by as_of desc
    """,
}

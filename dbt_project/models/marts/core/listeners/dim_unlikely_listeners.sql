{{
    config(
        unique_key='user_key',
        indexes=[{'columns': ['user_key'], 'unique': true}],
    )
}}

{#-
  Every rule asks for something that stays true once it has happened: what a day, or the days up to it, held. So one date says
  for every as_of whether it was known then.
-#}

with days as (

    select * from {{ ref('int_listener_days') }}

),

-- More than a day has room for, or more than anyone awake starts, day after day.
crowded_days as (

    select
        user_key,
        listened_on,
        listens,
        count(*) over (
            partition by user_key
            order by listened_on
            range between {{ days_before(var('unlikely_window_days') | int - 1) }} preceding and current row
        ) as days
    from days
    where listens > {{ var('most_listens_day_after_day') }}

),

too_many_listens as (

    select
        user_key,
        listened_on,
        listens
    from crowded_days
    where listens > {{ var('most_listens_a_day') }} or days >= {{ var('least_crowded_days') }}

),

regular_intervals as (

    select
        user_key,
        listened_on,
        interval_variation
    from days
    where
        listens >= {{ var('least_regular_listens') }}
        and interval_variation <= {{ var('most_regular_variation') }}
        and (
            artists >= {{ var('least_regular_artists') }}
            or (listens - 1) * mean_interval_seconds >= {{ var('least_regular_hours') | int * 3600 }}
        )

),

-- Few have a track that leads on so many days; of the others the windows need not be worked out.
leading_tracks as (

    select
        user_key,
        top_track_key
    from days
    where top_track_listens * 2 > listens
    group by user_key, top_track_key
    having count(*) >= {{ var('least_one_track_days') }}

),

days_of_leading_tracks as (

    select
        days.user_key,
        days.listened_on,
        sum(days.listens) over recent as listens,
        count(*) filter (where days.top_track_key = ahead.top_track_key) over recent as days_of_track,
        sum(days.top_track_listens) filter (where days.top_track_key = ahead.top_track_key) over recent
            as listens_of_track
    from leading_tracks as ahead
    inner join days on ahead.user_key = days.user_key
    window
        recent as (
            partition by days.user_key, ahead.top_track_key
            order by days.listened_on
            range between {{ days_before(var('unlikely_window_days') | int - 1) }} preceding and current row
        )

),

one_track as (

    select
        user_key,
        listened_on,
        cast(listens_of_track as double precision) / cast(listens as double precision) as top_track_share
    from days_of_leading_tracks
    where
        days_of_track >= {{ var('least_one_track_days') }}
        and listens_of_track >= {{ var('least_one_track_listens') }}
        and listens_of_track >= {{ var('least_one_track_share') }} * listens

),

-- Where all start at once, the source knows the day alone.
lists_of_starts as (

    select
        listened_on,
        digest_of_starts,
        count(*) as accounts
    from days
    where tracks >= {{ var('least_tracks_of_a_list') }} and mean_interval_seconds > 0
    group by listened_on, digest_of_starts
    having count(*) >= {{ var('least_accounts_of_a_list') }}

),

lists_of_order as (

    select
        listened_on,
        digest_of_order,
        count(*) as accounts
    from days
    where tracks >= {{ var('least_tracks_in_same_order') }}
    group by listened_on, digest_of_order
    having count(*) >= {{ var('least_accounts_of_a_list') }}

),

days_with_same_starts as (

    select
        days.user_key,
        days.listened_on,
        lists.accounts,
        sum(days.tracks) over (
            partition by days.user_key
            order by days.listened_on
            range between {{ days_before(var('unlikely_window_days') | int - 1) }} preceding and current row
        ) as tracks
    from lists_of_starts as lists
    inner join days on lists.listened_on = days.listened_on and lists.digest_of_starts = days.digest_of_starts
    where days.tracks >= {{ var('least_tracks_of_a_list') }}

),

same_list as (

    select
        user_key,
        listened_on,
        accounts
    from days_with_same_starts
    where tracks >= {{ var('least_tracks_at_same_times') }}

    union all

    select
        days.user_key,
        days.listened_on,
        lists.accounts
    from lists_of_order as lists
    inner join days on lists.listened_on = days.listened_on and lists.digest_of_order = days.digest_of_order
    where days.tracks >= {{ var('least_tracks_in_same_order') }}

),

evidence as (

    select
        user_key,
        listened_on,
        1 as rule,
        'too_many_listens' as reason,
        cast(listens as double precision) as figure
    from too_many_listens

    union all

    select
        user_key,
        listened_on,
        2 as rule,
        'regular_intervals' as reason,
        interval_variation as figure
    from regular_intervals

    union all

    select
        user_key,
        listened_on,
        3 as rule,
        'one_track' as reason,
        top_track_share as figure
    from one_track

    union all

    select
        user_key,
        listened_on,
        4 as rule,
        'same_list' as reason,
        cast(accounts as double precision) as figure
    from same_list

),

-- What a rule was first met by: later days change nothing about it.
first_evidence as (

    select
        *,
        row_number() over (partition by user_key, rule order by listened_on asc, figure desc) as nth_of_rule,
        row_number() over (partition by user_key order by listened_on asc, rule asc, figure desc) as nth
    from evidence

)

select
    -- ids
    user_key,

    -- text
    max(reason) filter (where nth = 1) as reason,

    -- numerics
    cast(max(figure) filter (where rule = 1) as bigint) as listens_a_day,
    max(figure) filter (where rule = 2) as interval_variation,
    max(figure) filter (where rule = 3) as top_track_share,
    cast(max(figure) filter (where rule = 4) as bigint) as accounts_with_same_list,

    -- timestamps
    {{ add_days('min(listened_on)', 1) }} as unlikely_since
from first_evidence
where nth_of_rule = 1
group by user_key

{{
    config(
        indexes=[
            {'columns': ['user_key', 'listened_at', 'track_key'], 'unique': true},
            {'columns': ['listened_on']},
        ],
        pre_hook='set local enable_nestloop = off',
    )
}}

{#- Of what windows number and mark, PostgreSQL expects a row or two, and would join all of it by nested loops. -#}

{#- A rebuild reads the day before as well: a play just after midnight may be one of then. -#}
{% set since = utc_midnight(add_days(rebuild_date(), -1)) if is_incremental() else none %}

with users as (

    -- Those with several sources, or with several names of a track.
    select listens.user_key
    from {{ ref('stg_listens') }} as listens
    left join {{ ref('dim_track_identities') }} as identities on listens.track_key = identities.track_key
    {% if since %}
    where listens.listened_at >= {{ since }}
    {% endif %}
    group by listens.user_key
    having
        min(listens.source) <> max(listens.source)
        or count(*) filter (where identities.canonical_track_key <> listens.track_key) > 0

),

listens as (

    select
        listens.*,
        coalesce(identities.canonical_track_key, listens.track_key) as canonical_track_key,
        coalesce(identities.song_key, listens.track_key) as song_key,
        {{ source_rank('listens.source') }} as source_rank,
        -- No play lasts for hours; what is said to have does not reach into other days.
        {{ add_milliseconds('listens.listened_at', 'least(coalesce(listens.ms_played, 0), 21600000)') }} as ends_at,
        date_trunc('second', listens.listened_at) as second,
        {{ utc_date('listens.listened_at') }} as listened_on
    from {{ ref('stg_listens') }} as listens
    inner join users on listens.user_key = users.user_key
    left join {{ ref('dim_track_identities') }} as identities on listens.track_key = identities.track_key
    {% if since %}
    where listens.listened_at >= {{ since }}
    {% endif %}

),

copied as (

    select
        *,
        row_number() over copies as copy,
        first_value(track_key) over copies as first_track_key
    from listens
    window copies as (partition by user_key, canonical_track_key, source, listened_at order by track_key)

),

-- Seconds at which several sources have a listen, one each: nobody starts two tracks at once.
seconds as (

    select
        user_key,
        second
    from copied
    where copy = 1
    group by user_key, second
    having count(*) > 1 and count(*) = count(distinct source)

),

plays as (

    select
        copied.*,
        case
            when seconds.user_key is null then copied.song_key
            else first_value(copied.song_key) over (
                partition by copied.user_key, copied.second
                order by copied.source_rank, copied.source
            )
        end as song
    from copied
    left join seconds on copied.user_key = seconds.user_key and copied.second = seconds.second
    where copied.copy = 1

),

-- What another source has told on the day before. Never the other way round: days that are over do not change.
carried_over as (

    select
        later.user_key,
        later.track_key,
        later.listened_at,
        earlier.track_key as earlier_track_key,
        earlier.listened_at as earlier_listened_at,
        earlier.canonical_track_key as kept_track_key,
        earlier.source as kept_source,
        row_number() over (
            partition by later.user_key, later.track_key, later.listened_at
            order by
                {{ seconds_apart('earlier', 'later') }} asc, earlier.source_rank asc, earlier.source asc,
                earlier.listened_at desc, earlier.track_key asc
        ) as place
    from plays as later
    inner join plays as earlier
        on
            later.user_key = earlier.user_key
            and later.song = earlier.song
            and later.source <> earlier.source
            and {{ add_days('later.listened_on', -1) }} = earlier.listened_on
            and later.listened_at <= earlier.ends_at + {{ same_play_interval() }}
    where
        -- Its own source has told that play then, so this is the next.
        not exists (
            select 1
            from plays as own
            where
                later.user_key = own.user_key
                and later.song = own.song
                and later.source = own.source
                and own.listened_on = earlier.listened_on
                and own.listened_at >= earlier.listened_at - {{ same_play_interval() }}
                and own.listened_at <= earlier.listened_at + {{ same_play_interval() }}
        )

),

-- The day's plays of one song; in a run, each begins before or soon after those before it have ended.
with_end_before as (

    select
        plays.*,
        max(plays.ends_at) over (
            partition by plays.user_key, plays.song, plays.listened_on
            order by plays.listened_at, plays.source_rank, plays.source, plays.track_key
            rows between unbounded preceding and 1 preceding
        ) as end_before
    from plays
    where
        not exists (
            select 1
            from carried_over
            where
                plays.user_key = carried_over.user_key
                and plays.track_key = carried_over.track_key
                and plays.listened_at = carried_over.listened_at
        )

),

in_runs as (

    select
        *,
        count(*) filter (
            where end_before is null or listened_at > end_before + {{ same_play_interval() }}
        ) over runs as run
    from with_end_before
    window runs as (
        partition by user_key, song, listened_on
        order by listened_at, source_rank, source, track_key
    )

),

-- Of a run, the source that tells of the most plays is believed: so what was on repeat stays, and nothing counts twice.
believed as (

    select
        user_key,
        song,
        listened_on,
        run,
        source,
        row_number() over (
            partition by user_key, song, listened_on, run
            order by count(*) desc, source_rank asc, source asc
        ) as place
    from in_runs
    group by user_key, song, listened_on, run, source, source_rank

),

in_believed_order as (

    select
        in_runs.*,
        believed.place as source_place
    from in_runs
    inner join believed
        on
            in_runs.user_key = believed.user_key
            and in_runs.song = believed.song
            and in_runs.listened_on = believed.listened_on
            and in_runs.run = believed.run
            and in_runs.source = believed.source

),

told_by_others as (

    select
        other.user_key,
        other.track_key,
        other.listened_at,
        kept.canonical_track_key as kept_track_key,
        kept.listened_at as kept_listened_at,
        kept.source as kept_source,
        row_number() over (
            partition by other.user_key, other.track_key, other.listened_at
            order by {{ seconds_apart('kept', 'other') }} asc, kept.listened_at desc, kept.track_key asc
        ) as place
    from in_believed_order as other
    inner join in_believed_order as kept
        on
            other.user_key = kept.user_key
            and other.song = kept.song
            and other.listened_on = kept.listened_on
            and other.run = kept.run
    where other.source_place > 1 and kept.source_place = 1

),

told_in_runs as (

    select
        user_key,
        track_key,
        listened_at,
        kept_track_key,
        kept_listened_at,
        kept_source
    from told_by_others
    where
        place = 1
        {% if is_incremental() %}
        and listened_at >= {{ rebuild_instant() }}
        {% endif %}

),

{% if is_incremental() %}
-- Of the day before as it was built, with the day before that.
told_before as (

    select
        user_key,
        track_key,
        listened_at,
        kept_track_key,
        kept_listened_at,
        kept_source
    from {{ this }}
    where listened_on = {{ add_days(rebuild_date(), -1) }}

),

{% endif %}
told_by_believed as (

    select * from told_in_runs
    {% if is_incremental() %}
    union all
    select * from told_before
    {% endif %}

),

of_one_source as (

    select * from told_by_believed

    union all

    select
        carried_over.user_key,
        carried_over.track_key,
        carried_over.listened_at,
        coalesce(told_by_believed.kept_track_key, carried_over.kept_track_key) as kept_track_key,
        coalesce(told_by_believed.kept_listened_at, carried_over.earlier_listened_at) as kept_listened_at,
        coalesce(told_by_believed.kept_source, carried_over.kept_source) as kept_source
    from carried_over
    left join told_by_believed
        on
            carried_over.user_key = told_by_believed.user_key
            and carried_over.earlier_track_key = told_by_believed.track_key
            and carried_over.earlier_listened_at = told_by_believed.listened_at
    where
        carried_over.place = 1
        {% if is_incremental() %}
        and carried_over.listened_at >= {{ rebuild_instant() }}
        {% endif %}

),

duplicates as (

    select * from of_one_source

    union all

    -- One source, one time, one track by two of its names.
    select
        copied.user_key,
        copied.track_key,
        copied.listened_at,
        coalesce(of_one_source.kept_track_key, copied.canonical_track_key) as kept_track_key,
        coalesce(of_one_source.kept_listened_at, copied.listened_at) as kept_listened_at,
        coalesce(of_one_source.kept_source, copied.source) as kept_source
    from copied
    left join of_one_source
        on
            copied.user_key = of_one_source.user_key
            and copied.first_track_key = of_one_source.track_key
            and copied.listened_at = of_one_source.listened_at
    where copied.copy > 1

)

select
    -- ids
    listens.user_key,
    listens.track_key,
    duplicates.kept_track_key,

    -- text
    listens.source,
    duplicates.kept_source,

    -- numerics
    listens.ms_played,

    -- booleans
    listens.is_skipped,

    -- timestamps
    listens.listened_at,
    listens.listened_on,
    duplicates.kept_listened_at
from listens
inner join duplicates
    on
        listens.user_key = duplicates.user_key
        and listens.track_key = duplicates.track_key
        and listens.listened_at = duplicates.listened_at
{% if is_incremental() %}
where listens.listened_at >= {{ rebuild_instant() }}
{% endif %}
order by listens.listened_at

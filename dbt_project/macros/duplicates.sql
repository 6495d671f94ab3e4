{# What fct_duplicate_listens is made of, as common table expressions: docs/adr/0031-one-play-from-several-sources.md. #}

{#
  The plays of users who have several sources, or several names of a track, as `plays`: one of each user, track, source and time,
  with the `song` that it is of and when it ends. `listens` are those that were loaded, and `copied` numbers those that are one.
#}
{% macro plays_to_compare() -%}
users as (

    -- Those with several sources, or with several names of a track.
    select listens.user_key
    from {{ ref('stg_listens') }} as listens
    left join {{ ref('dim_track_identities') }} as identities on listens.track_key = identities.track_key
    {% if is_incremental() %}
    where {{ in_days('listens.listened_at', before=1, after=2) }}
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
    {% if is_incremental() %}
    where {{ in_days('listens.listened_at', before=1, after=2) }}
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

)
{%- endmacro %}

{#
  Of the plays of one song in a row, as `told_by_others`: those of a source that is not believed, each with the plays of the source
  that is, the nearest first (`place`). Reads `plays`, and leaves out those that are `carried_over`.
#}
{% macro told_by_others() -%}
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

)
{%- endmacro %}

{{
    config(
        unique_key=['user_key', 'listened_at', 'track_key'],
        indexes=[
            {'columns': ['user_key', 'listened_at', 'track_key'], 'unique': true},
            {'columns': ['listened_on']},
        ],
        rebuild={'after': 2},
        pre_hook='set local enable_nestloop = off',
    )
}}

{#-
  A day depends on the two before it: on the plays of the day before, and on which of them stay, which depends on the one before
  that. A rebuild reads its days and the one before each stretch of them.
-#}

{#- Of what windows number and mark, PostgreSQL expects a row or two, and would join all of it by nested loops. -#}

with {{ plays_to_compare() }},

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

{{ told_by_others() }},

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
        and {{ in_days('listened_at', after=2) }}
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
    where
        {{ in_days('listened_on', before=1, after=2) }}
        and not {{ in_days('listened_on', after=2) }}

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
        and {{ in_days('carried_over.listened_at', after=2) }}
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
where {{ in_days('listens.listened_at', after=2) }}
{% endif %}
order by listens.listened_at

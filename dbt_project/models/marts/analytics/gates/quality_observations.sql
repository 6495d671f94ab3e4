with validations as (
    select
        *,
        row_number() over (partition by asset, check_name, as_of order by validation_id desc) = 1 as is_latest
    from {{ ref('stg_validations') }}
),

observed as (
    select
        -- ids
        observations.validation_id,
        validations.run_id,

        -- text
        validations.asset,
        validations.check_name,
        observations.metric,
        observations.segment,
        observations.expectation,
        observations.severity,
        case when observations.is_passed then 'passed' else 'failed' end as verdict,

        -- numerics
        observations.value,
        observations.low,
        observations.high,

        -- booleans
        validations.is_latest,

        -- timestamps
        validations.as_of,
        observations.learned_from,
        observations.learned_to,
        validations.validated_at
    from {{ ref('stg_observations') }} as observations
    inner join validations on observations.validation_id = validations.validation_id
),

-- The release gate keeps what it measured last, and judges a slate as a whole.
measures as (
    select
        as_of,
        slate,
        measure,
        segment,
        'for the record' as expectation,
        'info' as severity,
        'measured' as verdict,
        value,
        cast(null as double precision) as high
    from {{ ref('stg_slate_measures') }}
    union all
    select
        as_of,
        slate,
        'refusals' as measure,
        'all' as segment,
        case when refusals = 0 then 'no figure is out of bounds' else refused_because end as expectation,
        'critical' as severity,
        case when refusals = 0 then 'passed' else 'failed' end as verdict,
        refusals as value,
        0 as high
    from {{ ref('stg_slate_verdicts') }}
),

gated as (
    select
        cast(null as bigint) as validation_id,
        cast(null as text) as run_id,
        'recommendations' as asset,
        measures.slate || '_may_go_live' as check_name,
        measures.slate || '/' || measures.measure as metric,
        measures.segment,
        measures.expectation,
        measures.severity,
        measures.verdict,
        measures.value,
        cast(null as double precision) as low,
        measures.high,
        true as is_latest,
        measures.as_of,
        cast(null as date) as learned_from,
        cast(null as date) as learned_to,
        verdicts.judged_at as validated_at
    from measures
    inner join {{ ref('stg_slate_verdicts') }} as verdicts
        on measures.as_of = verdicts.as_of and measures.slate = verdicts.slate
)

select * from observed
union all
select * from gated

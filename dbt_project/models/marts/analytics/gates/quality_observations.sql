with validations as (
    select
        *,
        row_number() over (partition by asset, check_name, as_of order by validation_id desc) = 1 as is_latest
    from {{ ref('stg_validations') }}
)

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

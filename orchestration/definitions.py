"""The code location: composition only."""

import dagster as dg

from assets import dbt, partitions
from assets.candidates import assets as candidates
from assets.drift import assets as drift
from assets.evaluation import assets as evaluation
from assets.features import assets as features
from assets.ingest import assets as ingest
from assets.lookup import assets as lookup
from assets.publish import assets as publish
from assets.ranker import assets as ranker
from assets.recommendations import assets as recommendations
from assets.release_gate import assets as release_gate
from assets.replay import assets as replay
from assets.search import assets as search
from assets.similar import assets as similar
from orchestration.jobs import JOBS, SCHEDULES
from orchestration.sensors import SENSORS
from quality.checks.arrivals import arrivals_check
from quality.checks.blocks import build_blocks_check
from quality.checks.landing import landed_files_check
from quality.checks.loads import loads_check
from quality.checks.suites import build_core_checks, build_suite_checks, raw_listens_check
from quality.checks.upstream import know_checks
from warehouse.resource import LakeResource, PostgresResource, RedisResource

defs = dg.Definitions(
    assets=[
        ingest.raw_tables,
        publish.raw_blocks,
        dbt.core_models,
        features.feature_models,
        dbt.ml_models,
        candidates.candidates,
        ranker.training_set,
        ranker.rankers,
        search.ranker_search,
        recommendations.recommendations,
        evaluation.model_evaluations,
        similar.similar_tracks,
        similar.similar_artists,
        similar.similarity_evaluations,
        lookup.search_index,
        publish.blocks_in_redis,
        publish.release,
        replay.replayed_recommendations,
    ],
    asset_checks=[
        raw_listens_check,
        landed_files_check,
        dbt.sources_check,
        arrivals_check,
        loads_check,
        candidates.candidates_check,
        ranker.training_set_check,
        *build_core_checks(),
        *build_suite_checks(partitions.AS_OF_PARTITIONS),
        build_blocks_check(partitions.AS_OF_PARTITIONS),
        release_gate.release_gate,
        *drift.DRIFT_CHECKS,
    ],
    jobs=JOBS,
    schedules=SCHEDULES,
    sensors=SENSORS,
    resources={"warehouse": PostgresResource(), "redis": RedisResource(), "lake": LakeResource()},
    # A process per step would import the code location again for each: several times slower than the steps.
    executor=dg.in_process_executor,
)

know_checks(defs.resolve_asset_graph)

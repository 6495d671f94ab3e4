"""The code location: every asset is described, the graph is whole, jobs and schedules ask for what they should."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter

import dagster as dg
import pytest
from dagster._core.definitions.freshness_evaluator import TimeWindowFreshnessPolicyEvaluator
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import freeze_time

from assets.partitions import AS_OF_PARTITIONS, NIGHTLY, WEEKLY
from orchestration.definitions import defs
from orchestration.jobs import nightly_release, weekly_training
from tests.repository import ROOT

ANALYTICS = [
    *("artist_charts_weekly", "artist_daily", "catalogue_long_tail_monthly", "days", "listener_daily", "listeners"),
    *(
        "listener_history",
        "listening_daily",
        "listens",
        "months",
        "new_releases",
        "quality_observations",
        "retention_monthly",
    ),
    *("sessions", "track_charts_weekly", "track_daily", "track_skips_monthly"),
]
ASSET_KEYS = [
    "blocks_in_redis",
    "candidates",
    *(f"core/dim_{name}" for name in ("artist_identities", "artists", "blocks", "track_identities", "tracks", "users")),
    *(f"core/fct_{name}" for name in ("duplicate_listens", "first_listens", "listens", "sessions")),
    *(f"core/dim_track_{name}" for name in ("artists", "details", "tags")),
    "core/dim_unlikely_listeners",
    "core/fct_uncounted_listens",
    *(f"analytics/{name}" for name in ANALYTICS),
    *(f"features/feat_{name}" for name in ("artist", "track", "user", "user_artist", "user_track")),
    "intermediate/int_listener_days",
    "intermediate/int_plays",
    *(f"intermediate/int_{name}_first_listens" for name in ("track", "user")),
    "ml/recommendation_outcomes",
    "ml/recommended_tracks",
    *(f"ml/similar_{name}_named" for name in ("artists", "tracks")),
    "model_evaluations",
    "ranker_search",
    "rankers",
    *(
        f"raw/{name}"
        for name in ("artists", "blocks", "ingest_files", "listens", "rejected_listens", "tracks", "users")
    ),
    "recommendations",
    "release",
    "replayed_recommendations",
    "search_index",
    *(f"similar_{name}" for name in ("artists", "tracks")),
    "similarity_evaluations",
    *(f"snapshots/{name}_history" for name in ("artists", "tracks", "users")),
    *(
        f"staging/stg_{name}"
        for name in ("artists", "blocks", "listens", "recommendation_batches", "recommendations", "releases")
    ),
    *(f"staging/stg_{name}" for name in ("same_items", "similar_artists", "similar_tracks", "tracks", "users")),
    *(f"staging/stg_{name}" for name in ("artist_tags", "observations", "track_artists", "track_tags", "validations")),
    *(f"staging/stg_slate_{name}" for name in ("measures", "verdicts")),
    "training_set",
]


def specs() -> dict[str, dg.AssetSpec]:
    graph = defs.resolve_asset_graph()
    return {
        spec.key.to_user_string(): spec
        for spec in defs.resolve_all_asset_specs()
        if graph.get(spec.key).is_materializable
    }


def test_the_assets_are_these() -> None:
    assert sorted(specs()) == sorted(ASSET_KEYS)


def test_an_asset_has_a_description_a_group_kinds_and_an_owner() -> None:
    for key, spec in specs().items():
        assert spec.description and len(spec.description) > 15, key
        assert spec.group_name not in (None, "default"), key
        assert spec.kinds, key
        assert spec.owners, key


def test_an_asset_asks_for_the_servers_and_the_lake_that_it_uses_and_for_no_others() -> None:
    repository = defs.get_repository_def()
    asked = {
        key.to_user_string(): repository.assets_defs_by_key[key].required_resource_keys
        for key in defs.resolve_asset_graph().materializable_asset_keys
    }
    assert {key for key, resources in asked.items() if "redis" in resources} == {
        "raw/blocks",
        "blocks_in_redis",
        "release",
    }
    files = {"candidates", "training_set", "ranker_search", "rankers", "recommendations", "replayed_recommendations"}
    files |= {"search_index", "release"}
    assert {key for key, resources in asked.items() if "lake" in resources} == files
    assert {key for key, resources in asked.items() if "warehouse" in resources} == set(ASSET_KEYS)
    for key, check in repository.asset_checks_defs_by_key.items():
        if key.asset_key.to_user_string() != "release":
            assert "redis" not in check.required_resource_keys, key


def test_the_graph_of_groups_runs_one_way() -> None:
    graph = defs.resolve_asset_graph()
    group = {key: graph.get(key).group_name for key in graph.get_all_asset_keys()}
    before: dict[str | None, set[str | None]] = {name: set() for name in group.values()}
    for key, name in group.items():
        before[name] |= {group[parent] for parent in graph.get(key).parent_keys} - {name}
    # Raises CycleError, naming the groups, when they run in a circle.
    order = list(TopologicalSorter(before).static_order())
    assert order.index("raw") < order.index("core") < order.index("release")


def test_everything_hangs_together_from_raw_listens_to_the_release() -> None:
    graph = defs.resolve_asset_graph()
    upstream, unseen = set(), [dg.AssetKey("release")]
    while unseen:
        key = unseen.pop()
        if key not in upstream:
            upstream.add(key)
            unseen += graph.get(key).parent_keys
    assert dg.AssetKey(["raw", "listens"]) in upstream
    assert dg.AssetKey("candidates") in upstream
    assert dg.AssetKey("rankers") in upstream


@pytest.mark.parametrize(
    ("job", "included", "left_out"),
    [
        ("nightly", {"raw/listens", "features/feat_user", "release", "ml/recommendation_outcomes"}, {"rankers"}),
        ("nightly", {"similar_tracks", "similar_artists", "ml/similar_tracks_named"}, {"similarity_evaluations"}),
        ("nightly", {"search_index"}, {"ranker_search"}),
        ("training", {"raw/listens", "features/feat_user", "training_set", "rankers"}, {"release", "ranker_search"}),
        ("search", {"features/feat_user", "training_set", "ranker_search"}, {"raw/listens", "rankers"}),
        ("training_and_release", {"raw/listens", "rankers", "release"}, {"model_evaluations"}),
        ("evaluation", {"model_evaluations"}, {"release", "rankers", "similarity_evaluations"}),
        ("similarity_evaluation", {"similarity_evaluations"}, {"model_evaluations", "similar_tracks"}),
        ("landing", {"raw/listens", "raw/ingest_files", "raw/blocks"}, {"staging/stg_listens", "core/fct_listens"}),
        ("replay", {"features/feat_user", "replayed_recommendations"}, {"candidates", "recommendations", "release"}),
    ],
)
def test_a_job_selects_its_stages(job: str, included: set[str], left_out: set[str]) -> None:
    keys = {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.selected_asset_keys}
    assert included <= keys
    assert not left_out & keys


def test_a_landing_asks_all_of_raw_listens_but_for_the_newest_day() -> None:
    def checks(job: str) -> set[str]:
        keys = defs.resolve_job_def(job).asset_layer.asset_graph.asset_check_keys
        return {key.name for key in keys if key.asset_key == dg.AssetKey(["raw", "listens"])}

    assert checks("nightly") - checks("landing") == {"newest_day_is_whole"}
    assert "loads_are_as_usual" in checks("landing")


@pytest.mark.parametrize(
    ("check", "asset"),
    [
        ("raw_listens_suite", ["raw", "listens"]),
        ("newest_day_is_whole", ["raw", "listens"]),
        ("loads_are_as_usual", ["raw", "listens"]),
        ("feat_user_suite", ["features", "feat_user"]),
        ("feat_track_suite", ["features", "feat_track"]),
        ("feat_user_track_suite", ["features", "feat_user_track"]),
        ("feat_user_artist_suite", ["features", "feat_user_artist"]),
        ("feat_artist_suite", ["features", "feat_artist"]),
        *((f"feat_{mart}_drift", ["features", f"feat_{mart}"]) for mart in ("user", "user_track", "artist")),
    ],
)
def test_suites_and_broken_columns_block_what_is_downstream(check: str, asset: list[str]) -> None:
    node = defs.resolve_asset_graph().get(dg.AssetCheckKey(dg.AssetKey(asset), check))
    assert node.blocking


@pytest.mark.parametrize(
    ("check", "asset"),
    [
        ("challenger_promoted", ["rankers"]),
        ("same_as_made_then", ["replayed_recommendations"]),
        ("landed_files_loaded", ["raw", "ingest_files"]),
        ("sources_are_fresh", ["raw", "ingest_files"]),
        ("training_set_drift", ["training_set"]),
        ("rankers_drift", ["rankers"]),
        ("evaluations_drift", ["model_evaluations"]),
        ("lists_drift", ["release"]),
    ],
)
def test_what_is_late_refused_or_other_than_before_is_not_a_reason_to_stop(check: str, asset: list[str]) -> None:
    node = defs.resolve_asset_graph().get(dg.AssetCheckKey(dg.AssetKey(asset), check))
    assert not node.blocking


@pytest.mark.parametrize("job", ["nightly", "training_and_release"])
def test_what_has_moved_in_lists_is_told_after_the_gate_has_measured_them(job: str) -> None:
    upstream = {
        (node.alias or node.name): {
            before.node for dependency in inputs.values() for before in dependency.get_node_dependencies()
        }
        for node, inputs in defs.resolve_job_def(job).graph.dependencies.items()
    }
    (drift,) = (node for node in upstream if node.endswith("lists_drift"))
    before, unseen = set[str](), [drift]
    while unseen:
        for node in upstream[unseen.pop()] - before:
            before.add(node)
            unseen.append(node)
    assert "release_gate" in before


@pytest.mark.parametrize(
    ("schedule", "partition"),
    [(nightly_release, "2026-03-02"), (weekly_training, "2026-03-02")],
)
def test_a_schedule_asks_for_the_midnight_it_follows(schedule: dg.ScheduleDefinition, partition: str) -> None:
    monday = datetime(2026, 3, 2, 3, tzinfo=UTC)
    repository = defs.get_repository_def()
    with dg.build_schedule_context(scheduled_execution_time=monday, repository_def=repository) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.partition_key == partition


def test_the_partition_of_a_day_exists_from_its_own_midnight_on() -> None:
    with partition_loading_context(effective_dt=datetime(2026, 3, 2, tzinfo=UTC)):
        assert AS_OF_PARTITIONS.get_last_partition_key() == "2026-03-02"


def test_the_backfill_that_the_readme_shows_names_a_job_and_dates_that_there_are() -> None:
    root = ROOT
    shown = r"^dagster job backfill -w (\S+) -j (\S+) --from (\S+) --to (\S+) --noprompt$"
    ((workspace, job, *dates),) = re.findall(shown, (root / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert "orchestration.definitions" in (root / workspace).read_text(encoding="utf-8")
    partitions = defs.resolve_job_def(job).partitions_def
    assert partitions == AS_OF_PARTITIONS
    assert all(partitions.has_partition_key(day) for day in dates)


def test_what_is_made_every_night_and_every_week_is_said_to_be_late_when_it_is() -> None:
    policies = {key: spec.freshness_policy for key, spec in specs().items()}
    marts = {key for key in ASSET_KEYS if key.partition("/")[0] in ("core", "analytics", "features", "ml")}
    lists = {"candidates", "recommendations", "similar_tracks", "similar_artists", "search_index", "release"}
    assert {key for key, policy in policies.items() if policy == NIGHTLY} == marts | lists
    assert {key for key, policy in policies.items() if policy == WEEKLY} == {"training_set", "rankers"}


@pytest.mark.parametrize(
    ("hours", "state"), [(1, "PASS"), (35, "PASS"), (37, "WARN"), (6 * 24, "WARN"), (8 * 24, "FAIL")]
)
@pytest.mark.parametrize("asset", ["release", "core/fct_listens", "features/feat_user"])
def test_a_release_and_a_mart_that_no_night_has_made_are_told(asset: str, hours: int, state: str) -> None:
    key = dg.AssetKey(asset.split("/"))
    made = datetime(2026, 3, 2, 3, tzinfo=UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        with freeze_time(made):
            # Of an old date: a backfill is as late as any night.
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition="2014-01-01"))
        with freeze_time(made + timedelta(hours=hours)):
            node = defs.resolve_asset_graph().get(key)
            told = TimeWindowFreshnessPolicyEvaluator().evaluate_freshness(LoadingContextForTest(instance), node)
            assert asyncio.run(told).value == state

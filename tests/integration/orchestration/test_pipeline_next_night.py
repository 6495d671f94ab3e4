"""What follows a first run: the evaluation of its lists, and the next night. Changes what is live."""

from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
import pytest
import redis
from pipeline_process import Pipeline
from sample_pipeline import AS_OF, UNTIL

from assets.publish.assets import release
from orchestration.definitions import defs
from orchestration.jobs import nightly_evaluation
from serving_api.contract import BLOCKS
from warehouse.resource import LakeResource, PostgresResource, RedisResource


def test_the_nightly_evaluation_has_nothing_to_ask_for_once_the_lists_are_judged(
    own_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_pipeline.json("evaluate", "--as-of", AS_OF)
    monkeypatch.setenv("AUDOTICS_WAREHOUSE_URL", own_pipeline.warehouse_url)
    with dg.build_schedule_context(
        scheduled_execution_time=datetime.combine(UNTIL, time(5), UTC),
        repository_def=defs.get_repository_def(),
        resources={"warehouse": PostgresResource()},
    ) as context:
        tick = nightly_evaluation.evaluate_tick(context)
    assert not tick.run_requests
    assert "all lists are judged" in (tick.skip_message or "")


@pytest.mark.slow
def test_the_next_night_is_served_by_the_same_champions_can_be_repeated_and_rolled_back(
    own_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = [each for each in own_pipeline.json("releases", "list") if each["status"] == "live"]
    following = (date.fromisoformat(AS_OF) + timedelta(days=1)).isoformat()
    report = own_pipeline.json("run", "--as-of", following)
    assert report["job"] == "nightly"
    assert [(each["folder"], each["files"], each["loaded_before"]) for each in report["landed"]] == [
        ("lastfm-1k/world", 0, 1)
    ]
    releases = {each["release"]: each for each in own_pipeline.json("releases", "list")}
    assert releases[report["release"]]["status"] == "live"
    assert releases[report["release"]]["models"] == first["models"]
    assert releases[first["release"]]["status"] == "previous"

    # Whatever was lost of what users have blocked comes back with the same release as well.
    tables, keys = own_pipeline.table_checksums(), own_pipeline.redis_contents()
    assert lose_blocks(own_pipeline) == 1
    assert own_pipeline.json("run", "--as-of", following)["release"] == report["release"]
    made = f"select made_at from ml.recommendation_batches where as_of = '{following}'"
    # Made again, the lists are those that are live since the first run.
    ((published_at, lists_made_at),) = own_pipeline.query(
        f"select published_at, lists_made_at from ml.releases where release = '{report['release']}'"
    )
    first_published = datetime.fromisoformat(releases[report["release"]]["published_at"])
    assert published_at.replace(microsecond=0) == first_published
    assert set(own_pipeline.query(made)) == {(lists_made_at,)}
    assert published_at < lists_made_at
    assert own_pipeline.table_checksums() == tables
    assert own_pipeline.redis_contents() == keys

    # Nor does a replay of an older date replace what is live, but for the blocks, which are those of now.
    assert lose_blocks(own_pipeline) == 1
    with monkeypatch.context() as patch:
        for name in ("AUDOTICS_WAREHOUSE_URL", "AUDOTICS_REDIS_URL", "AUDOTICS_HOME"):
            patch.setenv(name, own_pipeline.environment[name])
        resources = {"warehouse": PostgresResource(), "redis": RedisResource(), "lake": LakeResource()}
        older = dg.materialize([release], partition_key=AS_OF, resources=resources)
    (event,) = older.asset_materializations_for_node("release")
    assert event.metadata["published"].value is False
    assert "dagster/row_count" not in event.metadata, "nothing was published, which is not a release of 0 lists"
    (check,) = older.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == ("is_live", False, dg.AssetCheckSeverity.WARN)
    assert f"the live release {report['release']} is of a later date" in (check.description or "")
    assert own_pipeline.redis_contents() == keys

    assert own_pipeline.json("releases", "rollback") == {"live": first["release"]}
    statuses = {each["release"]: each["status"] for each in own_pipeline.json("releases", "list")}
    assert statuses == {first["release"]: "live", report["release"]: "previous"}


def lose_blocks(pipeline: Pipeline) -> int:
    """Take what users have blocked out of Redis; how many keys that were."""
    with redis.Redis.from_url(pipeline.redis_url) as client:
        return int(client.delete(BLOCKS))

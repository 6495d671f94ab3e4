"""A release that was damaged in Redis is put right by the run of its own date, through the asset."""

import os
from unittest.mock import patch

import dagster as dg
import redis
from pipeline_process import Pipeline
from sample_release import contents

from assets.publish.assets import release
from serving_api import contract
from warehouse.resource import LakeResource, PostgresResource, RedisResource


def run_again(pipeline: Pipeline, as_of: str) -> dict[str, object]:
    """Materialise the release of the date again; the plain values of its metadata."""
    with patch.dict(os.environ, pipeline.environment):
        resources = {"warehouse": PostgresResource(), "redis": RedisResource(), "lake": LakeResource()}
        done = dg.materialize([release], partition_key=as_of, resources=resources)
    (event,) = done.asset_materializations_for_node("release")
    return {name: value.value for name, value in event.metadata.items()}


def test_the_asset_loads_a_live_release_again_that_is_damaged(own_pipeline: Pipeline) -> None:
    with redis.Redis.from_url(own_pipeline.redis_url) as client:
        whole = contents(client)
        name = whole[contract.LIVE].decode()
        assert run_again(own_pipeline, name[:10])["repaired"] == "none"
        again = contents(client)
        assert again.keys() == whole.keys()
        assert [key for key in whole if again[key] != whole[key]] == []

        client.set(contract.meta_key(name), b"{damaged")
        client.delete(contract.tracks_key(name))
        for key in (contract.slate_key(name, "discover"), contract.BLOCKS, contract.RELEASES):
            client.delete(key)
            client.lpush(key, b"x")
        client.set(contract.PREVIOUS, b"\xff")
        report = run_again(own_pipeline, name[:10])
        assert "is damaged in Redis" in str(report["repaired"])
        assert report["already_live"] is True
        # What was loaded again says when.
        made = contents(client)[contract.meta_key(name)]
        assert contract.unpack_meta(made).models == contract.unpack_meta(whole[contract.meta_key(name)]).models
        whole[contract.meta_key(name)] = made
        assert contents(client) == whole

        client.set(contract.LIVE, b"\xff")
        listed = own_pipeline.run("releases", "list")
        assert (listed.returncode, "audotics:live is b'\\xff'" in listed.stderr) == (0, True), listed
        assert "which is not the name of a release" in own_pipeline.run("releases", "rollback").stderr
        assert run_again(own_pipeline, name[:10])["repaired"] == "none"
        assert contents(client) == whole

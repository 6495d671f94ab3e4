"""The last steps of a night alone: lists are made, as they are or planted, judged and released."""

import os
from collections.abc import Callable
from datetime import date
from typing import Any
from unittest.mock import patch

import dagster as dg
import pandas as pd
import redis
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from pipeline_process import Pipeline

from assets.publish.assets import release
from assets.recommendations.assets import recommendations
from assets.recommendations.store import as_rows
from assets.release_gate.assets import check_name, release_gate
from assets.slates import Slate
from serving_api import contract
from warehouse.resource import LakeResource, PostgresResource, RedisResource

Plant = Callable[[Pipeline, pd.DataFrame], pd.DataFrame]


def planted(pipeline: Pipeline, plant: Plant | None, *slates: str) -> Any:
    """Let the lists of some slates come out otherwise than they were made."""

    def rows(lists: pd.DataFrame, as_of: date, slate: Slate, version: str) -> Any:
        bad = plant(pipeline, lists) if plant is not None and slate in slates else lists
        return as_rows(bad.sort_values(["user_key", "rank"]), as_of, slate, version)

    return patch("assets.recommendations.assets.as_rows", rows)


def make_and_release(
    pipeline: Pipeline, as_of: str, plant: Plant | None = None, *slates: str
) -> dg.ExecuteInProcessResult:
    """Make the lists of a date, judge them and release, whatever comes of it."""
    settings = {name: value for name, value in pipeline.environment.items() if name.startswith("AUDOTICS_")}
    with patch.dict(os.environ, settings), planted(pipeline, plant, *slates):
        resources = {"warehouse": PostgresResource(), "redis": RedisResource(), "lake": LakeResource()}
        return dg.materialize(
            [recommendations, release_gate, release], partition_key=as_of, resources=resources, raise_on_error=False
        )


def checks(result: dg.ExecuteInProcessResult) -> dict[str, AssetCheckEvaluation]:
    found = {each.check_name: each for each in result.get_asset_check_evaluations()}
    return {slate: found[check_name(slate)] for slate in Slate}


def held_lists(client: redis.Redis) -> dict[str, dict[bytes, bytes]]:
    """The packed lists of the live release by slate."""
    live = (client.get(contract.LIVE) or b"").decode()
    return {slate: client.hgetall(contract.slate_key(live, slate)) for slate in Slate}


def live_meta(client: redis.Redis) -> contract.ReleaseMeta:
    live = (client.get(contract.LIVE) or b"").decode()
    return contract.unpack_meta(client.get(contract.meta_key(live)) or b"")

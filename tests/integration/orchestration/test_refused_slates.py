"""Bad lists of one slate, planted in a healthy world: they are refused, the last good ones stay, the others go live."""

import os
from collections.abc import Iterator
from datetime import date
from typing import Any
from unittest.mock import patch

import dagster as dg
import pandas as pd
import pytest
import redis
from api_client import recommendations as api_lists
from api_client import running_api
from gated_release import Plant, checks, held_lists, live_meta, make_and_release, planted
from pipeline_process import Pipeline
from sample_pipeline import AS_OF, FOLLOWING

from assets.publish.assets import release
from assets.slates import Slate
from serving_api import contract
from warehouse.resource import LakeResource, PostgresResource, RedisResource

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

UNKNOWN_TRACK = 2_000_000


def half_the_users(pipeline: Pipeline, lists: pd.DataFrame) -> pd.DataFrame:
    return lists[lists["user_key"] % 2 == 0]


def a_tenth_without(pipeline: Pipeline, lists: pd.DataFrame) -> pd.DataFrame:
    return lists[lists["user_key"] % 10 != 0]


def one_list_for_all(pipeline: Pipeline, lists: pd.DataFrame) -> pd.DataFrame:
    first = lists[lists["user_key"] == lists["user_key"].min()].drop(columns="user_key")
    return lists[["user_key"]].drop_duplicates().merge(first, how="cross")


def one_artist_in_all(pipeline: Pipeline, lists: pd.DataFrame) -> pd.DataFrame:
    tracks = pipeline.query(
        "select track_key from core.dim_tracks inner join features.feat_track using (track_key)"
        f" where as_of = '{FOLLOWING}' and artist_key = (select artist_key from core.dim_tracks group by artist_key"
        " order by count(*) desc, artist_key limit 1) order by track_key"
    )
    kept = lists[lists["rank"] <= len(tracks)]
    return kept.assign(track_key=kept["rank"].map(lambda rank: tracks[rank - 1][0]).astype("int32"))


def constant_scores(pipeline: Pipeline, lists: pd.DataFrame) -> pd.DataFrame:
    return lists.assign(score=lists["score"] * 0 + 0.5)


def unknown_tracks(pipeline: Pipeline, lists: pd.DataFrame) -> pd.DataFrame:
    return lists.assign(track_key=lists["track_key"].mask(lists["rank"] == 3, UNKNOWN_TRACK + lists["user_key"]))


def a_blocked_artist(pipeline: Pipeline, lists: pd.DataFrame) -> pd.DataFrame:
    ((user, track),) = pipeline.query(
        "select user_key, min(track_key) from core.dim_blocks inner join core.dim_tracks on artist_key = item_key"
        " where item_kind = 'artist' group by user_key"
    )
    planted = (lists["user_key"] == user) & (lists["rank"] == 1)
    assert planted.sum() == 1
    return lists.assign(track_key=lists["track_key"].mask(planted, track))


def lists_of_others(pipeline: Pipeline, lists: pd.DataFrame) -> pd.DataFrame:
    users = sorted(lists["user_key"].unique())
    other = dict(zip(users, users[7:] + users[:7], strict=True))
    return lists.assign(user_key=lists["user_key"].map(other).astype("int32"))


class World:
    """A first night that went live, and the night after it, with half of the users missing in `discover`."""

    def __init__(self, pipeline: Pipeline, client: redis.Redis) -> None:
        self.pipeline, self.client = pipeline, client
        self.first = held_lists(client)
        with planted(pipeline, half_the_users, "discover"):
            self.report = pipeline.json("run", "--as-of", FOLLOWING)
        self.after_the_bad_night = held_lists(client)
        self.result = make_and_release(pipeline, FOLLOWING)
        self.healthy = held_lists(client)


@pytest.fixture(scope="module")
def world(pipeline: Pipeline) -> Iterator[World]:
    with redis.Redis.from_url(pipeline.redis_url) as client:
        yield World(pipeline, client)


def test_a_healthy_night_is_not_refused(world: World) -> None:
    assert world.result.success
    for slate, check in checks(world.result).items():
        assert check.passed, check.description
        assert check.metadata["users"].value == len(world.healthy[slate])
        assert "users have a list that may go live" in (check.description or "")
    assert {slate: len(lists) > 250 for slate, lists in world.healthy.items()} == dict.fromkeys(Slate, True)
    assert world.pipeline.query(f"select count(*) from ml.slate_verdicts where as_of = '{FOLLOWING}'") == [(3,)]


def test_the_night_says_which_slate_stays_where_it_was(world: World) -> None:
    (line,) = [each for each in world.report["left_out"] if "refused" in each]
    assert line.startswith(f"the lists of discover were refused, and those as of {AS_OF} stay: 50.")
    assert "where 95% is the least" in line
    assert world.after_the_bad_night["discover"] == world.first["discover"]
    assert world.after_the_bad_night["for_you"] == world.healthy["for_you"] != world.first["for_you"]
    on_record = {each["release"]: each["left_out"] for each in world.pipeline.json("releases", "list")}
    assert on_record[world.report["release"]] == [line]


@pytest.mark.parametrize(
    ("plant", "slate", "measure", "said"),
    [
        (half_the_users, "rediscover", "coverage", "users expected have a list, where 95% is the least"),
        (a_tenth_without, "for_you", "coverage", "users expected have a list, where 95% is the least"),
        (one_list_for_all, "discover", "same_list", "100.0% of the lists are one and the same, where 20% is the most"),
        (one_artist_in_all, "for_you", "top_artist", "100.0% of all places have one artist"),
        (constant_scores, "discover", "one_score", "100.0% of the lists have the same score on every place"),
        (unknown_tracks, "discover", "unknown_tracks", "tracks that the release does not know"),
        (a_blocked_artist, "for_you", "blocked", "1 tracks that their users have blocked"),
        (lists_of_others, "for_you", "overlap", "they are lists of others"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_bad_slate_is_refused_and_its_last_lists_stay_while_the_others_go_live(
    world: World, plant: Plant, slate: str, measure: str, said: str
) -> None:
    result = make_and_release(world.pipeline, FOLLOWING, plant, slate)
    assert result.success, "the others go live"
    for each, check in checks(result).items():
        assert check.passed == (each != slate), check.description
        assert check.severity is dg.AssetCheckSeverity.WARN
    check = checks(result)[Slate(slate)]
    assert f"{slate} is refused, and its lists as of {AS_OF} stay: " in (check.description or "")
    assert said in (check.description or "")
    # The figure, some of the rows behind it, and the query that finds all of them.
    assert check.metadata[f"refused/{measure} of all"].value
    rows = check.metadata[f"failing/{measure} of all"]
    assert isinstance(rows, dg.TableMetadataValue) and rows.records
    query = check.metadata[f"query/{measure} of all"].value
    assert world.pipeline.query(query)

    held = held_lists(world.client)
    assert held[slate] == world.first[slate] != world.healthy[slate]
    assert {each: lists for each, lists in held.items() if each != slate} == {
        each: lists for each, lists in world.healthy.items() if each != slate
    }
    meta = live_meta(world.client)
    assert (meta.as_of, meta.held[slate].as_of) == (date.fromisoformat(FOLLOWING), date.fromisoformat(AS_OF))
    with running_api(world.pipeline.redis_url) as api:
        user_id = min(held[slate]).decode()
        body = api_lists(api, user_id, slate=slate)
        assert (body["as_of"], body["stale_reason"]) == (AS_OF, "newer_refused")
        assert (body["release"], body["source"]) == (meta.release, "personal")
        other = api_lists(api, user_id, slate="discover" if slate != "discover" else "for_you")
        assert (other["as_of"], other["stale_reason"]) == (FOLLOWING, None)


def test_what_was_blocked_since_is_in_no_list_that_stays(world: World) -> None:
    user_id = min(world.first["discover"]).decode()
    ((track_id,),) = world.pipeline.query(
        "select track_id from ml.recommendations inner join core.dim_tracks using (track_key)"
        " inner join core.dim_users using (user_key)"
        f" where as_of = '{AS_OF}' and slate = 'discover' and user_id = '{user_id}' and rank = 1"
    )
    world.pipeline.json("blocks", "add", user_id, "--track", track_id)
    try:
        assert make_and_release(world.pipeline, FOLLOWING, constant_scores, "discover").success
        held = held_lists(world.client)["discover"]
        before, now = (contract.unpack_list(lists[user_id.encode()]) for lists in (world.first["discover"], held))
        assert set(now.track_keys.tolist()) < set(before.track_keys.tolist())
    finally:
        world.pipeline.json("blocks", "remove", user_id, "--track", track_id)


def test_where_every_slate_is_refused_nothing_is_released(world: World) -> None:
    keys = world.pipeline.redis_contents()
    result = make_and_release(world.pipeline, FOLLOWING, constant_scores, *Slate)
    assert not result.success
    assert not result.asset_materializations_for_node("release")
    for slate, check in checks(result).items():
        assert (check.passed, check.blocking, check.severity) == (False, True, dg.AssetCheckSeverity.ERROR)
        assert f"{slate} is refused, as every slate is, and what is live stays" in (check.description or "")
    assert world.pipeline.redis_contents() == keys
    # Nor where a release is asked for by itself.
    assert "the lists of every slate" in released_alone(world.pipeline)
    assert world.pipeline.redis_contents() == keys


def test_an_operator_may_let_refused_lists_go_live(world: World) -> None:
    assert make_and_release(world.pipeline, FOLLOWING, constant_scores, "discover").success
    # Also where nobody has judged these lists yet.
    world.pipeline.query(f"delete from ml.slate_verdicts where as_of = '{FOLLOWING}' returning 1")
    assert released_alone(world.pipeline, accept_refused=["discover"]) == ""
    assert live_meta(world.client).held == {}
    scores = contract.unpack_list(min(held_lists(world.client)["discover"].values())).scores
    assert set(scores.tolist()) == {0.5}


def released_alone(pipeline: Pipeline, **options: Any) -> str:
    """Release what was made; why it failed, empty where it did not."""
    settings = {name: value for name, value in pipeline.environment.items() if name.startswith("AUDOTICS_")}
    with patch.dict(os.environ, settings):
        result = dg.materialize(
            [release],
            partition_key=FOLLOWING,
            resources={"warehouse": PostgresResource(), "redis": RedisResource(), "lake": LakeResource()},
            run_config={"ops": {"release": {"config": options}}},
            raise_on_error=False,
        )
    failures = [event.step_failure_data.error for event in result.all_node_events if event.is_step_failure]
    return "".join(str(error.cause.message if error and error.cause else error) for error in failures)


def test_a_refused_slate_without_older_lists_is_not_taken_from_readers_who_have_it(own_pipeline: Pipeline) -> None:
    keys = own_pipeline.redis_contents()
    result = make_and_release(own_pipeline, AS_OF, constant_scores, "discover")
    assert not result.success
    assert own_pipeline.redis_contents() == keys
    # A Redis in which nobody has any gets the other slates.
    with redis.Redis.from_url(own_pipeline.redis_url) as client:
        client.delete(contract.LIVE, contract.PREVIOUS)
        assert make_and_release(own_pipeline, AS_OF, constant_scores, "discover").success
        meta = live_meta(client)
        assert (meta.slates, meta.held["discover"].as_of) == (["for_you", "rediscover"], None)
        with running_api(own_pipeline.redis_url) as api:
            user_id = min(held_lists(client)["for_you"]).decode()
            assert api_lists(api, user_id, slate="discover")["fallback_reason"] == "slate_refused"

"""The lists that a run made: what they hold, why, and the same ones again."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest
from api_client import recommendations, running_api
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from loading import until_somebody_waits
from pipeline_process import Pipeline
from sample_pipeline import AS_OF, FAVOURITE
from sqlalchemy import text
from typer.testing import CliRunner

from assets.blocks import ItemKind, block, unblock
from assets.publish.content import ReleaseInput
from assets.publish.warehouse_content import release_content
from orchestration.cli.app import app
from orchestration.definitions import defs
from quality.checks import blocked_items
from warehouse.engine import adbc_connect, create_engine
from warehouse.roles import Role

REPLAYED = dg.AssetKey("replayed_recommendations")


def test_the_discover_slate_holds_nothing_heard_before(pipeline: Pipeline) -> None:
    heard = "core.fct_listens.user_key = lists.user_key and core.fct_listens.track_key = lists.track_key"
    ((discovered, heard_before),) = pipeline.query(
        f"select count(*), count(*) filter (where exists (select from core.fct_listens where {heard}"
        f" and listened_at < timestamptz '{AS_OF} 00:00:00+00')) from ml.recommendations as lists"
        " where slate = 'discover'"
    )
    assert discovered > 10_000
    assert heard_before == 0


def test_the_rediscover_slate_holds_only_what_was_heard_before_and_not_in_the_last_60_days(pipeline: Pipeline) -> None:
    forgotten = (
        "select user_key, track_key from core.fct_listens"
        f" where listened_at < timestamptz '{AS_OF} 00:00:00+00' group by user_key, track_key"
        f" having max(listened_at) < timestamptz '{AS_OF} 00:00:00+00' - interval '60 days'"
    )
    ((listed, wrong, users),) = pipeline.query(
        f"select count(*), count(*) filter (where forgotten is null), count(distinct lists.user_key)"
        f" from ml.recommendations as lists left join ({forgotten}) as forgotten using (user_key, track_key)"
        " where slate = 'rediscover'"
    )
    assert listed > 1_000
    assert wrong == 0
    ((with_any,),) = pipeline.query(f"select count(distinct user_key) from ({forgotten}) as forgotten")
    assert with_any - 1 <= users <= with_any, "the user who blocked an artist may have nothing left"


def test_no_list_holds_a_blocked_artist(pipeline: Pipeline) -> None:
    ((user_id, artist_id),) = pipeline.query(FAVOURITE)
    (block,) = pipeline.json("blocks", "list", "--user", user_id)
    assert (block["user_id"], block["artist"]) == (user_id, artist_id)
    assert pipeline.query("select distinct blocks from ml.recommendation_batches") == [(1,)]
    artists = pipeline.query(
        "select artist_id, count(*) from ml.recommendations inner join core.dim_users using (user_key)"
        f" inner join core.dim_tracks using (track_key) where user_id = '{user_id}' group by artist_id"
    )
    assert len(artists) > 5
    assert artist_id not in dict(artists)


def test_a_blocked_item_in_a_list_fails_the_check_unless_the_block_came_later_and_is_in_no_release(
    pipeline: Pipeline,
) -> None:
    day = date.fromisoformat(AS_OF)
    ((user_id, track_id, made_at),) = pipeline.query(
        "select user_id, track_id, blocks_read_at from ml.recommendations inner join core.dim_users using (user_key)"
        " inner join core.dim_tracks using (track_key) inner join ml.recommendation_batches using (as_of, slate)"
        " where slate = 'discover' and rank = 1 order by user_key limit 1"
    )

    ((track_key,),) = pipeline.query(f"select track_key from core.dim_tracks where track_id = '{track_id}'")

    def holds_it(content: ReleaseInput) -> bool:
        batch = next(iter(content.batches("discover")))
        place = batch.user_ids.index(user_id)
        return track_key in batch.track_keys[batch.offsets[place] : batch.offsets[place + 1]]

    def released() -> bool:
        with adbc_connect(pipeline.warehouse_url, Role.SERVICE) as connection:
            return holds_it(release_content(connection, day))

    loader = create_engine(pipeline.warehouse_url, Role.LOADER)
    with (
        create_engine(pipeline.warehouse_url, Role.SERVICE).connect() as service,
        adbc_connect(pipeline.warehouse_url, Role.SERVICE) as reading,
    ):
        begun = release_content(reading, day)
        assert blocked_items(service, day)[:2] == (1, 0)
        assert released()
        with ThreadPoolExecutor(1) as others:
            with loader.begin() as connection:
                assert block(connection, user_id, ItemKind.TRACK, track_id)
                assert not block(connection, user_id, ItemKind.TRACK, track_id)
                meanwhile = others.submit(released)
                until_somebody_waits(pipeline.warehouse_url, meanwhile.done)
            assert not meanwhile.result(), "a block that is not committed yet is waited for"
        service.rollback()
        assert blocked_items(service, day)[:2] == (2, 0)
        assert not released()
        with loader.begin() as connection:
            connection.execute(
                text("update raw.blocks set created_at = :at where item_kind = 'track'"), {"at": made_at}
            )
        service.rollback()
        found = blocked_items(service, day)
        assert found[0] == 2 and found[1] >= 1
        assert user_id in found[2] and track_id in found[2]
        assert not released()
        assert holds_it(begun), "a release is made of one instant, whatever is committed meanwhile"
    with loader.begin() as connection:
        assert unblock(connection, user_id, ItemKind.TRACK, track_id)
        assert not unblock(connection, user_id, ItemKind.TRACK, track_id)


def test_a_block_holds_from_the_next_request_on_until_it_is_taken_back(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUDOTICS_WAREHOUSE_URL", "AUDOTICS_REDIS_URL", "AUDOTICS_HOME"):
        monkeypatch.setenv(name, pipeline.environment[name])

    def blocks(*arguments: str) -> None:
        done = CliRunner().invoke(app, ["blocks", *arguments, "--json"])
        assert done.exit_code == 0 and '"changed": true' in done.stdout, done.output

    ((user_id,),) = pipeline.query(
        "select min(user_id) from raw.users where user_key in (select user_key from ml.recommendations)"
        f" and user_id <> (select user_id from ({FAVOURITE}) as favourite)"
    )
    ((newcomer,),) = pipeline.query(
        "select min(user_id) from raw.users where user_key not in"
        f" (select user_key from features.feat_user where as_of = date '{AS_OF}')"
    )
    with running_api(pipeline.redis_url) as api:

        def answers() -> dict[str, dict[str, Any]]:
            asked = [(user_id, "for_you"), (user_id, "discover"), (user_id, "rediscover"), (newcomer, "for_you")]
            return {f"{who} {slate}": recommendations(api, who, slate=slate, limit=100) for who, slate in asked}

        whole = answers()
        artist_id = whole[f"{user_id} discover"]["items"][0]["artist_id"]
        track_id = whole[f"{newcomer} for_you"]["items"][0]["track_id"]
        blocks("add", user_id, "--artist", artist_id)
        blocks("add", newcomer, "--track", track_id)
        shown = answers()
        for name, answer in shown.items():
            kept = [
                item
                for item in whole[name]["items"]
                if (item["track_id"] != track_id if name.startswith(newcomer) else item["artist_id"] != artist_id)
            ]
            assert [item["track_id"] for item in answer["items"]] == [item["track_id"] for item in kept], name
            assert [item["rank"] for item in answer["items"]] == list(range(1, len(kept) + 1))
        assert all(len(shown[name]["items"]) < 100 for name in (f"{user_id} discover", f"{newcomer} for_you"))
        blocks("remove", user_id, "--artist", artist_id)
        blocks("remove", newcomer, "--track", track_id)
        assert answers() == whole


def test_a_replay_makes_the_lists_that_were_made_then(pipeline: Pipeline) -> None:
    ((user_id,),) = pipeline.query("select min(user_id) from core.dim_users where first_listened_at is not null")
    replayed = pipeline.json("replay", "--as-of", AS_OF, "--user", user_id, "--limit", "7")
    batches = pipeline.query("select slate, users, model_version from ml.recommendation_batches")
    for slate, _, model_version in batches:
        counts = replayed["slates"][slate]
        assert counts["model_version"] == model_version
        assert (counts["users"], counts["lists_made_then"], counts["users_with_other_lists"]) == (1, 1, 0)
    made = pipeline.query(
        "select rank, track_id, title, artist_name, score, source from ml.recommendations"
        " inner join core.dim_users using (user_key) inner join core.dim_tracks using (track_key)"
        f" where user_id = '{user_id}' and slate = 'discover' and rank <= 7 order by rank"
    )
    (shown,) = (each["items"] for each in replayed["lists"] if each["slate"] == "discover")
    assert [tuple(item.values()) for item in shown] == [(*row[:4], pytest.approx(row[4]), row[5]) for row in made]

    done = pipeline.run("replay", "--as-of", AS_OF, "--json")
    for stage in ("reading the listens", "fitting the candidate sources on ", "making the lists: 0 of "):
        assert f"\n{stage}" in f"\n{done.stderr}"
    everyone = json.loads(done.stdout)
    assert everyone["lists"] == []
    assert {slate: counts["users"] for slate, counts in everyone["slates"].items()} == {
        slate: users for slate, users, _ in batches
    }
    assert all(counts["users_with_other_lists"] == 0 for counts in everyone["slates"].values())
    assert all(counts["changed_since"] == [] for counts in everyone["slates"].values())


def test_a_replay_in_dagster_finds_the_lists_of_then_until_a_block_comes_and_then_says_so(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUDOTICS_WAREHOUSE_URL", "AUDOTICS_REDIS_URL", "AUDOTICS_HOME"):
        monkeypatch.setenv(name, pipeline.environment[name])
    job = defs.resolve_job_def("replay")

    def comparison() -> tuple[dict[str, dict], AssetCheckEvaluation]:
        done = job.execute_in_process(asset_selection=[REPLAYED], partition_key=AS_OF)
        (event,) = done.asset_materializations_for_node("replayed_recommendations")
        table = event.metadata["comparison"]
        assert isinstance(table, dg.TableMetadataValue)
        assert event.metadata["dagster/row_count"].value == sum(int(row.data["lists"]) for row in table.records)
        (check,) = done.get_asset_check_evaluations()
        assert (check.severity, check.blocking) == (dg.AssetCheckSeverity.WARN, False)
        return {str(row.data["slate"]): dict(row.data) for row in table.records}, check

    slates, check = comparison()
    made = pipeline.query("select slate, users, model_version from ml.recommendation_batches order by slate")
    assert [(name, row["lists_made_then"], row["model_version"]) for name, row in sorted(slates.items())] == made
    assert {(row["users_with_other_lists"], row["changed_since"]) for row in slates.values()} == {(0, "")}
    assert check.passed

    ((user_id, track_id),) = pipeline.query(
        "select user_id, track_id from ml.recommendations inner join core.dim_users using (user_key)"
        " inner join core.dim_tracks using (track_key) where slate = 'discover' and rank = 1 order by user_key limit 1"
    )
    loader = create_engine(pipeline.warehouse_url, Role.LOADER)
    with loader.begin() as connection:
        assert block(connection, user_id, ItemKind.TRACK, track_id)
    try:
        slates, check = comparison()
    finally:
        with loader.begin() as connection:
            unblock(connection, user_id, ItemKind.TRACK, track_id)
    assert (check.passed, slates["discover"]["users_with_other_lists"]) == (False, 1)
    assert slates["rediscover"]["users_with_other_lists"] == 0
    assert {row["changed_since"] for row in slates.values()} == {"1 block was added"}
    said = f"1 differs from those made then (of {user_id}). Since then: 1 block was added"
    assert said in (check.description or "")
    assert pipeline.query("select slate, users, model_version from ml.recommendation_batches order by slate") == made


def test_a_replay_of_another_date_builds_its_features_and_stores_no_list(pipeline: Pipeline) -> None:
    earlier = (date.fromisoformat(AS_OF) - timedelta(days=3)).isoformat()
    ((version,),) = pipeline.query("select model_version from ml.models where slate = 'for_you'")
    replayed = pipeline.json("replay", "--as-of", earlier, "--model", version)
    assert list(replayed["slates"]) == ["for_you"]
    counts = replayed["slates"]["for_you"]
    assert counts["users"] > 200
    assert (counts["lists_made_then"], counts["users_with_other_lists"]) == (0, None)
    assert counts["trained_as_of"] == AS_OF
    assert pipeline.query("select distinct as_of from ml.recommendations") == [(date.fromisoformat(AS_OF),)]


def test_reasons_are_tracks_that_the_user_had_heard_and_the_first_ten_are_explained(pipeline: Pipeline) -> None:
    heard = "core.fct_listens.user_key = lists.user_key and core.fct_listens.track_key = lists.anchor_track_key"
    ((items, with_anchor, heard_before, itself),) = pipeline.query(
        "select count(*), count(anchor_track_key),"
        f" count(*) filter (where exists (select from core.fct_listens where {heard}"
        f" and listened_at < timestamptz '{AS_OF} 00:00:00+00')), count(*) filter (where anchor_track_key = track_key)"
        " from ml.recommendations as lists"
    )
    assert with_anchor > 0.9 * items
    assert (heard_before, itself) == (with_anchor, 0)
    # With the strongest anchor everywhere it is .57: one track would explain most of what a user sees first.
    ((commonest,),) = pipeline.query(
        "select avg(share)::float from (select max(tracks) / sum(tracks) as share from (select slate, user_key,"
        " count(*) as tracks from ml.recommendations where rank <= 10 and anchor_track_key is not null"
        " group by slate, user_key, anchor_track_key) as anchors group by slate, user_key) as lists"
    )
    assert 0.1 < commonest < 0.4
    explained = (
        "select rank <= 10, count(*) = count(contributions), min(jsonb_array_length(contributions)),"
        " max(jsonb_array_length(contributions)) from ml.recommendations group by 1 order by 1 desc"
    )
    assert pipeline.query(explained) == [(True, True, 3, 3), (False, False, None, None)]
    unknown = (
        "select count(*) from ml.recommendations cross join jsonb_to_recordset(contributions) as each (feature text)"
        " inner join ml.models using (model_version) where not features ? feature"
    )
    assert pipeline.query(unknown) == [(0,)]


def test_recommendations_are_exported_with_public_ids_best_first(pipeline: Pipeline, tmp_path: Path) -> None:
    out = tmp_path / "for_you.parquet"
    report = pipeline.json("recommendations", "--as-of", AS_OF, "--slate", "for_you", "--out", str(out))
    table = pq.read_table(out)
    assert table.column_names == ["user_id", "track_id", "rank", "score"]
    assert report["rows"] == table.num_rows > 10_000
    lists = table.to_pandas()
    assert lists["user_id"].str.fullmatch(r"user_\d{6}").all()
    for _, of_user in lists.groupby("user_id"):
        assert of_user["rank"].tolist() == list(range(1, len(of_user) + 1))
        assert of_user["score"].is_monotonic_decreasing
        assert of_user["track_id"].is_unique
    assert lists.groupby("user_id").size().max() == 100
    assert list(tmp_path.iterdir()) == [out]


def test_asking_for_lists_of_another_date_names_the_newest_there_are(pipeline: Pipeline, tmp_path: Path) -> None:
    out = tmp_path / "lists.parquet"
    done = pipeline.run("recommendations", "--as-of", "2015-01-01", "--slate", "for_you", "--out", str(out))
    assert done.returncode == 1
    assert f"the newest are as of {AS_OF}" in " ".join(done.stderr.split())

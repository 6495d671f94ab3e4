"""The lists that a run made: what they hold, why, and the same ones again."""

import json
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from pipeline_process import Pipeline
from sample_pipeline import AS_OF

from assets.blocks import ItemKind, block, unblock
from orchestration.definitions import defs
from warehouse.engine import create_engine
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


@pytest.mark.slow
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

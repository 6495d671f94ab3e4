"""The lists that a run made: what they hold, why, how good they are, and the same ones again."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow.parquet as pq
import pytest
from pipeline_process import Pipeline
from sample_pipeline import AS_OF, FAVOURITE
from sqlalchemy import text

from assets.ingest.blocks import ItemKind, block, unblock
from assets.publish.warehouse_content import release_content
from assets.ranker.evaluation_tables import list_rows, metric_rows, segment_rows
from assets.ranker.list_figures import FIGURES
from assets.ranker.marts import read_countries
from orchestration.instance import open_instance
from quality.checks import blocked_items
from warehouse.engine import adbc_connect, create_engine
from warehouse.roles import Role
from warehouse.settings import Settings


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

    def released() -> set[str]:
        with adbc_connect(pipeline.warehouse_url, Role.SERVICE) as connection:
            content = release_content(connection, day)
            ((key,),) = pipeline.query(f"select track_key from core.dim_tracks where track_id = '{track_id}'")
            batch = next(iter(content.batches("discover")))
            place = batch.user_ids.index(user_id)
            return {user_id} if key in batch.track_keys[batch.offsets[place] : batch.offsets[place + 1]] else set()

    loader = create_engine(pipeline.warehouse_url, Role.LOADER)
    with create_engine(pipeline.warehouse_url, Role.SERVICE).connect() as service:
        assert blocked_items(service, day)[:2] == (1, 0)
        assert released() == {user_id}
        with loader.begin() as connection:
            assert block(connection, user_id, ItemKind.TRACK, track_id)
            assert not block(connection, user_id, ItemKind.TRACK, track_id)
        service.rollback()
        assert blocked_items(service, day)[:2] == (2, 0)
        assert released() == set()
        with loader.begin() as connection:
            connection.execute(
                text("update raw.blocks set created_at = :at where item_kind = 'track'"), {"at": made_at}
            )
        service.rollback()
        found = blocked_items(service, day)
        assert found[0] == 2 and found[1] >= 1
        assert user_id in found[2] and track_id in found[2]
    with loader.begin() as connection:
        assert unblock(connection, user_id, ItemKind.TRACK, track_id)
        assert not unblock(connection, user_id, ItemKind.TRACK, track_id)


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

    everyone = pipeline.json("replay", "--as-of", AS_OF)
    assert everyone["lists"] == []
    assert {slate: counts["users"] for slate, counts in everyone["slates"].items()} == {
        slate: users for slate, users, _ in batches
    }
    assert all(counts["users_with_other_lists"] == 0 for counts in everyone["slates"].values())


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
    heard = "core.fct_listens.user_key = lists.user_key and core.fct_listens.track_key = lists.seed_track_key"
    ((items, with_seed, heard_before, itself),) = pipeline.query(
        "select count(*), count(seed_track_key),"
        f" count(*) filter (where exists (select from core.fct_listens where {heard}"
        f" and listened_at < timestamptz '{AS_OF} 00:00:00+00')), count(*) filter (where seed_track_key = track_key)"
        " from ml.recommendations as lists"
    )
    assert with_seed > 0.9 * items
    assert (heard_before, itself) == (with_seed, 0)
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


def test_evaluate_prints_the_documented_shape_and_the_ranker_is_ahead_of_every_baseline(pipeline: Pipeline) -> None:
    evaluation = pipeline.json("evaluate", "--as-of", AS_OF)
    assert list(evaluation) == ["as_of", "horizon_days", "slates"]
    assert (evaluation["as_of"], evaluation["horizon_days"]) == (AS_OF, 14)
    assert list(evaluation["slates"]) == ["for_you", "discover", "rediscover"]
    for name, slate in evaluation["slates"].items():
        assert slate["users"] > 50
        assert {"ranker", "popular", "own_plays", "als", "session_cooccurrence"} <= set(slate["models"])
        for metrics in slate["models"].values():
            assert list(metrics) == ["ndcg@10", "ndcg@100", "recall@100"]
            # Most users of this small world have fewer than 100 forgotten tracks: a list then holds every one.
            assert all(0 < value < 1 or (name == "rediscover" and value == 1) for value in metrics.values())
        paired = slate["paired"]
        best = max((name for name in slate["models"] if name != "ranker"), key=lambda m: slate["models"][m]["ndcg@100"])
        assert (paired["against"], paired["metric"]) == (best, "ndcg@100")
        difference = slate["models"]["ranker"]["ndcg@100"] - slate["models"][best]["ndcg@100"]
        assert paired["delta"] == pytest.approx(difference)
        assert paired["ci95"][0] < paired["delta"] < paired["ci95"][1]
        assert difference > 0 or name == "rediscover"
    what_lists_are_like(pipeline, evaluation)
    for_whom_lists_are_good(pipeline, evaluation)
    the_page_of_the_asset_shows_the_same(pipeline, evaluation)


def what_lists_are_like(pipeline: Pipeline, evaluation: dict[str, Any]) -> None:
    """Figures of every model, in the store as in the JSON; those of the ranker counted once more in SQL."""
    before = f"listened_at < timestamptz '{AS_OF} 00:00:00+00'"
    counted = pipeline.query(
        f"""
        with evaluated as (
            select distinct user_key from core.fct_listens as later
            where not {before} and listened_at < timestamptz '{AS_OF} 00:00:00+00' + interval '14 days'
                and exists (select from core.fct_listens as early where early.user_key = later.user_key and {before})
        ), heard as (
            select track_key, count(distinct user_key) as listeners from core.fct_listens where {before} group by 1
        ), listeners as (
            select count(distinct user_key)::numeric as number from core.fct_listens where {before}
        ), listed as (
            select user_key, rank, artist_key, track_key, listeners
            from ml.recommendations inner join evaluated using (user_key) inner join core.dim_tracks using (track_key)
                left join heard using (track_key)
            where as_of = date '{AS_OF}' and slate = 'for_you'
        ), of_users as (
            select count(distinct artist_key)::float / count(*) as artists,
                avg(-log(2, listeners / number)) as novelty
            from listed cross join listeners where rank <= 10 group by user_key
        )
        select (select count(distinct track_key) from listed)::float / (select count(*) from heard),
            avg(novelty)::float, avg(artists) from of_users
        """
    )
    ranker = evaluation["slates"]["for_you"]["lists"]["ranker"]
    assert counted == [pytest.approx(tuple(ranker[n] for n in ("coverage@100", "novelty@10", "artist_diversity@10")))]
    for name, slate in evaluation["slates"].items():
        assert list(slate["lists"]) == list(slate["models"])
        for figures in slate["lists"].values():
            assert tuple(figures) == FIGURES
            assert all(
                0 < value < 1 for n, value in figures.items() if not n.startswith(("novelty", "popularity_ratio"))
            )
            assert figures["coverage@10"] <= figures["coverage@100"]
        popular, own = slate["lists"]["popular"], slate["lists"]["user_neighbours"]
        assert name == "rediscover" or popular["novelty@10"] < own["novelty@10"]
        assert name == "rediscover" or popular["coverage@10"] < own["coverage@10"]
    stored = pipeline.query(
        "select slate, model, coverage_10, popularity_ratio_10, artist_gini_10, segments is not null"
        f" from ml.model_evaluations where as_of = date '{AS_OF}'"
    )
    assert {(slate, model): tuple(values) for slate, model, *values in stored} == {
        (slate, model): (f["coverage@10"], f["popularity_ratio@10"], f["artist_gini@10"], model == "ranker")
        for slate, each in evaluation["slates"].items()
        for model, f in each["lists"].items()
    }


def for_whom_lists_are_good(pipeline: Pipeline, evaluation: dict[str, Any]) -> None:
    """Thirds of the listeners, a country, head and tail add up to the whole."""
    for slate in evaluation["slates"].values():
        by_name = {(each["by"], each["segment"]): each for each in slate["segments"]}
        thirds = [by_name["listeners", name] for name in ("light", "medium", "heavy")]
        assert sum(each["users"] for each in thirds) == slate["users"]
        for model in ("ranker", slate["paired"]["against"]):
            total = sum(each["users"] * each["models"][model]["mean"] for each in thirds)
            assert total / slate["users"] == pytest.approx(slate["models"][model]["ndcg@100"])
        tracks = [each for (by, _), each in by_name.items() if by == "tracks"]
        assert {each["segment"] for each in tracks} <= {"head", "tail", "unheard"}
        assert sum(each["relevant"] for each in tracks) == sum(each["relevant"] for each in thirds)
        for each in slate["segments"]:
            assert set(each["models"]) == {"ranker", slate["paired"]["against"]}
            means = [each["models"][model]["mean"] for model in ("ranker", slate["paired"]["against"])]
            assert each["paired"]["delta"] == pytest.approx(means[0] - means[1])
            assert all(v["ci95"][0] <= v["mean"] <= v["ci95"][1] for v in each["models"].values())
    stated = pipeline.query("select user_key, country from raw.users where country <> ''")
    assert len(stated) > 200
    with adbc_connect(pipeline.warehouse_url, Role.SERVICE) as connection:
        # No country of this small world has enough evaluated users to be a segment; this is what they are made of.
        assert read_countries(connection, np.arange(1000, dtype=np.int32)).to_dict() == dict(stated)


def the_page_of_the_asset_shows_the_same(pipeline: Pipeline, evaluation: dict[str, Any]) -> None:
    with open_instance(Settings(home=pipeline.home), pipeline.warehouse_url) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("model_evaluations"))
    assert event is not None and event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    for name, rows in (
        ("evaluation", metric_rows(evaluation)),
        ("lists", list_rows(evaluation)),
        ("segments", segment_rows(evaluation)),
    ):
        table = metadata[name]
        assert isinstance(table, dg.TableMetadataValue)
        assert [dict(record.data) for record in table.records] == rows
        assert [column.name for column in table.schema.columns] == list(rows[0])


def test_lists_of_another_system_are_scored_as_ours_are(pipeline: Pipeline, tmp_path: Path) -> None:
    out = tmp_path / "lists.parquet"
    pipeline.json("recommendations", "--as-of", AS_OF, "--slate", "discover", "--out", str(out))
    scored = pipeline.json("evaluate", "--as-of", AS_OF, "--lists", str(out), "--slate", "discover")
    same = scored["slates"]["discover"]
    assert (same["users"] > 50, scored["unknown"]) == (True, {"users": 0, "tracks": 0})
    assert same["models"]["lists"] == pytest.approx(same["models"]["ranker"])
    assert (same["paired"]["against"], same["paired"]["delta"]) == ("ranker", 0)
    assert same["lists"]["lists"] == same["lists"]["ranker"]
    assert {"light", "medium", "heavy", "head", "tail"} <= {each["segment"] for each in same["segments"]}
    assert {each["paired"]["delta"] for each in same["segments"]} == {0}

    lists = pq.read_table(out).to_pandas()
    lists.loc[lists["rank"] == 1, "track_id"] = "nobody knows it"
    lists.to_parquet(out)
    worse = pipeline.json("evaluate", "--as-of", AS_OF, "--lists", str(out), "--slate", "discover")
    assert worse["unknown"] == {"users": 0, "tracks": 1}
    assert worse["slates"]["discover"]["paired"]["delta"] < 0


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

"""How good the lists of a run are, for whom, and what they are like."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pipeline_process import Pipeline, error_line
from sample_pipeline import AS_OF

from assets.candidates.registry import POOL_SIZES
from assets.catalogue import read_countries
from assets.evaluation.baselines import reported
from assets.evaluation.tables import candidate_recall_rows, list_rows, metric_rows, segment_rows
from assets.metrics.lists import FIGURES
from orchestration.instance import open_instance
from tests.repository import ROOT
from warehouse.engine import adbc_connect
from warehouse.roles import Role
from warehouse.settings import Settings

ANALYTICS = ROOT / "docs" / "analytics.md"


@pytest.fixture(scope="module")
def evaluation(pipeline: Pipeline) -> dict[str, Any]:
    """What `audotics evaluate --json` prints: without a date, of the only one with lists; with a source that is off."""
    return pipeline.json("evaluate", "--also-source", "trending")


def test_evaluate_prints_the_documented_shape_and_the_ranker_is_ahead_of_every_baseline(
    evaluation: dict[str, Any],
) -> None:
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


def test_the_figures_of_the_rankers_lists_are_those_that_sql_counts(
    pipeline: Pipeline, evaluation: dict[str, Any]
) -> None:
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


def test_every_model_has_figures_of_its_lists_in_the_store_as_in_the_json(
    pipeline: Pipeline, evaluation: dict[str, Any]
) -> None:
    for name, slate in evaluation["slates"].items():
        assert list(slate["lists"]) == list(slate["models"])
        for figures in slate["lists"].values():
            assert tuple(figures) == FIGURES
            assert all(
                0 < value < 1 for n, value in figures.items() if not n.startswith(("novelty", "popularity_ratio"))
            )
            assert figures["coverage@10"] <= figures["coverage@100"]
        popular, personal = slate["lists"]["popular"], slate["lists"]["user_neighbours"]
        assert name == "rediscover" or popular["novelty@10"] < personal["novelty@10"]
        assert name == "rediscover" or popular["coverage@10"] < personal["coverage@10"]
    stored = pipeline.query(
        "select slate, model, coverage_10, popularity_ratio_10, artist_gini_10, segments is not null"
        f" from ml.model_evaluations where as_of = date '{AS_OF}'"
    )
    assert {(slate, model): tuple(values) for slate, model, *values in stored} == {
        (slate, model): (f["coverage@10"], f["popularity_ratio@10"], f["artist_gini@10"], model == "ranker")
        for slate, each in evaluation["slates"].items()
        for model, f in each["lists"].items()
    }


def test_thirds_of_the_listeners_and_kinds_of_tracks_add_up_to_the_whole(evaluation: dict[str, Any]) -> None:
    for slate in evaluation["slates"].values():
        by_name = {(each["by"], each["segment"]): each for each in slate["segments"]}
        thirds = [by_name["listeners", name] for name in ("light", "medium", "heavy")]
        assert sum(each["users"] for each in thirds) == slate["users"]
        for model in ("ranker", slate["paired"]["against"]):
            total = sum(each["users"] * each["models"][model]["mean"] for each in thirds)
            assert total / slate["users"] == pytest.approx(slate["models"][model]["ndcg@100"])
        tracks = [each for (by, _), each in by_name.items() if by == "tracks"]
        assert {each["segment"] for each in tracks} <= {"new", "head", "tail", "unheard"}
        # New tracks are of one of the other kinds as well.
        kinds = [each for each in tracks if each["segment"] != "new"]
        assert sum(each["relevant"] for each in kinds) == sum(each["relevant"] for each in thirds)
        for each in slate["segments"]:
            assert set(each["models"]) == {"ranker", slate["paired"]["against"]}
            means = [each["models"][model]["mean"] for model in ("ranker", slate["paired"]["against"])]
            assert each["paired"]["delta"] == pytest.approx(means[0] - means[1])
            assert all(v["ci95"][0] <= v["mean"] <= v["ci95"][1] for v in each["models"].values())


def test_the_pool_is_the_one_that_was_scored_and_holds_what_sql_finds_in_it(
    pipeline: Pipeline, evaluation: dict[str, Any]
) -> None:
    midnight = f"timestamptz '{AS_OF} 00:00:00+00'"
    relevant = pd.DataFrame(
        pipeline.query(
            "select distinct user_key, track_key from core.fct_listens"
            f" where listened_at >= {midnight} and listened_at < {midnight} + interval '14 days'"
            f" and user_key in (select user_key from core.fct_listens where listened_at < {midnight})"
        ),
        columns=["user_key", "track_key"],
    )
    scored = pd.read_parquet(pipeline.home / "lake" / "candidates" / f"as_of={AS_OF}" / "for_you.parquet")
    scored = scored[scored["user_key"].isin(relevant["user_key"])]
    found = relevant.merge(scored, on=["user_key", "track_key"], how="left", indicator=True)
    pool = evaluation["slates"]["for_you"]["pool"]
    recall = (found["_merge"] == "both").groupby(found["user_key"]).mean().mean()
    assert pool["recall"]["mean"] == pytest.approx(recall)
    assert pool["size"] == pytest.approx(len(scored) / relevant["user_key"].nunique())
    for slate in evaluation["slates"].values():
        assert [each["source"] for each in slate["pool"]["sources"]] == reported(POOL_SIZES, ["trending"])
        inside = [each for each in slate["pool"]["sources"] if each["in_pool"]]
        assert {each["source"] for each in inside} == POOL_SIZES.keys()
        assert max(each["recall"] for each in inside) <= slate["pool"]["recall"]["mean"]
        assert sum(each["marginal"]["mean"] for each in inside) <= slate["pool"]["recall"]["mean"]
        assert all(each["marginal"]["mean"] <= each["recall"] for each in slate["pool"]["sources"])
    assert evaluation["slates"]["discover"]["pool"]["sources"][0]["offered"] == 0, "own tracks are none to discover"


def test_the_query_that_analysts_find_in_the_docs_gives_the_segments(
    pipeline: Pipeline, evaluation: dict[str, Any]
) -> None:
    (of_analysts,) = re.findall(r"^## How good.+?^```sql\n(.+?)^```", ANALYTICS.read_text(), re.MULTILINE | re.DOTALL)
    answered = [(row[1], row[2], row[3], float(row[6])) for row in pipeline.query(of_analysts)]
    assert sorted(answered) == sorted(
        (name, each["by"], each["segment"], each["models"]["ranker"]["mean"])
        for name, slate in evaluation["slates"].items()
        for each in slate["segments"]
    )


def test_countries_are_those_of_the_profiles(pipeline: Pipeline) -> None:
    stated = pipeline.query("select user_key, country from raw.users where country <> ''")
    assert len(stated) > 200
    with adbc_connect(pipeline.warehouse_url, Role.SERVICE) as connection:
        # No country of this small world has enough evaluated users to be a segment; this is what they are made of.
        assert read_countries(connection, np.arange(1000, dtype=np.int32)).to_dict() == dict(stated)


def test_the_page_of_the_asset_shows_the_same(pipeline: Pipeline, evaluation: dict[str, Any]) -> None:
    with open_instance(Settings(home=pipeline.home), pipeline.warehouse_url) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("model_evaluations"))
    assert event is not None and event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    for name, rows in (
        ("evaluation", metric_rows(evaluation)),
        ("lists", list_rows(evaluation)),
        ("segments", segment_rows(evaluation)),
        ("candidate_recall", candidate_recall_rows(evaluation)),
    ):
        table = metadata[name]
        assert isinstance(table, dg.TableMetadataValue)
        assert [dict(record.data) for record in table.records] == rows
        assert [column.name for column in table.schema.columns] == list(rows[0])
    for slate, evaluated in evaluation["slates"].items():
        # Numbers, which Dagster plots over partitions.
        assert metadata[f"{slate}/users"].value == evaluated["users"]
        assert metadata[f"{slate}/ndcg@100"].value == pytest.approx(evaluated["models"]["ranker"]["ndcg@100"])
        assert metadata[f"{slate}/coverage@100"].value == pytest.approx(evaluated["lists"]["ranker"]["coverage@100"])
        assert metadata[f"{slate}/candidate_recall"].value == pytest.approx(evaluated["pool"]["recall"]["mean"])
        assert metadata[f"{slate}/best_baseline"].value == evaluated["paired"]["against"]


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


def test_a_source_to_report_that_is_not_off_is_refused_with_the_names_of_those_that_are(pipeline: Pipeline) -> None:
    with open_instance(Settings(home=pipeline.home), pipeline.warehouse_url) as instance:
        before = instance.get_runs_count()
        done = pipeline.run("evaluate", "--as-of", AS_OF, "--also-source", "als", "--also-source", "trending")
        assert instance.get_runs_count() == before, "no failed run is left"
    assert done.returncode == 1
    assert "no source that is off is called als; those that are: transitions, " in error_line(done)

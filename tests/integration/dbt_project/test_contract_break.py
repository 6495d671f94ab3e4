"""A mart that breaks its contract fails its build, and nothing is made of it in the same run."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import yaml
from pipeline_process import Pipeline

from assets.ingest.sample_world import SampleWorld, generate
from tests.repository import ROOT

WORLD = SampleWorld(until=date(2026, 6, 1), users=50, tracks=300, listens=3_000, days=60)


@pytest.mark.slow
def test_a_renamed_column_fails_the_build_and_stops_what_reads_the_mart(
    session_folder: Path, redis_url: str, new_warehouse: Callable[[], str]
) -> None:
    copy = session_folder / "broken"
    for folder in ("warehouse", "serving_api", "quality", "assets", "orchestration", "dbt_project"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "target", "logs"))
    contract = copy / "dbt_project" / "models" / "marts" / "core" / "facts" / "fct_listens.yml"
    content = yaml.safe_load(contract.read_text())
    (renamed,) = [column for column in content["models"][0]["columns"] if column["name"] == "track_key"]
    renamed["name"] = "recording_key"
    contract.write_text(yaml.safe_dump(content))

    pipeline = Pipeline(new_warehouse(), redis_url, session_folder / "contract", code=copy)
    generate(pipeline.home / "landing" / "lastfm-1k" / "world", WORLD)
    done = pipeline.run("run", "--as-of", "2026-05-18")

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "failed in core_models" in line
    assert "recording_key" in done.stderr and "contract" in done.stderr
    events = pipeline.query(
        "select step_key, dagster_event_type from dagster.event_logs where step_key is not null"
        " and dagster_event_type in ('STEP_START', 'STEP_FAILURE', 'STEP_SKIPPED')"
    )
    assert ("core_models", "STEP_FAILURE") in events
    started = {step for step, event in events if event == "STEP_START"}
    assert not started & {"candidates", "feature_models", "training_set", "recommendations", "release", "ml_models"}
    assert pipeline.query("select count(*) from ml.recommendations") == [(0,)]
    assert pipeline.redis_contents() == {}

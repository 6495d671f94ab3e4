"""The unit tests of the dbt models pass, cover every model that computes, and fail when a window is wrong."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from dbt_process import WITHOUT_TESTS, Dbt

from assets.dbt_project import PROJECT
from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.sample_world import LISTENS_FILE, SampleWorld, generate

MODELS = PROJECT / "models"
# Models that rename, join or leave out columns, and compute nothing.
WITHOUT_CALCULATION = {
    *("dim_artists", "dim_tracks", "days", "dim_users", "listener_history", "listeners", "sessions"),
    *("similar_tracks_named", "similar_artists_named"),
}
UNIT_TESTS = "test_type:unit"


@pytest.fixture(scope="module")
def built_url(new_warehouse: Callable[[], str], session_folder: Path) -> str:
    """A small warehouse with every model built: unit tests look up in it which columns there are."""
    url = new_warehouse()
    folder = session_folder / "unit-tests"
    generate(folder, SampleWorld(until=date(2026, 6, 1), users=20, tracks=200, listens=1_000, days=60))
    load_files(url, LastFm1k(), [folder / LISTENS_FILE])
    Dbt(url)("build", *WITHOUT_TESTS)
    return url


def unit_tests(dbt: Dbt, target: Path, *select: str) -> dict[tuple[str, str], str]:
    """Run the selected unit tests: (model, test) and how it ended."""
    dbt("test", "--select", *select, "--target-path", str(target), check=False)
    results = json.loads((target / "run_results.json").read_text())["results"]
    ends = {each["unique_id"]: each["status"] for each in results if each["unique_id"].startswith("unit_test.")}
    return {(name.split(".")[2], name.split(".")[3]): status for name, status in ends.items()}


def test_every_model_that_computes_has_unit_tests_and_all_pass(built_url: str, tmp_path: Path) -> None:
    ends = unit_tests(Dbt(built_url), tmp_path, UNIT_TESTS)
    computing = {path.stem for layer in ("intermediate", "marts") for path in (MODELS / layer).rglob("*.sql")}
    assert {model for model, _ in ends} >= computing - WITHOUT_CALCULATION
    assert {test: status for test, status in ends.items() if status != "pass"} == {}


@pytest.mark.parametrize(
    ("model", "right", "wrong", "failing"),
    [
        (
            "feat_user_track",
            "age_days <= 7",
            "age_days < 7",
            {"windows_of_7_30_and_90_days_end_at_as_of", "each_as_of_knows_only_what_was_heard_before_it"},
        ),
        (
            "fct_listens",
            "previous_listened_at > interval '30 minutes'",
            "previous_listened_at > interval '31 minutes'",
            {"a_gap_of_more_than_30_minutes_ends_a_session"},
        ),
    ],
)
def test_a_wrong_window_fails_the_unit_tests_of_its_model(
    built_url: str, tmp_path: Path, model: str, right: str, wrong: str, failing: set[str]
) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    (path,) = (project / "models").rglob(f"{model}.sql")
    sql = path.read_text()
    assert right in sql
    path.write_text(sql.replace(right, wrong))
    ends = unit_tests(Dbt(built_url, project), tmp_path / "target", f"{model},{UNIT_TESTS}")
    assert {test for (_, test), status in ends.items() if status == "fail"} == failing
    assert set(ends.values()) == {"pass", "fail"}

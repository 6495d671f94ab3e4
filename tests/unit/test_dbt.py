"""Arguments, environment and manifest of the dbt project, without a server."""

from datetime import date
from pathlib import Path

import pytest
import yaml
from dagster_dbt import DbtProject

from assets.dbt import DBT_PROJECT, dbt_arguments, dbt_environment, libpq_environment, manifest_path

MODELS = sorted((Path(__file__).parents[2] / "dbt_project" / "models").rglob("*.sql"))


def test_a_build_without_dates_passes_no_variables() -> None:
    assert dbt_arguments() == ["build"]


def test_a_build_passes_its_dates_as_one_json_variable() -> None:
    dates = [date(2015, 1, 1), date(2014, 12, 18)]
    assert dbt_arguments(dates) == ["build", "--vars", '{"as_of_dates": ["2015-01-01", "2014-12-18"]}']


def test_the_warehouse_address_becomes_libpq_variables_with_the_password_decoded() -> None:
    assert libpq_environment("postgresql://me:p%40ss%2Fword@db.local:6543/listening?sslmode=require") == {
        "PGHOST": "db.local",
        "PGPORT": "6543",
        "PGUSER": "me",
        "PGPASSWORD": "p@ss/word",
        "PGDATABASE": "listening",
        "PGSSLMODE": "require",
        "PGSSLROOTCERT": "",
    }


def test_dbt_and_mf_find_the_project_from_any_folder() -> None:
    environment = dbt_environment("postgresql://me:secret@db.local/listening")
    assert environment["PGHOST"] == "db.local"
    assert (Path(environment["DBT_PROJECT_DIR"]) / "dbt_project.yml").is_file()
    assert (Path(environment["DBT_PROFILES_DIR"]) / "profiles.yml").is_file()


def test_the_manifest_is_parsed_anew_when_a_model_comes_or_goes(tmp_path: Path) -> None:
    for name in ("dbt_project.yml", "profiles.yml"):
        (tmp_path / name).write_bytes((DBT_PROJECT.project_dir / name).read_bytes())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "first.sql").write_text("select 1 as one\n")
    project = DbtProject(project_dir=tmp_path)
    assert "model.audotics.first" in manifest_path(project).read_text()
    (tmp_path / "models" / "second.sql").write_text("select 2 as two\n")
    assert "model.audotics.second" in manifest_path(project).read_text()
    (tmp_path / "models" / "first.sql").unlink()
    assert "model.audotics.first" not in manifest_path(project).read_text()


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_a_model_has_its_own_yaml_that_states_its_grain_and_describes_every_column(model: Path) -> None:
    (described,) = yaml.safe_load(model.with_suffix(".yml").read_text())["models"]
    assert described["name"] == model.stem
    assert "Grain: " in described["description"]
    assert described["columns"]
    assert all(column["description"] for column in described["columns"])


@pytest.mark.parametrize("model", [path for path in MODELS if "marts" in path.parts], ids=lambda path: path.stem)
def test_a_mart_never_reads_a_source(model: Path) -> None:
    assert "source(" not in model.read_text()

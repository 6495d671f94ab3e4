"""Arguments, environment and manifest of the dbt project, without a server."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets import dbt
from assets.dbt import TRANSLATOR, _dbt_cli
from assets.dbt_project import (
    PROJECT,
    TARGET,
    dates_environment,
    dbt_environment,
    libpq_environment,
    project_code,
)
from assets.slates import HORIZON_DAYS
from tests.repository import ROOT

MODELS = sorted((ROOT / "dbt_project" / "models").rglob("*.sql"))
MARTS = [path for path in MODELS if "marts" in path.parts]
# Spellings of PostgreSQL alone that other databases refuse; what needs them sits in a named macro.
POSTGRESQL_ONLY = re.compile(r"::|<<|\bilike\b|\bdistinct\s+on\b|\bgenerate_series\b", re.IGNORECASE)


def test_the_models_judge_lists_by_the_days_that_the_rankers_are_trained_for() -> None:
    variables = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    assert variables["horizon_days"] == HORIZON_DAYS


def test_the_dates_of_a_build_are_one_variable_and_none_is_an_empty_one() -> None:
    assert dates_environment([date(2015, 1, 1), date(2014, 12, 18)]) == {
        "AUDOTICS_AS_OF_DATES": "2015-01-01,2014-12-18"
    }
    assert dates_environment([]) == {"AUDOTICS_AS_OF_DATES": ""}


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


def described(model: Path) -> dict[str, Any]:
    """What the YAML beside a model says of it."""
    (found,) = yaml.safe_load(model.with_suffix(".yml").read_text())["models"]
    return dict(found)


def test_a_model_has_its_own_yaml_that_states_its_grain_and_describes_every_column() -> None:
    for model in MODELS:
        found = described(model)
        assert found["name"] == model.stem
        assert "Grain: " in found["description"], model
        assert found["columns"], model
        assert all(column["description"] for column in found["columns"]), model


def test_a_mart_never_reads_a_source() -> None:
    for model in MARTS:
        assert "source(" not in model.read_text(), model


def test_the_grain_that_a_mart_states_is_tested() -> None:
    for model in MARTS:
        found = described(model)
        tested = {frozenset(columns) for columns in unique_columns(found)}
        assert tested, f"{model}: neither a unique column nor a unique_grain"
        # A grain of several columns is stated as "Grain: one ... (column, column)."
        stated = re.search(r"Grain: [^(.]*\(([^)]*)\)", found["description"])
        assert stated is None or frozenset(stated[1].split(", ")) in tested, model


def unique_columns(model: dict[str, Any]) -> Iterator[list[str]]:
    """The column lists that the tests in a model's YAML hold unique."""
    for test in model.get("data_tests", []):
        if "unique_grain" in test:
            yield test["unique_grain"]["arguments"]["columns"]
    for column in model["columns"]:
        if "unique" in column.get("data_tests", []):
            yield [column["name"]]


def test_a_model_spells_sql_as_other_databases_read_it() -> None:
    for model in MODELS:
        assert POSTGRESQL_ONLY.findall(model.read_text()) == [], model


@pytest.mark.parametrize(
    "sql", ["a::date", "1 << 32", "a ILIKE 'b'", "select distinct\n  on (a) b", "generate_series(1, 2)"]
)
def test_a_postgresql_spelling_is_found(sql: str) -> None:
    assert POSTGRESQL_ONLY.search(sql)


def test_a_grain_without_a_test_is_found() -> None:
    columns = [{"name": "week", "data_tests": ["not_null"]}, {"name": "rank"}]
    assert list(unique_columns({"columns": columns})) == []
    grain = {"unique_grain": {"arguments": {"columns": ["week", "rank"]}}}
    assert list(unique_columns({"columns": columns, "data_tests": [grain]})) == [["week", "rank"]]


def test_what_is_served_is_built_whatever_target_a_developer_has_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_TARGET", "dev")
    assert _dbt_cli().target == TARGET == "warehouse"


def test_every_model_has_the_version_of_its_code_and_the_project_is_read_once_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digests, reads = project_code().digests, []
    dbt._code_when_loaded.cache_clear()
    monkeypatch.setattr(dbt, "project_code", lambda: reads.append(1) or project_code())
    assert {each: TRANSLATOR.get_code_version({"unique_id": each}) for each in digests} == digests
    assert len(digests) > 40 and reads == [1]

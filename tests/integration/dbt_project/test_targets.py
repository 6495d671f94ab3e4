"""Developers build beside what the platform built, in schemas of their own."""

import shutil
from pathlib import Path

import pytest
from dbt_process import WITHOUT_TESTS, Dbt

from assets.dbt_project import PROJECT

SELECTED = ("--select", "+track_daily", "+feat_track")
WRITTEN = "select distinct xmin::text from {}.{}"


@pytest.mark.slow
def test_a_developer_builds_into_schemas_of_their_own_and_remembers_it_apart(own_sample: Dbt, tmp_path: Path) -> None:
    dbt = own_sample
    before = {name: dbt.query(WRITTEN.format("core", name)) for name in ("fct_listens", "fct_first_listens")}
    dbt.query("insert into builds.feature_dates select date '2026-05-01', 'a digest', 1, now()")

    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    developer = Dbt(dbt.warehouse_url, project)
    developer("build", *WITHOUT_TESTS, *SELECTED, "--target", "dev", "--full-refresh", DBT_SCHEMA="dev_ann")
    schemas = (
        "select distinct schemaname from pg_tables where tablename in ('fct_listens', 'track_daily', 'feat_track')"
    )
    assert {schema for (schema,) in dbt.query(schemas)} == {
        *("core", "analytics", "features"),
        *("dev_ann_core", "dev_ann_analytics", "dev_ann_features"),
    }
    of_others = {name: dbt.query(WRITTEN.format("core", name)) for name in before}
    assert of_others == before, "what the platform built stays as it is"
    assert dbt.query("select as_of from builds.feature_dates") != [], "and so do its notes"
    for schema in ("core", "dev_ann_core"):
        assert dbt.query(f"select count(*) from {schema}.fct_listens") == dbt.query("select count(*) from raw.listens")

    built = dbt.query(WRITTEN.format("dev_ann_core", "fct_listens"))
    developer("build", *WITHOUT_TESTS, *SELECTED, "--target", "dev", DBT_SCHEMA="dev_ann")
    assert dbt.query(WRITTEN.format("dev_ann_core", "fct_listens")) == built, "nothing new, so nothing is rebuilt"

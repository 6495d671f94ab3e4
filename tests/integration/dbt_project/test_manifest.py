"""The manifest that Dagster reads, which dbt parses in a process of its own."""

import json
from pathlib import Path

import pytest

from assets.dbt_project import PROJECT, manifest_path, prepare_metrics


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one model and one semantic model."""
    for name in ("dbt_project.yml", "profiles.yml"):
        (tmp_path / name).write_bytes((PROJECT / name).read_bytes())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "first.sql").write_text("select 1 as one\n")
    return tmp_path


@pytest.mark.slow
def test_the_manifest_is_parsed_again_when_a_model_comes_or_goes(project: Path) -> None:
    assert "model.audotics.first" in manifest_path(project).read_text()
    with manifest_path(project).open() as before:
        (project / "models" / "second.sql").write_text("select 2 as two\n")
        (project / "models" / "first.sql").unlink()
        after = json.loads(manifest_path(project).read_text())["nodes"]
        assert "model.audotics.first" in json.load(before)["nodes"], "read whole while it is replaced"
    assert "model.audotics.second" in after
    assert "model.audotics.first" not in after


DAYS = """
models:
  - name: first
    time_spine: {standard_granularity_column: day}
    columns: [{name: day, granularity: day}]
  - name: plays
semantic_models:
  - name: plays
    model: ref('plays')
    entities: [{name: play, type: primary, expr: id}]
    dimensions: [{name: day, type: time, type_params: {time_granularity: day}}]
    measures: [{name: plays, agg: count, expr: id, agg_time_dimension: day}]
"""


@pytest.mark.slow
def test_mf_finds_this_warehouse_and_the_project_is_parsed_again_only_for_another_database_or_dbt(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "models" / "first.sql").write_text("select current_date as day\n")
    (project / "models" / "plays.sql").write_text("select 1 as id, current_date as day\n")
    (project / "models" / "plays.yml").write_text(DAYS)

    def databases(url: str) -> set[str]:
        prepare_metrics(url, project)
        models = json.loads((project / "target" / "semantic_manifest.json").read_text())["semantic_models"]
        return {model["node_relation"]["database"] for model in models}

    parsed = project / "target" / "assets" / "semantic_manifest.json"
    assert databases("postgresql://ann@nowhere/music") == {"music"}
    first = parsed.stat().st_ino
    # As a dbt command by hand leaves it.
    (project / "target" / "semantic_manifest.json").write_text("{}")
    assert databases("postgresql://bob@elsewhere/music") == {"music"}
    assert parsed.stat().st_ino == first, "neither who connects nor where from is in it"
    assert databases("postgresql://ann@nowhere/other") == {"other"}
    second = parsed.stat().st_ino
    for library in ("dbt-core", "dbt-semantic-interfaces"):
        monkeypatch.setattr("assets.dbt_project.version", lambda name, other=library: "0" if name == other else "1")
        assert databases("postgresql://ann@nowhere/other") == {"other"}
        assert parsed.stat().st_ino != second, "another release writes another file"
        second = parsed.stat().st_ino

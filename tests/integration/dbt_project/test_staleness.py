"""Which old days a build writes again after the project has changed: those that other code would fill otherwise."""

import json
import shutil
from pathlib import Path

import pytest
from dbt_process import WITHOUT_TESTS, Dbt

from assets.dbt_project import PROJECT, manifest_path, project_code
from assets.features.dates import MARTS
from assets.features.version import features_version
from assets.staleness import BY_DAY
from warehouse.engine import create_engine
from warehouse.roles import Role

BUILD = ("build", *WITHOUT_TESTS, "--exclude", "marts.features", "resource_type:snapshot", "listener_history")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to be changed."""
    copy = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("target", "logs"))
    return copy


def rewrite(project: Path, file: str, old: str, new: str) -> None:
    # dbt keeps copies in target/.
    (path,) = (path for path in project.rglob(file) if "target" not in path.parts)
    assert old in path.read_text(), f"{file} no longer holds {old!r}"
    path.write_text(path.read_text().replace(old, new))


def written(dbt: Dbt) -> dict[str, tuple[str, set[str]]]:
    """By model that is built by day: the code it was built by, and the transactions that wrote its rows."""
    models = dbt.query("select model, definition from builds.models")
    return {
        model: (definition, {xid for (xid,) in dbt.query(f"select distinct xmin::text from {model}")})
        for model, definition in models
    }


def version(dbt: Dbt) -> str:
    with create_engine(dbt.warehouse_url, Role.TRANSFORMER).connect() as connection:
        return features_version(connection, dbt.project)


def readers(project: Path, *names: str) -> set[str]:
    """The models, and those that read them however indirectly: of these, the ones built by day."""
    manifest = json.loads(manifest_path(project).read_text())
    found: set[str] = set()
    waiting = [f"model.audotics.{name}" for name in names]
    while waiting:
        unique_id = waiting.pop()
        node = manifest["nodes"].get(unique_id)
        if node and unique_id not in found:
            found.add(unique_id)
            waiting += manifest["child_map"][unique_id]
    nodes = [manifest["nodes"][unique_id] for unique_id in found if unique_id.startswith("model.")]
    return {f"{node['schema']}.{node['name']}" for node in nodes if node["config"]["incremental_strategy"] == BY_DAY}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_fixed_macro_rebuilds_its_old_days_and_nothing_else_and_a_changed_description_rebuilds_nothing(
    own_sample: Dbt, project: Path
) -> None:
    before, features_before = written(own_sample), version(own_sample)
    changed = Dbt(own_sample.warehouse_url, project)

    rewrite(project, "track_daily.yml", 'description: "', 'description: "Reworded: ')
    rewrite(project, "exposures.yml", "description: >-", "description: >-\n      Reworded:")
    rewrite(project, "macros.yml", 'description: "', 'description: "Reworded: ')
    rewrite(
        project,
        "daily_listening.sql",
        "        listened_on,\n        count(*) as listens,",
        "        -- Of a day.\n        listened_on, count(*) as listens,",
    )
    rewrite(project, "fct_listens.sql", "-- A day lies in one stretch of the table", "-- Reworded")
    changed(*BUILD)
    assert written(changed) == before
    assert version(changed) == features_before

    rewrite(project, "daily_listening.sql", "count(*) as listens,", "1000 + count(*) as listens,")
    rewrite(project, "dbt_project.yml", "horizon_days: 14", "horizon_days: 7")
    changed(*BUILD)
    after = written(changed)
    fixed = readers(project, "artist_daily", "track_daily", "recommendation_outcomes")
    assert {"analytics.artist_daily", "analytics.track_charts_weekly", "ml.recommendation_outcomes"} < fixed
    assert {model for model in after if after[model] != before[model]} == fixed
    assert version(changed) == features_before, "no feature reads them"
    assert changed.query("select min(listens) > 1000 from analytics.track_daily") == [(True,)]
    contents = changed.contents()
    changed(*BUILD, "--full-refresh")
    assert changed.contents() == contents


@pytest.mark.slow
def test_dbt_does_not_build_by_code_that_it_is_not_told_of(own_sample: Dbt, project: Path) -> None:
    before = written(own_sample)
    told_of_another = {"AUDOTICS_DBT_CODE": own_sample.environment["AUDOTICS_DBT_CODE"]}
    rewrite(project, "calendar.sql", "at time zone 'UTC')::date", "at time zone 'Europe/Berlin')::date")
    for refused in (
        Dbt(own_sample.warehouse_url, project)(*BUILD, check=False, **told_of_another),
        own_sample(*BUILD, "--vars", "horizon_days: 7", check=False),
        own_sample(*BUILD, check=False, AUDOTICS_DBT_CODE="{}"),
    ):
        assert refused.returncode != 0
        assert 'eval "$(audotics env)", then run this again' in refused.stdout
    assert written(own_sample) == before


@pytest.mark.slow
def test_features_are_stale_once_what_they_read_is_built_by_other_code_and_not_before(own_sample: Dbt) -> None:
    code = project_code()
    read = ", ".join(f"'{model}'" for mart in MARTS for model in code.read[f"model.audotics.{mart}"])
    before = version(own_sample)
    own_sample.query(f"update builds.models set definition = 'other' where model not in ({read})")
    assert version(own_sample) == before
    own_sample.query("update builds.models set definition = 'other' where model = 'core.fct_listens'")
    assert version(own_sample) != before

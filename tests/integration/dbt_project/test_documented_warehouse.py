"""What a SQL client, the docs site and `dbt source freshness` show of the warehouse."""

import json
import re
import shutil
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from dbt_process import WITHOUT_TESTS, Dbt
from sample_warehouse import load_sample

from assets.dbt_project import PROJECT, manifest_path
from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.sample_world import PROFILE_FILE
from assets.slates import Slate
from warehouse.roles import Role

BUILT = ("model", "snapshot")

# Relations (column null) and columns in the order of their names, each with its comment.
_COMMENTS = """
select nspname || '.' || relname, attname, coalesce(col_description(pg_class.oid, attnum), '')
from pg_class
inner join pg_namespace on pg_namespace.oid = relnamespace
inner join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
where relkind in ('r', 'p', 'v', 'm') and nspname = any(array[{schemas}])
union all
select nspname || '.' || relname, null, coalesce(obj_description(pg_class.oid, 'pg_class'), '')
from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
where relkind in ('r', 'p', 'v', 'm') and nspname = any(array[{schemas}])
"""


def comments(dbt: Dbt, *schemas: str) -> dict[tuple[str, str | None], str]:
    rows = dbt.query(_COMMENTS.format(schemas=", ".join(f"'{schema}'" for schema in schemas)))
    return {(relation, column): comment for relation, column, comment in rows}


@pytest.fixture(scope="module")
def dbt(sample: Dbt) -> Dbt:
    return sample


def test_every_relation_and_column_of_the_models_carries_its_description(dbt: Dbt) -> None:
    nodes = json.loads(manifest_path().read_text())["nodes"].values()
    built = {f"{node['schema']}.{node['alias']}": node for node in nodes if node["resource_type"] in BUILT}
    shown = comments(dbt, *{node["schema"] for node in built.values()})
    assert {where: comment for where, comment in shown.items() if where[0] in built} == {
        **{(relation, None): node["description"] for relation, node in built.items()},
        **{
            (relation, name): column["description"]
            for relation, node in built.items()
            for name, column in node["columns"].items()
        },
    }


def test_the_sources_describe_every_raw_table_and_every_column_of_theirs(dbt: Dbt) -> None:
    files = (PROJECT / "models").rglob("*.yml")
    sources = [source for file in files for source in yaml.safe_load(file.read_text()).get("sources", [])]
    described = {
        (f"{source['name']}.{table['name']}", column["name"])
        for source in sources
        for table in source["tables"]
        for column in table["columns"]
    }
    tables = {relation for relation, _ in described}
    shown = comments(dbt, *(source["name"] for source in sources))
    # The secret of the pseudonyms is not the source of a model.
    others = {relation for relation, _ in shown if relation.startswith("raw.")} - {"raw.pseudonym_key"}
    assert described == {(relation, column) for relation, column in shown if column and relation in tables | others}


def test_every_column_of_slates_names_them_all(dbt: Dbt) -> None:
    said = {relation: text for (relation, column), text in comments(dbt, "ml").items() if column == "slate"}
    assert len(said) > 6
    assert {relation: text for relation, text in said.items() if not all(slate in text for slate in Slate)} == {}


def test_the_docs_site_is_one_file_that_holds_every_relation_with_its_columns(dbt: Dbt, tmp_path: Path) -> None:
    dbt("docs", "generate", "--static", "--target-path", str(tmp_path))
    site = (tmp_path / "static_index.html").read_text()
    assert "The listening warehouse" in site
    catalog = json.loads((tmp_path / "catalog.json").read_text())
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    built = {name for name, node in manifest["nodes"].items() if node["resource_type"] in BUILT}
    assert set(catalog["nodes"]) == built
    for name, relation in {**catalog["nodes"], **catalog["sources"]}.items():
        described = manifest["nodes"].get(name) or manifest["sources"][name]
        assert set(relation["columns"]) == set(described["columns"]), name


def test_freshness_tells_how_long_ago_a_file_was_loaded(warehouse_url: str, tmp_path: Path) -> None:
    load_sample(warehouse_url, tmp_path / "world")
    dbt = Dbt(warehouse_url)
    for age, code, status in (("1 hour", 0, "pass"), ("2 days", 0, "warn"), ("8 days", 1, "error")):
        dbt.query(f"update raw.ingest_files set finished_at = now() - interval '{age}'")
        done = dbt("source", "freshness", "--output", str(tmp_path / "sources.json"), check=False)
        assert done.returncode == code, done.stdout
        results = json.loads((tmp_path / "sources.json").read_text())["results"]
        statuses = {result["unique_id"].split(".", 2)[2]: result["status"] for result in results}
        assert statuses.pop("raw.ingest_files") == status
        # The listens end before the sample world does: long ago, which is worth a warning and no more.
        assert statuses.pop("raw.listens") == "warn"
        loaded = {statuses.pop(source) for source in [*statuses] if source.startswith("raw.")}
        assert loaded == {"pass" if status == "pass" else "warn"}, "what comes with a file is as fresh as the last one"
        assert set(statuses.values()) == {"warn"}, "no list has been made"


def test_every_source_is_watched_but_those_that_nobody_writes_regularly() -> None:
    sources = json.loads(manifest_path().read_text())["sources"].values()
    unwatched = {
        f"{source['source_name']}.{source['name']}"
        for source in sources
        if not (source["freshness"] and (source["loaded_at_field"] or source["loaded_at_query"]))
    }
    of_builds = {f"builds.{name}" for name in ("days", "models", "model_days", "feature_dates", "views")}
    assert unwatched == {*of_builds, "raw.blocks", "raw.given_keys", "ml.ranker_trials", "corrections.same_items"}
    explained = {f"{each['source_name']}.{each['name']}" for each in sources if each["meta"].get("no_freshness")}
    assert explained == unwatched, "each says why in its meta"


def test_every_mart_has_an_example_query_that_runs_as_who_may_read_it(sample: Dbt) -> None:
    shown = 0
    for node in json.loads(manifest_path().read_text())["nodes"].values():
        if node["resource_type"] != "model" or node["fqn"][1] == "staging":
            continue
        (query,) = re.findall(r"```sql\n(.*?)```", node["description"], re.DOTALL)
        assert f"{node['schema']}.{node['alias']}" in query
        analysts = node["schema"] == "analytics" or "audotics_analyst" in node["config"]["grants"].get("select", [])
        sample.query(f"set role {Role.ANALYST if analysts else Role.TRANSFORMER}; {query}")
        shown += 1
    assert shown > 40


def test_every_model_and_snapshot_has_an_owner() -> None:
    manifest = json.loads(manifest_path().read_text())
    owners = {group["name"]: group["owner"]["email"] for group in manifest["groups"].values()}
    built = [node for node in manifest["nodes"].values() if node["resource_type"] in BUILT]
    assert {owners[node["config"]["group"]] for node in built} == {"team:data-engineering"}


def test_a_changed_profile_is_shown_as_two_versions_and_an_unchanged_one_as_one(
    own_sample: Dbt, sample_world: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(sample_world, tmp_path / "world")
    profiles = (folder / PROFILE_FILE).read_text().splitlines()
    changed, unchanged = (line.split("\t") for line in profiles[1:3])
    before = changed[3]
    changed[3] = "Iceland"
    (folder / PROFILE_FILE).write_text("\n".join([profiles[0], "\t".join(changed), *profiles[2:]]) + "\n")
    load_files(own_sample.warehouse_url, LastFm1k(), [folder])
    # It replaces views, and drops what stands on them.
    own_sample("build", "--select", "stg_users", "users_history", "listener_history", *WITHOUT_TESTS)

    def versions(user_id: str) -> list[tuple[str, datetime, datetime | None]]:
        return own_sample.query(
            "select country, valid_from, valid_to from analytics.listener_history where listener_key ="
            f" (select listener_key from raw.users where user_id = '{user_id}') order by valid_from"
        )

    first, second = versions(changed[0])
    assert [first[0] or "", second[0]] == [before, "Iceland"]
    assert first[1] < second[1]
    assert (first[2], second[2]) == (second[1], None)
    assert versions(unchanged[0]) == [(unchanged[3] or None, first[1], None)]

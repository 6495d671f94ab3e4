"""Which changes of code make results stale, and which do not."""

import copy
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from assets import staleness
from assets.staleness import COMPUTING_LIBRARIES, code_digest, model_digests, read_by_day
from tests.repository import ROOT

VARIABLES = {"horizon_days": 14, "unread": 1}

MODELS = {
    # name: (strategy, what it reads, SQL)
    "stg_listens": (
        None,
        ["raw.listens"],
        "select user_id, {{ utc_date('at') }} as day from {{ source('raw', 'listens') }}",
    ),
    "stg_users": (None, ["raw.listens"], "select user_id from {{ source('raw', 'listens') }}"),
    "fct_listens": (
        "changed_days",
        ["stg_listens"],
        "{{ config(indexes=[]) }} select * from {{ ref('stg_listens') }}\n"
        "{% if is_incremental() %} where {{ since() }} {% endif %} -- what's left",
    ),
    "listens": (None, ["fct_listens"], "select * from {{ ref('fct_listens') }}"),
    "daily": ("changed_days", ["listens", "stg_users"], "select day, 'a  -- b' as kept from {{ ref('listens') }}"),
    "outcomes": ("changed_days", ["fct_listens"], "select {{ var('horizon_days') }} from {{ ref('fct_listens') }}"),
    "feat_user": ("delete+insert", ["fct_listens", "stg_users"], "select {{ as_of() }} from {{ ref('fct_listens') }}"),
    "feat_artist": ("delete+insert", ["feat_user"], "select * from {{ ref('feat_user') }}"),
}
MACROS = {
    "utc_date": "{% macro utc_date(at) %} ({{ at }})::date {% endmacro %}",
    "since": "{% macro since() %} day >= {{ first_day() }} {% endmacro %}",
    "first_day": "{% macro first_day() %} date '2026-01-01' {% endmacro %}",
    "as_of": "{% macro as_of() %} {{ env_var('AS_OF', '') if execute else '' }} {% endmacro %}",
    "get_incremental_changed_days_sql": (
        "{% macro get_incremental_changed_days_sql(arg_dict) %}"
        " delete where {{ config.get('rebuild_where') }} {{ first_day() }} {% endmacro %}"
    ),
    "log_tests": "{% macro log_tests() %} select 1 {% endmacro %}",
}
BY_DAY = {name for name, (strategy, *_) in MODELS.items() if strategy == "changed_days"}


def node(name: str) -> dict[str, Any]:
    strategy, reads, sql = MODELS[name]
    config = {
        "materialized": "incremental" if strategy else "view",
        "incremental_strategy": strategy,
        "unique_key": None,
        "pre-hook": [],
        "post-hook": [{"sql": "{{ log_tests() }}"}],
        "rebuild_where": "day >= first" if strategy == "changed_days" else None,
        "meta": {},
        "tags": [],
    }
    parents = [f"source.{read}" if "." in read else f"model.{read}" for read in reads]
    described = {"description": f"About {name}.", "columns": {"day": {"description": "A day."}}}
    return {
        "name": name,
        "schema": "core",
        "alias": name,
        "resource_type": "model",
        "raw_code": sql,
        "config": config,
        # dbt notes no macro that stands behind is_incremental().
        "depends_on": {"nodes": parents, "macros": []},
        **described,
    }


@pytest.fixture
def manifest() -> dict[str, Any]:
    macros = {
        f"macro.own.{name}": {"name": name, "package_name": "own", "macro_sql": sql} for name, sql in MACROS.items()
    }
    of_dbt = {
        "name": "is_incremental",
        "package_name": "dbt",
        "macro_sql": "{% macro is_incremental() %}{% endmacro %}",
    }
    return {
        "metadata": {"adapter_type": "postgres", "project_name": "own"},
        "nodes": {f"model.{name}": node(name) for name in MODELS},
        "sources": {
            "source.raw.listens": {"schema": "raw", "identifier": "listens", "relation_name": '"db"."raw"."listens"'}
        },
        "macros": {**macros, "macro.dbt.is_incremental": of_dbt},
        "exposures": {"exposure.dashboard": {"description": "A dashboard."}},
    }


def stale(
    before: dict[str, Any], change: Callable[[dict[str, Any]], object], variables: dict[str, Any] = VARIABLES
) -> set[str]:
    """The models whose digest a change of the manifest, or other variables, make another one."""
    after = copy.deepcopy(before)
    change(after)
    old, new = model_digests(before, VARIABLES), model_digests(after, variables)
    assert old.keys() == new.keys()
    return {unique_id.removeprefix("model.") for unique_id in old if old[unique_id] != new[unique_id]}


def rewritten(manifest: dict[str, Any], name: str, old: str, new: str) -> None:
    model = manifest["nodes"].get(f"model.{name}")
    holder, key = (model, "raw_code") if model else (manifest["macros"][f"macro.own.{name}"], "macro_sql")
    assert old in holder[key]
    holder[key] = holder[key].replace(old, new)


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        # A model by day that is built by other code is told to its readers by the warehouse, not by the digest.
        ("fct_listens", "select *", "select day", {"fct_listens"}),
        ("fct_listens", "where {{ since() }}", "where false", {"fct_listens"}),
        ("stg_users", "select user_id", "select distinct user_id", {"stg_users", "daily", "feat_user", "feat_artist"}),
        ("listens", "select *", "select day", {"listens", "daily"}),
        ("feat_user", "from", "from only", {"feat_user", "feat_artist"}),
        ("daily", "'a  -- b'", "'a -- b'", {"daily"}),
        ("utc_date", "::date", "::timestamp::date", {"stg_listens", "fct_listens"}),
        ("since", ">=", ">", {"fct_listens"}),
        ("first_day", "01-01", "01-02", BY_DAY),
        ("as_of", "execute", "true", {"feat_user", "feat_artist"}),
        ("get_incremental_changed_days_sql", "delete", "truncate", BY_DAY),
        ("log_tests", "select 1", "select 2", {*BY_DAY, "feat_user", "feat_artist"}),
    ],
)
def test_other_sql_of_a_model_or_a_macro_makes_stale_what_is_built_by_it_and_nothing_else(
    manifest: dict[str, Any], name: str, old: str, new: str, expected: set[str]
) -> None:
    assert stale(manifest, lambda after: rewritten(after, name, old, new)) == expected


def test_another_value_of_a_variable_makes_stale_what_reads_it(manifest: dict[str, Any]) -> None:
    assert stale(manifest, lambda after: None, {**VARIABLES, "horizon_days": 7}) == {"outcomes"}
    assert stale(manifest, lambda after: None, {**VARIABLES, "unread": 2}) == set()
    rewritten(manifest, "daily", "day,", "{{ var(name) }},")
    assert stale(manifest, lambda after: None, {**VARIABLES, "unread": 2}) == {"daily"}, "any of them may be meant"


def test_a_setting_that_the_sql_or_dbt_asks_for_makes_stale_and_others_do_not(manifest: dict[str, Any]) -> None:
    def set_to(name: str, value: object) -> set[str]:
        return stale(manifest, lambda after: after["nodes"]["model.daily"]["config"].update({name: value}))

    assert set_to("unique_key", "day") == set_to("rebuild_where", "day > first") == {"daily"}
    assert set_to("materialized", "table") == {"daily"}
    assert (
        set_to("tags", ["nightly"])
        == set_to("meta", {"owner": "us"})
        == set_to("indexes", [{"columns": ["day"]}])
        == set()
    )


def test_where_a_source_lies_counts_and_its_database_does_not(manifest: dict[str, Any]) -> None:
    source = "source.raw.listens"
    assert (
        stale(manifest, lambda after: after["sources"][source].update(relation_name='"other"."raw"."listens"')) == set()
    )
    others = stale(manifest, lambda after: after["sources"][source].update(schema="elsewhere"))
    assert others == {"stg_listens", "stg_users", "fct_listens", "daily", "feat_user", "feat_artist"}


def test_descriptions_comments_white_space_tests_and_dashboards_make_nothing_stale(manifest: dict[str, Any]) -> None:
    def reworded(after: dict[str, Any]) -> None:
        for each in after["nodes"].values():
            each["description"] = "Reworded."
            each["columns"]["day"]["description"] = "Reworded."
        after["exposures"]["exposure.dashboard"]["description"] = "Reworded."
        after["nodes"]["test.new"] = {"resource_type": "test", "depends_on": {"nodes": ["model.daily"]}}
        after["macros"]["macro.own.new"] = {
            "name": "new",
            "package_name": "own",
            "macro_sql": "{% macro new() %}{% endmacro %}",
        }
        after["macros"]["macro.dbt.is_incremental"]["macro_sql"] = (
            "{% macro is_incremental() %}of another dbt{% endmacro %}"
        )
        rewritten(after, "fct_listens", "-- what's left", "/* isn't it */")
        rewritten(
            after, "fct_listens", "{{ config(indexes=[]) }}", "{{ config(indexes=[{'columns': ['day']}], tags=['a']) }}"
        )
        rewritten(after, "daily", "select day, ", "{# days #}\nselect\n    day,\n")
        rewritten(after, "since", "{{ first_day() }}", "{{- first_day( ) -}} -- from then on\n")

    assert stale(manifest, reworded) == set()


def test_what_jinja_does_within_a_comment_of_sql_counts(manifest: dict[str, Any]) -> None:
    rewritten(manifest, "daily", "select day", "-- {{ first_day() }}\nselect day")
    assert stale(manifest, lambda after: rewritten(after, "daily", "-- {{ first_day() }}", "-- {{ since() }}")) == {
        "daily"
    }


def test_the_models_by_day_that_a_model_reads_are_found_behind_others(manifest: dict[str, Any]) -> None:
    assert (
        read_by_day(manifest, ["model.daily"]) == read_by_day(manifest, ["model.feat_artist"]) == {"core.fct_listens"}
    )
    assert read_by_day(manifest, ["model.fct_listens"]) == set()


PROJECT = {
    "rooms/__init__.py": "",
    "rooms/lists.py": '"""Lists."""\nfrom rooms import scores\nfrom rooms.rules import LENGTH\nLISTS = scores\n',
    "rooms/scores.py": "import numpy as np\n\ndef score():\n    from rooms.kernel import run\n    return run(np)\n",
    "rooms/kernel.py": "import numba\n\ndef run(x): return numba, x\n",
    "rooms/rules.py": "# So many.\nLENGTH = 100\n",
    "rooms/plots.py": "from rooms.lists import LISTS\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, source in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    return tmp_path


def of_lists(root: Path) -> str:
    return code_digest("rooms.lists", root=root)


@pytest.mark.parametrize("file", ["lists", "scores", "kernel", "rules", "__init__"])
def test_other_code_of_a_module_is_other_code_of_whatever_imports_it_however_indirectly(
    project: Path, file: str
) -> None:
    before = of_lists(project)
    with (project / "rooms" / f"{file}.py").open("a") as stream:
        stream.write("MORE = 1\n")
    assert of_lists(project) != before


def test_docstrings_comments_layout_and_modules_that_are_not_imported_do_not_change_the_code(project: Path) -> None:
    before = of_lists(project)
    (project / "rooms/lists.py").write_text(PROJECT["rooms/lists.py"].replace('"""Lists."""', '"""All lists."""\n\n'))
    (project / "rooms/rules.py").write_text('LENGTH = (\n    100  # as agreed\n)\n"""How long a list is."""\n')
    (project / "rooms/plots.py").write_text("COLOUR = 1\n")
    (project / "rooms/new.py").write_text("COLOUR = 1\n")
    assert of_lists(project) == before
    (project / "rooms/rules.py").write_text("LENGTH = 101\n")
    assert of_lists(project) != before


@pytest.mark.parametrize(
    ("library", "counts"), [("numpy", True), ("numba", True), ("llvmlite", True), ("lightgbm", False), ("rich", False)]
)
def test_another_release_of_a_library_is_other_code_of_what_computes_with_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, library: str, counts: bool
) -> None:
    before = of_lists(project)
    monkeypatch.setattr(staleness, "version", lambda name: "0" if name == library else version(name))
    assert (of_lists(project) != before) == counts


def test_a_module_that_is_not_there_has_no_digest(project: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"rooms\.gone"):
        code_digest("rooms.lists", "rooms.gone", root=project)


# Libraries that store, read or show what others compute.
OTHERS = {
    *(
        "adbc_driver_manager",
        "adbc_driver_postgresql",
        "alembic",
        "filelock",
        "fsspec",
        "psycopg2",
        "redis",
        "sqlalchemy",
    ),
    *("matplotlib", "optuna", "orjson", "pydantic", "pydantic_settings", "threadpoolctl", "jinja2"),
}


def test_of_every_library_in_code_that_computes_it_is_decided_whether_its_release_counts() -> None:
    entries = ["assets.ranker.folds", "assets.recommendations.lists", "assets.similar.lists", "assets.search.search"]
    imported = {name for module in staleness._imported(entries, ROOT).values() for name in module.imports}
    roots = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"assets", "warehouse", "quality"}
    assert roots - OTHERS <= COMPUTING_LIBRARIES.keys()
    assert {"implicit", "lightgbm", "numba", "numpy", "pandas", "scipy"} <= roots, "these are looked for where they are"


def test_how_rankers_are_trained_is_not_code_of_the_folds_they_are_trained_on() -> None:
    of_folds = staleness._imported(["assets.ranker.folds"], ROOT).keys()
    assert {"assets.candidates.als", "assets.features.marts", "assets.metrics.protocol", "assets.slates"} <= of_folds
    assert (
        not {"assets.ranker.training", "assets.ranker.forest.forest", "assets.ranker.scoring", "assets.plots"}
        & of_folds
    )

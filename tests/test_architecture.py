"""Imports go one way, and each package knows only what it may know."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

from serving_api.access.rules import RULES
from serving_api.app import create_app
from serving_api.settings import ServingSettings
from tests.repository import ROOT

# A package may import itself and what stands to its left.
ORDER = ["warehouse", "quality", "assets", "orchestration"]
ALLOWED = {package: set(ORDER[: index + 1]) for index, package in enumerate(ORDER)} | {"serving_api": {"serving_api"}}
# The two sides of the Redis contract meet in one module; who runs the API or examines it may know it as well.
ALLOWED["assets"] = ALLOWED["assets"] | {"serving_api.contract"}
ALLOWED["orchestration"] = ALLOWED["orchestration"] | {"serving_api"}
PACKAGES = list(ALLOWED)
FORBIDDEN_FOLDERS = {"utils", "common", "lib", "helpers"}


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@cache
def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def may_import_dagster(path: Path) -> bool:
    relative = path.relative_to(ROOT).as_posix()
    return (
        relative.startswith(("orchestration/", "quality/checks/"))
        or (relative.startswith("assets/") and path.name == "assets.py")
        or relative in {"assets/dbt.py", "assets/partitions.py", "warehouse/resource.py"}
    )


def test_there_are_modules_of_every_package_to_check() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in modules()}
    assert found == set(PACKAGES)


def test_a_module_imports_only_what_stands_left_of_it() -> None:
    for path in modules():
        package = path.relative_to(ROOT).parts[0]
        for name in imported(path):
            if name.split(".")[0] in PACKAGES:
                allowed = any(name == each or name.startswith(f"{each}.") for each in ALLOWED[package])
                # `from serving_api import contract` names the package as well.
                assert allowed or (name == "serving_api" and "serving_api.contract" in imported(path)), (path, name)


def imports_of(path: Path) -> set[Path]:
    """The files of the packages that a file imports, wherever in it."""
    found = set()
    for name in imported(path):
        file = ROOT.joinpath(*name.split("."))
        found |= {each for each in (file.with_suffix(".py"), file / "__init__.py") if each.is_file()} - {path}
    return found


def room_of(path: Path) -> str:
    """The folder of assets/ that a file is in, its own name where it stands on the ground floor, else its package."""
    package, inside = path.relative_to(ROOT).parts[0], path.relative_to(ROOT).parts[1]
    return f"{package}/{inside}" if package == "assets" else package


def circles(graph: dict[str, set[str]]) -> list[str]:
    """One circle of a graph, as the names along it; empty when there is none."""
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    named = {str(path): {str(each) for each in imports_of(path)} for path in modules() if path.name != "__init__.py"}
    assert circles(named) == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for path in modules():
        rooms.setdefault(room_of(path), set()).update(room_of(each) for each in imports_of(path))
    assert circles({room: others - {room} for room, others in rooms.items()}) == []


def test_the_ground_floor_knows_no_room() -> None:
    for path in sorted((ROOT / "assets").glob("*.py")):
        assert not {room_of(each) for each in imports_of(path) if each.parent.parent == ROOT / "assets"}, path


def test_metrics_import_no_other_room() -> None:
    for path in (ROOT / "assets" / "metrics").rglob("*.py"):
        assert {each.parent for each in imports_of(path)} <= {path.parent, ROOT / "assets"}, path


def test_only_the_dagster_layer_imports_dagster() -> None:
    for path in modules():
        roots = {name.split(".")[0] for name in imported(path)}
        assert may_import_dagster(path) or not roots & {"dagster", "dagster_dbt", "dagster_postgres"}, path


# They read nothing that is judged; and what users have blocked holds whatever else is wrong.
UNGATED = {"raw_tables", "raw_blocks", "blocks_in_redis"}
ASSET_DECORATORS = {"asset", "multi_asset", "dbt_assets"}


def asset_functions() -> dict[str, ast.FunctionDef]:
    return {
        node.name: node
        for path in modules()
        if path.relative_to(ROOT).parts[0] == "assets" and may_import_dagster(path)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(each).partition("(")[0].split(".")[-1] in ASSET_DECORATORS for each in node.decorator_list)
    }


def test_every_asset_first_asks_whether_what_it_reads_was_refused() -> None:
    found = asset_functions()
    assert set(found) > UNGATED
    for name, function in found.items():
        after_docstring = ast.unparse(function.body[1])
        assert after_docstring.startswith("stop_on_failed_checks(context") == (name not in UNGATED), name


def test_dates_become_sql_in_one_place() -> None:
    spelled = re.compile(r"\bdate '\{|timestamptz '\{[^}]*\} 00:00|to_timestamp\(\{")
    found = {path.relative_to(ROOT).as_posix() for path in modules() if spelled.search(path.read_text())}
    assert found == {"warehouse/dates.py"}


def test_only_who_writes_what_the_read_api_reads_meets_the_serving_contract() -> None:
    for path in (ROOT / "assets").rglob("*.py"):
        if any(name.startswith("serving_api") for name in imported(path)):
            assert path.parent.name in {"publish", "lookup"}, path


def test_the_read_api_loads_no_data_platform_library() -> None:
    probe = (
        "import sys, serving_api.app; "
        "unwanted = {'dagster', 'pandas', 'pyarrow', 'sqlalchemy', 'warehouse'}; "
        "of_extras = {'sentry_sdk', 'opentelemetry.exporter'}; "
        "print(sorted((unwanted | of_extras) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_route_of_the_read_api_says_who_may() -> None:
    # An app with a route that is not in the one table of rules is not built.
    described = create_app(ServingSettings(redis_url="redis://127.0.0.1:1/0")).openapi()["paths"]
    assert set(described) | {"/metrics"} == set(RULES)


def test_no_package_is_a_drawer_for_everything() -> None:
    folders = {part for path in modules() for part in path.relative_to(ROOT).parts}
    assert not folders & FORBIDDEN_FOLDERS


def test_definitions_only_compose() -> None:
    tree = ast.parse((ROOT / "orchestration" / "definitions.py").read_text())
    kinds = {type(node) for node in tree.body}
    assert kinds <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign}


def test_what_takes_long_to_load_and_few_need_is_imported_where_it_is_used() -> None:
    def when_loaded(body: list[ast.stmt]) -> set[str]:
        """Packages that these statements of a module import as it is loaded."""
        found = set()
        for node in body:
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Try | ast.With):
                found |= when_loaded(node.body)
        return found

    for path in modules():
        assert not when_loaded(ast.parse(path.read_text()).body) & {"great_expectations", "matplotlib", "optuna"}, path


# Each imported only where a setting asks for it.
OF_EXTRAS = {"serving_api/observe/traces.py", "serving_api/observe/tracked_errors.py"}


def test_what_runs_imports_nothing_that_only_development_installs() -> None:
    def named(distribution: str) -> str:
        return re.sub(r"[-_.]+", "-", distribution).lower()

    pinned = re.findall(r"^([A-Za-z0-9_.-]+)[\[=]", (ROOT / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
    installed = {named(distribution) for distribution in pinned}
    distributions = packages_distributions()
    of_extras = {path for path in modules() if path.relative_to(ROOT).as_posix() in OF_EXTRAS}
    assert len(of_extras) == len(OF_EXTRAS)
    for path in sorted(set(modules()) - of_extras):
        for package in {name.split(".")[0] for name in imported(path)} - set(PACKAGES) - sys.stdlib_module_names:
            assert {named(each) for each in distributions[package]} & installed, f"{path}: {package}"


LONGEST_FILE, LONGEST_FUNCTION = 300, 50
# What is longer is one thing that only gets harder to read in pieces.
LONGER_FUNCTIONS = {
    # Numba compiles it as one loop; every piece taken out of it is a call per row and tree.
    "assets/ranker/forest/kernel.py add_contributions",
}


def test_files_and_functions_are_short_enough_to_read_at_once() -> None:
    long_files, long_functions = set(), set()
    for path in [*modules(), *sorted((ROOT / "benchmarks").rglob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))]:
        name, source = path.relative_to(ROOT).as_posix(), path.read_text()
        if source.count("\n") > LONGEST_FILE:
            long_files.add(name)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno
                if node.end_lineno - node.lineno >= LONGEST_FUNCTION:
                    long_functions.add(f"{name} {node.name}")
    assert long_files == set()
    assert long_functions == LONGER_FUNCTIONS

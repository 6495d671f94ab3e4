"""No description is empty anywhere in the dbt project, and the exposures name what Python reads."""

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from assets.dbt_project import manifest_path
from tests.repository import ROOT

KINDS = ("nodes", "sources", "exposures", "metrics", "semantic_models", "saved_queries", "macros")
PARTS = ("columns", "arguments", "entities", "dimensions", "measures")
NODES_WITH_DESCRIPTIONS = {"model", "seed", "snapshot", "source"}

Described = dict[str, Any]


@cache
def manifest() -> dict[str, dict[str, Described]]:
    return json.loads(manifest_path().read_text())


def described(manifest: dict[str, dict[str, Described]]) -> Iterator[tuple[str, Described]]:
    """Everything of the project that the docs show a description of: its name, and what holds the description."""
    for kind in KINDS:
        for name, item in manifest[kind].items():
            shown = kind != "nodes" or item["resource_type"] in NODES_WITH_DESCRIPTIONS
            if item["package_name"] != "audotics" or not shown:
                continue
            yield name, item
            for part in PARTS:
                parts = item.get(part) or {}
                for each in parts.values() if isinstance(parts, dict) else parts:
                    yield f"{name}.{part}.{each['name']}", each


def without_description(manifest: dict[str, dict[str, Described]]) -> list[str]:
    return [name for name, item in described(manifest) if not (item.get("description") or "").strip()]


def only(*kinds: str) -> dict[str, dict[str, Described]]:
    """A copy of the manifest with these kinds alone."""
    return {kind: copy.deepcopy(manifest()[kind]) if kind in kinds else {} for kind in KINDS}


def test_no_description_is_empty() -> None:
    assert without_description(manifest()) == []
    source_descriptions = {item["source_description"] for item in manifest()["sources"].values()}
    assert all(source_descriptions)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "saved_queries"])
def test_an_empty_description_would_be_counted(kind: str) -> None:
    emptied = only(kind)
    for _, item in described(emptied):
        item["description"] = " "
    assert len(without_description(emptied)) > 3


def test_exposures_metrics_semantic_models_and_their_parts_have_labels() -> None:
    assert [
        name for name, item in described(only("exposures", "metrics", "semantic_models")) if not item["label"]
    ] == []


def test_every_model_and_snapshot_has_columns_and_shows_its_descriptions_in_the_warehouse() -> None:
    built = [item for item in manifest()["nodes"].values() if item["resource_type"] in ("model", "snapshot")]
    assert all(item["columns"] for item in built)
    assert all(item["config"]["persist_docs"] == {"relation": True, "columns": True} for item in built)


RANKING = ["candidates", "features", "ranker", "recommendations", "evaluation"]
GROUND_FLOOR = ["catalogue.py", "horizon.py", "listens.py"]


@pytest.mark.parametrize(
    ("exposures", "readers"),
    [
        (["ranker", "nightly_evaluation_job"], [*RANKING, *GROUND_FLOOR]),
        (["similar_items"], ["similar", "listens.py", "horizon.py"]),
        (["read_api"], ["publish", "blocks.py"]),
        (["nightly_job", "weekly_training_job"], [*RANKING, *GROUND_FLOOR, "similar", "publish", "blocks.py"]),
    ],
)
def test_exposures_name_every_model_that_their_code_reads(exposures: list[str], readers: list[str]) -> None:
    models = {item["name"] for item in manifest()["nodes"].values() if item["resource_type"] == "model"}
    assets = ROOT / "assets"
    files = (path for reader in readers for path in sorted(assets.glob(reader if "." in reader else f"{reader}/*.py")))
    code = "\n".join(path.read_text() for path in files)
    read = set(re.findall(r"\b(?:dim|fct|feat|int|stg)_\w+", code)) & models
    named = {
        node.rpartition(".")[2]
        for exposure in exposures
        for node in manifest()["exposures"][f"exposure.audotics.{exposure}"]["depends_on"]["nodes"]
    }
    assert named == read

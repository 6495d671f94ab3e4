"""The files of deploy/ that Prometheus and Grafana read, and the expressions in them."""

import json
import os
import re
import shutil
from typing import Any

import pytest
import yaml

from tests.repository import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "audotics-api.json"
# What Grafana puts in: here all processes of a scraped job, over a minute.
GRAFANA = {"$__rate_interval": "1m", "$instance": ".*", "$job": "audotics-api"}


def alerts() -> list[dict[str, Any]]:
    """The alert rules."""
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> dict[str, list[str]]:
    """The expressions of each panel of the dashboard, as Grafana sends them."""
    found = {}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        expressions = [target["expr"] for target in panel["targets"]]
        for variable, value in GRAFANA.items():
            expressions = [expression.replace(variable, value) for expression in expressions]
        found[panel["title"]] = expressions
    return found


def metrics_in(expression: str) -> set[str]:
    """The names of the metrics of an expression."""
    return set(re.findall(r"\b(?:audotics|process|python)_[a-z_]+\b", re.sub(r'"[^"]*"', "", expression)))


def require(command: str) -> str:
    """Where a command of Debian's package `prometheus` is; without it a test is skipped, and fails when CI is set."""
    path = shutil.which(command)
    if path is None:
        message = f"no {command} here: install Debian's package prometheus (`make debian` as root)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path

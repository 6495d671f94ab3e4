"""The files of deploy/ that Prometheus and Grafana read, and the expressions in them."""

import json
import re
from typing import Any

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

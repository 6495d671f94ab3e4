"""Prometheus scrapes the running API, evaluates every rule, and has an answer to every panel of the dashboard."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from api_client import recommendations, running_redis
from api_process import api_process

from serving_api.observe.causes import KINDS
from tests.debian import require
from tests.prometheus_files import DASHBOARD, FOLDER, alerts, metrics_in, panels
from tests.repository import ROOT
from warehouse.local.server import any_free_port

WAIT_SECONDS = 60.0
# Where nothing goes wrong, these panels are empty.
EMPTY_WHILE_WELL = {"Failures a second by cause"}


def scraped_names(api: httpx.Client) -> set[str]:
    """The names of what the API exports, as expressions name them."""
    return {line.split("{")[0].split(" ")[0] for line in api.get("/metrics").text.splitlines() if line[:1] != "#"}


def test_every_panel_and_alert_is_made_of_what_the_api_exports(api: httpx.Client) -> None:
    recommendations(api, "user_7")
    exported = scraped_names(api)
    asked = {"the alert " + rule["alert"]: [rule["expr"]] for rule in alerts()}
    asked |= {"the panel " + title: expressions for title, expressions in panels().items()}
    for where, expressions in asked.items():
        for expression in expressions:
            named = metrics_in(expression)
            assert named or expression.startswith("up{"), where
            assert named <= exported, f"{where}: {named - exported}"
    page = (ROOT / "docs" / "operating.md").read_text()
    told = {re.sub("_(bucket|count|sum)$", "", name) for name in exported if name.startswith("audotics_")}
    assert {name for name in told if f"`{name}`" not in page} == set()
    assert {cause for cause in KINDS if f"`{cause}`" not in page} == set()
    board = json.loads(DASHBOARD.read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"]), panel["title"]


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[httpx.Client]:
    """Debian's Prometheus with our configuration, but for the target and the pace."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = any_free_port()
    command = [
        require("prometheus", "prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
                yield client
        finally:
            process.kill()
            process.wait()


def ask(client: httpx.Client, path: str, **query: str) -> Any:
    """What Prometheus answers, None while it starts."""
    try:
        answer = client.get(f"/api/v1/{path}", params=query)
    except httpx.TransportError:
        return None
    if answer.status_code == 503:
        return None
    assert answer.json()["status"] == "success", answer.text
    return answer.json()["data"]


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


@pytest.mark.slow
def test_prometheus_evaluates_every_rule_and_panel_of_the_running_api(tmp_path: Path) -> None:
    require("prometheus", "prometheus")
    with running_redis() as (redis, url), api_process(url, tmp_path) as api:
        target = api.url.removeprefix("http://")
        with prometheus(target, tmp_path) as scraper, httpx.Client(base_url=api.url) as client:

            def value(expression: str) -> list[Any]:
                client.get("/v1/users/user_7/recommendations")
                found = ask(scraper, "query", query=expression)
                return found["result"] if found else []

            def evaluated() -> list[Any]:
                found = ask(scraper, "rules")
                return [rule for group in found["groups"] for rule in group["rules"]] if found else []

            wait_for(
                lambda: len(evaluated()) == len(alerts()) and all(rule["health"] == "ok" for rule in evaluated()),
                f"not every rule could be evaluated: {evaluated()}",
            )
            wait_for(lambda: bool(value('up{job="audotics-api"} == 1')), "the API is not scraped")
            assert {rule["name"] for rule in evaluated()} == {rule["alert"] for rule in alerts()}
            for title, expressions in panels().items():
                for expression in expressions:
                    if title in EMPTY_WHILE_WELL:
                        assert value(expression) == [], title
                    else:
                        wait_for(lambda asked=expression: bool(value(asked)), f"{title}: {expression}")
            # The release of the sample is of a fixed date.
            assert {rule["name"] for rule in evaluated() if rule["state"] != "inactive"} <= {"AudoticsReleaseOld"}
            redis.kill()
            redis.wait()
            (failures,) = panels()["Failures a second by cause"]
            wait_for(lambda: bool(value(failures)), "no failure is seen")
            assert {each["metric"]["cause"] for each in value(failures)} <= {"refused", "connection_lost"}
            wait_for(
                lambda: (
                    {"AudoticsApiNotReady", "AudoticsApiFallingBack"}
                    <= {rule["name"] for rule in evaluated() if rule["state"] != "inactive"}
                ),
                "nobody would be told",
            )

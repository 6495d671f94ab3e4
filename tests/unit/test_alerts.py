"""The alert rules of deploy/prometheus, as Prometheus itself checks them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.debian import require
from tests.prometheus_files import FOLDER, alerts
from tests.repository import ROOT


def promtool(*arguments: str, folder: Path = FOLDER) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require("promtool", "prometheus"), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_prometheus_accepts_its_files_and_each_alert_fires_when_it_should() -> None:
    for arguments in (("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")):
        done = promtool(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    fired = set(re.findall(r'alertname="(\w+)"', (FOLDER / "alerts_test.yml").read_text()))
    assert fired == {rule["alert"] for rule in alerts()}


@pytest.mark.slow
@pytest.mark.parametrize("name", [rule["alert"] for rule in alerts()])
def test_an_alert_that_never_fired_would_be_noticed(name: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    (rule,) = (rule for rule in rules["groups"][0]["rules"] if rule["alert"] == name)
    rule["expr"] = f"({rule['expr']}) and vector(1) < 0"
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rules))
    done = promtool("test", "rules", "alerts_test.yml", folder=tmp_path)
    assert done.returncode == 1 and name in done.stdout + done.stderr


def test_each_alert_says_how_bad_it_is_and_its_page_says_what_to_do() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert {"summary", "description"} <= rule["annotations"].keys()
        assert f"`{rule['alert']}`" in page

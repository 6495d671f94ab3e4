"""The client for TypeScript: its own tests against a running API, and its README as a person follows it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from client_stage import client_stage
from npm_tools import installed

from tests.repository import ROOT

pytestmark = pytest.mark.slow

CLIENT = "clients/typescript"
README = (ROOT / CLIENT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with client_stage(tmp_path_factory.mktemp("stage")) as environment:
        yield environment


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The folder of the client as somebody has it who has just made a clone and called `make setup`."""
    tracked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", CLIENT]
    for name in subprocess.run(tracked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path / CLIENT


def run(command: list[str], folder: Path, more: dict[str, str], timeout: float = 300) -> str:
    """What a command says that must end well."""
    environment = os.environ | {"npm_config_prefer_offline": "true", "npm_config_update_notifier": "false"} | more
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_the_client_does_what_it_says_against_a_running_api(checkout: Path, stage: dict[str, str]) -> None:
    modules = installed(ROOT / CLIENT, "package*.json") / "node_modules"
    (checkout / "node_modules").symlink_to(modules)
    run(["npm", "run", "build"], checkout, {})
    said = run(["npm", "test"], checkout, stage)
    counted = {name: int(count) for name, count in re.findall(r"^# (\w+) (\d+)$", said, re.MULTILINE)}
    # Nothing failed, was cancelled or left out, by whatever name Node counts that.
    others = {name: count for name, count in counted.items() if name not in ("tests", "suites", "pass", "duration_ms")}
    assert counted["pass"] == counted["tests"] > 25 and len(others) > 2 and not any(others.values()), said


def test_the_readme_works_as_it_is_written(checkout: Path, stage: dict[str, str]) -> None:
    (commands,) = re.findall(r"^```sh\n(.+?)^```", README, re.MULTILINE | re.DOTALL)
    programs = re.findall(r"^```js\n(.+?)^```", README, re.MULTILINE | re.DOTALL)
    address = "http://127.0.0.1:8080"
    assert address in commands and len(programs) == 2
    (checkout.parents[1] / "commands").write_text(commands.replace(address, stage["AUDOTICS_API"]))
    said = run(["sh", "-eu", "commands"], checkout.parents[1], {"KEY": stage["AUDOTICS_KEY"]})
    assert "for_you for user_000042, release " in said and "\n1. " in said and "\n25. " in said
    told = []
    for number, program in enumerate(programs):
        (checkout / f"program{number}.mjs").write_text(program)
        where = {"API": stage["AUDOTICS_API"], "KEY": stage["AUDOTICS_KEY"]}
        told.append(run(["node", f"program{number}.mjs"], checkout, where))
    assert "not the user's own list: unknown_user" in told[0] and "no-such-track" in told[0]
    # Five of the one list, and all of the other.
    assert len(told[0].splitlines()) == 1 + 5 + 25 + 1


def test_the_package_holds_what_an_app_needs_and_nothing_else(checkout: Path) -> None:
    modules = installed(ROOT / CLIENT, "package*.json") / "node_modules"
    (checkout / "node_modules").symlink_to(modules)
    (checkout.parents[1] / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
    packed = json.loads(run(["npm", "pack", "--silent", "--json"], checkout, {}))[0]
    names = {each["path"] for each in packed["files"]}
    assert {"dist/index.js", "dist/index.d.ts", "dist/schema.d.ts", "README.md", "LICENSE", "package.json"} <= names
    assert {name.split("/")[0] for name in names} == {"dist", "README.md", "LICENSE", "package.json"}
    assert "dependencies" not in json.loads((checkout / "package.json").read_text())
    assert "resolved" not in (checkout / "package-lock.json").read_text()

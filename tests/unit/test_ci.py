"""The command that CI runs."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.repository import ROOT

SCRIPT = ROOT / ".ci" / "run"


@pytest.mark.parametrize(("given", "expected"), [(None, "true"), ("yes", "yes")])
def test_ci_says_that_it_is_ci_so_that_missing_real_data_fails(
    tmp_path: Path, given: str | None, expected: str
) -> None:
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$1 $CI"\n')
    make.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"} | ({"CI": given} if given else {})
    done = subprocess.run([str(SCRIPT)], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{target} {expected}" for target in ("debian", "lint", "test", "test-slow")]


@pytest.mark.parametrize(
    ("target", "installed"),
    [
        *((target, ["runtime.txt"]) for target in ("demo", "up", "down", "docs", "bench")),
        *((target, ["runtime.txt", "dev.txt"]) for target in ("setup", "test", "test-unit", "test-slow", "lock")),
        ("lint", ["runtime.txt", "dev.txt", "dbt-lint.txt"]),
    ],
)
def test_running_installs_what_running_needs_and_testing_the_rest_on_top(
    tmp_path: Path, target: str, installed: list[str]
) -> None:
    def asked_for() -> list[str]:
        make = ["make", "--dry-run", "--no-print-directory", "-C", str(tmp_path), target]
        commands = subprocess.run(make, capture_output=True, text=True, check=True).stdout
        return re.findall(r"pip .*install .*-r requirements/(\S+)", commands)

    # The project itself is installed without a build environment of its own.
    assert "\nsetuptools==" in (ROOT / "requirements" / "runtime.txt").read_text()
    for name in ("Makefile", "pyproject.toml", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    assert asked_for() == installed
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".runtime").touch()
    assert asked_for() == installed[1:], "what runs already is kept"

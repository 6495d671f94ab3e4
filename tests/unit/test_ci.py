"""The command that CI runs."""

import os
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
    assert done.stdout.splitlines() == [f"{target} {expected}" for target in ("lint", "test", "test-slow")]

"""Kills a process in the middle of its work."""

import os
import signal
import subprocess
import sys

from tests.repository import ROOT


def kill_when_it_says(line: str, program: str, *arguments: str) -> None:
    """Run a Python program that knows the modules of the tests, and kill it once its first line is this one."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'integration'}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == f"{line}\n"
        process.kill()
        assert process.wait() == -signal.SIGKILL

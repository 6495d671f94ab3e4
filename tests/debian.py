"""Programs that are in no Python package."""

import os
import shutil

import pytest


def require(program: str, package: str) -> str:
    """Where a program of one of Debian's packages is; without it a test is skipped, and fails when CI is set."""
    path = shutil.which(program)
    if path is None:
        message = f"no {program} here: install Debian's package {package} (`make debian` as root)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path

"""What npm installs for tests, once for each lock file."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from tests.repository import ROOT


def installed(source: Path, what: str) -> Path:
    """A copy of a folder with what its lock file names beside it; needs node and npm."""
    if not (shutil.which("node") and shutil.which("npm")):
        missing = f"{what} needs node and npm"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    of = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(source.iterdir()))).hexdigest()[:12]
    folder = ROOT / ".venv" / f"npm-{source.name}-{of}"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
                made = Path(beside) / "made"
                shutil.copytree(source, made)
                command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
                done = subprocess.run(command, cwd=made, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
                made.rename(folder)
    return folder

"""Evidently in an environment of its own: it resolves with our lock and then does not import, as it needs pandas 2."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

from tests.repository import ROOT

_PACKAGES = ("evidently==0.7.23", "pandas==2.3.3", "pyarrow")
_FOLDER = ROOT / ".venv" / "evidently-0.7.23"


def evidently_python() -> Path:
    """The Python that has it; made once, from the package index."""
    uv = str(Path(sys.executable).with_name("uv"))
    with FileLock(f"{_FOLDER}.lock"):
        if not _FOLDER.is_dir():
            beside = Path(tempfile.mkdtemp(dir=_FOLDER.parent))
            try:
                _run(uv, "venv", "--quiet", "--clear", "--relocatable", "--python", sys.executable, str(beside))
                _run(uv, "pip", "install", "--quiet", "--python", str(beside / "bin" / "python"), *_PACKAGES)
                beside.rename(_FOLDER)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    return _FOLDER / "bin" / "python"


def _run(*command: str) -> None:
    # Of the environment in which the tests run, uv must know nothing.
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr

"""What npm installs for tests, once for each lock file."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from filelock import FileLock

from tests.debian import require
from tests.repository import ROOT


def installed(source: Path, only: str = "*") -> Path:
    """A copy of the files of a folder, with what their lock file names beside them; needs node and npm.

    only: the pattern of their names.
    """
    require("node", "nodejs")
    npm = require("npm", "npm")
    files = sorted(path for path in source.glob(only) if path.is_file())
    of = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    folder = ROOT / ".venv" / f"npm-{source.name}-{of}"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
                made = Path(beside) / "made"
                made.mkdir()
                for path in files:
                    shutil.copy(path, made)
                command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
                done = subprocess.run(command, cwd=made, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
                made.rename(folder)
    return folder

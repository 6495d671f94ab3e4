"""The code location as `dagster job backfill` and the Dagster UI load it: in a process of its own."""

import subprocess
import sys

from tests.repository import ROOT


def test_the_code_location_loads_without_a_word() -> None:
    # Whoever starts it could do nothing about a warning.
    load = [sys.executable, "-c", "import orchestration.definitions"]
    done = subprocess.run(load, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")

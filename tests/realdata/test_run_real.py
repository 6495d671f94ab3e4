"""The README's own commands on real listening, from files to a live release."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_process import Pipeline

pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(900)]


def test_lastfm_1k_goes_from_its_files_to_a_live_release(
    new_warehouse: Callable[[], str], redis_url: str, shared_data: Path, tmp_path: Path
) -> None:
    pipeline = Pipeline(new_warehouse(), redis_url, tmp_path / "home")
    pipeline.json("ingest", "lastfm-1k", str(shared_data / "lastfm-1k"))
    # The full set goes on to 2009-06-19; these are the days after the last listen of the head of it.
    for as_of in ("2009-05-05", "2015-01-01"):
        assert pipeline.json("run", "--as-of", as_of)["release"].startswith(as_of)

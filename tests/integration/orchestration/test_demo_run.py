"""The demo, from the files of a small world to what the read API answers."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_process import Pipeline

from assets.slates import Slate

USERS = 100


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_of_a_small_world_runs_to_its_end_without_a_warning(
    session_folder: Path, redis_url: str, new_warehouse: Callable[[], str]
) -> None:
    pipeline = Pipeline(new_warehouse(), redis_url, session_folder / "demo")
    done = pipeline.run_process("demo", "--users", str(USERS), "--json")
    assert done.returncode == 0, done.stderr
    for line in done.stderr.splitlines():
        assert re.fullmatch(r"generated the sample world in .*|\w+ \d+\.\d s \(\d+/\d+\)", line), line
    demo = json.loads(done.stdout)
    assert {name: count["planted"] for name, count in demo["ingest"].items()} == {
        name: count["found"] for name, count in demo["ingest"].items()
    }
    assert demo["ingest"]["rows_loaded"]["found"] == 200 * USERS
    assert set(demo["evaluation"]["slates"]) <= set(Slate)
    assert len(demo["answers"]) == 3 * len(Slate)
    assert pipeline.query("select count(*) from raw.users") == [(USERS,)]

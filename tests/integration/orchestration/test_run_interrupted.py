"""Ctrl-C at any moment of a run: it ends at once, says so in one sentence, and the next run goes on."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from pipeline_process import AUDOTICS, STEP_LINE, Pipeline
from sample_pipeline import AS_OF

# After how many finished steps, and how many seconds later: in the middle of dbt, of reading features, of scoring.
MOMENTS = [(1, 0.0), (1, 0.3), (2, 1.0), (3, 0.2), (4, 0.1), (5, 0.5), (6, 0.7), (8, 0.4)]
DEADLINE_SECONDS = 200.0


def interrupted(pipeline: Pipeline, said: Path, steps: int, seconds: float) -> tuple[int, int, list[str]]:
    """A run that gets Ctrl-C that long after that many steps: its exit code, how many steps were finished then, and the
    lines of its standard error.
    """
    with said.open("w") as stderr:
        run = subprocess.Popen(
            [str(AUDOTICS), "run", "--as-of", AS_OF],
            env=pipeline.environment,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    deadline = time.monotonic() + DEADLINE_SECONDS
    while finished(said) < steps:
        assert run.poll() is None, said.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(seconds)
    before = finished(said)
    # A terminal sends it to every process of the command.
    os.killpg(run.pid, signal.SIGINT)
    return run.wait(timeout=DEADLINE_SECONDS), before, said.read_text().splitlines()


def finished(said: Path) -> int:
    return len([line for line in said.read_text().splitlines() if STEP_LINE.fullmatch(line)])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_that_is_interrupted_at_any_moment_says_so_and_the_next_one_goes_on(
    own_pipeline: Pipeline, tmp_path: Path
) -> None:
    for steps, seconds in MOMENTS:
        code, before, lines = interrupted(own_pipeline, tmp_path / "stderr", steps, seconds)
        *step_lines, last = lines or [""]
        assert all(STEP_LINE.fullmatch(line) for line in step_lines), lines
        assert len(step_lines) <= before + 1, "one may have finished at that very moment; none is started after it"
        assert code in (1, 130), (steps, seconds, lines)
        assert last.startswith("error: ") and "interrupted" in last, (steps, seconds, lines)
    own_pipeline.json("run", "--as-of", AS_OF)

"""Ctrl-C at any moment of a run: it ends at once, says so in one sentence, and the next run goes on."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from pipeline_process import AUDOTICS, STEP_LINE, Pipeline
from sample_pipeline import AS_OF

# How many seconds after the start of a step.
MOMENTS = [
    ("raw_tables", 0.3),
    ("raw__listens_raw_listens_suite", 0.0),
    ("raw__listens_raw_listens_suite", 0.3),
    ("core_models", 1.0),
    ("candidates", 0.2),
    ("feature_models", 0.1),
    ("features__feat_user_feat_user_suite", 0.0),
    ("recommendations", 0.1),
]
DEADLINE_SECONDS = 200.0


def interrupted(pipeline: Pipeline, said: Path, step: str, seconds: float) -> tuple[int, float, list[str]]:
    """A run that gets Ctrl-C that long after it has started a step: its exit code, when it got it (seconds since 1970),
    and the lines of its standard error.
    """
    before = starts(pipeline, step)
    with said.open("w") as stderr:
        run = subprocess.Popen(
            [str(AUDOTICS), "run", "--as-of", AS_OF],
            env=pipeline.environment,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    deadline = time.monotonic() + DEADLINE_SECONDS
    while starts(pipeline, step) == before:
        assert run.poll() is None, said.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(seconds)
    sent = time.time()
    # A terminal sends it to every process of the command.
    os.killpg(run.pid, signal.SIGINT)
    return run.wait(timeout=DEADLINE_SECONDS), sent, said.read_text().splitlines()


def starts(pipeline: Pipeline, step: str) -> int:
    # The event log, because a run tells its standard error of steps only once a second.
    ((count,),) = pipeline.query(
        f"select count(*) from dagster.event_logs where step_key = '{step}' and dagster_event_type = 'STEP_START'"
    )
    return int(count)


def ends_of_steps_started_after(pipeline: Pipeline, moment: float) -> list[str | None]:
    ends = pipeline.query(
        "select ended.dagster_event_type from dagster.event_logs as started"
        " left join dagster.event_logs as ended"
        " on ended.run_id = started.run_id and ended.step_key = started.step_key"
        " and ended.dagster_event_type in ('STEP_SUCCESS', 'STEP_FAILURE')"
        " where started.dagster_event_type = 'STEP_START'"
        f" and started.timestamp > to_timestamp({moment}) at time zone 'UTC'"
    )
    return [end for (end,) in ends]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_that_is_interrupted_at_any_moment_says_so_and_the_next_one_goes_on(
    own_pipeline: Pipeline, tmp_path: Path
) -> None:
    for step, seconds in MOMENTS:
        code, sent, lines = interrupted(own_pipeline, tmp_path / "stderr", step, seconds)
        *step_lines, last = lines or [""]
        assert all(STEP_LINE.fullmatch(line) for line in step_lines), lines
        assert code == 130, (step, seconds, lines)
        assert last.startswith("error: ") and "interrupted" in last, (step, seconds, lines)
        # One may have been about to start.
        assert ends_of_steps_started_after(own_pipeline, sent) in ([], ["STEP_FAILURE"]), (step, seconds, lines)
    started = time.time()
    own_pipeline.json("run", "--as-of", AS_OF)
    assert "STEP_SUCCESS" in ends_of_steps_started_after(own_pipeline, started)

"""What a run says while it goes on, and how it ends when somebody interrupts it."""

import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

import dagster as dg
import psutil
import pytest

from orchestration.cli import main
from orchestration.interrupts import taken_interrupts
from orchestration.runs import run_job
from warehouse.errors import AudoticsError, InterruptedByUserError

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
DAY = date(2026, 6, 1)


@dg.asset(partitions_def=DAYS)
def candidates(context: dg.AssetExecutionContext) -> None:
    """A step that says what nobody asked for."""
    context.log.info("300 users")


@dg.asset(partitions_def=DAYS, deps=[candidates])
def search(context: dg.AssetExecutionContext) -> None:
    """A step that says how far it is."""
    for trial in (1, 2, 3):
        context.log.info("trial %d of 3", trial)


@dg.asset(partitions_def=DAYS)
def interrupted() -> None:
    """A step in which somebody presses Ctrl-C, which a terminal sends to every process of the command."""
    helpers = psutil.Process().children()
    assert any("watch_orphans" in " ".join(helper.cmdline()) for helper in helpers)
    for process in [*helpers, psutil.Process()]:
        process.send_signal(signal.SIGINT)


@dg.asset(partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("drift", asset="features", blocking=True)])
def features() -> dg.MaterializeResult:
    """A step whose check could stop the run, and only warns."""
    warned = dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description="a country has moved")
    return dg.MaterializeResult(check_results=[warned])


@dg.asset(partitions_def=DAYS, deps=[features])
def lists() -> None:
    """A step that fails for a reason of its own."""
    raise AudoticsError("for_you.parquet is damaged")


@dg.asset(partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("unique_track_id", asset="tracks", blocking=True)])
def tracks() -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """A step with a check that says what dagster-dbt lets one of dbt say, and stops the run."""
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(passed=False, metadata={"dagster_dbt/failed_row_count": 2})
    raise dg.Failure("a test failed")


class Interrupts:
    """Somebody presses Ctrl-C at the moment in which the garbage collector is at work on it."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@dg.asset(partitions_def=DAYS)
def collecting() -> None:
    """A step whose interrupt Python loses: it reports an exception in a finalizer, and goes on."""
    for _ in range(3):
        Interrupts()
    threading.Event().wait(30)
    pytest.fail("the interrupt was lost")


@dg.asset(partitions_def=DAYS)
def passing_over() -> None:
    """A step whose library passes over every exception."""
    for _ in range(3):
        with suppress(BaseException):
            signal.raise_signal(signal.SIGINT)
    threading.Event().wait(30)
    pytest.fail("the interrupt was lost")


def run(assets: list[dg.AssetsDefinition], log_folder: Path, telling: Sequence[str] = ()) -> list[str]:
    """The lines of a run of the assets; those that are `telling` tell what they log."""
    lines: list[str] = []

    def show(step: str, done: int, total: int, new: Sequence[str]) -> None:
        assert total == len(assets)
        lines.extend(new)

    jobs = [dg.define_asset_job("nightly", dg.AssetSelection.all())]
    configs = {step: {} for step in telling}
    with dg.DagsterInstance.local_temp(str(log_folder), {"telemetry": {"enabled": False}}) as instance:
        run_job(dg.Definitions(assets, jobs=jobs), instance, "nightly", DAY, log_folder, show, step_config=configs)
    return lines


def test_each_step_gets_one_line_when_it_is_done_and_one_that_is_asked_tells_what_it_logs(tmp_path: Path) -> None:
    first, *between, last = run([candidates, search], tmp_path, telling=["search"])
    assert re.fullmatch(r"candidates \d+\.\d s \(1/2\)", first), first
    assert re.fullmatch(r"search \d+\.\d s \(2/2\)", last), last
    assert between == ["trial 1 of 3", "trial 2 of 3", "trial 3 of 3"]


def test_what_only_warned_is_not_said_to_have_stopped_the_run(tmp_path: Path) -> None:
    with pytest.raises(AudoticsError, match=r"failed in lists: for_you\.parquet is damaged \(log: "):
        run([features, lists], tmp_path)


def test_a_test_of_dbt_that_stopped_the_run_is_told_by_its_failing_rows(tmp_path: Path) -> None:
    with pytest.raises(AudoticsError, match=r"failed in tracks: blocked by unique_track_id: 2 failing rows \(log: "):
        run([tracks], tmp_path)


def test_an_interrupted_run_says_so_in_a_sentence_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for asset in (interrupted, collecting, passing_over):
        with pytest.raises(InterruptedByUserError, match=r"^nightly as of 2026-06-01 was interrupted; .* run it again"):
            run([asset], tmp_path)
    assert capfd.readouterr().err == ""


def test_an_interrupt_that_was_lost_right_before_the_end_is_not_sent_after_it() -> None:
    with taken_interrupts():
        Interrupts()
    with pytest.raises(ValueError, match="a step failed"), taken_interrupts():
        Interrupts()
        raise ValueError("a step failed")
    # Longer than it takes to send one.
    threading.Event().wait(0.3)


def test_a_command_that_is_interrupted_says_so_in_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestration.platform.open_platform", interrupt)
    monkeypatch.setattr("sys.argv", ["audotics", "releases", "list"])
    with pytest.raises(SystemExit, match="130"):
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: interrupted; what was finished before stays: run the command again"

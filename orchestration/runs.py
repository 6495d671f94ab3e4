"""Run a job in this process, recorded in the shared instance, with progress, times and peak memory per step."""

import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import dagster as dg
from dagster import DagsterEventType
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

from orchestration.interrupts import taken_interrupts, uninterrupted_helpers
from orchestration.memory import MemorySampler
from warehouse.errors import AudoticsError, InterruptedByUserError
from warehouse.wording import counted

_POLL_SECONDS = 1.0
# The reason that Dagster gives for the end of a run by a signal that nobody sent through Dagster.
_INTERRUPTED = "UNEXPECTED_TERMINATION"
# What a run launched from the UI has: its pages look for a job's runs by these.
_OF_CODE_LOCATION = {"dagster/code_location": "audotics", ".dagster/repository": "__repository__@audotics"}
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Stage:
    """One step of a run: its asset or check, wall seconds, and peak memory as `run_job` says.

    only_checks: it made nothing, but checked what others had made.
    """

    name: str
    seconds: float
    peak_mb: float
    only_checks: bool = False


@dataclass(frozen=True)
class RunReport:
    """A finished run. materialized: the metadata of each asset, by its key as text."""

    run_id: str
    job: str
    as_of: date
    stages: tuple[Stage, ...]
    peak_mb: float
    materialized: Mapping[str, Mapping[str, dg.MetadataValue]]

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `--json`: without what assets reported."""
        return {
            "run_id": self.run_id,
            "job": self.job,
            "as_of": self.as_of.isoformat(),
            "seconds": round(sum(stage.seconds for stage in self.stages), 2),
            "peak_mb": round(self.peak_mb, 1),
            "stages": [
                {"name": stage.name, "seconds": round(stage.seconds, 2), "peak_mb": round(stage.peak_mb, 1)}
                for stage in self.stages
            ],
        }


# Called with the step that is running, the number of steps finished, the number in all, and a line for each thing that
# has happened since the last call.
Progress = Callable[[str, int, int, Sequence[str]], None]


def run_job(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job_name: str,
    as_of: date,
    log_folder: Path,
    on_progress: Progress,
    server_pids: Sequence[int] = (),
    step_config: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    tags: Mapping[str, str] = MappingProxyType({}),
) -> RunReport:
    """Run a job for one `as_of`; what its steps print goes to a file of the log folder, named after the run.

    step_config: of a step, what its asset is to be configured with. Steps that are configured tell `on_progress` what
    they log, too. Peak memory is that of this process, the servers, and the children of all of them.

    Raises:
        AudoticsError: a step failed, with the step's name and the reason in one line.
        InterruptedByUserError: the run was interrupted.
    """
    job = definitions.resolve_job_def(job_name)
    run_id = str(uuid.uuid4())
    log = log_folder / f"{run_id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w") as output,
        # dbt's own report goes to standard output, which belongs to what the command was asked for.
        redirect_stdout(output),
        MemorySampler(server_pids) as sampler,
        uninterrupted_helpers(instance),
        _watch(instance, run_id, len(job.nodes), on_progress, step_config.keys()),
        taken_interrupts(),
    ):
        result = job.execute_in_process(
            instance=instance,
            partition_key=as_of.isoformat(),
            run_id=run_id,
            run_config={**_QUIET, "ops": {step: {"config": dict(given)} for step, given in step_config.items()}},
            tags={**_OF_CODE_LOCATION, **tags},
            raise_on_error=False,
        )
    if not result.success:
        with log.open("a") as output:
            output.writelines(f"{event.step_key} failed:\n{error.to_string()}\n" for event, error in _failures(result))
        kind = InterruptedByUserError if _interrupted(result) else AudoticsError
        raise kind(f"{_failure(job_name, as_of, result)} (log: {log})")
    stages = _stages(instance, run_id, sampler)
    return RunReport(run_id, job_name, as_of, stages, sampler.peak_bytes() / 2**20, _materialized(result))


@contextmanager
def _watch(
    instance: dg.DagsterInstance, run_id: str, total: int, on_progress: Progress, telling: Collection[str]
) -> Iterator[None]:
    """Report progress from the run's own event log while the run holds the main thread, and once more after it.

    Of the steps that are `telling`, also what they log.
    """
    stop, events = threading.Event(), _Events(total, telling)

    def poll() -> None:
        cursor, over = None, False
        while not over:
            over = stop.wait(_POLL_SECONDS)
            new = instance.get_records_for_run(run_id, cursor)
            cursor = new.cursor
            lines = [line for record in new.records if (line := events.line(record.event_log_entry))]
            on_progress(events.running, events.done, total, lines)

    thread = threading.Thread(target=poll, name="run-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _Events:
    """The step that is running and the number of those done, from the events of a run in their order."""

    def __init__(self, total: int, telling: Collection[str]) -> None:
        self.running, self.done = "", 0
        self._total, self._telling, self._started = total, telling, 0.0

    def line(self, event: dg.EventLogEntry) -> str:
        """What a log is told of an event: a step that has finished, or what it says itself; else nothing."""
        step = event.step_key or ""
        if event.dagster_event_type == DagsterEventType.STEP_START:
            self.running, self._started = step, event.timestamp
        elif event.dagster_event_type == DagsterEventType.STEP_SUCCESS:
            self.done += 1
            return f"{step} {event.timestamp - self._started:.1f} s ({self.done}/{self._total})"
        elif step in self._telling and not event.is_dagster_event:
            self.running = f"{step}: {event.user_message}"
            return event.user_message
        return ""


def _events(instance: dg.DagsterInstance, run_id: str, kind: DagsterEventType) -> Sequence[dg.EventLogEntry]:
    return instance.all_logs(run_id, of_type=kind)


def _stages(instance: dg.DagsterInstance, run_id: str, sampler: MemorySampler) -> tuple[Stage, ...]:
    started = {event.step_key: event.timestamp for event in _events(instance, run_id, DagsterEventType.STEP_START)}
    made = {event.step_key for event in _events(instance, run_id, DagsterEventType.ASSET_MATERIALIZATION)}
    stages = []
    for event in _events(instance, run_id, DagsterEventType.STEP_SUCCESS):
        start = started[event.step_key]
        peak = sampler.peak_bytes(start, event.timestamp) / 2**20
        stages.append(Stage(str(event.step_key), event.timestamp - start, peak, event.step_key not in made))
    return tuple(stages)


def _materialized(result: dg.ExecuteInProcessResult) -> dict[str, Mapping[str, dg.MetadataValue]]:
    events = [event for event in result.all_events if event.event_type == DagsterEventType.ASSET_MATERIALIZATION]
    made = [event.step_materialization_data.materialization for event in events]
    return {each.asset_key.to_user_string(): each.metadata for each in made}


def _failure(job_name: str, as_of: date, result: dg.ExecuteInProcessResult) -> str:
    """One failed step and why; among several, one whose reason was written for people."""
    if _interrupted(result):
        return f"{job_name} as of {as_of} was interrupted; what its finished steps stored stays: run it again"
    failures = [(event.step_key, *_reason(error)) for event, error in _failures(result)]
    if not failures:
        return f"{job_name} as of {as_of} failed before its first step"
    checks = [
        f"{check.check_name}: {check.description or _failing_rows(check)}"
        for check in result.get_asset_check_evaluations()
        # One that blocks and only warned has stopped nothing.
        if check.blocking and not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    ]
    step, reason, _ = max(failures, key=lambda failure: failure[2])
    because = f"blocked by {'; '.join(checks)}" if checks else reason
    return f"{job_name} as of {as_of} failed in {step}: {because}"


def _failing_rows(check: AssetCheckEvaluation) -> str:
    """What there is to say of a test of dbt, which has no words of its own."""
    rows = check.metadata.get("dagster_dbt/failed_row_count")
    return "it failed" if rows is None else counted(cast(int, rows.value), "failing row")


def _interrupted(result: dg.ExecuteInProcessResult) -> bool:
    if any(event.event_type == DagsterEventType.RUN_CANCELED for event in result.all_events):
        return True
    ends = [event for event in result.all_events if event.event_type == DagsterEventType.RUN_FAILURE]
    reasons = [end.job_failure_data.failure_reason for end in ends]
    return any(reason is not None and reason.value == _INTERRUPTED for reason in reasons)


def _failures(result: dg.ExecuteInProcessResult) -> list[tuple[dg.DagsterEvent, Any]]:
    """The failed steps and their errors, in the order in which they failed."""
    return [
        (event, event.step_failure_data.error)
        for event in result.all_events
        if event.event_type == DagsterEventType.STEP_FAILURE
    ]


def _reason(error: Any) -> tuple[str, bool]:
    """The message of the outermost AudoticsError among an error and its causes, else of the innermost cause.

    The second value says whether it is an AudoticsError.
    """
    written_for_people = {cls.__name__ for cls in _family(AudoticsError)}
    while error.cls_name not in written_for_people and error.cause is not None:
        error = error.cause
    message = str(error.message).strip()
    if error.cls_name in written_for_people:
        return message.partition(": ")[2], True
    # dbt lists what went wrong after many lines about how it was called.
    return message.partition("Errors parsed from dbt logs:")[2].strip() or message, False


def _family(cls: type[Exception]) -> set[type[Exception]]:
    return {cls}.union(*(_family(each) for each in cls.__subclasses__()))

"""The main job, as the command line runs it: through the same Dagster jobs as the schedules."""

from datetime import date
from pathlib import Path
from typing import Any

from assets.ranker.evaluation_store import read_evaluation
from assets.ranker.registry import has_champions
from orchestration.definitions import defs
from orchestration.instance import open_instance
from orchestration.platform import Platform
from orchestration.runs import Progress, RunReport, run_job
from warehouse.local_servers import status


def run_nightly(platform: Platform, as_of: date, on_progress: Progress) -> RunReport:
    """The nightly job as of a date; with training in it when no champion may serve that date yet.

    Raises:
        AudoticsError: a step failed.
    """
    with platform.transaction() as connection:
        job = "nightly" if has_champions(connection, as_of) else "first_release"
    with open_instance(platform.settings, platform.warehouse_url) as instance:
        return run_job(defs, instance, job, as_of, _logs(platform), on_progress, embedded_pids(platform))


def run_evaluation(platform: Platform, as_of: date, on_progress: Progress) -> tuple[RunReport, dict[str, Any]]:
    """The evaluation job as of a date, and what it stored.

    Raises:
        AudoticsError: a step failed.
    """
    with open_instance(platform.settings, platform.warehouse_url) as instance:
        report = run_job(defs, instance, "evaluation", as_of, _logs(platform), on_progress, embedded_pids(platform))
    with platform.transaction() as connection:
        return report, read_evaluation(connection, as_of)


def embedded_pids(platform: Platform) -> list[int]:
    """The main processes of the embedded servers, which are no children of this one; none where servers are given."""
    return [server.pid for server in status(platform.settings) if server.embedded and server.pid]


def _logs(platform: Platform) -> Path:
    return platform.settings.home / "logs" / "runs"

"""The main job, as the command line runs it: through the same Dagster jobs as the schedules."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from assets.evaluation.store import read_evaluation
from assets.features.dates import stale_feature_dates
from assets.features.version import features_version
from assets.ranker.registry import has_champions
from assets.recommendations.store import code_of_lists
from assets.replay.comparison import SlateComparison, note_changes
from assets.replay.lists import Replayed, models_to_replay, replay
from assets.search.store import read_trials
from assets.slates import Slate
from orchestration.definitions import defs
from orchestration.instance import open_instance
from orchestration.platform import Platform
from orchestration.runs import Progress, RunReport, run_job
from quality.checks.accepted import ACCEPT_TAG, may_be_accepted
from warehouse.engine import adbc_reader
from warehouse.errors import AudoticsError
from warehouse.lake import Lake
from warehouse.local.servers import status
from warehouse.roles import Role


def run_nightly(
    platform: Platform, as_of: date, on_progress: Progress, train: bool = False, accepted: Sequence[str] = ()
) -> RunReport:
    """The nightly job as of a date; with training in it when that is asked for, or no champion may serve the date yet.

    accepted: checks that may fail.

    Raises:
        AudoticsError: there is no such check, or a step failed.
    """
    if accepted:
        _require_acceptable(accepted)
    with platform.transaction() as connection:
        job = "nightly" if not train and has_champions(connection, as_of) else "training_and_release"
    with open_instance(platform.settings, platform.warehouse_url) as instance:
        return run_job(
            defs,
            instance,
            job,
            as_of,
            _logs(platform),
            on_progress,
            embedded_pids(platform),
            tags={ACCEPT_TAG: ", ".join(accepted)} if accepted else {},
        )


def _require_acceptable(names: Sequence[str]) -> None:
    """Raise AudoticsError where one of them is not a check that an operator may overrule."""
    known = sorted({key.name for key in defs.resolve_asset_graph().asset_check_keys if may_be_accepted(key.name)})
    if unknown := sorted(set(names) - set(known)):
        raise AudoticsError(f"{unknown[0]!r} is not a check that may be accepted: {', '.join(known)}")


def run_evaluation(
    platform: Platform, as_of: date, on_progress: Progress, also_sources: Sequence[str] = ()
) -> tuple[RunReport, dict[str, Any]]:
    """The evaluation job as of a date, and what it stored.

    also_sources: as EvaluationOptions has it.

    Raises:
        AudoticsError: a step failed.
    """
    with open_instance(platform.settings, platform.warehouse_url) as instance:
        report = run_job(
            defs,
            instance,
            "evaluation",
            as_of,
            _logs(platform),
            on_progress,
            embedded_pids(platform),
            {"model_evaluations": {"also_sources": list(also_sources)}} if also_sources else {},
        )
    with platform.transaction() as connection:
        return report, read_evaluation(connection, as_of)


def run_search(
    platform: Platform,
    as_of: date,
    slates: Sequence[Slate],
    trials: int | None,
    seed: int | None,
    on_progress: Progress,
) -> tuple[RunReport, list[dict[str, Any]]]:
    """The search for training parameters as of a date, and every trial that it stored; None: as SearchConfig has it.

    Raises:
        AudoticsError: a step failed.
    """
    given = {name: value for name, value in (("trials", trials), ("seed", seed)) if value is not None}
    options = {"slates": [str(slate) for slate in slates], **given}
    with open_instance(platform.settings, platform.warehouse_url) as instance:
        report = run_job(
            defs,
            instance,
            "search",
            as_of,
            _logs(platform),
            on_progress,
            embedded_pids(platform),
            step_config={"ranker_search": options},
        )
    with platform.transaction() as connection:
        return report, read_trials(connection, as_of, slates)


def run_replay(
    platform: Platform, as_of: date, model_version: str | None, user_keys: Sequence[int], on_progress: Progress
) -> Iterator[Replayed]:
    """Lists as of a date by the models that made them then, else by its champions, or by one model.

    Features are built first where there are none.

    Without user keys, those of everyone with a listen before the date, a batch at a time.

    Raises:
        AudoticsError: no such model, nothing to replay, or a step failed.
    """
    with platform.transaction() as connection:
        models = models_to_replay(connection, Lake(platform.settings.lake), as_of, model_version)
    with platform.transaction(Role.TRANSFORMER) as connection:
        stale = stale_feature_dates(connection, [as_of], features_version(connection))

    def tell(stage: str, done: int, total: int) -> None:
        on_progress(stage, done, total, [f"{stage}: {done:,} of {total:,} users" if total else stage])

    if stale:
        with open_instance(platform.settings, platform.warehouse_url) as instance:
            run_job(defs, instance, "features", as_of, _logs(platform), on_progress, embedded_pids(platform))
    with adbc_reader(platform.warehouse_url, Role.SERVICE) as connection:
        yield from replay(connection, as_of, models, np.array(user_keys, np.int32) if user_keys else None, tell)


def explain_replay(platform: Platform, as_of: date, slates: dict[Slate, SlateComparison]) -> None:
    """Note with each slate of a replay what has changed since the lists of the date were made."""
    with platform.transaction(Role.TRANSFORMER) as connection:
        note_changes(connection, as_of, slates, code_of_lists(features_version(connection)))


def embedded_pids(platform: Platform) -> list[int]:
    """The main processes of the embedded servers, which are not children of this one; none where servers are given."""
    return [server.pid for server in status(platform.settings) if server.embedded and server.pid]


def _logs(platform: Platform) -> Path:
    return platform.settings.home / "logs" / "runs"

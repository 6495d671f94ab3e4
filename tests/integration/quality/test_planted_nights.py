"""Faults planted in whole nights: the gate of each stops it with its own words, and what was served is served."""

from collections.abc import Callable
from datetime import date

import pytest
from api_client import running_api
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from file_faults import FILE_FAULTS, SHUFFLED, TOLD
from nightly_faults import FAULTS
from pipeline_process import Pipeline, error_line
from planted_faults import NIGHT, Fault, a_week_like
from sample_pipeline import AS_OF, FOLLOWING

from orchestration.definitions import defs
from orchestration.instance import open_instance
from tests.planted_table import PLANTED, shortened
from warehouse.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BEFORE = date.fromisoformat(AS_OF)
STOPS = (*FAULTS, *FILE_FAULTS)
Record = Callable[[str, object], None]


def answers(pipeline: Pipeline) -> dict[str, bytes]:
    """What the read API says to some who ask, to the byte; the versions of rankers among it."""
    ((user_id,),) = pipeline.query("select user_id from raw.users where user_key = 3")
    with running_api(pipeline.redis_url) as api:
        asked = (f"/v1/users/{user_id}/recommendations?slate=discover", f"/v1/users/{user_id}/home", "/v1/popular")
        return {path: api.get(path).raise_for_status().content for path in asked}


def words_of(gate: str, stopped: str) -> str:
    """What a check, or a step that failed itself, says in the line that a night ends with; empty where another did."""
    step, _, because = stopped.partition(" (log: ")[0].partition(" failed in ")[2].partition(": ")
    _, named, said = because.partition(gate)
    return said.partition(": ")[2] if named else because if gate in step else ""


def verdict(pipeline: Pipeline, check: str) -> AssetCheckEvaluation:
    """What a check said last."""
    (key,) = (each for each in defs.resolve_asset_graph().asset_check_keys if each.name == check)
    with open_instance(Settings(home=pipeline.home), pipeline.warehouse_url) as instance:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.evaluation is not None
    return record.evaluation


@pytest.mark.parametrize("fault", STOPS, ids=[fault.name for fault in STOPS])
def test_the_gate_stops_the_night_and_the_last_release_goes_on(
    own_pipeline: Pipeline, fault: Fault, record_property: Record
) -> None:
    served, kept = answers(own_pipeline), own_pipeline.redis_contents()
    with fault.planted(own_pipeline, BEFORE):
        done = own_pipeline.run(*fault.night)
    stopped = error_line(done) if done.returncode else "nothing"
    is_kept = own_pipeline.redis_contents() == kept and answers(own_pipeline) == served
    said = words_of(fault.gate, stopped.replace(f"{own_pipeline.home}/", ""))
    row = [fault.name, fault.gate if said else "NONE", shortened(said or stopped), "yes" if is_kept else "NO"]
    record_property(PLANTED, row)
    assert done.returncode == 1
    assert said and fault.says in stopped
    assert is_kept


def test_what_may_be_right_is_told_by_its_check_and_the_night_goes_live(
    own_pipeline: Pipeline, record_property: Record
) -> None:
    served = answers(own_pipeline)
    own_pipeline.query(a_week_like(BEFORE))
    for fault in TOLD:
        fault.plant(own_pipeline)
    done = own_pipeline.run(*NIGHT)
    assert done.returncode == 0, done.stderr
    for fault in TOLD:
        told = verdict(own_pipeline, fault.gate)
        record_property(PLANTED, [fault.name, fault.gate, shortened(told.description or ""), "told, the night goes on"])
        assert (told.passed, told.severity.value) == (False, "WARN")
        assert fault.says in (told.description or "")
    assert answers(own_pipeline) != served


def test_rankers_of_shuffled_labels_are_refused_and_the_champions_go_on_serving(
    own_pipeline: Pipeline, record_property: Record
) -> None:
    served, kept = answers(own_pipeline), own_pipeline.redis_contents()
    champions = own_pipeline.query("select slate, model_version from ml.champions where serves_until is null")
    SHUFFLED.plant(own_pipeline)
    done = own_pipeline.run(*SHUFFLED.night)
    assert done.returncode == 0, done.stderr
    told = verdict(own_pipeline, SHUFFLED.gate)
    is_kept = own_pipeline.redis_contents() == kept and answers(own_pipeline) == served
    said = shortened(told.description or "")
    record_property(PLANTED, [SHUFFLED.name, SHUFFLED.gate, said, "yes" if is_kept else "NO"])
    assert not told.passed
    assert (told.description or "").count(SHUFFLED.says) == len(champions) == 3
    assert own_pipeline.query("select slate, model_version from ml.champions where serves_until is null") == champions
    assert is_kept


def test_a_healthy_night_is_stopped_by_nothing(own_pipeline: Pipeline) -> None:
    served = answers(own_pipeline)
    assert own_pipeline.run(*NIGHT).returncode == 0
    assert answers(own_pipeline) != served
    judged = own_pipeline.query(
        f"select check_name, blocks from quality.validations where as_of = '{FOLLOWING}' order by 1"
    )
    assert len(judged) >= 9 and not any(blocks for _, blocks in judged), judged

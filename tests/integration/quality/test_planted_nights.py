"""Each fault of `nightly_faults`: its gate stops the night with its own words, and what was served is served."""

from datetime import date, timedelta

import pytest
from api_client import running_api
from nightly_faults import FAULTS
from pipeline_process import Pipeline, error_line
from planted_faults import Fault
from sample_pipeline import AS_OF

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BEFORE = date.fromisoformat(AS_OF)
FOLLOWING = (BEFORE + timedelta(days=1)).isoformat()


def answers(pipeline: Pipeline) -> dict[str, bytes]:
    """What the read API says to some who ask, to the byte."""
    ((user_id,),) = pipeline.query("select user_id from raw.users where user_key = 3")
    with running_api(pipeline.redis_url) as api:
        asked = (f"/v1/users/{user_id}/recommendations?slate=discover", f"/v1/users/{user_id}/home", "/v1/popular")
        return {path: api.get(path).raise_for_status().content for path in asked}


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_the_gate_stops_the_night_and_the_last_release_goes_on(own_pipeline: Pipeline, fault: Fault) -> None:
    served, kept = answers(own_pipeline), own_pipeline.redis_contents()
    with fault.planted(own_pipeline, BEFORE):
        done = own_pipeline.run("run", "--as-of", FOLLOWING)
    assert done.returncode == 1
    stopped = error_line(done)
    assert fault.gate in stopped and fault.says in stopped
    assert own_pipeline.redis_contents() == kept
    assert answers(own_pipeline) == served


def test_a_healthy_night_is_stopped_by_nothing(own_pipeline: Pipeline) -> None:
    served = answers(own_pipeline)
    assert own_pipeline.run("run", "--as-of", FOLLOWING).returncode == 0
    assert answers(own_pipeline) != served
    judged = own_pipeline.query(
        f"select check_name, blocks from quality.validations where as_of = '{FOLLOWING}' order by 1"
    )
    assert len(judged) >= 9 and not any(blocks for _, blocks in judged), judged

"""A feature that broke in a healthy world: its check stops the night, and what was live stays live to the byte."""

import pytest
from pipeline_process import Pipeline, error_line
from sample_pipeline import AS_OF

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# The features of the date stand: nothing has changed that they are built from.
PLANTED = (
    f"set role audotics_transformer; update features.{{mart}} set {{change}} where as_of = '{AS_OF}' returning as_of"
)


@pytest.mark.parametrize(
    ("mart", "change", "said"),
    [
        ("feat_user", "listens_per_session = 'NaN'", "no value of listens_per_session is NaN or infinite"),
        ("feat_user_track", "decayed_listens = least(0.5, decayed_listens * 0 + 0.5)", "decayed_listens varies"),
        ("feat_artist", "tracks = null", "at most 50% of tracks is null"),
    ],
)
def test_a_broken_feature_stops_the_night(own_pipeline: Pipeline, mart: str, change: str, said: str) -> None:
    live = own_pipeline.redis_contents()
    lists = own_pipeline.table_checksums()["ml.recommendations"]
    assert own_pipeline.query(PLANTED.format(mart=mart, change=change))
    done = own_pipeline.run("run", "--as-of", AS_OF)
    assert done.returncode == 1
    assert f"{mart}_drift" in error_line(done)
    assert said in done.stderr
    assert own_pipeline.redis_contents() == live
    assert own_pipeline.table_checksums()["ml.recommendations"] == lists


def test_an_operator_may_let_it_through(own_pipeline: Pipeline) -> None:
    plant = PLANTED.format(mart="feat_user", change="listens_per_session = 'NaN'")
    assert own_pipeline.query(plant)
    done = own_pipeline.run("run", "--as-of", AS_OF, "--accept", "feat_user_drift")
    assert done.returncode == 0, done.stderr
    ((passed, blocks),) = own_pipeline.query(
        "select passed, blocks from quality.validations where check_name = 'feat_user_drift'"
        " order by validation_id desc limit 1"
    )
    assert (passed, blocks) == (False, False)

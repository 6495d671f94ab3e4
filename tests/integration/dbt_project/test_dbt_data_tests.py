"""The tests of the models' rows read what the last build wrote, and every row when asked to."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from dbt_process import WITHOUT_TESTS, Dbt

UNTIL = date(2026, 6, 1)
BEFORE = UNTIL - timedelta(days=14)
# Faults of rows that older builds wrote: listens and features of users that do not exist, a column left empty, and a
# share above 1.
FAULTS = f"""
update builds.models set rebuilt_days = datemultirange(daterange(date '{UNTIL}' - 3, date '{UNTIL}' + 1));
insert into core.fct_listens select (jsonb_populate_record(each, '{{"user_key": -1}}')).*
from core.fct_listens as each where listened_on = (select max(listened_on) from core.fct_listens) - 10 limit 1;
insert into features.feat_user
select (jsonb_populate_record(each, '{{"user_key": -1, "sessions": null, "repeat_share": 2}}')).*
from features.feat_user as each where as_of = date '{BEFORE}' limit 1
"""
OF_LISTENS = {
    "every_listen_fct_listens",
    "relationships_fct_listens_user_key__user_key__ref_dim_users_",
    "not_null_listens_listener_key",
}
OF_COLUMNS = {"never_null_feat_user", "in_ranges_feat_user"}
OF_FEATURES = {"relationships_feat_user_user_key__user_key__ref_dim_users_", *OF_COLUMNS}


def failing(dbt: Dbt, target: Path, **environment: str) -> set[str]:
    """Run the tests of listens and of the users' features: the names of those that fail, less digests."""
    arguments = ["test", "--select", "fct_listens", "listens", "feat_user", "--exclude", "test_type:unit"]
    dbt(*arguments, "--target-path", str(target), check=False, **environment)
    results = json.loads((target / "run_results.json").read_text())["results"]
    tests = [each["unique_id"].split(".")[2] for each in results if each["status"] not in ("pass", "success")]
    assert len(results) > 10
    return {next((short for short in OF_COLUMNS if name.startswith(f"{short}_")), name) for name in tests}


@pytest.mark.slow
def test_faults_of_older_rows_are_found_by_a_test_of_every_row(own_sample: Dbt, tmp_path: Path) -> None:
    dbt = own_sample
    dbt("build", *WITHOUT_TESTS, "--select", "marts.features", AUDOTICS_AS_OF_DATES=f"{BEFORE},{UNTIL}")
    dbt.query(FAULTS)
    assert failing(dbt, tmp_path, AUDOTICS_AS_OF_DATES=f"{UNTIL}") == set()
    assert failing(dbt, tmp_path, AUDOTICS_AS_OF_DATES=f"{BEFORE}") == OF_FEATURES
    assert failing(dbt, tmp_path, AUDOTICS_TEST_EVERY_ROW="true") == OF_LISTENS | OF_FEATURES

"""Analysts read what the gates keep: figures, bounds, verdicts, and which of several runs counts."""

from dataclasses import replace
from datetime import date

from dbt_process import Dbt

from quality.observations import Observation, Validation, keep
from warehouse.engine import create_engine
from warehouse.roles import Role

DAY = date(2026, 3, 2)
OF_DAY = Validation("core/fct_listens", "newest_day_is_whole", "run 1", DAY)
LISTENS = Observation(
    "listens", 4.0, False, "as usual", "warning", low=5.0, learned_from=date(2026, 1, 5), learned_to=date(2026, 3, 1)
)
KEPT = "set role audotics_analyst; select {} from analytics.quality_observations order by validated_at, metric"


def test_a_date_that_was_judged_again_shows_both_verdicts_and_which_counts(own_sample: Dbt) -> None:
    with create_engine(own_sample.warehouse_url, Role.SERVICE).begin() as connection:
        keep(connection, OF_DAY, [LISTENS])
        keep(connection, replace(OF_DAY, run_id="run 2"), [replace(LISTENS, value=6.0, passed=True)])
    kept = KEPT.format("run_id, as_of, metric, segment, value, low, high, verdict, learned_from, learned_to, is_latest")
    learned = (LISTENS.learned_from, LISTENS.learned_to)
    assert own_sample.query(kept) == [
        ("run 1", DAY, "listens", "all", 4.0, 5.0, None, "failed", *learned, False),
        ("run 2", DAY, "listens", "all", 6.0, 5.0, None, "passed", *learned, True),
    ]


def test_a_slate_that_the_release_gate_refused_shows_its_reasons_and_its_figures(own_sample: Dbt) -> None:
    own_sample.query(
        "insert into ml.slate_measures (as_of, slate, measure, segment, value)"
        f" values ('{DAY}', 'for_you', 'coverage', 'new', 0.25);"
        "insert into ml.slate_verdicts (as_of, slate, judged_at, refused_because)"
        f" values ('{DAY}', 'for_you', now(), array['coverage of new is 0.25', 'too short'])"
    )
    assert own_sample.query(KEPT.format("check_name, metric, segment, value, verdict, expectation")) == [
        ("for_you_may_go_live", "for_you/coverage", "new", 0.25, "measured", "for the record"),
        ("for_you_may_go_live", "for_you/refusals", "all", 2.0, "failed", "coverage of new is 0.25; too short"),
    ]

"""Days that change long after they were built, in any order: what stands is what a full build gives, and only rows that
are other than before were written.
"""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from dbt_process import WITHOUT_TESTS, Dbt, assert_only_changes_written
from sample_warehouse import WORLD

BUILD = ("build", *WITHOUT_TESTS, "--exclude", "marts.features", "resource_type:snapshot")
LISTEN = """
insert into raw.listens (user_key, track_key, listened_at, source, skipped, file_id)
values ({}, {}, '{}', '{}', {}, 1) on conflict do nothing
"""
MINUTES = [timedelta(minutes=minutes) for minutes in (-70, -40, -25, -8, 0, 6, 25, 55, 80)]
# What one song is told of twice by, at midnight.
TWICE = (("lastfm", timedelta(seconds=-10)), ("spotify", timedelta(seconds=5)))


@pytest.mark.slow
def test_a_late_listen_rewrites_what_it_changes_and_nothing_else(own_sample: Dbt) -> None:
    dbt = own_sample
    day = WORLD.until - timedelta(days=80)
    before = dbt.rows_written()
    ((user, track),) = dbt.query(
        f"select user_key, track_key from core.fct_first_listens where listened_on > '{day}' order by 1, 2 limit 1"
    )
    dbt.query(LISTEN.format(user, track, f"{day} 23:50:00+00", "last.fm", "null"))
    dbt("run", "--select", "config.incremental_strategy:changed_days")
    after = dbt.rows_written()
    assert_only_changes_written(before, after)
    written = {model: len(rows.keys() - before[model].keys()) for model, rows in after.items()}
    assert min(written[model] for model in ("core.fct_listens", "core.fct_sessions", "core.fct_first_listens")) > 0
    assert written["core.fct_listens"] < 20
    # The day itself, and that of what is no longer a first listen.
    assert written["analytics.listening_daily"] == 2


@pytest.mark.slow
def test_days_that_change_in_any_order_give_what_a_full_build_gives(own_sample: Dbt) -> None:
    dbt = own_sample
    rng = random.Random(40)
    days = [WORLD.until - timedelta(days=number) for number in (0, 1, 7, 30, 31, 32, 60, 75, 98, 99, 400, 3650)]
    dbt(*BUILD)
    for _ in range(5):
        for day in rng.sample(days, rng.choice((1, 2, 4))):
            dbt.query(changes(rng, day))
        before = dbt.rows_written()
        dbt(*BUILD)
        assert_only_changes_written(before, dbt.rows_written())
        contents = dbt.contents()
        dbt(*BUILD, "--full-refresh")
        assert dbt.contents() == contents


def changes(rng: random.Random, day: date) -> str:
    """Statements: some users listen across the midnight that ends a day, some listens go, others are told twice."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    statements = []
    for user in rng.sample(range(1, WORLD.users + 1), 4):
        for offset in rng.sample(MINUTES, 4):
            skipped = rng.choice(("true", "false", "null"))
            statements.append(LISTEN.format(user, rng.randrange(1, 9), midnight + offset, "spotify", skipped))
        track = rng.randrange(1, 9)
        for source, offset in rng.sample(TWICE, rng.choice((1, 2))):
            statements.append(LISTEN.format(user, track, midnight + offset, source, "null"))
        if rng.random() < 0.5:
            first, last = sorted(rng.sample(MINUTES, 2))
            statements.append(
                f"delete from raw.listens where user_key = {user}"
                f" and listened_at between '{midnight + first}' and '{midnight + last}'"
            )
    if rng.random() < 0.2:
        statements.append(f"delete from raw.listens where (listened_at at time zone 'UTC')::date = '{day}'")
    return ";".join(statements)

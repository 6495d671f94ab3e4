"""The suites of what lies in the lake: sums of the columns of Parquet files, and what these may be."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from quality.bands import LEARNED_DAYS
from quality.observations import Past
from quality.suites.lake import candidates, profile, training_set
from quality.suites.suite import Suite
from quality.validate import validate
from warehouse.roles import Role

AS_OF = date(2026, 3, 2)
ROWS = 2_000
Frame = pd.DataFrame


def world() -> Frame:
    drawn = np.random.default_rng(17)
    return Frame(
        {
            "user_key": np.arange(ROWS, dtype=np.int32),
            "score_als": drawn.random(ROWS).astype(np.float32),
            # Not every source puts every track forward.
            "score_popular": np.where(drawn.random(ROWS) < 0.5, drawn.random(ROWS), np.nan),
            "label": (drawn.random(ROWS) < 0.1).astype(np.int8),
        }
    )


def in_batches(frame: Frame) -> list[pa.Table]:
    return [pa.Table.from_pandas(frame[start : start + 300]) for start in range(0, len(frame), 300)]


def failed(url: str, suite: Suite, past: list[Past] | None = None) -> dict[str, float | None]:
    outcome = validate(url, suite, Role.SERVICE, past or [])
    return {each.observation.metric: each.observation.value for each in outcome.outcomes if not each.observation.passed}


def usual(url: str, suite: Suite) -> list[Past]:
    """A fortnight in which everything was as it is in a suite."""
    outcome = validate(url, suite, Role.SERVICE)
    return [
        Past(AS_OF - timedelta(days=day), each.observation.metric, "all", each.observation.value)
        for each in outcome.outcomes
        for day in range(1, 15)
        if each.observation.value is not None
    ]


def test_a_profile_sums_up_batches_as_it_sums_up_the_whole() -> None:
    whole = world()
    parts = profile(in_batches(whole))
    pd.testing.assert_frame_equal(parts, profile([pa.Table.from_pandas(whole)]))
    assert parts.loc["score_popular", "values"] == whole["score_popular"].notna().sum()
    assert parts.loc["score_als", "greatest"] == whole["score_als"].max()
    assert (parts["rows"] == ROWS).all()


SOUND_FOLD = training_set({"for_you": profile(in_batches(world()))})


def silent(frame: Frame) -> Frame:
    return frame.assign(score_popular=np.nan)


def halved(frame: Frame) -> Frame:
    return frame[: ROWS // 3]


def infinite(frame: Frame) -> Frame:
    return frame.assign(score_als=frame["score_als"].mask(frame.index == 7, np.inf))


def all_heard(frame: Frame) -> Frame:
    return frame.assign(label=np.int8(1))


def none_heard(frame: Frame) -> Frame:
    return frame.assign(label=np.int8(0))


@pytest.mark.parametrize(
    ("build", "fault", "metrics"),
    [
        (candidates, silent, {"for_you share with score_popular": 0.0}),
        (candidates, halved, {"for_you rows": 666}),
        (candidates, infinite, {"for_you infinite numbers": 1}),
        (training_set, silent, {"for_you share with score_popular": 0.0}),
        (training_set, infinite, {"for_you infinite numbers": 1}),
        (training_set, all_heard, {"for_you least label": 1}),
        (training_set, none_heard, {"for_you greatest label": 0}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_fault_is_found_and_a_sound_night_passes(
    warehouse_url: str, build: Callable[..., Suite], fault: Callable[[Frame], Frame], metrics: dict[str, float]
) -> None:
    sound = build({"for_you": profile(in_batches(world()))})
    past = usual(warehouse_url, sound)
    assert failed(warehouse_url, sound, past) == {}
    assert failed(warehouse_url, build({"for_you": profile(in_batches(fault(world())))}), past) == metrics


def test_a_slate_may_have_nobody_and_a_night_may_not(warehouse_url: str) -> None:
    some, nobody = (profile([pa.Table.from_pandas(frame)]) for frame in (world(), world()[:0]))
    assert failed(warehouse_url, candidates({"for_you": some, "rediscover": nobody})) == {}
    assert failed(warehouse_url, candidates({"for_you": nobody, "rediscover": nobody})) == {"rows": 0}
    assert failed(warehouse_url, training_set({})) == {}
    untyped = pa.table({"score_als": pa.nulls(0)})
    assert profile([untyped]).loc["score_als", "rows"] == 0


def test_what_is_made_weekly_is_learned_from_as_many_dates(warehouse_url: str) -> None:
    weekly = [replace(each, as_of=AS_OF - (AS_OF - each.as_of) * 7) for each in usual(warehouse_url, SOUND_FOLD)]
    assert AS_OF - min(each.as_of for each in weekly) < timedelta(days=LEARNED_DAYS)
    broken = training_set({"for_you": profile(in_batches(silent(world())))})
    assert failed(warehouse_url, broken, weekly) == {"for_you share with score_popular": 0.0}


def test_a_handful_of_listeners_may_have_heard_everything(warehouse_url: str) -> None:
    few = all_heard(world())[:40]
    assert failed(warehouse_url, training_set({"for_you": profile(in_batches(few))})) == {}

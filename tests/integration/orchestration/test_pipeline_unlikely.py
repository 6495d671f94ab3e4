"""A night with accounts that cannot be people: they get lists of their own, and what is public stays as it was."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pipeline_process import Pipeline
from sample_pipeline import AS_OF
from unlikely_accounts import REASONS, load_rows, unlikely_rows

from assets.publish.popular_content import country_popular, popular, trending
from assets.slates import Slate
from warehouse.engine import adbc_connect

DAY = date.fromisoformat(AS_OF)
SONGS = """
select artist_name, title from core.dim_tracks inner join core.fct_listens using (track_key)
where artist_name is not null and title is not null and artist_name <> '' and track_key = canonical_track_key
group by track_key, artist_name, title order by count(*) desc, track_key limit 150
"""
SIMILAR = f"select * from ml.similar_tracks where as_of = '{AS_OF}' order by track_key, rank"
WITH_LISTS = f"""
select distinct user_id from ml.recommendations inner join core.dim_users using (user_key)
where as_of = '{AS_OF}' and slate = '{{slate}}'
"""


def public(pipeline: Pipeline) -> dict[Any, Any]:
    with adbc_connect(pipeline.warehouse_url) as connection:
        lists = {
            "popular": popular(connection, DAY),
            "trending": trending(connection, DAY),
            **country_popular(connection, DAY, least_tracks=1),
        }
    found = {name: (tracks.track_keys.tolist(), tracks.scores.tolist()) for name, tracks in lists.items()}
    return {**found, "similar": pipeline.query(SIMILAR)}


@pytest.mark.slow
def test_they_get_their_own_lists_and_change_nothing_public(own_pipeline: Pipeline, tmp_path: Path) -> None:
    before = public(own_pipeline)
    assert all(before.values())
    songs = [(artist, title) for artist, title in own_pipeline.query(SONGS)]
    load_rows(own_pipeline.warehouse_url, unlikely_rows(DAY - timedelta(days=1), songs), tmp_path / "unlikely.tsv")
    report = own_pipeline.json("run", "--as-of", AS_OF)
    live = [each["release"] for each in own_pipeline.json("releases", "list") if each["status"] == "live"]
    assert live == [report["release"]]
    for slate in (Slate.FOR_YOU, Slate.DISCOVER):
        users = {user for (user,) in own_pipeline.query(WITH_LISTS.format(slate=slate))}
        assert users > REASONS.keys()
    assert public(own_pipeline) == before

"""A file that cannot be right lands before a night: the night stops at it, by name, and what is live stays."""

from datetime import date, timedelta
from pathlib import Path

import pytest
import redis
from pipeline_process import Pipeline, error_line
from sample_pipeline import AS_OF

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FOLLOWING = (date.fromisoformat(AS_OF) + timedelta(days=1)).isoformat()


def one_artist_for_all(pipeline: Pipeline) -> list[list[str]]:
    """The newest day of the world once more, a second later, as if all its tracks were of one artist."""
    return [
        [user, f"{moment:%Y-%m-%dT%H:%M:%SZ}", "", "Somebody Else", "", title]
        for user, moment, title in pipeline.query(
            "select user_id, listened_at + interval '1 second', title from raw.listens"
            " inner join raw.users using (user_key) inner join raw.tracks using (track_key)"
            " where listened_at >= (select max(listened_at) from raw.listens) - interval '1 day' and title is not null"
        )
    ]


def land(pipeline: Pipeline, rows: list[list[str]]) -> Path:
    path = pipeline.home / "landing" / "lastfm-1k" / "night" / "userid-timestamp-artid-artname-traid-traname.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("".join("\t".join(row) + "\n" for row in rows), "utf-8")
    return path


def held(pipeline: Pipeline) -> dict[bytes, bytes]:
    """All that Redis has of releases, byte for byte."""
    with redis.Redis.from_url(pipeline.redis_url) as client:
        return {key: client.dump(key) for key in client.scan_iter()}


def test_a_file_of_one_artist_stops_the_night_and_what_is_live_stays_byte_for_byte(own_pipeline: Pipeline) -> None:
    before = held(own_pipeline)
    assert before
    marts = own_pipeline.query("select count(*) from core.fct_listens")
    land(own_pipeline, one_artist_for_all(own_pipeline))
    done = own_pipeline.run("run", "--as-of", FOLLOWING)
    assert done.returncode == 1
    said = error_line(done)
    assert "loads_are_as_usual" in said
    assert "100% of its listens, by 100% of its listeners, are of one artist" in said
    assert held(own_pipeline) == before
    assert own_pipeline.query("select count(*) from core.fct_listens") == marts
    ((file_id,),) = own_pipeline.query("select max(file_id) from raw.ingest_files")
    assert f"audotics ingest forget {file_id}" in said

"""The small sample world that the tests named test_pipeline_* share, and the pipeline that has run on it once."""

import shutil
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import redis
from pipeline_process import Pipeline
from shared_servers import SharedServers

from assets.ingest.sample_world import SampleWorld, generate

UNTIL = date(2026, 6, 1)
AS_OF = (UNTIL - timedelta(days=14)).isoformat()
FOLLOWING = (UNTIL - timedelta(days=13)).isoformat()
WORLD = SampleWorld(until=UNTIL, users=300, tracks=800, listens=30_000, days=200)

# The user who plays one artist more than anybody does before AS_OF.
FAVOURITE = f"""
    select user_id, artist_id from raw.listens
    inner join raw.users using (user_key) inner join raw.tracks using (track_key)
    inner join raw.artists using (artist_key)
    where listened_at < timestamptz '{AS_OF} 00:00:00+00'
    group by user_id, artist_id order by count(*) desc, user_id limit 1
"""


@dataclass(frozen=True)
class PipelineTemplate:
    """Where the pipeline is that the others are copied from, and the counts that its world says were planted in it."""

    database: str
    redis_url: str
    home: str
    planted: dict[str, Any]


def pipeline_template(servers: SharedServers) -> PipelineTemplate:
    """The pipeline that `run_once` leaves, made by the first worker that asks."""

    def make() -> dict[str, Any]:
        home, redis_url = servers.folder / "pipeline", servers.keep_redis()
        planted = generate(home / "landing" / "lastfm-1k" / "world", WORLD)
        database = servers.template(
            "pipeline_done", lambda url: run_once(Pipeline(url, redis_url, home)), servers.owned(), servers.owner()
        )
        return asdict(PipelineTemplate(database, redis_url, str(home), dict(planted)))

    return PipelineTemplate(**servers.once("pipeline", make))


def run_once(pipeline: Pipeline) -> None:
    """Run the pipeline as of AS_OF, from landed files to a live release, without a superuser.

    The world is in the landing folder already. One user had blocked their favourite artist before.
    """
    pipeline.json("ingest", "lastfm-1k", str(pipeline.home / "landing" / "lastfm-1k" / "world"))
    ((user_id, artist_id),) = pipeline.query(FAVOURITE)
    assert pipeline.json("blocks", "add", user_id, "--artist", artist_id)["changed"]
    report = pipeline.json("run", "--as-of", AS_OF)
    assert report["job"] == "training_and_release"


def copy_pipeline(servers: SharedServers, made: PipelineTemplate, redis_url: str, home: Path) -> Pipeline:
    """Copy warehouse, home and Redis; the landed files keep the place that the warehouse knows."""
    shutil.copytree(made.home, home)
    with redis.Redis.from_url(made.redis_url) as client:
        for key in client.scan_iter():
            client.copy(key, key, destination_db=int(redis_url.rpartition("/")[2]))
    return Pipeline(servers.create(made.database, servers.owner()), redis_url, home)

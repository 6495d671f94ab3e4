"""Twenty years of listening go through features, gates, training and release, by the command people run."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pipeline_process import Pipeline
from scrobbles import Row, ingest

from warehouse.local.servers import Endpoints

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AS_OF = datetime(2024, 7, 1, tzinfo=UTC)
FIRST = datetime(2004, 2, 1, tzinfo=UTC)


def listens_between(user: str, first: datetime, last: datetime, every_days: float, seed: int) -> Iterator[Row]:
    """Sessions of eight tracks, on average `every_days` apart."""
    rng = np.random.default_rng(seed)
    at = first
    while at < last:
        taste = int(rng.integers(0, 4)) + 4 * (seed % 3)
        for place in range(8):
            tune = int(min(rng.geometric(0.15), 30))
            instant = int((at + timedelta(minutes=4 * place)).timestamp())
            yield user, f"Band {taste}", f"Tune {taste}-{tune}", instant
        at += timedelta(days=float(rng.exponential(every_days)) + 0.1)


def ages_of_everybody() -> list[Row]:
    """Who stayed for twenty years, who came back, who left after one listen or a year, and who came lately."""
    rows = list(listens_between("stayed", FIRST, AS_OF, 7, 1))
    rows += listens_between("returned", FIRST, FIRST + timedelta(days=300), 5, 2)
    rows += listens_between("returned", AS_OF - timedelta(days=60), AS_OF, 2, 2)
    rows += listens_between("left", FIRST, FIRST + timedelta(days=300), 5, 3)
    rows.append(("once", "Band 0", "Heard once long ago", int(FIRST.timestamp())))
    for number in range(30):
        joined = AS_OF - timedelta(days=120 + 40 * number)
        rows += listens_between(f"listener-{number}", joined, AS_OF, 3, 10 + number)
    return rows


@pytest.fixture
def pipeline(endpoints: Endpoints, warehouse_url: str, redis_url: str, tmp_path: Path) -> Pipeline:
    return Pipeline(warehouse_url, redis_url, tmp_path / "home")


def release_of(pipeline: Pipeline, rows: list[Row]) -> str:
    """Load the rows and run the nightly job as of AS_OF; returns the release that is live."""
    ingest(pipeline, "listens.csv", rows)
    return str(pipeline.json("run", "--as-of", f"{AS_OF:%Y-%m-%d}")["release"])


def test_twenty_years_of_many_listeners_are_released(pipeline: Pipeline) -> None:
    assert release_of(pipeline, ages_of_everybody()).startswith(f"{AS_OF:%Y-%m-%d}")
    ((least, oldest),) = pipeline.query(
        "select min(decayed_listens), max(days_since_first) from features.feat_user_track"
        f" where as_of = '{AS_OF:%Y-%m-%d}'"
    )
    assert least == pytest.approx(1e-15)
    assert oldest > 20 * 365
    found = pipeline.query(
        "select user_id, title from ml.recommendations inner join raw.users using (user_key)"
        " inner join raw.tracks using (track_key)"
        f" where as_of = '{AS_OF:%Y-%m-%d}' and slate = 'rediscover' and user_id in ('once', 'left')"
    )
    assert [title for user, title in found if user == "once"] == ["Heard once long ago"]
    assert sum(user == "left" for user, _ in found) > 10


def test_twenty_years_of_one_listener_are_released(pipeline: Pipeline) -> None:
    rows = [*listens_between("alone", FIRST, AS_OF, 7, 1), ("alone", "Band 0", "Once", int(FIRST.timestamp()))]
    assert release_of(pipeline, rows).startswith(f"{AS_OF:%Y-%m-%d}")

"""One person, or one listen: a night makes what can honestly be made, says what it left out, and trains once it can."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from api_client import recommendations, running_api
from pipeline_process import Pipeline
from scrobbles import Row, ingest

from assets.ranker.training import FEWEST_LISTENERS
from assets.slates import Slate
from warehouse.local.servers import Endpoints

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AS_OF = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def pipeline(endpoints: Endpoints, warehouse_url: str, redis_url: str, tmp_path: Path) -> Pipeline:
    return Pipeline(warehouse_url, redis_url, tmp_path / "home")


def listen(user: str, number: int, at: datetime) -> Row:
    return user, f"Band {number % 7}", f"Tune {number}", int(at.timestamp())


def sessions(user: str, first: datetime, last: datetime, every_days: float, seed: int) -> Iterator[Row]:
    """Sessions of six tracks of forty, most often the first of them."""
    draw = np.random.default_rng(seed)
    at = first
    while at < last - timedelta(minutes=30):
        for place in range(6):
            yield listen(user, int(min(draw.geometric(0.12), 40)), at + timedelta(minutes=4 * place))
        at += timedelta(days=float(draw.exponential(every_days)) + 0.1)


def popular(api: httpx.Client) -> dict[str, Any]:
    body: dict[str, Any] = api.get("/v1/popular", params={"limit": 100}).raise_for_status().json()
    return body


def test_one_listen_makes_a_release_that_says_what_it_does_not_hold(pipeline: Pipeline) -> None:
    ingest(pipeline, "one.csv", [listen("me", 1, AS_OF - timedelta(days=400))])
    done = pipeline.json("run", "--as-of", f"{AS_OF:%Y-%m-%d}")
    assert done["release"].startswith(f"{AS_OF:%Y-%m-%d}")
    untaught = "was trained: in its folds, nobody with earlier listens played a track that it may list"
    held = [
        "no ranker serves for_you yet: its lists are in the order of own_plays",
        "no ranker serves rediscover yet: its lists are in the order of own_plays",
        "no lists of discover: nobody has a track that could be in one",
        "no popular list, no similar tracks, no similar artists: they hold only what 3 listeners share",
    ]
    assert done["left_out"] == [*(f"no ranker of {s} {untaught}" for s in Slate), *held]
    (released,) = pipeline.json("releases", "list")
    assert released["left_out"] == held
    assert all(f"{done['release']}: {line}" in pipeline.run("releases", "list").stdout for line in held)
    (live,) = (each for each in pipeline.json("doctor") if each["name"] == "live release")
    assert live["ok"] and all(line in live["value"] for line in held)
    with running_api(pipeline.redis_url) as api:
        for slate in ("for_you", "rediscover"):
            own = recommendations(api, "me", slate=slate)
            assert (own["source"], own["fallback_reason"]) == ("personal", "no_model")
            assert (own["model_version"], [item["title"] for item in own["items"]]) == (
                "untrained/own_plays",
                ["Tune 1"],
            )
        (track_id, artist_id) = (own["items"][0][name] for name in ("track_id", "artist_id"))
        for answer in (
            recommendations(api, "me", slate="discover"),
            recommendations(api, "nobody"),
            popular(api),
            api.get(f"/v1/tracks/{track_id}/similar").raise_for_status().json(),
            api.get(f"/v1/artists/{artist_id}/similar").raise_for_status().json(),
        ):
            assert (answer["items"], answer["fallback_reason"]) == ([], "too_few_listeners"), answer


def run(pipeline: Pipeline, day: datetime) -> list[str]:
    """What the night left out."""
    done = pipeline.json("run", "--as-of", f"{day:%Y-%m-%d}")
    assert done["release"].startswith(f"{day:%Y-%m-%d}")
    # Until a ranker serves, every night tries to train one.
    assert done["job"] == "training_and_release"
    left_out: list[str] = done["left_out"]
    return left_out


def test_years_of_one_person_are_released_until_enough_people_listen_for_a_ranker(pipeline: Pipeline) -> None:
    """Alone; then with two others; then in a crowd."""
    years = list(sessions("me", AS_OF - timedelta(days=3000), AS_OF - timedelta(days=40), 20, 1))
    ingest(pipeline, "years.csv", years)
    early = pipeline.run("run", "--as-of", "2001-01-01")
    assert early.returncode == 1
    assert "no listens before 2001-01-01: the first one is of" in " ".join(early.stderr.split())

    alone = run(pipeline, AS_OF)
    assert "no lists of discover: nobody has a track that could be in one" in alone
    with running_api(pipeline.redis_url) as api:
        own = recommendations(api, "me", limit=100)
        assert (own["fallback_reason"], own["model_version"]) == ("no_model", "untrained/own_plays")
        assert len(own["items"]) == len({title for _, _, title, _ in years})
        assert all(item["reason"] for item in own["items"])
        assert recommendations(api, "me", slate="rediscover")["source"] == "personal"
        assert popular(api)["fallback_reason"] == "too_few_listeners"
    replayed = pipeline.json("replay", "--as-of", f"{AS_OF:%Y-%m-%d}")["slates"]
    assert {slate: each["users_with_other_lists"] for slate, each in replayed.items()} == {
        "for_you": 0,
        "rediscover": 0,
    }

    later = AS_OF + timedelta(days=30)
    ingest(pipeline, "on.csv", sessions("me", AS_OF, later, 2, 2))
    ingest(pipeline, "friends.csv", [row for n in (3, 4) for row in sessions(f"friend-{n}", AS_OF, later, 2, n)])
    of_three = run(pipeline, later)
    few = f"no ranker of for_you was trained: its folds are of 3 listeners, and a ranker needs {FEWEST_LISTENERS}"
    assert few in of_three
    assert not any("no popular list" in line or "no lists of" in line for line in of_three)
    with running_api(pipeline.redis_url) as api:
        assert popular(api)["items"] and popular(api)["fallback_reason"] is None
        for slate, order in (("for_you", "own_plays"), ("discover", "session_cooccurrence")):
            own = recommendations(api, "friend-3", slate=slate)
            assert (own["fallback_reason"], own["model_version"]) == ("no_model", f"untrained/{order}")
    judged = pipeline.json("evaluate", "--as-of", f"{AS_OF:%Y-%m-%d}")["slates"]["for_you"]
    assert judged["users"] == 1
    assert judged["models"]["ranker"]["recall@100"] == judged["models"]["own_plays"]["recall@100"] > 0

    started, others = AS_OF - timedelta(days=60), range(5, 5 + FEWEST_LISTENERS)
    crowd = [row for n in others for row in sessions(f"friend-{n}", started, later, 3, n)]
    ingest(pipeline, "crowd.csv", crowd)
    assert not any("for_you" in line or "discover:" in line for line in run(pipeline, later + timedelta(days=1)))
    with running_api(pipeline.redis_url) as api:
        own = recommendations(api, "me")
        assert (own["source"], own["fallback_reason"]) == ("personal", None)
        assert own["model_version"].startswith("for_you-")

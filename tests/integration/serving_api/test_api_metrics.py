"""What the read API exports at /metrics."""

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest
from api_client import recommendations, running_api, running_redis
from api_process import api_process
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from sample_release import AS_OF, sample_release

from assets.publish.release import publish
from serving_api import contract

pytestmark = pytest.mark.own_redis

RECOMMENDATIONS = "/v1/users/{user_id}/recommendations"


class Scraped:
    """One scrape: samples by name and labels."""

    def __init__(self, api: httpx.Client) -> None:
        answer = api.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert answer.headers["cache-control"] == "no-store"
        self.text = answer.text
        self.samples = [sample for family in text_string_to_metric_families(self.text) for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The one value of a metric with at least these labels, 0 if there is none."""
        found = [each.value for each in self.samples if each.name == name and labels.items() <= each.labels.items()]
        assert len(found) <= 1, found
        return found[0] if found else 0.0

    def names(self) -> set[str]:
        return {each.name for each in self.samples}


def test_answers_are_counted_by_route_and_outcome_and_fallbacks_by_reason(api: httpx.Client) -> None:
    for user_id in ("user_7", "user_8", "planted-stranger"):
        recommendations(api, user_id)
    for path in ("/v1/popular?limit=0", "/planted-path", "/planted-path/again"):
        api.get(path, headers={"Authorization": "Bearer planted-token"})
    scraped = Scraped(api)
    count = "audotics_api_request_duration_seconds_count"
    assert scraped.value(count, route=RECOMMENDATIONS, outcome="ok") == 2
    assert scraped.value(count, route=RECOMMENDATIONS, outcome="fallback") == 1
    assert scraped.value(count, route="/v1/popular", outcome="client_error") == 1
    assert scraped.value(count, route="other", outcome="client_error") == 2
    assert scraped.value("audotics_api_responses_total", route=RECOMMENDATIONS, status="200") == 3
    assert scraped.value("audotics_api_responses_total", route="/v1/popular", status="422") == 1
    assert scraped.value("audotics_api_fallbacks_total", reason="unknown_user") == 1
    assert 'audotics_api_fallbacks_total{reason="store_unavailable"} 0.0' in scraped.text, "there before the first"
    for secret in ("user_7", "planted"):
        assert secret not in scraped.text


def test_a_scrape_says_what_is_live_how_old_it_is_and_how_the_process_does(api: httpx.Client) -> None:
    live = api.get("/readyz").json()
    for _ in range(2):
        recommendations(api, "user_7", limit=5)
    scraped = Scraped(api)
    assert scraped.value("audotics_api_ready") == 1
    assert scraped.value("audotics_api_release_info", release=live["release"], as_of=live["as_of"]) == 1
    as_of = datetime(AS_OF.year, AS_OF.month, AS_OF.day, tzinfo=UTC)
    since = datetime.now(UTC) - as_of
    assert scraped.value("audotics_api_release_as_of_age_seconds") == pytest.approx(since.total_seconds(), abs=600)
    generated = datetime.fromisoformat(live["generated_at"])
    apart = scraped.value("audotics_api_release_as_of_age_seconds") - scraped.value(
        "audotics_api_release_generated_age_seconds"
    )
    assert apart == pytest.approx((generated - as_of).total_seconds(), abs=1)
    assert scraped.value("audotics_api_batch_size_count") == scraped.value("audotics_api_batch_size_sum") == 2
    assert scraped.value("audotics_api_redis_connections_idle") >= 1
    assert scraped.value("audotics_api_redis_connections_in_use") == 0
    assert scraped.value("audotics_api_redis_connections_limit") == 64
    hits = scraped.value("audotics_api_cache_records_read_total", result="hit")
    misses = scraped.value("audotics_api_cache_records_read_total", result="miss")
    assert misses == scraped.value("audotics_api_cache_records") > 0, "each was read once"
    recommendations(api, "user_7", limit=5)
    later = Scraped(api)
    assert later.value("audotics_api_cache_records_read_total", result="miss") == misses
    assert later.value("audotics_api_cache_records_read_total", result="hit") > hits
    assert scraped.value("process_resident_memory_bytes") > 1e7
    assert "process_cpu_seconds_total" in scraped.names()


def test_a_scrape_says_why_redis_does_not_answer() -> None:
    with running_redis() as (server, url), running_api(url) as api:
        server.kill()
        server.wait()
        assert recommendations(api, "user_7")["fallback_reason"] == "store_unavailable"
        api.get("/readyz")
        scraped = Scraped(api)
        assert scraped.value("audotics_api_ready") == 0
        assert "audotics_api_release_info" in scraped.names(), "what answers was made of is still told"
        assert scraped.value("audotics_api_failures_total", cause="refused") == 2
        assert scraped.value("audotics_api_fallbacks_total", reason="store_unavailable") == 1
    with running_api(url) as fresh:
        scraped = Scraped(fresh)
        assert scraped.value("audotics_api_ready") == 0
        assert "audotics_api_release_info" not in scraped.names()


def test_a_home_screen_and_a_batch_count_as_fallbacks_where_a_part_of_them_is_one(
    api: httpx.Client, client: Redis
) -> None:
    asked = {"user_ids": ["user_7", "user_8"]}

    def ask() -> Scraped:
        assert api.get("/v1/users/user_7/home").status_code == 200
        assert api.post("/v1/recommendations:batchGet", json=asked).status_code == 200
        return Scraped(api)

    reason = {"reason": "store_unavailable"}
    assert ask().value("audotics_api_fallbacks_total", **reason) == 0
    client.set(contract.slate_key((client.get(contract.LIVE) or b"").decode(), "for_you"), "x")
    scraped = ask()
    assert scraped.value("audotics_api_fallbacks_total", **reason) == 2
    assert scraped.value("audotics_api_failures_total", cause="redis_error") == 2
    client.set(contract.LIVE, "2026-12-31-00000000")
    scraped = ask()
    assert scraped.value("audotics_api_fallbacks_total", **reason) == 4
    count = "audotics_api_request_duration_seconds_count"
    for route in ("/v1/users/{user_id}/home", "/v1/recommendations:batchGet"):
        assert scraped.value(count, route=route, outcome="ok") == 1
        assert scraped.value(count, route=route, outcome="fallback") == 2


WORKERS = ("-m", "uvicorn", "--factory", "serving_api.app:create_app", "--port", "{port}", "--workers", "2")


def answered(url: str, requests: int) -> float:
    """How many personal lists a scrape says that there were, after as many requests over connections of their own."""
    for _ in range(requests):
        httpx.get(f"{url}/v1/users/user_7/recommendations").raise_for_status()
    with httpx.Client(base_url=url) as api:
        return Scraped(api).value("audotics_api_request_duration_seconds_count", route=RECOMMENDATIONS, outcome="ok")


@pytest.mark.slow
def test_workers_that_share_a_folder_are_one_to_a_scrape_and_a_dead_one_takes_nothing_along(
    client: Redis, redis_url: str, tmp_path: Path
) -> None:
    publish(client, sample_release())
    shared = tmp_path / "shared"
    shared.mkdir()
    with api_process(redis_url, tmp_path, {"PROMETHEUS_MULTIPROC_DIR": str(shared)}, WORKERS) as api:
        assert [answered(api.url, 10) for _ in range(4)] == [10, 20, 30, 40]
        pids = {int(file.stem.rpartition("_")[2]) for file in shared.glob("histogram_*.db")}
        assert len(pids) == 2
        with httpx.Client(base_url=api.url) as asking:
            assert Scraped(asking).value("audotics_api_redis_connections_limit") in (64, 128)
        killed = psutil.Process(min(pids))
        killed.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 60
        while len(list(shared.glob("histogram_*.db"))) < 3:
            assert time.monotonic() < deadline, "no worker came in its place"
            time.sleep(0.1)
        while True:
            try:
                assert answered(api.url, 0) == 40, "what it had counted stays"
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
        assert not list(shared.glob(f"gauge_live*_{killed.pid}.db")), "its connections are gone"
        assert "of one worker only" not in api.errors.read_text()


@pytest.mark.slow
def test_a_worker_of_many_says_where_its_metrics_are_its_own_only(
    client: Redis, redis_url: str, tmp_path: Path
) -> None:
    publish(client, sample_release())
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ
    with api_process(redis_url, tmp_path, command=WORKERS) as api:
        assert (
            "of one worker only: give all of them an empty folder as PROMETHEUS_MULTIPROC_DIR" in api.errors.read_text()
        )

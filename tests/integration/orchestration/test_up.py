"""`audotics up`: servers, Dagster and the read API come up together and go down together."""

import httpx
import orjson
import pytest
from up_process import nothing_left, processes_of, running

from warehouse.settings import Settings


@pytest.mark.slow
def test_up_brings_everything_up_and_an_interrupt_brings_everything_down(fresh_home: Settings) -> None:
    asked = "jobs{name} schedules{name} sensors{name sensorState{status}}"
    with nothing_left(fresh_home) as home:
        page = home / "data_docs" / "a run" / "raw.listens.raw_listens_suite.html"
        page.parent.mkdir(parents=True)
        page.write_text("what was observed")
        with running(home) as up:
            data = up.query(f"{{repositoriesOrError{{... on RepositoryConnection{{nodes{{{asked}}}}}}}}}")
            (location,) = data["repositoriesOrError"]["nodes"]
            jobs = {job["name"] for job in location["jobs"]}
            assert {"nightly", "training", "training_and_release", "evaluation", "landing"} <= jobs
            assert len(location["schedules"]) == 4
            assert location["sensors"] == [{"name": "landing_sensor", "sensorState": {"status": "RUNNING"}}]
            assert httpx.get(f"{up.api}/readyz").status_code == 503
            ready = httpx.get(f"{up.api}/metrics")
            assert "\naudotics_api_ready 0.0\n" in ready.text
            assert httpx.get(f"{up.docs}/a%20run/{page.name}").text == "what was observed"
            output, _ = up.stop()
        assert up.ui in output and up.docs in output and str(ready.url) in output
        lines = [orjson.loads(line) for line in (home / "logs" / "api.log").read_bytes().splitlines()]
        assert [line["cause"] for line in lines if line.get("route") == "/readyz"] == ["no_live_release"]
        assert processes_of(home) == {}

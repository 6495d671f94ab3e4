"""The sensor of the landing folder, tick by tick, on an instance of its own; the runs it asks for are made."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import dagster as dg
import pytest
from api_client import running_api
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from loading import query
from redis import Redis

from orchestration.definitions import defs
from orchestration.sensors import landing_sensor
from serving_api.contract import BLOCK_CHANGES, BLOCKS, unpack_blocks
from warehouse.resource import PostgresResource

ROWS = "uts,artist,track\n"


class Ticks:
    """Ticks of the sensor, one after the other."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor = instance, ""

    def tick(self) -> tuple[list[dg.RunRequest], str]:
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, definitions=defs, resources={"warehouse": PostgresResource()}
        )
        done = landing_sensor.evaluate_tick(context)
        self.cursor = str(done.cursor)
        return list(done.run_requests or []), done.skip_message or ""

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return defs.resolve_job_def("landing").execute_in_process(
            run_config=request.run_config, instance=self.instance, raise_on_error=False
        )


@pytest.fixture
def ticks(warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ticks]:
    monkeypatch.setenv("AUDOTICS_WAREHOUSE_URL", warehouse_url)
    monkeypatch.setenv("AUDOTICS_LANDING", str(tmp_path / "landing"))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Ticks(instance)


def write(tmp_path: Path, name: str, number: int) -> Path:
    path = tmp_path / "landing" / "lastfm" / "ada" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{ROWS}{1400000000 + 300 * number},Deep Dish,Roads\n", encoding="utf-8")
    return path


# What files and blocks have to do with; of what came before these, which is nothing, other checks have their say.
CHECKS = ("raw_listens_suite", "landed_files_loaded", "app_changes_read")


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {each.check_name: each.passed for each in evaluations(result)}


def evaluations(result: dg.ExecuteInProcessResult) -> list[AssetCheckEvaluation]:
    return [each for each in result.get_asset_check_evaluations() if each.check_name in CHECKS]


def test_two_of_three_load_the_broken_one_turns_the_check_red_until_it_is_repaired(
    ticks: Ticks, warehouse_url: str, tmp_path: Path
) -> None:
    assert ticks.tick() == ([], "nothing new has landed")
    good = [write(tmp_path, f"{number}.csv", number) for number in range(2)]
    whole = gzip.compress(f"{ROWS}1400009000,Deep Dish,Roads\n".encode())
    broken = good[0].with_name("broken.csv.gz")
    broken.write_bytes(whole[:-9])
    assert ticks.tick() == ([], "3 new files are waited for, until nothing changes")
    (request,), _ = ticks.tick()
    done = ticks.run(request)
    assert done.success, "a bad file fails no run"
    assert checks(done) == {"raw_listens_suite": True, "landed_files_loaded": False, "app_changes_read": True}
    (red,) = [each for each in evaluations(done) if not each.passed]
    assert (red.severity, red.blocking) == (dg.AssetCheckSeverity.ERROR, False)
    assert f"1 file has a fault: {broken} is damaged" in str(red.description)
    assert query(warehouse_url, "select count(*) from raw.listens") == [(2,)]
    for _ in range(2):
        assert ticks.tick() == ([], "nothing new has landed")
    broken.write_bytes(whole)
    assert ticks.tick()[0] == []
    (request,), _ = ticks.tick()
    done = ticks.run(request)
    assert checks(done) == {"raw_listens_suite": True, "landed_files_loaded": True, "app_changes_read": True}
    assert query(warehouse_url, "select count(*) from raw.listens") == [(3,)]
    assert ticks.tick() == ([], "nothing new has landed")


def write_blocks(tmp_path: Path) -> None:
    drop = tmp_path / "landing" / "tabular" / "app"
    drop.mkdir(parents=True)
    mapping = 'kind = "blocks"\nsource = "app"\n[columns]\nuser_id = "user"\nartist_name = "artist"\n'
    (drop / "mapping.toml").write_text(mapping, encoding="utf-8")
    (drop / "blocked.csv").write_text("user,artist\nada,Deep Dish\n", encoding="utf-8")


def test_blocks_that_land_are_in_redis_before_the_next_release(
    ticks: Ticks, client: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDOTICS_REDIS_URL", redis_url)
    write(tmp_path, "listens.csv", 1)
    write_blocks(tmp_path)
    ticks.tick()
    (request,), _ = ticks.tick()
    assert ticks.run(request).success
    packed = client.hget(BLOCKS, "ada")
    assert packed is not None and len(unpack_blocks(cast(bytes, packed)).artist_ids) == 1


def test_what_users_blocked_over_http_is_in_the_warehouse_after_a_load(
    ticks: Ticks, client: Redis, redis_url: str, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDOTICS_REDIS_URL", redis_url)
    write(tmp_path, "listens.csv", 1)
    ticks.tick()
    (request,), _ = ticks.tick()
    assert ticks.run(request).success
    ((track_id,),) = query(warehouse_url, "select min(track_id) from raw.tracks")
    with running_api(redis_url) as api:
        assert api.put(f"/v1/users/came%20just%20now/blocks/track/{track_id}").status_code == 204
    write(tmp_path, "more.csv", 2)
    ticks.tick()
    (request,), _ = ticks.tick()
    told = ticks.run(request)
    assert told.success and checks(told)["app_changes_read"]
    blocked = "select user_id, track_id from raw.blocks inner join raw.users using (user_key)"
    assert query(warehouse_url, f"{blocked} inner join raw.tracks on item_key = track_key") == [
        ("came just now", track_id)
    ]
    assert client.hexists(BLOCKS, "came just now") and not client.exists(BLOCK_CHANGES)


def test_a_redis_that_fails_is_named_holds_up_no_load_and_is_told_by_the_same_run_again(
    ticks: Ticks,
    client: Redis,
    redis_url: str,
    warehouse_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUDOTICS_REDIS_URL", "redis://127.0.0.1:1/0")
    write(tmp_path, "listens.csv", 1)
    write_blocks(tmp_path)
    ticks.tick()
    (request,), _ = ticks.tick()
    failed = ticks.run(request)
    assert [event.step_key for event in failed.get_step_failure_events()] == ["blocks_in_redis"]
    assert checks(failed) == {"raw_listens_suite": True, "landed_files_loaded": True, "app_changes_read": False}
    assert query(warehouse_url, "select count(*) from raw.blocks") == [(1,)]
    monkeypatch.setenv("AUDOTICS_REDIS_URL", redis_url)
    assert ticks.run(request).success
    assert client.hexists(BLOCKS, "ada")


def test_while_a_run_is_under_way_there_is_no_other(ticks: Ticks, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", 0)
    ticks.tick()
    (request,), _ = ticks.tick()
    run = ticks.instance.create_run_for_job(defs.resolve_job_def("landing"), status=dg.DagsterRunStatus.STARTING)
    requests, why = ticks.tick()
    assert (requests, why) == ([], f"run {run.run_id} of landing comes first")
    ticks.instance.report_run_failed(run)
    (again,), _ = ticks.tick()
    assert again.run_key is not None and again.run_key.split()[0] == str(request.run_key).split()[0]

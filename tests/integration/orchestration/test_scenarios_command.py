"""`audotics scenarios` stores what the read API takes, and refuses the rest."""

from pathlib import Path

import pytest
from pipeline_process import Pipeline, error_line
from redis import Redis

from serving_api import contract
from serving_api.rule_fields import Scenario


@pytest.fixture
def platform(warehouse_url: str, redis_url: str, tmp_path: Path) -> Pipeline:
    return Pipeline(warehouse_url, redis_url, tmp_path)


def test_scenarios_are_stored_replaced_listed_and_removed(platform: Pipeline, client: Redis) -> None:
    rules = {"exclude_tag": ["christmas"], "pins": [{"track_id": "t-1", "rank": 3}], "rotate": "day"}
    text = '{"exclude_tag": ["christmas"], "pins": [{"track_id": "t-1", "rank": 3}], "rotate": "day"}'
    stored = platform.json("scenarios", "set", "summer", text)
    assert stored == {"scenario": "summer", "rules": rules, "replaced": False}
    assert Scenario.model_validate_json(client.hget(contract.SCENARIOS, "summer") or b"") == Scenario(**rules)
    assert platform.run("scenarios", "set", "calm", '{"max_per_artist": 2}').stdout == "the scenario calm is stored\n"
    assert platform.json("scenarios", "set", "calm", '{"max_per_artist": 1}')["replaced"]
    assert platform.json("scenarios", "list") == [
        {"scenario": "calm", "rules": {"max_per_artist": 1}},
        {"scenario": "summer", "rules": rules},
    ]
    assert "exclude_tag: ['christmas']" in platform.run("scenarios", "list").stdout
    assert platform.json("scenarios", "remove", "summer") == {"scenario": "summer", "removed": True}
    assert client.hkeys(contract.SCENARIOS) == [b"calm"]


def test_what_cannot_hold_is_not_stored(platform: Pipeline, client: Redis) -> None:
    for text, said in (
        ("{", "what is to be stored: Invalid JSON"),
        ('{"include_tag": ["pop"], "exclude_tag": ["Pop"]}', "exclude_tag: Value error, Pop is in include_tag as well"),
        ('{"colour": "blue"}', "colour: Extra inputs are not permitted"),
    ):
        refused = platform.run("scenarios", "set", "wrong", text)
        assert refused.returncode == 1
        assert said in error_line(refused)
    assert "has 1 to 100 characters" in error_line(platform.run("scenarios", "set", "x" * 101, "{}"))
    assert "no scenario is stored as wrong" in error_line(platform.run("scenarios", "remove", "wrong"))
    assert client.hgetall(contract.SCENARIOS) == {}

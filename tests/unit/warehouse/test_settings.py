"""Settings: their defaults, what they accept, and that each is explained where people look for it."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from serving_api.settings import ServingSettings
from tests.repository import ROOT
from warehouse.errors import AudoticsError
from warehouse.settings import Settings, load_settings

ENV_EXAMPLE = ROOT / ".env.example"
READ_FOR_VARIABLES = (".py", ".sql", ".yml", ".yaml", ".md")
# What the macros of dbt_project/ read from the environment: a person sets them for a dbt command.
DBT_VARIABLES = {"AUDOTICS_AS_OF_DATES", "AUDOTICS_TEST_EVERY_ROW"}
# What one process of Audotics tells another, `audotics env` included: nobody sets these by hand.
INTERNAL_VARIABLES = {
    "AUDOTICS_DAGSTER_STORAGE_URL",  # to Dagster's own processes, which read it in dagster.yaml
    "AUDOTICS_DBT_CODE",  # to dbt: the digests of the models' code
}


def variables_of(settings: type[BaseSettings]) -> set[str]:
    return {f"{settings.model_config['env_prefix']}{field}".upper() for field in settings.model_fields}


def test_env_example_explains_every_setting_and_no_other() -> None:
    lines = ENV_EXAMPLE.read_text("utf-8").split("\n")
    # An entry is explained when a sentence stands right above it.
    explained = {
        entry.group(1)
        for above, line in pairwise(lines)
        if (entry := re.match(r"#?([A-Z_]+)=", line)) and re.match(r"# \w.*\.$", above)
    }
    assert explained == variables_of(Settings) | variables_of(ServingSettings) | DBT_VARIABLES


def test_every_variable_that_is_named_anywhere_is_a_setting_or_internal() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    # What the tests tell each other is their own.
    named_in = [name for name in tracked if not name.startswith("tests/")]
    texts = [ROOT / name for name in named_in if Path(name).suffix in READ_FOR_VARIABLES]
    named = {name for path in texts if path.exists() for name in re.findall(r"AUDOTICS_[A-Z_]*[A-Z]", path.read_text())}
    settings = set(re.findall(r"^#?(AUDOTICS_[A-Z_]+)=", ENV_EXAMPLE.read_text(), flags=re.MULTILINE))
    assert settings.isdisjoint(INTERNAL_VARIABLES)
    assert named - settings == INTERNAL_VARIABLES
    assert named >= DBT_VARIABLES


def test_lake_and_landing_lie_under_the_home_folder_unless_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUDOTICS_HOME", str(tmp_path))
    settings = load_settings()
    assert (settings.lake, settings.landing) == (str(tmp_path / "lake"), str(tmp_path / "landing"))
    monkeypatch.setenv("AUDOTICS_LAKE", "s3://bucket/lake")
    monkeypatch.setenv("AUDOTICS_LANDING", str(tmp_path / "inbox"))
    settings = load_settings()
    assert (settings.lake, settings.landing) == ("s3://bucket/lake", str(tmp_path / "inbox"))
    monkeypatch.setenv("AUDOTICS_LANDING", "s3://bucket/landing")
    assert load_settings().landing == "s3://bucket/landing"


def test_relative_folders_are_taken_from_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AUDOTICS_HOME")
    monkeypatch.setenv("AUDOTICS_LAKE", "frames")
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert (settings.home, settings.lake) == (tmp_path / ".audotics", str(tmp_path / "frames"))


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDOTICS_WAREHOUSE_URL", "")
    monkeypatch.setenv("AUDOTICS_PG_PORT", "")
    settings = load_settings()
    assert (settings.warehouse_url, settings.pg_port) == (None, None)


@pytest.mark.parametrize("port", ["fast", "0", "70000"])
def test_what_is_not_a_port_is_refused_in_one_line_naming_its_variable(
    monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setenv("AUDOTICS_PG_PORT", port)
    with pytest.raises(AudoticsError, match=r"^AUDOTICS_PG_PORT cannot be used: .*\.env\.example") as raised:
        load_settings()
    assert "\n" not in str(raised.value)


def test_passwords_in_urls_stay_out_of_the_repr() -> None:
    settings = Settings(warehouse_url="postgresql://me:hunter2@host/db", redis_url="redis://:hunter2@host/0")
    assert "hunter2" not in repr(settings)

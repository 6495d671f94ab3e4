"""The manifest that Dagster reads, which dbt parses in a process of its own."""

import json
from pathlib import Path

from assets.dbt_project import PROJECT, manifest_path


def test_the_manifest_is_parsed_again_when_a_model_comes_or_goes(tmp_path: Path) -> None:
    for name in ("dbt_project.yml", "profiles.yml"):
        (tmp_path / name).write_bytes((PROJECT / name).read_bytes())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "first.sql").write_text("select 1 as one\n")
    assert "model.audotics.first" in manifest_path(tmp_path).read_text()
    with manifest_path(tmp_path).open() as before:
        (tmp_path / "models" / "second.sql").write_text("select 2 as two\n")
        assert "model.audotics.second" in manifest_path(tmp_path).read_text()
        assert "model.audotics.second" not in json.load(before)["nodes"], "read whole while it is replaced"
    (tmp_path / "models" / "first.sql").unlink()
    assert "model.audotics.first" not in manifest_path(tmp_path).read_text()

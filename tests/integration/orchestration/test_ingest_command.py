"""`audotics ingest PATH…` as people run it: recognised, loaded, reported, with what went wrong at the end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_process import Pipeline, error_line


@pytest.fixture
def made(tmp_path: Path, redis_url: str, new_warehouse: Callable[[], str]) -> Pipeline:
    return Pipeline(new_warehouse(), redis_url, tmp_path / "home")


def played(title: str, at: str) -> dict[str, object]:
    return {
        "ts": at,
        "username": "",
        "ms_played": 60_000,
        "master_metadata_track_name": title,
        "master_metadata_album_artist_name": "Portishead",
        "spotify_track_uri": f"spotify:track:{title}",
        "episode_name": None,
    }


def test_an_export_is_shown_first_then_loaded_once_and_what_is_damaged_in_it_is_named_at_the_end(
    made: Pipeline, tmp_path: Path
) -> None:
    folder = tmp_path / "ada"
    folder.mkdir()
    rows = [played("Roads", "2023-05-01T08:04:00Z"), played("Roads", "2023-05-01T08:04:00Z")]
    episode = played("", "2023-05-02T08:04:00Z") | {"episode_name": "An episode"}
    (folder / "endsong_0.json").write_text(json.dumps([*rows, episode]))
    (folder / "endsong_1.json").write_text(json.dumps(rows)[:-20])
    (folder / "endsong_2.json").write_text(json.dumps([played("Numb", "2023-06-01T08:04:00Z")]))

    dry = made.run("ingest", str(folder), "--dry-run", "--json")
    assert "endsong_1.json" in error_line(dry)
    assert [each["listens"] for each in json.loads(dry.stdout)["files"]] == [2, 1]
    assert made.query("select count(*) from raw.ingest_files") == [(0,)]

    done = made.run("ingest", str(folder), "--json")
    assert done.returncode == 1
    assert "endsong_1.json" in error_line(done)
    first, second = json.loads(done.stdout)["files"]
    counts = ("format", "rows_read", "rows_loaded", "rows_rejected", "rows_duplicate", "rows_left_out", "reasons")
    assert [first[name] for name in counts] == ["spotify", 3, 1, 0, 1, 1, {"podcast": 1}]
    assert second["rows_loaded"] == 1
    assert made.query("select distinct user_id from raw.users") == [("ada",)]
    assert made.query("select left_out from raw.ingest_files order by file_id") == [({"podcast": 1},), ({},)]
    (folder / "endsong_1.json").unlink()
    again = made.json("ingest", str(folder))["files"]
    assert [(each["already_loaded"], each["rows_left_out"]) for each in again] == [(True, 1), (True, 0)]
    # The same bytes are another file when they are said to be another user's as well.
    of_bob = made.json("ingest", str(folder), "--user", "bob", "--shared")["files"]
    assert [each["rows_loaded"] for each in of_bob] == [1, 1]
    assert made.query("select distinct user_id from raw.users order by 1") == [("ada",), ("bob",)]
    assert made.query("select count(*) from raw.ingest_files where told_user = 'bob'") == [(2,)]


MAPPING = 'source = "shop"\n[columns]\nuser_id = "u"\nlistened_at = "t"\ntrack_id = "i"\n[time]\nunit = "s"\n'


def write(folder: Path, name: str, *rows: str) -> Path:
    path = folder / name
    path.write_text("\n".join(["u,t,i", *rows]) + "\n")
    return path


@pytest.fixture
def mapping(tmp_path: Path) -> str:
    path = tmp_path / "plays.toml"
    path.write_text(MAPPING)
    return str(path)


def test_a_file_whose_rows_are_mostly_rejected_ends_with_an_error_though_the_rest_is_loaded(
    made: Pipeline, tmp_path: Path, mapping: str
) -> None:
    plays = write(tmp_path, "plays.csv", "ada,1735700000,x", ",1735700001,x", ",1735700002,x")
    dry = made.run("ingest", "tabular", str(plays), "--mapping", mapping, "--dry-run")
    assert (dry.returncode, made.query("select count(*) from raw.listens")) == (1, [(0,)])
    done = made.run("ingest", str(plays), "--mapping", mapping)
    assert done.returncode == 1
    for run in (dry, done):
        assert "2 of its 3 rows are rejected, 2 of them as empty_user" in error_line(run)
    assert made.query("select count(*) from raw.listens") == [(1,)]


def test_a_path_that_cannot_be_loaded_holds_up_no_other_and_each_file_is_told_of_once(
    made: Pipeline, tmp_path: Path, mapping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "list", "ada,1735700000,x", ",1735700000,x")
    monkeypatch.chdir(tmp_path)
    done = made.run("ingest", "nowhere.csv", "./list", "--format", "maloja")
    assert done.returncode == 1 and "(1) there is no file or folder nowhere.csv" in error_line(done)
    assert done.stdout == ""
    (tmp_path / "list").rename("list.csv")
    done = made.run("ingest", "nowhere.csv", "./list.csv", "--mapping", mapping)
    assert done.returncode == 1 and "there is no file or folder nowhere.csv" in error_line(done)
    assert done.stderr.splitlines()[:-1] == ["reading list.csv: 2 rows", "writing list.csv: 2 rows"]

    (loaded,) = made.json("ingest", "list")["files"]
    told = {"file_id": 1, "file": str(tmp_path / "list.csv"), "rows_read": 2, "rows_loaded": 1, "rows_rejected": 1}
    assert {name: loaded[name] for name in told} == told
    assert loaded["reasons"] == {"empty_user": 1}
    assert loaded["first_listened_at"] == loaded["last_listened_at"] == "2025-01-01T02:53:20+00:00"
    assert "list.csv" in made.run("ingest", "list").stdout
    (rejected,) = made.json("rejects", "list", "--file", "1")["files"]
    assert rejected["rows"] == [
        {"line": 3, "reason": "empty_user", "fields": {"listened_at": "1735700000", "track_id": "x"}}
    ]
    assert "line 3: empty_user" in made.run("rejects", "list", "--file", "1").stdout
    assert "no load with the file_id 2" in error_line(made.run("rejects", "list", "--file", "2"))

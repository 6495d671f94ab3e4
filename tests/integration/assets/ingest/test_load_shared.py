"""The same bytes, told to be another user's: said, not loaded in silence, and loaded where both are meant."""

import json
import shutil
from pathlib import Path

import pytest
from loading import query, tabular, write_csv

from assets.ingest.formats.recognise import recognise
from assets.ingest.load import load_files
from assets.ingest.records import LoadReport
from warehouse.errors import AudoticsError

SCROBBLES = "uts,artist,track\n1400000000,Deep Dish,Roads\n"
USERS = "select user_id from raw.users inner join raw.listens using (user_key) order by 1"
PLAY = {
    "ts": "2023-05-01T08:04:00Z", "ms_played": 60_000, "master_metadata_track_name": "Roads",
    "master_metadata_album_artist_name": "Portishead",
}  # fmt: skip


def load(url: str, path: Path, user: str | None = None, shared: bool = False) -> LoadReport:
    found = recognise(str(path), user=user)
    (report,) = load_files(url, found.source, [found.listing], shared=shared)
    return report


def write(tmp_path: Path, user: str, name: str, content: str) -> Path:
    """The folder of a user, with a file in it."""
    (tmp_path / user).mkdir()
    (tmp_path / user / name).write_text(content, encoding="utf-8")
    return tmp_path / user


def test_a_file_of_another_user_is_refused_with_what_to_do_and_loaded_where_both_are_meant(
    warehouse_url: str, tmp_path: Path
) -> None:
    folder = write(tmp_path, "Anna", "scrobbles.csv", SCROBBLES)
    load(warehouse_url, folder / "scrobbles.csv", user="anna")
    refused = (
        r"was loaded as those of anna \(file_id 1\): loaded as those of Anna as well, its listens would be there twice;"
        r" if both .* `audotics ingest --user Anna --shared`, else undo that load first with `audotics ingest forget 1`"
    )
    with pytest.raises(AudoticsError, match=refused):
        load(warehouse_url, folder)
    assert query(warehouse_url, USERS) == [("anna",)]
    assert load(warehouse_url, folder, shared=True).rows_loaded == 1
    assert load(warehouse_url, folder).already_loaded
    assert query(warehouse_url, USERS) == [("Anna",), ("anna",)]


def test_rows_that_name_nobody_are_of_one_folder_only(warehouse_url: str, tmp_path: Path) -> None:
    first = write(tmp_path, "ada", "endsong_0.json", json.dumps([PLAY]))
    second = write(tmp_path, "bob", "endsong_0.json", json.dumps([PLAY]))
    assert load(warehouse_url, first).rows_loaded == 1
    assert load(warehouse_url, first / "endsong_0.json", user="ada").already_loaded, "all of it is hers"
    for shared in (False, True):
        with pytest.raises(AudoticsError, match=r"those of ada .*those of bob .*--user bob --shared"):
            load(warehouse_url, second, shared=shared)
    assert load(warehouse_url, second / "endsong_0.json", user="bob", shared=True).rows_loaded == 1
    assert load(warehouse_url, second).already_loaded


def test_whom_rows_name_does_not_depend_on_the_folder(warehouse_url: str, tmp_path: Path) -> None:
    first = write(tmp_path, "ada", "endsong_0.json", json.dumps([PLAY | {"username": "cleo"}]))
    load(warehouse_url, first)
    second = shutil.copytree(first, tmp_path / "bob")
    assert load(warehouse_url, second).already_loaded
    with pytest.raises(AudoticsError, match=r"those of ada .*those of dan"):
        load(warehouse_url, second, user="dan")


def test_files_without_rows_are_everybodys(warehouse_url: str, tmp_path: Path) -> None:
    users = tabular(columns={"listened_at": "t", "track_id": "id"}, user_pattern="user=([^/]+)/")
    files = []
    for user in ("ada", "bob"):
        (tmp_path / f"user={user}").mkdir()
        files.append(write_csv(tmp_path / f"user={user}"))
    assert [report.already_loaded for report in load_files(warehouse_url, users, files)] == [False, False]
    (tmp_path / "rows").mkdir()
    for user in ("ada", "bob"):
        (tmp_path / "rows" / f"user={user}").mkdir()
        files.append(write_csv(tmp_path / "rows" / f"user={user}", "x,1400000000,y"))
    with pytest.raises(AudoticsError, match=r"those of ada .*`audotics ingest --mapping … --shared`"):
        load_files(warehouse_url, users, files)
    # In another format an empty file is another file as well.
    assert not load_files(warehouse_url, tabular(source="club"), files[:1])[0].already_loaded

"""Undoing a load: what goes, what stays, and what the command says."""

import threading
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from loading import load, natural_state, query, state_of, tabular, until_somebody_waits, write_csv
from pipeline_process import Pipeline

from assets import blocks
from assets.ingest.merge_sql import LOCK
from assets.ingest.undo import UndoneLoad, undo_load
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.roles import Role

NAMED = tabular(columns={"user_id": "u", "listened_at": "t", "track_id": "id", "title": "title", "artist_name": "by"})


def undo(url: str, file_id: int) -> UndoneLoad:
    with create_engine(url, Role.LOADER).begin() as connection:
        return undo_load(connection, file_id)


def write_named(folder: Path, *rows: str, name: str) -> Path:
    return write_csv(folder, *rows, name=name, header="u,t,id,title,by")


def listens(url: str) -> list[tuple[Any, ...]]:
    return query(url, "SELECT user_key, track_key, listened_at FROM raw.listens ORDER BY 1, 2, 3")


def test_what_only_the_undone_file_said_goes_and_nothing_else(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, NAMED, write_named(tmp_path, "ada,1400000000,x,Roads,Portishead", ",1,x,,", name="a.csv"))
    before = natural_state(warehouse_url)
    other = write_named(tmp_path, "ada,1400000001,x,ROADS,Deep Dish", "bob,1400000002,y,Y,B", ",1,y,,", name="b.csv")
    load(warehouse_url, NAMED, other)
    assert undo(warehouse_url, 2) == UndoneLoad(
        *(2, str(other), NAMED.format), listens=2, listens_kept=0, rejected=1, blocks=0, users=1, artists=2, tracks=1
    )
    assert natural_state(warehouse_url) == before


def test_what_other_files_say_as_well_is_told_by_the_first_of_them(warehouse_url: str, tmp_path: Path) -> None:
    for name, (title, artist) in {"a": ("Wrong", "Nobody"), "b": ("Roads", "Portishead"), "c": ("ROADS", "P")}.items():
        load(warehouse_url, NAMED, write_named(tmp_path, f"ada,1400000000,x,{title},{artist}", name=f"{name}.csv"))
    told = (
        "SELECT title, name, tracks.file_id, listens.file_id FROM raw.listens INNER JOIN raw.tracks USING (track_key)"
        " INNER JOIN raw.artists USING (artist_key)"
    )
    assert query(warehouse_url, told) == [("Wrong", "Nobody", 1, 1)]
    assert undo(warehouse_url, 1).listens_kept == 1
    assert query(warehouse_url, told) == [("Roads", "Portishead", 2, 2)]
    counts = "SELECT file_id, rows_loaded, rows_duplicate FROM raw.ingest_files ORDER BY 1"
    assert query(warehouse_url, counts) == [(2, 1, 0), (3, 0, 1)]
    assert query(warehouse_url, "SELECT name FROM raw.artists ORDER BY name") == [("P",), ("Portishead",)]


def test_the_days_of_an_undone_load_and_of_tracks_that_change_their_artist_are_rebuilt(
    warehouse_url: str, tmp_path: Path
) -> None:
    load(warehouse_url, NAMED, write_named(tmp_path, "ada,1400000000,x,Roads,Nobody", name="a.csv"))
    rows = ("ada,1400090000,x,Roads,Portishead", "ada,1400180000,y,Y,B")
    load(warehouse_url, NAMED, write_named(tmp_path, *rows, name="b.csv"))
    days = "SELECT listened_on::text FROM raw.listen_days WHERE version > 2 ORDER BY 1"
    assert query(warehouse_url, days) == []
    undo(warehouse_url, 1)
    assert query(warehouse_url, days) == [("2014-05-13",), ("2014-05-14",)]


def test_a_file_can_be_loaded_again_after_its_load_was_undone(warehouse_url: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path, "ada,1400000000,x", ",1,x")
    load(warehouse_url, tabular(), path)
    before = natural_state(warehouse_url)
    undo(warehouse_url, 1)
    assert not load(warehouse_url, tabular(), path).already_loaded
    assert natural_state(warehouse_url) == before


def test_no_key_is_ever_given_twice(warehouse_url: str, tmp_path: Path) -> None:
    paths = [
        write_named(tmp_path, f"u{number},140000000{number},{number},t,artist {number}", name=f"{number}.csv")
        for number in range(4)
    ]
    keys = (
        "SELECT ingest_files.file_id, user_key, artists.artist_key, track_key FROM raw.ingest_files"
        " INNER JOIN raw.users USING (file_id) INNER JOIN raw.artists USING (file_id)"
        " INNER JOIN raw.tracks USING (file_id) ORDER BY 1"
    )
    for path in paths[:2]:
        load(warehouse_url, NAMED, path)
    undo(warehouse_url, 2)
    load(warehouse_url, NAMED, paths[2])
    assert query(warehouse_url, keys) == [(1, 0, 0, 0), (3, 2, 2, 2)]
    undo(warehouse_url, 1)
    undo(warehouse_url, 3)
    load(warehouse_url, NAMED, paths[3])
    assert query(warehouse_url, keys) == [(4, 3, 3, 3)]


def test_a_block_holds_when_a_file_names_user_and_item_again(warehouse_url: str, tmp_path: Path) -> None:
    rows = ("ada,1400000000,x,Wrong,Nobody", "bob,1400000000,y,Y,B")
    load(warehouse_url, NAMED, write_named(tmp_path, *rows, name="a.csv"))
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        blocks.block(connection, "ada", blocks.ItemKind.TRACK, "x")
        blocks.block(connection, "ada", blocks.ItemKind.ARTIST, read_artist_id(warehouse_url, "Nobody"))
    blocked = query(warehouse_url, "SELECT user_key, item_kind, item_key FROM raw.blocks ORDER BY 2")
    undo(warehouse_url, 1)
    assert query(warehouse_url, "SELECT user_id, file_id FROM raw.users") == [("ada", None)]
    assert query(warehouse_url, "SELECT track_id, title, artist_key FROM raw.tracks") == [("x", None, None)]
    assert query(warehouse_url, "SELECT name FROM raw.artists") == [(None,)]
    load(warehouse_url, NAMED, write_named(tmp_path, "ada,1400000000,x,Right,Nobody", name="b.csv"))
    assert query(warehouse_url, "SELECT user_key, item_kind, item_key FROM raw.blocks ORDER BY 2") == blocked
    told = "SELECT user_id, title, name, tracks.file_id FROM raw.users CROSS JOIN raw.tracks CROSS JOIN raw.artists"
    assert query(warehouse_url, told) == [("ada", "Right", "Nobody", 2)]
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        assert ("x", "Right") in [(each.item_id, each.name) for each in blocks.read_blocks(connection, "ada")]


def read_artist_id(url: str, name: str) -> str:
    ((artist_id,),) = query(url, f"SELECT artist_id FROM raw.artists WHERE name = '{name}'")
    return str(artist_id)


def test_an_unknown_id_is_refused_and_changes_nothing(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x"))
    before = state_of(warehouse_url)
    with pytest.raises(AudoticsError, match="no load with the file_id 2"):
        undo(warehouse_url, 2)
    assert state_of(warehouse_url) == before


def test_it_waits_for_a_load_that_is_merging(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x"))
    merging = psycopg2.connect(warehouse_url)
    try:
        with merging.cursor() as cursor:
            cursor.execute(f"select pg_advisory_xact_lock({LOCK.key})")
            thread = threading.Thread(target=undo, args=(warehouse_url, 1))
            thread.start()
            until_somebody_waits(warehouse_url, done=lambda: not thread.is_alive())
            assert len(listens(warehouse_url)) == 1
            merging.rollback()
        thread.join()
    finally:
        merging.close()
    assert listens(warehouse_url) == []


def test_the_command_says_what_went_and_what_stayed(warehouse_url: str, redis_url: str, tmp_path: Path) -> None:
    made = Pipeline(warehouse_url, redis_url, tmp_path / "home")
    for name in ("[a]", "b"):
        rows = ("ada,1400000000,x", f"{name},1,x", f"{name},1400000000,{name}")
        load(warehouse_url, tabular(), write_csv(tmp_path, *rows, name=f"{name}.csv"))
    done = made.run("ingest", "forget", "1")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert f"undid the load of {tmp_path}/[a].csv (file_id 1)" in said
    assert "1 listen, 1 rejected row 1 user, 0 artists, 1 track that no other file names" in said
    assert "not gone: 1 listen that other files have as well" in said
    assert made.json("ingest", "forget", "2") == {
        "file_id": 2,
        "path": str(tmp_path / "b.csv"),
        "format": tabular().format,
        "listens": 2,
        "listens_kept": 0,
        "rejected": 1,
        "blocks": 0,
        "users": 2,
        "artists": 0,
        "tracks": 2,
    }

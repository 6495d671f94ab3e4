"""Artists of tracks in order: who is credited, by the first load that lists several, until it is undone."""

import json
from pathlib import Path
from typing import Any

from loading import load, natural_state, query, tabular, write_csv

from assets.ingest.undo import undo_load
from warehouse.engine import create_engine
from warehouse.roles import Role

_LISTS = {"artist_name": "artists.*.name", "artist_id": "artists.*.id", "join_phrase": "artists.*.join"}
LISTED = tabular(credits=_LISTS, format="jsonl")
SPLIT = tabular(credits={"artist_name": {"column": "by", "split": [" & ", ";"]}})
CREDITS = (
    "SELECT track_id, position, name, join_phrase FROM raw.track_artists INNER JOIN raw.tracks USING (track_key)"
    " INNER JOIN raw.artists ON artists.artist_key = track_artists.artist_key ORDER BY track_artists.file_id, 1, 2"
)


def _rows(folder: Path, name: str, *rows: tuple[str, str, list[dict[str, Any]]]) -> Path:
    path = folder / name
    texts = [
        json.dumps({"u": user, "t": 1400000000 + place, "id": track, "artists": artists})
        for place, (user, track, artists) in enumerate(rows)
    ]
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def _artist(number: int, join: str | None = None) -> dict[str, Any]:
    return {"id": f"a{number}", "name": f"Artist {number}", "join": join}


def test_credits_are_kept_in_order_and_the_first_is_the_artist_of_the_track(warehouse_url: str, tmp_path: Path) -> None:
    empty = natural_state(warehouse_url)
    path = _rows(
        tmp_path,
        "a.jsonl",
        ("ada", "x", [_artist(1, " feat. "), _artist(2), _artist(1)]),
        ("ada", "y", [_artist(2)]),
        ("ada", "z", []),
        # Of a track, the first row with several counts.
        ("bob", "x", [_artist(3), _artist(4)]),
        ("bob", "w", [_artist(5), {"join": "?"}, _artist(6)]),
    )
    report = load(warehouse_url, LISTED, path)
    assert (report.rows_loaded, report.nulled) == (5, {"credits": 1})
    assert query(warehouse_url, CREDITS) == [
        ("w", 1, "Artist 5", None),
        ("w", 2, "Artist 6", None),
        ("x", 1, "Artist 1", " feat. "),
        ("x", 2, "Artist 2", None),
    ]
    artists = "SELECT track_id, artist_id FROM raw.tracks LEFT JOIN raw.artists USING (artist_key) ORDER BY 1"
    assert query(warehouse_url, artists) == [("w", "a5"), ("x", "a1"), ("y", "a2"), ("z", None)]
    assert load(warehouse_url, LISTED, path).already_loaded
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        assert undo_load(connection, 1).artists == 5
    assert natural_state(warehouse_url) == empty


def test_each_load_keeps_what_it_says_first_and_artists_of_a_text_are_told_apart(
    warehouse_url: str, tmp_path: Path
) -> None:
    rows = ("ada,1400000000,x,A & B; C", "ada,1400000001,x,A & D", "ada,1400000002,y,A", "ada,1400000003,z,")
    load(warehouse_url, SPLIT, write_csv(tmp_path, *rows, header="u,t,id,by"))
    before = natural_state(warehouse_url)
    load(warehouse_url, LISTED, _rows(tmp_path, "b.jsonl", ("ada", "x", [_artist(1), _artist(2)])))
    said = [(track, place, name) for track, place, name, _ in query(warehouse_url, CREDITS)]
    assert said == [("x", 1, "A"), ("x", 2, "B"), ("x", 3, "C"), ("x", 1, "Artist 1"), ("x", 2, "Artist 2")]
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        undo_load(connection, 2)
    assert natural_state(warehouse_url) == before

"""Catalogues, tags and profiles: what is loaded of them, what is rejected, and how it is undone."""

from pathlib import Path

import pytest
from loading import load, natural_state, query, tabular, write_csv

from assets.ingest.mapping import Mapping
from assets.ingest.tabular import Tabular
from assets.ingest.undo import undo_load
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.roles import Role


def _of(kind: str, columns: dict[str, object]) -> Tabular:
    return Tabular(Mapping.model_validate({"kind": kind, "source": "shop", "columns": columns}), "shop.toml")


CATALOGUE = _of(
    "catalogue",
    {"track_id": "id", "title": "title", "artist_name": "by", "isrc": "isrc", "duration_ms": "ms"},
)
ARTISTS = _of("catalogue", {"artist_id": "id", "artist_name": "name"})
_LOOKUP = {"file": "names.csv", "key": "n", "value": "name", "encoding": "cp1252"}
TAGS = _of("tags", {"user_id": "u", "artist_id": "a", "tag": {"column": "n", "lookup": _LOOKUP}})
TRACK_TAGS = _of("tags", {"track_id": "id", "tag": "tag", "weight": "w"})


def _undo(url: str, file_id: int) -> None:
    with create_engine(url, Role.LOADER).begin() as connection:
        undo_load(connection, file_id)


def test_a_catalogue_describes_what_was_heard_and_what_nobody_heard(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x", "ada,1400090000,y"))
    before = natural_state(warehouse_url)
    rows = ("x,Roads,Portishead,GB-AAA-94-00001,304000", "x,Other,B,,1", "z,Glory Box,Portishead,bad,0", ",,,,")
    path = write_csv(tmp_path, *rows, name="c.csv", header="id,title,by,isrc,ms")
    report = load(warehouse_url, CATALOGUE, path)
    assert (report.rows_loaded, report.rows_duplicate, report.rejected_by_reason) == (2, 1, {"empty_track": 1})
    assert report.nulled == {"isrc": 1, "duration_ms": 1}
    told = "SELECT track_id, title, name, isrc, duration_ms FROM raw.tracks LEFT JOIN raw.artists USING (artist_key)"
    assert query(warehouse_url, f"{told} ORDER BY track_key") == [
        ("x", "Roads", "Portishead", "GBAAA9400001", 304000),
        ("y", None, None, None, None),
        ("z", "Glory Box", "Portishead", None, None),
    ]
    # The models have to build the day of x again, which is another artist's now.
    assert query(warehouse_url, "SELECT listened_on::text FROM raw.listen_days WHERE version > 1") == [("2014-05-13",)]
    assert load(warehouse_url, CATALOGUE, path).already_loaded
    _undo(warehouse_url, 2)
    assert natural_state(warehouse_url) == before


def test_tags_are_looked_up_in_their_encoding_and_those_of_unknown_artists_rejected(
    warehouse_url: str, tmp_path: Path
) -> None:
    load(warehouse_url, ARTISTS, write_csv(tmp_path, "1,Air", "2,Björk", name="a.csv", header="id,name"))
    before = natural_state(warehouse_url)
    (tmp_path / "names.csv").write_bytes("n,name\n1,trip-hop\n2,Français\n".encode("cp1252"))
    rows = ("ada,1,2", "bob,1,2", "bob,1,2", "ada,2,1", "ada,3,1", "ada,1,9")
    path = write_csv(tmp_path, *rows, name="t.csv", header="u,a,n")
    report = load(warehouse_url, TAGS, path)
    assert (report.rows_loaded, report.rows_duplicate) == (3, 1)
    assert report.rejected_by_reason == {"unknown_artist": 1, "empty_tag": 1}
    tags = (
        "SELECT artist_id, tag, weight, users FROM raw.artist_tags INNER JOIN raw.artists USING (artist_key) ORDER BY 1"
    )
    assert query(warehouse_url, tags) == [("1", "Français", 2.0, 2), ("2", "trip-hop", 1.0, 1)]
    rejected = "SELECT line, reason, fields->>'artist_id', fields->>'tag' FROM raw.rejected_listens ORDER BY line"
    assert query(warehouse_url, rejected) == [(6, "unknown_artist", "3", "trip-hop"), (7, "empty_tag", "1", None)]
    again = load(warehouse_url, TAGS, path)
    assert (again.already_loaded, again.rejected_by_reason) == (True, report.rejected_by_reason)
    _undo(warehouse_url, 2)
    assert natural_state(warehouse_url) == before


def test_tags_of_tracks_add_up_their_weights_and_go_with_the_track(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x"))
    path = write_csv(tmp_path, "x,calm,0.5", "x,Calm,", "x,calm,9", name="t.csv", header="id,tag,w")
    report = load(warehouse_url, TRACK_TAGS, path)
    assert (report.rows_loaded, report.rows_duplicate) == (2, 1)
    assert query(warehouse_url, "SELECT tag, weight, users FROM raw.track_tags ORDER BY 2") == [
        ("calm", 0.5, None),
        ("Calm", None, None),
    ]
    _undo(warehouse_url, 1)
    assert query(warehouse_url, "SELECT * FROM raw.track_tags") == []


def test_a_file_of_names_that_is_not_there_is_said(warehouse_url: str, tmp_path: Path) -> None:
    with pytest.raises(AudoticsError, match=r"t\.csv has no names\.csv beside it"):
        load(warehouse_url, TAGS, write_csv(tmp_path, "ada,1,2", name="t.csv", header="u,a,n"))


def test_profiles_describe_users_whom_a_file_names_before_or_after(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x"))
    before = natural_state(warehouse_url)
    columns = {"user_id": "u", "gender": "g", "age": "a", "country": "c", "registered_on": "r"}
    rows = ("ada,f,31,Peru,2006-08-13", "bob,,-1,Chile,soon", "ada,m,1,X,", ",f,1,X,", 'cyd,,22.0,,"Aug 13, 2006"')
    path = write_csv(tmp_path, *rows, name="p.csv", header="u,g,a,c,r")
    report = load(warehouse_url, _of("profiles", columns), path)
    assert (report.rows_loaded, report.rows_duplicate, report.rejected_by_reason) == (3, 1, {"empty_user": 1})
    assert report.nulled == {"age": 1, "registered_on": 1}
    load(warehouse_url, tabular(), write_csv(tmp_path, "cyd,1400000000,x", name="b.csv"))
    told = "SELECT user_id, gender, age, country, registered_on::text FROM raw.users ORDER BY 1"
    assert query(warehouse_url, told) == [("ada", "f", 31, "Peru", "2006-08-13"), ("cyd", None, 22, None, "2006-08-13")]
    for file_id in (3, 2):
        _undo(warehouse_url, file_id)
    assert natural_state(warehouse_url) == before

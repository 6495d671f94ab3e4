"""Mappings that are suggested: what columns seem to be, and what is left to people."""

import json
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.ingest.mapping import Mapping, read_mapping
from assets.ingest.preview import preview_files
from assets.ingest.records import FIELDS_OF
from assets.ingest.suggest import suggest
from assets.ingest.synonyms import SYNONYMS, candidates
from assets.ingest.tabular import Tabular
from tests.input_files import input_file
from warehouse.errors import AudoticsError

MBIDS = [f"{digit * 8}-bd35-4e99-8624-24a6e15f133a" for digit in "abc"]


def suggested(path: Path, **options: str) -> Mapping:
    """The mapping suggested for a file, which can be used as it is and reads every row of the file."""
    suggestion = suggest(input_file(path), **options)
    assert suggestion.missing is None, suggestion
    written = path.with_name("suggested.toml")
    written.write_text(suggestion.text, encoding="utf-8")
    mapping, refused = read_mapping(written), list[AudoticsError]()
    (preview,) = preview_files(Tabular(mapping), [path], refused)
    assert not refused
    assert preview.listens == preview.rows_read > 0, preview
    return mapping


def columns(mapping: Mapping) -> dict[str, str]:
    return {field: pick.columns[0] for field, pick in mapping.columns.items()}


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding)
    return path


def test_a_table_in_another_encoding_with_another_delimiter_below_a_title(tmp_path: Path) -> None:
    text = "My plays\n\nUser;Artist;Track;Played At\nada;Die Ärzte;Männer sind Schweine;11.06.2018 08:29\n"
    mapping = suggested(write(tmp_path / "My Plays.csv", text, "cp1252"))
    assert (mapping.source, mapping.encoding, mapping.delimiter, mapping.skip_lines) == ("my-plays", "cp1252", ";", 2)
    assert columns(mapping) == {
        "listened_at": "Played At",
        "artist_name": "Artist",
        "title": "Track",
        "user_id": "User",
    }
    assert mapping.time.unit == ("%d.%m.%Y %H:%M",)


def test_ids_plays_and_skips_are_taken_where_their_values_fit(tmp_path: Path) -> None:
    rows = [
        f'ada,{1700000000 + n},{MBIDS[n]},"T, {n}",A,{200 + n},{n % 2},{n},{300000 + n},GBAYE0601498' for n in range(3)
    ]
    text = "\n".join(["user,uts,mbid,title,artist,play_duration,skipped,id,duration,isrc", *rows])
    mapping = suggested(write(tmp_path / "plays.csv", text))
    assert (mapping.played_unit, mapping.duration_unit, mapping.time.unit) == ("s", "ms", ("s",))
    found = columns(mapping)
    assert (found["recording_mbid"], found["skipped"], found["ms_played"]) == ("mbid", "skipped", "play_duration")
    assert (found["duration_ms"], found["isrc"]) == ("duration", "isrc")
    # It numbers the rows.
    assert "track_id" not in found
    no_mbids = suggested(write(tmp_path / "other.csv", text.replace(MBIDS[0], "x").replace(MBIDS[1], "y")))
    assert "recording_mbid" not in columns(no_mbids)


def test_rows_within_a_document_and_names_within_objects_are_found(tmp_path: Path) -> None:
    rows = [
        {"song": {"name": "Roads", "artist": {"name": "Portishead"}}, "endTime": 1700000000000 + n, "msPlayed": 60_000}
        for n in range(3)
    ]
    mapping = suggested(write(tmp_path / "x.json", json.dumps({"data": {"items": rows}})), source="shop", user="ada")
    assert (mapping.rows, mapping.source, mapping.constants) == ("data.items", "shop", {"user_id": "ada"})
    assert columns(mapping) == {
        "listened_at": "endTime",
        "artist_name": "song.artist.name",
        "title": "song.name",
        "ms_played": "msPlayed",
    }
    assert (mapping.time.unit, mapping.time.event) == (("ms",), "end")
    text = "\n".join(json.dumps(row | {"user": "ada"}) for row in rows)
    assert suggested(write(tmp_path / "x.log", text)).format == "jsonl"


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    at = pa.array([1_700_000_000_000_000], pa.timestamp("us", "UTC"))
    table = pa.table({"user_name": ["ada"], "played_at": at, "track_id": ["x"]})
    pq.write_table(table, tmp_path / "x.parquet")
    found = columns(suggested(tmp_path / "x.parquet"))
    assert found == {"listened_at": "played_at", "track_id": "track_id", "user_id": "user_name"}


def test_several_spellings_of_times_are_a_list_and_what_could_be_otherwise_is_said(tmp_path: Path) -> None:
    text = "user,artist,band,title,date\nada,A,A,T,03/04/2024 12:00\nada,A,A,T,03/04/2024\nada,A,A,T,03/05/2024 12:00\n"
    path = write(tmp_path / "x.csv", text)
    assert suggested(path).time.unit == ("%d/%m/%Y %H:%M", "%d/%m/%Y")
    said = suggest(input_file(path)).text
    assert 'artist_name: it could also be "band"' in said
    assert 'whether the day or the month comes first: "%d/%m/%Y %H:%M" could also be "%m/%d/%Y %H:%M"' in said
    assert "# zone = " in said


def test_of_several_spellings_each_one_that_could_be_otherwise_is_said(tmp_path: Path) -> None:
    text = "user,band,title,date\nada,A,T,2024-03-04T12:00:00Z\nada,A,T,01/02/2024 11:00\nada,A,T,01/03/2024 11:00\n"
    said = suggest(input_file(write(tmp_path / "x.csv", text))).text
    assert '"%d/%m/%Y %H:%M" could also be "%m/%d/%Y %H:%M"' in said


def test_a_line_too_long_for_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudoticsError, match=r"cannot understand .*x\.csv"):
        suggest(input_file(write(tmp_path / "x.csv", "x" * 3_000_000)))


@pytest.mark.parametrize(
    ("text", "missing", "said"),
    [
        ("A,B,T,14 Jul 2014 23:08\nA,B,T,15 Jul 2014 23:08\n", "user_id", 'header = ["column1", "column2", '),
        ("user,artist,title,when\nada,A,T,noon\n", "listened_at", '# listened_at = "?"'),
        ("user,date,genre\nada,1700000000,pop\n", "title", '# title = "?"'),
        ("a\0b,c\n1,2\n", "listened_at", "# not used: "),
    ],
)
def test_what_is_not_found_is_left_to_fill_in(tmp_path: Path, text: str, missing: str, said: str) -> None:
    suggestion = suggest(input_file(write(tmp_path / "x.csv", text)))
    assert suggestion.missing is not None and missing in suggestion.missing
    assert said in suggestion.text
    tomllib.loads(suggestion.text)


@pytest.mark.parametrize(("name", "content"), [("x.csv", b""), ("x.xlsx", b"PK\3\4"), ("x.parquet", b"PAR1")])
def test_what_has_no_rows_or_is_damaged_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudoticsError, match=name):
        suggest(input_file(tmp_path / name))


def test_an_object_within_another_does_not_give_its_id_to_the_row() -> None:
    paths = ["album.id", "track.id", "id", "Track-ID"]
    assert candidates("track_id", paths) == ["Track-ID", "track.id", "id"]


def test_there_are_words_for_every_field_of_a_listen() -> None:
    assert set(SYNONYMS) == set(FIELDS_OF["listens"])
